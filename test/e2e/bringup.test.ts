import { execFile } from "node:child_process";
import { once } from "node:events";
import { copyFile, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { armProgram } from "../../src/emulator/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { parseXml } from "../bringup/xml.js";
import { collect, command, jsonOf, ROOT, type Run, spinn, start, temporaryFolder } from "./spinn.js";

// Own loopback networks: one per run of the tests and per board of the README.
const net = (board: number): string => `127.${84 + board}.${process.ppid % 250}.`;
const QUICK = ["--set", "powerSettle=10ms", "--set", "bootSettle=50ms"];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let machines: SimulatedMachine[];
let inventory: string[];

/** Code blocks of the README, in order. */
async function blocks(language: string): Promise<string[]> {
  const text = await readFile(join(ROOT, "src/bringup/README.md"), "utf8");
  return [...text.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "gs"))].map((match) => match[1]!);
}

/** Its addresses on this computer. */
const here = (text: string): string => text.replaceAll("10.11.1.", net(0)).replaceAll("10.11.2.", net(1)).replaceAll("10.11.9.", net(2));

beforeEach(async () => {
  folder = await temporaryFolder();
  machines = [];
  const [script, boards] = await blocks("yaml");
  await writeFile(folder.file("lab.yaml"), script!);
  await writeFile(folder.file("boards.yaml"), here(boards!));
  await copyFile(join(ROOT, "fixtures/bringup/simulated.boot"), folder.file("scamp.boot"));
  await copyFile(join(ROOT, "fixtures/apps/hello.aplx"), folder.file("hello.aplx"));
  inventory = ["--inventory", folder.file("boards.yaml")];
});

afterEach(async () => {
  await Promise.all(machines.map((machine) => machine.close()));
  await folder[Symbol.asyncDispose]();
});

async function startBoard(board: number, isOn: boolean): Promise<void> {
  const [host, bmpHost] = [`${net(board)}1`, `${net(board)}0`];
  const programs = armProgram({ speed: Number.POSITIVE_INFINITY });
  machines.push(await SimulatedMachine.start({ host, bmpHost, booted: isOn, powered: isOn, timeScale: 0.01, programs }));
}

async function powerBoards(...boards: number[]): Promise<void> {
  for (const board of boards) await startBoard(board, false);
}

/** A run on boards that are booted, interrupted in the middle of a long step. */
async function interrupted(...words: string[]): Promise<Run> {
  await startBoard(0, true);
  const steps = `  - wait: 5s\n  - load: { file: hello.aplx, cores: "0,0,1-4", wait: true }\n  - sleep: 1h\n`;
  await writeFile(folder.file("lab.yaml"), `name: long\nsteps:\n${steps}`);
  const child = start(lab(...words));
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
  while (!(stdout() + stderr()).includes("load hello.aplx")) await new Promise((resolve) => setTimeout(resolve, 20));
  child.kill("SIGINT");
  const [status] = (await once(child, "close")) as [number];
  return { status, stdout: stdout(), stderr: stderr() };
}

const lab = (...words: string[]): string[] => ["bringup", folder.file("lab.yaml"), ...inventory, "--output", folder.path, ...words];
const run = (...words: string[]): Promise<Run> => command(lab(...QUICK, ...words));

describe("the example of the README", () => {
  it("dry: every step of every board with its values, what is skipped and why; no packet", async () => {
    await powerBoards(0, 1);
    const dry = await command(lab("--boards", "rack", "--dry-run", "--set", "mode=quick"));
    expect(dry).toMatchObject({ status: 0, stderr: "" });
    const [head, first, second] = dry.stdout.split("\n\n");
    expect(head).toBe("nightly: 10 steps for 2 boards, 8 at once; nothing is sent");
    expect(first!.split("\n").slice(0, 8)).toEqual([
      `rack-0: ${net(0)}1, BMP ${net(0)}0 slot 0`,
      "  1  power on",
      "          power: { state: on, settle: 5s }",
      "          if it fails: up to 2 more times, 2 s apart, after STATE or TIMEOUT",
      "  2  boot with scamp.boot",
      "          boot: { image: scamp.boot, settle: 2s }",
      "          only when booted: false: the board is asked then",
      "          if it fails: up to 2 more times, 1 s apart",
    ]);
    expect(first).toMatch(/load hello on rack-0\n +load: \{ file: hello\.aplx, cores: "0,0,1-4", wait: true \}/);
    expect(second).toMatch(/load hello on rack-1\n +load: \{ file: hello\.aplx, cores: "0,0,1-2", wait: true \}/);
    expect(second).toMatch(/ 8 {2}skip read 4096 bytes .*: mode is quick, and it runs when mode: full\n/);
    const json = jsonOf(await command(lab("--boards", "rack", "--dry-run", "--json")));
    expect(json).toMatchObject({ schema: "spinn.bringup.fleet", script: "nightly", dryRun: true, atOnce: 8 });
    expect((json["boards"] as object[])[1]).toMatchObject({
      board: "rack-1",
      slot: 0,
      steps: [{ step: 1, written: "{ state: on, settle: 5s }", runs: "yes" }, { runs: "asked" }, {}, {}, {}, {}, {}, {}, {}, {}],
    });
    for (const machine of machines) {
      const counters = [...machine.boards, ...machine.bmps].map((one) => one.counters.received);
      expect(counters.every((received) => received === 0)).toBe(true);
    }
  });

  it("for real: status 0, a summary, files per board, reports", async () => {
    await powerBoards(0, 1);
    const real = await run("--boards", "rack", "--junit", folder.file("lab.xml"), "--report", folder.file("lab.json"));
    expect(real.status, real.stderr).toBe(0);
    expect(real.stdout).toMatch(/^board +result +steps +time\nrack-0 +up +10\/10 .*\nrack-1 +up +10\/10 .*\n\n2 of 2 boards up in /);
    expect(real.stderr).toMatch(/^rack-1 +5\/10 ok +load hello on rack-1 /m);
    for (const name of ["rack-0", "rack-1"]) {
      expect((await stat(folder.file(`${name}/table.bin`))).size).toBe(4096);
      const lines = (await readFile(folder.file(`${name}/text.log`), "utf8")).match(/hello from/g);
      expect(lines?.length).toBe(name === "rack-0" ? 4 : 2);
    }
    const suites = parseXml(await readFile(folder.file("lab.xml"), "utf8"));
    expect(suites.attributes).toMatchObject({ name: "nightly", tests: "20", failures: "0", errors: "0", skipped: "0" });
    expect(JSON.parse(await readFile(folder.file("lab.json"), "utf8"))).toMatchObject({ outcome: "done", counts: { done: 2 } });
    expect(await readdir(folder.path)).not.toContain("lab.yaml.state");
  });

  it("from a program: a source of boards, and one board in the place of another", async () => {
    await powerBoards(0, 1);
    const script = (await readFile(folder.file("lab.yaml"), "utf8"))
      .replace("powerSettle: 5s", "powerSettle: 10ms")
      .replace("bootSettle: 2s", "bootSettle: 50ms");
    await writeFile(folder.file("lab.yaml"), script);
    const [program] = await blocks("ts");
    const page = pathToFileURL(join(ROOT, "dist/bringup/index.js")).href;
    await writeFile(folder.file("example.mjs"), here(program!).replace("spinnkit/bringup", page));
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ["example.mjs"], { cwd: folder.path });
    expect(stdout).toBe('done {"done":2,"failed":0,"aborted":0,"notBegun":0,"replaced":1}\n');
    expect(stderr).toBe("bad is replaced by rack-1\n");
  });
});

describe("many boards, for CI", () => {
  it("one that does not come up: status 7, the reason in words, in JSON and in JUnit; --resume goes on", async () => {
    await powerBoards(0);
    const failed = await run("--boards", "rack", "--junit", folder.file("lab.xml"));
    expect(failed.status).toBe(7);
    expect(failed.stdout).toMatch(
      /^rack-1 +FAILED +0\/10 .*\n\nrack-1: step 1 of 10 \(.*lab\.yaml:\d+:\d+\) failed: power on: .*\n .*The board now: nothing was sent to it\n/m,
    );
    expect(failed.stderr).toMatch(/1 of 2 boards up, 1 failed\n {2}run again with --resume/);
    expect(parseXml(await readFile(folder.file("lab.xml"), "utf8")).attributes).toMatchObject({ failures: "1", errors: "0" });
    const json = await run("--boards", "rack", "--resume", "--json", "--quiet");
    expect(json.status).toBe(7);
    expect(jsonOf(json)).toMatchObject({
      schema: "spinn.bringup.fleet",
      version: 1,
      report: {
        outcome: "failed",
        boards: [
          { board: "rack-0", outcome: "done" },
          { board: "rack-1", error: { code: "ERR_SPINN_UNREACHABLE" } },
        ],
      },
    });
    await powerBoards(1);
    const events = await run("--boards", "rack", "--resume", "--ndjson");
    expect(events.status).toBe(0);
    const lines = events.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { schema: string; event: { type: string; board?: string } });
    expect(lines.every(({ schema }) => schema === "spinn.bringup.event")).toBe(true);
    expect(lines.filter(({ event }) => event.type === "step-end").every(({ event }) => event.board === "rack-1")).toBe(true);
    expect(lines[0]!.event).toMatchObject({ type: "fleet-start", boards: ["rack-0", "rack-1"] });
    expect(lines.at(-1)!.event).toMatchObject({ type: "fleet-end", report: { outcome: "done" } });
  });

  it("Ctrl-C: status 130, each board's condition, and a report all the same", async () => {
    const { status, stdout, stderr } = await interrupted("--boards", "rack", "--at-once", "1", "--report", folder.file("lab.json"));
    expect(status).toBe(130);
    expect(stdout).toMatch(/^rack-0 +stopped +2\/3 .*\nrack-1 +not begun +- +-\n/m);
    expect(stdout).toMatch(/The board now: SC&MP 4\.0\.0 answers at \S+; app 30: 4 WAIT\. 2 of 3 steps are done/);
    expect(stderr).toMatch(/spinn bringup: interrupted; 0 of 2 boards up, 1 stopped, 1 not begun; run again with --resume/);
    const report = JSON.parse(await readFile(folder.file("lab.json"), "utf8")) as object;
    expect(report).toMatchObject({ outcome: "aborted", counts: { aborted: 1, notBegun: 1 } });
  });

  it("Ctrl-C on one board says in what condition it is left", async () => {
    const { status, stderr } = await interrupted("--host", "rack-0");
    expect(status).toBe(130);
    // The signal comes in the sleep, or just before it.
    const condition =
      /interrupted; (?:it was at step 3 of 3 \(sleep 3600 s\)|step 2 of 3 \(load .*\) was done); the board now: SC&MP 4\.0\.0 answers at \S+; app 30: 4 WAIT; /;
    expect(stderr).toMatch(condition);
    expect(stderr).toMatch(/; spinn bringup --resume goes on there\n$/);
  });
});

describe("a report that cannot be written", () => {
  it("in the end: the summary is there, status 74", async () => {
    // A name so long that the file beside it cannot have one: for every user, and only trying tells.
    const junit = folder.file(`${"x".repeat(245)}.xml`);
    const run = await command(["bringup", folder.file("lab.yaml"), ...inventory, "--boards", "rack", "--junit", junit]);
    expect(run.status).toBe(74);
    expect(run.stdout).toMatch(/^0 of 2 boards up, 2 failed in /m);
    expect(run.stderr).toMatch(/x\.xml cannot be written: ENAMETOOLONG/);
  });
});

describe("what cannot be meant", () => {
  it.each<[string, (lab: string) => string[], RegExp]>([
    [
      "a variable the script does not have",
      (lab) => [lab, "--host", "h", "--set", "corez=1"],
      /lab\.yaml has no variable "corez"\n {2}did you mean "cores"\? its variables are image, cores, mode, powerSettle, bootSettle/,
    ],
    ["the same for many", (lab) => [lab, "--boards", "rack", "--set", "corez=1"], /has no variable "corez"/],
    [
      "a script that is not there",
      (lab) => [lab.replace("lab.yaml", "lba.yaml")],
      /there is no script .*lba\.yaml\n {2}did you mean .*lab\.yaml\?/,
    ],
    ["nor its folder", () => ["/nowhere/lab.yaml"], /there is no script \/nowhere\/lab\.yaml\n {2}there is no folder \/nowhere either/],
    ["a board nobody knows", (lab) => [lab, "--boards", "rack-9"], /no board and no group "rack-9"\n {2}did you mean "rack-0"/],
    ["one board and many", (lab) => [lab, "--boards", "rack", "--host", "h"], /--host is for one board/],
    ["many and one board", (lab) => [lab, "--fail-fast"], /--fail-fast is for many boards/],
    ["no board at once", (lab) => [lab, "--boards", "rack", "--at-once", "0"], /--at-once/],
    ["no script", () => [], /no script is named/],
    ["a variable for a board only", (lab) => [lab, "--host", "h", "--set", "board.name=x"], /has no variable "board\.name"/],
  ])("%s: status 2", async (_, words, message) => {
    const refused = await command(["bringup", ...inventory, ...words(folder.file("lab.yaml"))]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(message);
    expect(refused.stdout).toBe("");
  });

  it("an inventory that was named must be there", async () => {
    const refused = await command(["bringup", folder.file("lab.yaml"), "--inventory", folder.file("none.yaml")]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toMatch(/none\.yaml cannot be read/);
  });

  it("--schema is a JSON schema, as text and as JSON", async () => {
    const text = await spinn(["bringup", "--schema"]);
    expect(JSON.parse(text.stdout)).toMatchObject({ title: "SpiNNaker bring-up script", required: ["steps"] });
    expect(jsonOf(await command(["bringup", "--schema", "--json"]))).toMatchObject({
      schema: "spinn.bringup.schema",
      scriptSchema: { type: "object" },
    });
  });
});
