import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type BringupEvent,
  type BringupOptions,
  type BringupReport,
  type BringupStep,
  bringup,
  checkBringup,
  formatReport,
  loadScript,
  runBringup,
  type Script,
} from "../../src/bringup/index.js";
import { SpinnError } from "../../src/errors.js";
import { applicationImage } from "../transceiver/application-image.js";
import { bootImage, failure } from "./bench.js";
import { FakeBoard } from "./fake-devices.js";

const SCRIPT = `
name: nightly
board: { host: 10.0.0.1, bmp: 10.0.0.0 }
steps:
  - power: { state: on, settle: 1ms }
  - boot: { image: scamp.boot, version: 5 }
  - wait: 1s
  - check-version: { scamp: ">=4", chips: 48 }
  - write: { at: "0,0", address: 0x60240000, values: [1, 2], unit: u16 }
  - load: { file: hello.aplx, cores: "0,0,1-2", wait: true }
  - start
  - wait-for-state: EXIT
  - read: { at: "0,0,1", address: user0, size: 4, file: out/table.bin }
  - iobuf: "@all"
  - stop
`;

let folder: string;
let board: FakeBoard;
let events: BringupEvent[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "spinnkit-bringup-"));
  board = new FakeBoard();
  events = [];
  await writeFile(join(folder, "night.yaml"), SCRIPT);
  await writeFile(join(folder, "scamp.boot"), bootImage());
  await writeFile(join(folder, "hello.aplx"), applicationImage(1024));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function run(options: BringupOptions = {}, script?: Script): Promise<BringupReport> {
  const given = { devices: board.devices, outputFolder: folder, onProgress: (event: BringupEvent) => events.push(event) };
  return runBringup(script ?? (await loadScript(join(folder, "night.yaml"))), { ...given, ...options });
}

const object = (...steps: BringupStep[]): Script => bringup({ board: { host: "10.0.0.1", bmp: "10.0.0.0" }, steps }, { folder });

const lastReport = (): BringupReport => {
  const last = events.at(-1);
  if (last?.type !== "end") throw new Error("the last event is no report");
  return last.report;
};

describe("a run", () => {
  it("does the steps in order, and says what it saw", async () => {
    board.memory.set(0x60240000, 1);
    const report = await run({ reportPath: join(folder, "reports", "night.json") });
    expect(board.calls).toEqual([
      "connect BMP 10.0.0.0",
      "power on 0",
      "boot 10.0.0.1 with 1024 bytes as version 5",
      "connect 10.0.0.1",
      "discover",
      "write 1,0,2,0 at 60240000 on 0,0",
      "read 4 at 60240000 on 0,0",
      "load 1024 bytes on 2 cores as app 30, wait",
      "signal 3 to 30",
      "cores of 30",
      "wait for 2 cores in 11",
      "user0 of 0,0,1",
      "read 4 at 60240000 on 0,0",
      "cores of 30",
      "text of 2 cores",
      "stop 30",
    ]);
    expect(report).toMatchObject({ schema: "spinnkit.bringup-report", script: "nightly", board: "10.0.0.1", outcome: "done" });
    expect(report.steps.map(({ status }) => status)).toEqual(Array.from({ length: 11 }, () => "done"));
    expect(report.steps[1]).toMatchObject({ kind: "boot", line: 6, seen: { firmware: "SC&MP 4.0.0", alreadyBooted: false } });
    expect(report.steps[8]!.seen).toEqual({ address: "0x60240000", bytes: 4, file: join(folder, "out/table.bin") });
    expect(report.steps[9]!.seen).toMatchObject({ printed: 2, text: { "0,0,1": "hello from 0,0,1\n" } });
    expect(new Uint8Array(await readFile(join(folder, "out/table.bin")))).toEqual(Uint8Array.of(1, 0, 2, 0));
    expect(JSON.parse(await readFile(join(folder, "reports/night.json"), "utf8"))).toEqual(JSON.parse(JSON.stringify(report)));
    expect(board.open).toBe(0);
    expect((await readdir(folder)).filter((name) => name.includes("state"))).toEqual([]);
  });

  it("tells what happens as it happens", async () => {
    const report = await run();
    expect(events[0]).toEqual({ type: "start", board: "10.0.0.1", script: "nightly", steps: 11, skipped: 0 });
    expect(events.filter(({ type }) => type === "step-start").length).toBe(11);
    expect(events).toContainEqual({
      type: "step-progress",
      board: "10.0.0.1",
      step: 2,
      progress: { what: "boot", done: 1, total: 1, unit: "packets" },
    });
    expect(lastReport()).toEqual(report);
  });

  it("has a report that people can read", async () => {
    const text = formatReport(await run());
    expect(text).toMatch(/^nightly on 10\.0\.0\.1, 20/);
    expect(text).toMatch(/ {2}6 ok {3}load hello\.aplx on 2 cores {2}\(\d+ ms\)/);
    expect(text).toMatch(/0,0,2\| hello from 0,0,2/);
    expect(text).toMatch(/done: 11 of 11 steps in /);
  });

  it("takes board and output folder from the caller", async () => {
    await run({ board: { host: "10.9.9.9", port: 5 }, outputFolder: join(folder, "elsewhere") });
    expect(board.calls).toContain("connect 10.9.9.9");
    expect(board.calls).toContain("connect BMP 10.0.0.0");
    expect(await readdir(join(folder, "elsewhere/out"))).toEqual(["table.bin"]);
  });
});

describe("before the first packet", () => {
  it("files must be there and be what they should be", async () => {
    await writeFile(join(folder, "hello.aplx"), Uint8Array.of(0x7f, 0x45, 0x4c, 0x46));
    await rm(join(folder, "scamp.boot"));
    const error = await failure(run());
    expect(error.code).toBe("ERR_SPINN_SCRIPT");
    const [boot, load] = error.message.split("\n");
    expect(boot).toMatch(/night\.yaml:6:5: scamp\.boot: there is no file .*scamp\.boot$/);
    expect((await failure(checkBringup(await loadScript(join(folder, "night.yaml"))))).message).toBe(error.message);
    expect(load).toMatch(/night\.yaml:10:5: hello\.aplx: the application is an ELF file/);
    expect(board.calls).toEqual([]);
  });

  it("every step must have somebody to talk to", async () => {
    const script = bringup({ steps: [{ power: "on" }, { start: null }, { "check-version": { scamp: 4, bmp: 2 } }] });
    const error = await failure(run({}, script));
    expect(error.message.split("\n")).toEqual([
      'script: steps[0].power: "power on" needs the address of the BMP',
      'script: steps[1].start: "start the application" needs the address of the board',
      'script: steps[2].check-version: "check versions" needs the address of the board',
      'script: steps[2].check-version: "check versions" needs the address of the BMP',
    ]);
    expect(board.calls).toEqual([]);
  });

  it("a signal that has fired already ends it", async () => {
    expect((await failure(run({ signal: AbortSignal.abort() }))).code).toBe("ERR_SPINN_ABORTED");
    expect(board.calls).toEqual([]);
  });
});

describe("a step that fails", () => {
  it("ends the run with its code, its place, the state of the board, and what to do", async () => {
    board.before = (call) => {
      if (call.startsWith("wait for")) throw new SpinnError("ERR_SPINN_STATE", "core 0,0,2: RTE", { hint: "look at its text" });
    };
    const error = await failure(run());
    expect(error.code).toBe("ERR_SPINN_STATE");
    expect(error.message).toMatch(/^step 8 of 11 \(.*night\.yaml:12:5\) failed: wait for state EXIT: core 0,0,2: RTE$/);
    expect(error.hint).toBe(
      "look at its text. The board now: SC&MP 4.0.0 answers at 10.0.0.1; app 30: 2 EXIT. " +
        "7 of 11 steps are done and remembered: run again with resume to go on at step 8",
    );
    const report = lastReport();
    expect([report.outcome, report.statePath]).toEqual(["failed", join(folder, "night.yaml.state.json")]);
    expect(report.steps.map(({ status }) => status).slice(6)).toEqual(["done", "failed", "not run", "not run", "not run"]);
    expect(report.error).toMatchObject({ code: "ERR_SPINN_STATE" });
    expect(formatReport(report)).toMatch(/FAIL wait for state EXIT/);
    expect(board.open).toBe(0);
  });

  it("shows what crashed cores printed last", async () => {
    board.before = (call) => {
      if (!call.startsWith("wait for")) return;
      board.states.set("0,0,2", 2);
      board.texts.set("0,0,2", "one\ntwo\nthree\nabout to divide\n");
      throw new SpinnError("ERR_SPINN_STATE", "core 0,0,2: RTE");
    };
    const error = await failure(run());
    expect(error.hint).toContain("app 30: 1 EXIT, 1 RTE; core 0,0,2 printed last: two | three | about to divide.");
  });

  it("says when the board does not even answer", async () => {
    board.before = (call) => {
      if (call === "power on 0") throw new SpinnError("ERR_SPINN_TIMEOUT", "silence");
    };
    const error = await failure(run());
    expect(error.hint).toBe("The board now: it was being switched on");
  });

  it("is a failed check", async () => {
    board.booted = true;
    const old = await failure(run({}, object({ "check-version": "3.4" })));
    expect([old.code, old.message]).toEqual([
      "ERR_SPINN_WRONG_DEVICE",
      "step 1 of 1 (script: steps[0].check-version) failed: check versions: the SC&MP is version 4.0.0, wanted is 3.4",
    ]);
    const small = await failure(run({}, object({ "check-version": { chips: 49 } })));
    expect(small.message).toMatch(/the machine has 48 chips, 49 are wanted/);
  });

  it("is a value that does not stay", async () => {
    board.booted = true;
    board.before = (call) => {
      if (call.startsWith("read 8")) board.memory.set(0x60240005, 99);
    };
    const error = await failure(run({}, object({ write: { at: "0,0", address: 0x60240000, values: [1, 2] } })));
    expect(error.code).toBe("ERR_SPINN_VERIFY");
    expect(error.message).toMatch(/0x60240005 reads back as 99, not 0/);
  });

  it("is a pointer that points nowhere", async () => {
    board.booted = true;
    board.user0 = 0;
    const error = await failure(run({}, object({ read: { at: "0,0,1", address: "user0", size: 4, file: "x" } })));
    expect(error.message).toMatch(/user0 of core 0,0,1 is 0x00000000, which is no shared memory/);
    expect(await readdir(folder)).not.toContain("x");
  });

  it("through a mistake of the program keeps its stack", async () => {
    board.before = (call) => {
      if (call === "discover") throw new TypeError("a bug");
    };
    await expect(run()).rejects.toBeInstanceOf(TypeError);
    expect(board.open).toBe(0);
  });
});

describe("the other steps", () => {
  it("do what they say", async () => {
    board.booted = true;
    await writeFile(join(folder, "routes.txt"), "0x00010000 0xffff0000 links 0,2 cores 1,5 # one\n");
    const script = object(
      { power: { state: "off", boards: [1, 2] } },
      { leds: { set: { 7: "on" }, boards: 0 } },
      { power: { state: "on", settle: "1ms" } },
      { boot: "scamp.boot" },
      { leds: { set: { 0: "invert" }, chip: "1,1" } },
      {
        tags: [
          { tag: 1, host: "10.0.0.9", port: 17892, strip: true },
          { tag: 2, port: 1234, to: "1,2,3" },
        ],
      },
      { routes: { chip: "0,0", file: "routes.txt", app: 31 } },
      { routes: { chip: "0,0", entries: [{ key: 0x10, mask: 0xf0, links: 1 }] } },
      { signal: { signal: "USR0", app: 31 } },
      { "wait-for-state": { state: "RUN", count: 5, app: 31 } },
      { write: { at: "0,0", address: 0x60240000, file: "routes.txt", verify: false } },
      { load: { file: "hello.aplx", cores: "@all", app: 31 } },
      { iobuf: { cores: "0,0,1", file: "text.log" } },
      { sleep: "1ms" },
    );
    board.texts.set("0,0,1", "one\ntwo\n");
    await run({}, script);
    expect(board.calls.filter((call) => !/connect|write|discover/.test(call))).toEqual([
      "power off 1,2",
      'board LEDs 0 {"7":"on"}',
      "power on 0",
      "boot 10.0.0.1 with 1024 bytes as version undefined",
      'LEDs of 1,1 {"0":"invert"}',
      "tag 1 to 10.0.0.9:17892 strip",
      'reverse tag 2 {"x":1,"y":2,"p":3,"port":1234}',
      'routes [{"key":65536,"mask":4294901760,"links":[0,2],"cores":[1,5]}] on 0,0 for 31',
      'routes [{"key":16,"mask":240,"links":[1],"cores":[]}] on 0,0 for 30',
      "signal 10 to 31",
      "wait for any 5 cores in 7",
      `load 1024 bytes on ${48 * 17} cores as app 31`,
      "text of 1 cores",
    ]);
    expect(await readFile(join(folder, "text.log"), "utf8")).toBe("0,0,1: one\n0,0,1: two\n");
  });

  it("a core's own memory is reached through that core, a chip's through its monitor", async () => {
    board.booted = true;
    await run(
      {},
      object(
        { read: { at: "1,2,3", address: 0x400000, size: 4, file: "a" } },
        { read: { at: "1,2,3", address: 0xf5007f00, size: 4, file: "b" } },
      ),
    );
    expect(board.calls.filter((call) => call.startsWith("read"))).toEqual(["read 4 at 400000 on 1,2,3", "read 4 at f5007f00 on 1,2"]);
  });
});

describe("an aborted run", () => {
  it("ends between steps and inside them, and can be resumed", async () => {
    const stop = new AbortController();
    board.before = (call) => {
      if (call.startsWith("load")) stop.abort(new Error("Ctrl-C"));
    };
    const error = await failure(run({ signal: stop.signal }));
    expect(error.code).toBe("ERR_SPINN_ABORTED");
    expect(error.message).toMatch(/^step 6 of 11 .* was aborted: load hello\.aplx/);
    expect(lastReport().outcome).toBe("aborted");
    expect(board.open).toBe(0);
    board.before = () => undefined;
    const report = await run({ resume: true });
    expect(report.steps.slice(0, 6).map(({ status }) => status)).toEqual(["skipped", "skipped", "skipped", "skipped", "skipped", "done"]);
  });

  it("frees what an interrupted load has started, unless earlier steps have loaded the same application", async () => {
    let crash = true;
    board.before = (call) => {
      if (call.startsWith("load") && crash) {
        board.states.set("0,0,1", 5);
        throw new SpinnError("ERR_SPINN_LOAD", "core 0,0,2 did not start");
      }
    };
    await failure(run());
    crash = false;
    board.calls.length = 0;
    const report = await run({ resume: true });
    expect(board.calls.slice(1, 5)).toEqual(["cores of 30", "stop 30", "cores of 30", "load 1024 bytes on 2 cores as app 30, wait"]);
    expect(report.steps[5]!.seen).toMatchObject({ freed: 1 });

    crash = true;
    board.states.set("5,5,5", 7);
    await failure(run());
    crash = false;
    board.calls.length = 0;
    await run({ resume: true });
    expect(board.calls.slice(1, 3)).toEqual(["cores of 30", "load 1024 bytes on 2 cores as app 30, wait"]);
  });

  it("does not wait for a sleep", async () => {
    const stop = new AbortController();
    const script = object({ sleep: "1h" });
    const error = await failure(run({ signal: stop.signal, onProgress: ({ type }) => type === "step-start" && stop.abort() }, script));
    expect(error.code).toBe("ERR_SPINN_ABORTED");
  });
});

describe("a resumed run", () => {
  const statePath = (): string => join(folder, "night.yaml.state.json");

  async function failAt(call: string): Promise<void> {
    board.before = (words) => {
      if (words.startsWith(call)) throw new SpinnError("ERR_SPINN_TIMEOUT", "silence");
    };
    await failure(run());
    board.before = () => undefined;
    board.calls.length = 0;
  }

  it("goes on behind the last finished step, and says what it skips", async () => {
    await failAt("signal 3");
    expect(JSON.parse(await readFile(statePath(), "utf8"))).toMatchObject({ schema: "spinnkit.bringup-state", bootSignature: 1 });
    events = [];
    const report = await run({ resume: true });
    expect(events[0]).toMatchObject({ type: "start", skipped: 6 });
    expect(board.calls[0]).toBe("connect 10.0.0.1");
    expect(board.calls[1]).toBe("signal 3 to 30");
    expect(report.steps.map(({ status }) => status).slice(0, 7)).toEqual([...Array.from({ length: 6 }, () => "skipped"), "done"]);
    expect(await readdir(folder)).not.toContain("night.yaml.state.json");
  });

  it("may have other steps to come, but not others behind it", async () => {
    await failAt("signal 3");
    await writeFile(join(folder, "night.yaml"), SCRIPT.replace("- stop", "- sleep: 1ms"));
    expect((await run({ resume: true })).outcome).toBe("done");

    board.bootSignature = 0;
    await writeFile(join(folder, "night.yaml"), SCRIPT);
    await failAt("signal 3");
    await writeFile(join(folder, "night.yaml"), SCRIPT.replace("0,0,1-2", "0,0,1-3"));
    const error = await failure(run({ resume: true }));
    expect([error.code, error.message]).toEqual([
      "ERR_SPINN_STATE",
      "the run cannot be resumed: step 6 (load hello.aplx on 3 cores) is not what was done",
    ]);
    expect(board.calls).toEqual([]);
  });

  it("must find the files as they were, and the board that was meant", async () => {
    await failAt("signal 3");
    expect((await failure(run({ resume: true, board: { host: "10.0.0.2" } }))).message).toMatch(/step 1 .* is not what was done/);
    await writeFile(join(folder, "hello.aplx"), applicationImage(1024, 2));
    expect((await failure(run({ resume: true }))).message).toMatch(/step 6 .* is not what was done/);
  });

  it("must find the machine that the steps were done on", async () => {
    await failAt("signal 3");
    board.bootSignature += 1;
    const again = await failure(run({ resume: true }));
    expect([again.code, again.message]).toEqual(["ERR_SPINN_STATE", "the run cannot be resumed: the machine was booted again since"]);
    board.booted = false;
    const off = await failure(run({ resume: true }));
    expect(off.message).toBe("the run cannot be resumed: 10.0.0.1 does not answer");
    expect(off.hint).toMatch(/what the 6 finished steps did is lost/);
    expect(board.open).toBe(0);
  });

  it("begins at the beginning when nothing is remembered, and refuses a state file of something else", async () => {
    expect((await run({ resume: true })).steps[0]!.status).toBe("done");
    await writeFile(statePath(), "{}");
    expect((await failure(run({ resume: true }))).code).toBe("ERR_SPINN_FILE");
    await writeFile(statePath(), "not even JSON");
    expect((await failure(run({ resume: true }))).message).toMatch(/is no state of a bring-up run/);
  });

  it("is not possible, but the run is, where the state cannot be written", async () => {
    // A folder of that name stands in the way, which holds for every user.
    await mkdir(statePath());
    await failAt("signal 3").catch(() => undefined);
    expect(lastReport().statePath).toBeUndefined();
    expect((await run()).outcome).toBe("done");
    expect((await failure(run({ statePath: statePath() }))).code).toBe("ERR_SPINN_FILE");
  });

  it("keeps its state where it is told, or nowhere", async () => {
    board.before = (words) => {
      if (words.startsWith("stop")) throw new SpinnError("ERR_SPINN_TIMEOUT", "silence");
    };
    await mkdir(join(folder, "states"));
    await failure(run({ statePath: join(folder, "states", "b1.json") }));
    expect(await readdir(join(folder, "states"))).toEqual(["b1.json"]);
    const none = await failure(run({ statePath: false }));
    expect(none.hint).not.toMatch(/resume/);
    expect((await failure(run({ statePath: false, resume: true }))).code).toBe("ERR_SPINN_ARGUMENT");
  });
});
