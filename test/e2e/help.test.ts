import { execFile } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { VERBS } from "../../src/cli/verbs.js";
import { addresses, command, jsonOf, spinn, start, temporaryFolder } from "./spinn.js";

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
