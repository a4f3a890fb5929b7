import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type BringupScript,
  bringup,
  type FleetBoard,
  type FleetEvent,
  type FleetOptions,
  type FleetReport,
  loadScript,
  planFleet,
  runFleet,
  type ScriptFor,
} from "../../src/bringup/index.js";
import { SpinnError } from "../../src/errors.js";
import { bootImage, failure } from "./bench.js";
import { FakeFleet } from "./fake-fleet.js";

const SCRIPT = `
name: rack
variables: { word: 1 }
steps:
  - power: { state: on, settle: 1ms }
  - boot: scamp.boot
  - wait: 1s
  - write: { at: "0,0", address: 0x60240000, values: [ '\${word}' ], verify: false }
  - read: { at: "0,0", address: 0x60240000, size: 4, file: word.bin }
`;

let folder: string;
let events: FleetEvent[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "spinnkit-fleet-"));
  events = [];
  await writeFile(join(folder, "rack.yaml"), SCRIPT);
  await writeFile(join(folder, "scamp.boot"), bootImage());
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const fromFile: ScriptFor = ({ variables, name }) =>
  loadScript(join(folder, "rack.yaml"), { boardVariables: { ...variables, "board.name": name } });

const fromObject =
  (...steps: BringupScript["steps"]): ScriptFor =>
  () =>
    bringup({ steps }, { folder });

function run(fleet: FakeFleet, options: FleetOptions = {}, scriptFor: ScriptFor = fromFile, boards?: FleetBoard[]): Promise<FleetReport> {
  const given = { devices: fleet.devices, outputFolder: folder, onProgress: (event: FleetEvent) => events.push(event) };
  return runFleet(scriptFor, boards ?? fleet.list, { ...given, ...options });
}

const outcomes = (report: FleetReport): string => report.boards.map(({ board, outcome }) => `${board} ${outcome}`).join(", ");

describe("a fleet", () => {
  it("brings up every board, so many at once, each with its variables and its folder", async () => {
    const fleet = new FakeFleet(5);
    let now = 0;
    let most = 0;
    let bothThere = (): void => undefined;
    // The first board boots until the second does too.
    const both = new Promise<void>((resolve) => {
      bothThere = resolve;
    });
    for (const board of fleet.boards) {
      board.before = async (call) => {
        if (!call.startsWith("boot")) return;
        most = Math.max(most, ++now);
        if (now === 2) bothThere();
        await both;
        now -= 1;
      };
    }
    const boards = fleet.list.map((board, i) => ({ ...board, variables: { word: i + 10, unused: "x" } }));
    const report = await run(fleet, { atOnce: 2, reportPath: join(folder, "r.json"), junitPath: join(folder, "r.xml") }, fromFile, boards);
    expect(report).toMatchObject({
      schema: "spinnkit.bringup-fleet-report",
      script: "rack",
      outcome: "done",
      counts: { done: 5, failed: 0 },
    });
    expect(most).toBe(2);
    expect(fleet.open).toBe(0);
    const read = await Promise.all(boards.map(({ name }) => readFile(join(folder, name, "word.bin"))));
    expect(read.map((bytes) => bytes[0])).toEqual([10, 11, 12, 13, 14]);
    expect(JSON.parse(await readFile(join(folder, "r.json"), "utf8"))).toEqual(JSON.parse(JSON.stringify(report)));
    expect(await readFile(join(folder, "r.xml"), "utf8")).toContain('<testsuite name="b4" tests="5" failures="0"');
    expect((await readdir(folder)).filter((name) => name.includes("state"))).toEqual([]);
    const named = events.filter((event) => !event.type.startsWith("fleet-"));
    expect(named.every((event) => "board" in event && /^b\d$/.test(event.board ?? ""))).toBe(true);
    expect(events[0]).toEqual({ type: "fleet-start", script: "rack", boards: ["b0", "b1", "b2", "b3", "b4"], atOnce: 2 });
    expect(events.at(-1)).toMatchObject({ type: "fleet-end", report: { outcome: "done" } });
  });

  it("switches each board's own slot, one after the other behind a BMP, side by side behind several", async () => {
    const fleet = new FakeFleet(8);
    await run(fleet, { powerSpacingMs: 40 }, fromObject({ power: { state: "on", settle: "1ms" } }));
    const times = (bmp: string): number[] => fleet.powered.filter(({ place }) => place.startsWith(bmp)).map(({ atMs }) => atMs);
    expect(fleet.powered.map(({ place }) => place).sort()).toEqual(fleet.list.map(({ address }) => `${address.bmp!.host} ${address.slot}`));
    const [first, second] = [times("10.1.0.0"), times("10.1.0.1")];
    const rests = first.slice(1).map((at, i) => at - first[i]!);
    // A timer of Node may fire a millisecond early.
    expect(Math.min(...rests)).toBeGreaterThan(30);
    expect(second[0]!).toBeLessThan(first.at(-1)!);
  });

  it("goes on when a board fails, and says why", async () => {
    const fleet = new FakeFleet(3);
    fleet.boards[1]!.before = (call) => {
      if (call.startsWith("boot")) throw new SpinnError("ERR_SPINN_BOOT", "no hello", { hint: "look at its supply" });
    };
    const report = await run(fleet);
    expect(outcomes(report)).toBe("b0 done, b1 failed, b2 done");
    expect(report).toMatchObject({ outcome: "failed", counts: { done: 2, failed: 1, aborted: 0, notBegun: 0, replaced: 0 } });
    expect(report.boards[1]).toMatchObject({
      error: { code: "ERR_SPINN_BOOT" },
      boardNow: "it was being booted",
      slot: 1,
      bmp: "10.1.0.0:17893",
    });
    expect(report.boards[1]!.report!.steps.map(({ status }) => status)).toEqual(["done", "failed", "not run", "not run", "not run"]);
    expect(fleet.open).toBe(0);
  });

  it("ends the others at once when that is wanted", async () => {
    const fleet = new FakeFleet(3);
    fleet.boards[0]!.before = (call) => {
      if (call.startsWith("boot")) throw new SpinnError("ERR_SPINN_BOOT", "no hello");
    };
    const report = await run(fleet, { atOnce: 1, failFast: true });
    expect(outcomes(report)).toBe("b0 failed, b1 not begun, b2 not begun");
    expect(report.outcome).toBe("failed");
    expect(fleet.boards[1]!.calls).toEqual([]);
  });

  it("a mistake of the program is no failed board", async () => {
    const fleet = new FakeFleet(2);
    fleet.boards[0]!.before = () => {
      throw new TypeError("a bug");
    };
    await expect(run(fleet, { atOnce: 1 })).rejects.toBeInstanceOf(TypeError);
    expect(fleet.open).toBe(0);
  });
});

describe("before the first packet", () => {
  it("every board's script and files are checked; what is wrong for all is said once", async () => {
    const fleet = new FakeFleet(2);
    await rm(join(folder, "scamp.boot"));
    const boards = [fleet.list[0]!, { name: "alone", address: { host: "10.9.9.9" } }];
    const error = await failure(run(fleet, {}, fromFile, boards));
    expect(error.code).toBe("ERR_SPINN_SCRIPT");
    expect(error.message.split("\n")).toEqual([
      expect.stringMatching(/^b0: .*rack\.yaml:6:5: scamp\.boot: there is no file/) as string,
      expect.stringMatching(/^alone: .*rack\.yaml:5:5: "power on" needs the address of the BMP/) as string,
    ]);
    expect((await failure(run(fleet))).message).toMatch(/^\S*rack\.yaml:6:5: scamp\.boot: there is no file[^\n]*$/);
    expect((await failure(planFleet(fromFile, boards))).message).toBe(error.message);
    expect(fleet.boards.flatMap(({ calls }) => calls)).toEqual([]);
  });

  it.each<[string, (list: FleetBoard[]) => FleetBoard[], RegExp]>([
    ["no boards", () => [], /no board is named/],
    ["a name twice", ([a]) => [a!, { ...a!, address: { host: "h" } }], /two boards are called "b0"/],
    ["a board twice", ([a]) => [a!, { ...a!, name: "other" }], /b0 and other are the same board/],
    [
      "a slot twice",
      ([a, b]) => [a!, { ...b!, address: { ...b!.address, slot: 0 } }],
      /b0 and b1 would both switch slot 0 of the BMP 10\.1\.0\.0:17893/,
    ],
  ])("%s", async (_, change, message) => {
    const fleet = new FakeFleet(2);
    const error = await failure(run(fleet, {}, fromFile, change(fleet.list)));
    expect([error.code, error.message]).toEqual(["ERR_SPINN_ARGUMENT", expect.stringMatching(message)]);
    expect(fleet.boards.flatMap(({ calls }) => calls)).toEqual([]);
  });

  it("a script's own board lends nothing but its ports", async () => {
    const fleet = new FakeFleet(1);
    const script: ScriptFor = () => bringup({ board: { host: "10.8.8.8", bmp: "10.1.0.0", slot: 5, port: 99 }, steps: [{ power: "on" }] });
    const stranger = { name: "stranger", address: { host: "10.0.0.1" } };
    expect((await failure(run(fleet, {}, script, [stranger]))).message).toMatch(/"power on" needs the address of the BMP/);
    const [plan] = await planFleet(script, fleet.list);
    expect(plan!.board).toMatchObject({ host: "10.0.0.1", port: 99, slot: 0 });
    expect(fleet.boards[0]!.calls).toEqual([]);
  });

  it("a plan says what would be done for each board, and sends nothing", async () => {
    const fleet = new FakeFleet(2);
    const scriptFor: ScriptFor = ({ name }) =>
      bringup({
        variables: { mode: name },
        steps: [
          { power: "on", retry: { times: 2, on: "state" }, once: "bmp" },
          { sleep: "1s", when: { mode: "b1" } },
          { stop: 31, when: { booted: true, mode: ["b0", "b1"] } },
        ],
      });
    const plans = await planFleet(scriptFor, fleet.list);
    expect(plans[0]).toMatchObject({ name: "b0", board: { host: "10.0.0.1", slot: 0 } });
    expect(plans[0]!.steps).toEqual([
      {
        step: 1,
        kind: "power",
        words: "power on",
        line: undefined,
        written: "on",
        runs: "yes",
        retry: "up to 2 more times, 1 s apart, after STATE",
        once: "bmp",
      },
      {
        step: 2,
        kind: "sleep",
        words: "sleep 1 s",
        line: undefined,
        written: "1s",
        runs: "no",
        reason: "mode is b0, and it runs when mode: b1",
      },
      { step: 3, kind: "stop", words: "stop the application", line: undefined, written: "31", runs: "asked", reason: "when booted: true" },
    ]);
    expect(plans[1]!.steps[1]).toMatchObject({ runs: "yes" });
    expect(fleet.boards.flatMap(({ calls }) => calls)).toEqual([]);
  });
});

describe("reports and states", () => {
  it("that cannot be written are told before the first packet", async () => {
    const fleet = new FakeFleet(1);
    for (const options of [{ reportPath: folder }, { junitPath: folder }]) {
      const error = await failure(run(fleet, options));
      expect([error.code, error.message]).toEqual(["ERR_SPINN_FILE", `the report ${folder} cannot be written: it is no file`]);
    }
    await writeFile(join(folder, "file"), "");
    expect((await failure(run(fleet, { reportPath: join(folder, "file", "r.json") }))).code).toBe("ERR_SPINN_FILE");
    expect(fleet.boards[0]!.calls).toEqual([]);
  });

  it("a place where nothing can be remembered is no reason not to run, unless it was named", async () => {
    const fleet = new FakeFleet(1);
    // A file of that name stands in the way, which holds for every user.
    await writeFile(join(folder, "rack.yaml.state"), "");
    expect((await run(fleet)).outcome).toBe("done");
    const named = await run(fleet, { stateFolder: join(folder, "rack.yaml.state") });
    expect(named.boards[0]).toMatchObject({ outcome: "failed", error: { code: "ERR_SPINN_FILE" } });
  });
});

describe("steps that are done once", () => {
  it("are not done again by a board that goes on, or begins again", async () => {
    const fleet = new FakeFleet(2);
    const script: ScriptFor = async (board) => {
      const { steps, ...rest } = await fromFile(board);
      return { ...rest, steps: steps.map((step, i) => (i === 0 ? { ...step, once: "bmp" as const } : step)) };
    };
    fleet.boards[1]!.before = (call) => {
      if (call.startsWith("write")) throw new SpinnError("ERR_SPINN_TIMEOUT", "silence");
    };
    for (const board of fleet.boards) board.powered = true;
    await run(fleet, {}, script, fleet.list);
    const powered = fleet.powered.length;
    expect(powered).toBe(1);
    fleet.boards[1]!.before = () => undefined;
    fleet.boards[0]!.bootSignature += 1;
    await run(fleet, { resume: true }, script);
    expect(fleet.powered.length).toBe(1);
  });

  it("for the boards behind a BMP, or for all", async () => {
    const fleet = new FakeFleet(8);
    const script = fromObject({ power: { state: "on", boards: [0, 1], settle: "1ms" }, once: "bmp" }, { sleep: "1ms", once: "fleet" });
    const report = await run(fleet, {}, script);
    expect(report.outcome).toBe("done");
    expect(fleet.powered.map(({ place }) => place).sort()).toEqual(["10.1.0.0 0", "10.1.0.0 1", "10.1.0.1 0", "10.1.0.1 1"]);
    const seen = report.boards.map(({ report: one }) => one!.steps.map((step) => step.seen?.["once"]));
    expect(seen.map(([power]) => power)).toEqual([undefined, ...Array(5).fill("done with b0"), undefined, "done with b6"]);
    expect(seen.filter(([, sleep]) => sleep === undefined).length).toBe(1);
  });

  it("fail for all when they fail", async () => {
    const fleet = new FakeFleet(3);
    for (const board of fleet.boards) {
      board.before = (call) => {
        if (call.startsWith("power")) throw new SpinnError("ERR_SPINN_STATE", "a rail is down");
      };
    }
    const report = await run(fleet, {}, fromObject({ power: { state: "on", boards: 0 }, once: "bmp" }));
    expect(report.boards.map(({ error }) => error!["code"])).toEqual(["ERR_SPINN_STATE", "ERR_SPINN_STATE", "ERR_SPINN_STATE"]);
    expect(report.boards[2]!.error!["message"]).toMatch(/it is done once, with b0, and failed there: a rail is down/);
    expect(fleet.powered.length).toBe(1);
  });
});

describe("an aborted fleet", () => {
  it("states the condition of every board, and goes on where each was", async () => {
    const fleet = new FakeFleet(4);
    const stop = new AbortController();
    fleet.boards[1]!.before = (call) => {
      if (call.startsWith("write")) stop.abort();
    };
    const report = await run(fleet, { atOnce: 1, signal: stop.signal });
    expect(outcomes(report)).toBe("b0 done, b1 aborted, b2 not begun, b3 not begun");
    expect(report.outcome).toBe("aborted");
    expect(report.boards.map(({ boardNow }) => boardNow)).toEqual([
      "up",
      "SC&MP 4.0.0 answers at 10.0.0.2",
      "nothing was sent to it",
      "nothing was sent to it",
    ]);
    expect(fleet.open).toBe(0);
    expect((await readdir(join(folder, "rack.yaml.state"))).sort()).toEqual(["b0.json", "b1.json"]);

    fleet.boards[1]!.before = () => undefined;
    for (const board of fleet.boards) board.calls.length = 0;
    const again = await run(fleet, { resume: true });
    expect(again.outcome).toBe("done");
    expect(again.boards.map(({ report: one }) => one!.steps.map(({ status }) => status[0]).join(""))).toEqual([
      "sssss",
      "sssdd",
      "ddddd",
      "ddddd",
    ]);
    expect(fleet.boards[0]!.calls.filter((call) => !call.includes("BMP"))).toEqual(["connect 10.0.0.1"]);
    expect(await readdir(folder)).not.toContain("rack.yaml.state");
  });

  it("a board that was booted again begins again", async () => {
    const fleet = new FakeFleet(2);
    fleet.boards[1]!.before = (call) => {
      if (call.startsWith("write")) throw new SpinnError("ERR_SPINN_TIMEOUT", "silence");
    };
    await run(fleet);
    fleet.boards[1]!.before = () => undefined;
    fleet.boards[0]!.bootSignature += 1;
    events = [];
    const report = await run(fleet, { resume: true });
    expect(report.outcome).toBe("done");
    expect(report.boards.map(({ report: one }) => one!.steps.map(({ status }) => status[0]).join(""))).toEqual(["ddddd", "sssdd"]);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "start", board: "b0", skipped: 0, restarted: "the machine was booted again since" }),
    );
  });

  it("a new run from the beginning forgets what was remembered, of boards too whose turn does not come", async () => {
    const fleet = new FakeFleet(2);
    for (const board of fleet.boards) {
      board.before = (call) => {
        if (call.startsWith("write")) throw new SpinnError("ERR_SPINN_TIMEOUT", "silence");
      };
    }
    await run(fleet);
    await run(fleet, { failFast: true, atOnce: 1 });
    expect(await readdir(join(folder, "rack.yaml.state"))).toEqual(["b0.json"]);
  });

  it("ends while boards wait for their turn to be switched on", async () => {
    const fleet = new FakeFleet(3);
    const stop = new AbortController();
    const report = await run(fleet, {
      powerSpacingMs: 3_600_000,
      signal: stop.signal,
      onProgress: (event) => {
        if (event.type === "step-end") stop.abort();
      },
    });
    expect(report.outcome).toBe("aborted");
    expect(report.boards.map(({ outcome }) => outcome)).toEqual(["aborted", "aborted", "aborted"]);
    const waiting = "nothing was sent to it";
    expect(report.boards.map(({ boardNow }) => boardNow).sort()).toEqual(["it is switched on and not booted", waiting, waiting]);
    expect(fleet.powered.length).toBe(1);
    expect(fleet.open).toBe(0);
  });

  it("before it begins sends nothing", async () => {
    const fleet = new FakeFleet(1);
    expect((await failure(run(fleet, { signal: AbortSignal.abort() }))).code).toBe("ERR_SPINN_ABORTED");
  });
});

describe("a source of boards", () => {
  it("is asked when there is room, told to end, and may replace a bad board", async () => {
    const fleet = new FakeFleet(6);
    fleet.boards[1]!.before = (call) => {
      if (call.startsWith("boot")) throw new SpinnError("ERR_SPINN_BOOT", "no hello");
    };
    fleet.boards[4]!.before = fleet.boards[1]!.before;
    const told: string[] = [];
    async function* source(): AsyncGenerator<FleetBoard> {
      yield* fleet.list.slice(0, 3);
      told.push("over");
    }
    const spares = fleet.list.slice(4);
    const report = await runFleet(fromFile, source, {
      devices: fleet.devices,
      outputFolder: folder,
      atOnce: 2,
      junitPath: join(folder, "r.xml"),
      replace: async (bad, error) => {
        told.push(`${bad.name} ${error.code}`);
        return spares.shift();
      },
    });
    expect(outcomes(report)).toMatch(/b0 done, b1 failed, .*b4 failed.*b5 done|b0 done, b1 failed, .*b5 done/);
    expect(report).toMatchObject({ outcome: "done", counts: { done: 3, failed: 0, replaced: 2 } });
    expect(report.boards.find(({ board }) => board === "b4")).toMatchObject({ replacedBy: "b5" });
    expect(told.sort()).toEqual(["b1 ERR_SPINN_BOOT", "b4 ERR_SPINN_BOOT", "over"]);
    expect(await readFile(join(folder, "r.xml"), "utf8")).toMatch(/skipped message="replaced by b4: step 2 of 5/);
    expect(fleet.open).toBe(0);
  });

  it("that fails ends the run, and its error is told", async () => {
    const fleet = new FakeFleet(1);
    let ended = false;
    async function* source(): AsyncGenerator<FleetBoard> {
      try {
        yield fleet.list[0]!;
        throw new SpinnError("ERR_SPINN_REMOTE", "the server has no boards");
      } finally {
        ended = true;
      }
    }
    const error = await failure(runFleet(fromFile, source, { devices: fleet.devices, outputFolder: folder }));
    expect(error.code).toBe("ERR_SPINN_REMOTE");
    expect(ended).toBe(true);
    expect(fleet.open).toBe(0);
  });

  it("is closed when the run ends before it", async () => {
    const fleet = new FakeFleet(3);
    fleet.boards[0]!.before = () => {
      throw new SpinnError("ERR_SPINN_TIMEOUT", "silence");
    };
    let ended = false;
    async function* source(): AsyncGenerator<FleetBoard> {
      try {
        yield* fleet.list;
      } finally {
        ended = true;
      }
    }
    const report = await runFleet(fromFile, source, { devices: fleet.devices, outputFolder: folder, atOnce: 1, failFast: true });
    expect(outcomes(report)).toBe("b0 failed");
    expect(ended).toBe(true);
  });
});
