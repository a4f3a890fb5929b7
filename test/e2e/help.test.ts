import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { verbCommand } from "../../src/cli/help.js";
import { parseNeighbours } from "../../src/cli/neighbour.js";
import { TOPICS } from "../../src/cli/topics.js";
import { VERBS } from "../../src/cli/verbs.js";
import { SCHEMAS } from "./json-schema.js";
import { addresses, command, jsonOf, SilentBoard, spinn, start, temporaryFolder } from "./spinn.js";

const at = addresses(2);

it("--help lists every verb; --version names the version; no words show the help", async () => {
  const help = await spinn(["--help"]);
  expect(help).toMatchObject({ status: 0, stderr: "" });
  for (const [name, { purpose }] of Object.entries(VERBS))
    expect(help.stdout).toMatch(new RegExp(`^  ${name} +${purpose.slice(0, 12)}`, "m"));
  expect((await spinn([])).stdout).toBe(help.stdout);
  expect((await spinn(["--version"])).stdout).toMatch(/^spinn \d+\.\d+\.\d+\n$/);
});

it("each verb's help: purpose, arguments, two examples, exit statuses", async () => {
  const names = Object.keys(VERBS);
  const runs = [];
  for (const name of names) runs.push(await command([name, "--help"]));
  for (const [i, run] of runs.entries()) {
    expect(run).toMatchObject({ status: 0, stderr: "" });
    expect(run.stdout).toContain(VERBS[names[i]!]!.purpose);
    expect(run.stdout.match(new RegExp(`^  spinn ${names[i]}\\b`, "gm"))!.length).toBeGreaterThanOrEqual(2);
    expect(run.stdout).toMatch(/Exit status:\n {4}0 {2}done/);
  }
});

it("help of a verb and of a topic; an unknown one names the nearest", async () => {
  expect((await spinn(["help", "read"])).stdout).toBe((await spinn(["read", "--help"])).stdout);
  expect((await spinn(["help", "status"])).stdout).toMatch(/130 {2}interrupted/);
  const wrong = await spinn(["help", "adresses"]);
  expect(wrong.status).toBe(2);
  expect(wrong.stderr).toMatch(/did you mean addresses/);
});

it("the bash completion is a script that offers verbs, actions and options", async () => {
  await using folder = await temporaryFolder();
  const { stdout } = await spinn(["completion", "bash"]);
  await writeFile(folder.file("spinn.bash"), stdout);
  const ask = async (...words: string[]): Promise<string[]> => {
    const list = words.map((word) => `'${word}'`).join(" ");
    const script = `source ${folder.file("spinn.bash")}; COMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _spinn; echo "\${COMPREPLY[@]}"`;
    return (await promisify(execFile)("bash", ["-c", script])).stdout.trim().split(" ");
  };
  expect(await ask("spinn", "re")).toEqual(["replay", "registers", "read", "restore", "reset", "resume"]);
  expect(await ask("spinn", "power", "o")).toEqual(expect.arrayContaining(["on", "off"]));
  expect(await ask("spinn", "read", "--ou")).toEqual(["--output"]);
});

it("fish and zsh take their completions", async (context) => {
  const has = async (shell: string): Promise<boolean> =>
    (await promisify(execFile)(shell, ["--version"]).catch(() => undefined)) !== undefined;
  const [fish, zsh] = [await has("fish"), await has("zsh")];
  if (!fish && !zsh) context.skip();
  await using folder = await temporaryFolder();
  // A shell makes its folders where it is told that its home is.
  const env = { ...process.env, HOME: folder.path, XDG_CONFIG_HOME: folder.path, XDG_DATA_HOME: folder.path, XDG_CACHE_HOME: folder.path };
  if (fish) {
    await writeFile(folder.file("spinn.fish"), (await command(["completion", "fish"])).stdout);
    const ask = async (line: string): Promise<string[]> => {
      const { stdout } = await promisify(execFile)(
        "fish",
        ["--no-config", "-c", `source ${folder.file("spinn.fish")}; complete -C '${line}'`],
        { env },
      );
      return stdout.split("\n").map((found) => found.split("\t")[0]!);
    };
    expect(await ask("spinn regi")).toContain("registers");
    expect(await ask("spinn power ")).toEqual(expect.arrayContaining(["on", "off", "0-23"]));
    expect(await ask("spinn read --ou")).toContain("--output");
  }
  if (zsh) {
    await writeFile(folder.file("_spinn"), (await command(["completion", "zsh"])).stdout);
    const script = `autoload -U compinit; compinit -u -d ${folder.file("dump")}; source ${folder.file("_spinn")}; whence -w _spinn; echo $_comps[spinn]`;
    expect((await promisify(execFile)("zsh", ["-f", "-c", script], { env })).stdout).toBe("_spinn: function\n_spinn\n");
  }
});

it("the slots of a frame are offered, without a network", async () => {
  const { stdout } = await command(["completion", "bash"]);
  for (const verb of ["power", "reset", "sensors", "bmp"])
    expect(stdout).toMatch(new RegExp(`^ {4}${verb}\\) words="[^"]*0-23 0 1 .* 23 --`, "m"));
});

it("every example of every verb is understood", async () => {
  for (const [name, entry] of Object.entries(VERBS)) {
    const { verb } = await entry.load();
    for (const example of verb.examples) {
      const line = example.split(/ [#>|] /, 1)[0]!;
      // A shell takes what is in quotes for one word.
      const [first, ...words] = line.replaceAll(/"[^"]*"/g, "quoted").split(/\s+/);
      expect(first, example).toBe(name);
      expect(() => verbCommand(name, entry.purpose, verb).parse(words, { from: "user" }), example).not.toThrow();
    }
  }
});

it("every topic is explained", async () => {
  for (const [topic, text] of Object.entries(TOPICS)) expect((await command(["help", topic])).stdout).toBe(text);
});

it("doctor hears that a silent board is not booted", async () => {
  await using _silent = await SilentBoard.listen(at(31));
  const socket = createSocket("udp4");
  socket.bind(0, at(31));
  await once(socket, "listening");
  const hello = Buffer.from("000100000041020100000000000043505453", "hex");
  const timer = setInterval(() => socket.send(hello, 54321, "127.0.0.1"), 50);
  const run = await command(["doctor", at(31), "--json"]);
  clearInterval(timer);
  socket.close();
  expect(run.status).toBe(3);
  const { findings } = jsonOf(run) as { findings: { step: string; found: string }[] };
  expect(findings.map(({ step }) => step)).toEqual(["route", "answer", "BMP", "boot"]);
  // Another program on this computer may listen on the one port that boards speak to.
  expect(findings.at(-1)!.found).toMatch(/^it is not booted: its boot ROM 2\.1 says hello$|cannot be heard/);
}, 30_000);

it("the table of neighbours tells whether anybody has an address", () => {
  const table = `IP address       HW type     Flags       HW address            Mask     Device
192.168.240.1    0x1         0x2         00:00:a4:f0:00:01     *        eth0
192.168.240.9    0x1         0x0         00:00:00:00:00:00     *        eth0
`;
  expect(["192.168.240.1", "192.168.240.9", "192.168.240.10"].map((address) => parseNeighbours(table, address))).toEqual([
    "present",
    "absent",
    undefined,
  ]);
  expect(parseNeighbours("", "10.0.0.1")).toBeUndefined();
});

it("the schema of the output knows every schema that the manual names, and the other way round", async () => {
  const manual = await readFile(new URL("../../src/cli/README.md", import.meta.url), "utf8");
  const named = [...manual.matchAll(/`(spinn\.[a-z.-]+)`/g)].map((match) => match[1]!);
  expect(Object.keys(SCHEMAS).filter((name) => !named.includes(name))).toEqual([]);
  expect([...new Set(named)].filter((name) => !Object.hasOwn(SCHEMAS, name))).toEqual([]);
});

it("discover hears the hello of an unbooted board and ends by itself", async () => {
  const child = start(["discover", "--listen", at(1), "--port", "54329", "--until", "1", "--for", "10s", "--json"]);
  const socket = createSocket("udp4");
  socket.bind(0, at(9));
  await once(socket, "listening");
  const hello = Buffer.from("000100000041020100000000000043505453", "hex");
  const timer = setInterval(() => socket.send(hello, 54329, at(1)), 50);
  let stdout = "";
  child.stdout!.on("data", (chunk) => {
    stdout += chunk;
  });
  const [status] = (await once(child, "close")) as [number];
  clearInterval(timer);
  socket.close();
  expect(status).toBe(0);
  expect(jsonOf({ status, stdout, stderr: "" })).toMatchObject({ schema: "spinn.discover", boards: [{ host: at(9), rom: "2.1" }] });
});
