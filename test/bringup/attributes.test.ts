import { beforeEach, describe, expect, it } from "vitest";
import {
  type BringupEvent,
  type BringupOptions,
  type BringupReport,
  type BringupScript,
  bringup,
  type ConditionInput,
  formatReport,
  parseScript,
  runBringup,
  scriptSchema,
} from "../../src/bringup/index.js";
import { SpinnError } from "../../src/errors.js";
import { failure } from "./bench.js";
import { FakeBoard } from "./fake-devices.js";

/** How a script writes a variable. */
const v = (name: string): string => `${"$"}{${name}}`;

let board: FakeBoard;
let events: BringupEvent[];

beforeEach(() => {
  board = new FakeBoard();
  board.booted = true;
  events = [];
});

function run(script: Omit<BringupScript, "board">, options: BringupOptions = {}): Promise<BringupReport> {
  const checked = bringup({ board: { host: "10.0.0.1", bmp: "10.0.0.0" }, ...script });
  return runBringup(checked, { devices: board.devices, onProgress: (event) => events.push(event), ...options });
}

const refusals = (yaml: string): string[] => {
  try {
    parseScript(yaml, { name: "t" });
  } catch (error) {
    if (error instanceof SpinnError) return error.message.split("\n");
  }
  return [];
};

describe("when", () => {
  const variables = { mode: "full", count: 3, on: true };

  it.each<[ConditionInput, string | undefined]>([
    [true, undefined],
    ["false", "its condition is false"],
    [{ mode: "full" }, undefined],
    [{ mode: ["quick", "full"] }, undefined],
    [{ mode: { not: "full" } }, "mode is full, and it runs when mode: { not: full }"],
    [{ mode: { not: ["a", "b"] } }, undefined],
    [{ count: ">=3" }, undefined],
    [{ count: "<3" }, 'count is 3, and it runs when count: "<3"'],
    [{ count: ">1", mode: "quick" }, "mode is full, and it runs when mode: quick"],
    [{ on: true }, undefined],
    [{ mode: ">=3" }, 'mode is full, and it runs when mode: ">=3"'],
    [{ booted: true }, undefined],
    [{ booted: false }, "booted is true, and it runs when booted: false"],
    [{ version: 4 }, undefined],
    [{ version: ">=3.4" }, undefined],
    [{ version: "3.4" }, "version is 4.0.0, and it runs when version: 3.4"],
    [{ chips: 48, type: "spin5" }, undefined],
    [{ chips: "<48" }, 'chips is 48, and it runs when chips: "<48"'],
    [{ cores: ">=816" }, undefined],
    [{ type: "spin3" }, "type is spin5, and it runs when type: spin3"],
  ])("%j", async (when, reason) => {
    const report = await run({ variables, steps: [{ sleep: "1ms", when }] });
    expect(report.outcome).toBe("done");
    expect([report.steps[0]!.status, report.steps[0]!.reason]).toEqual(reason === undefined ? ["done", undefined] : ["skipped", reason]);
    expect(board.open).toBe(0);
  });

  it("takes variables, and values as they are written", async () => {
    const script = (yaml: string) => parseScript(`board: h\nvariables: { go: false, v: 4.0 }\nsteps:\n  - sleep: 1ms\n    when: ${yaml}\n`);
    expect(script(v("go")).steps[0]!.when).toMatchObject({ refused: "its condition is false" });
    expect(
      parseScript(`board: h\nvariables: { go: false }\nsteps:\n  - { sleep: 1ms, when: '${v("go")}' }`, { variables: { go: "true" } })
        .steps[0]!.when!.refused,
    ).toBeUndefined();
    const report = await runBringup(script("{ version: 4.1 }"), { devices: board.devices });
    expect(report.steps[0]!.reason).toBe("version is 4.0.0, and it runs when version: 4.1");
  });

  it("asks a board that is not booted only whether it is", async () => {
    board.booted = false;
    const asked = await run({ steps: [{ sleep: "1ms", when: { booted: true, chips: 48 } }] });
    expect(asked.steps[0]!.reason).toBe("booted is false, and it runs when booted: true");
    const error = await failure(run({ steps: [{ sleep: "1ms", when: { chips: 48 } }] }));
    expect([error.code, error.message]).toEqual([
      "ERR_SPINN_STATE",
      "step 1 of 1 (script: steps[0].sleep) failed: sleep 0.001 s: its chips cannot be told: 10.0.0.1 does not answer",
    ]);
  });

  it.each([
    ["{ moed: full }", /unknown name in when: "moed"; did you mean "mode"/],
    ["{ boted: true }", /did you mean "booted"/],
    ["{ booted: maybe }", /true or false expected, not "maybe"/],
    ["{ chips: many }", /working chips.* expected, not "many"/],
    ["{ type: spin4 }", /spin3 or spin5 expected/],
    ['{ mode: ">=x" }', /a number behind >= expected/],
    ["{ mode: { is: 1 } }", /\{ not: \.\.\. \} expected/],
    ["{ mode: [] }", /not an empty list/],
    ["{ version: 4, version_: 1 }", /unknown name in when: "version_"/],
    ["maybe", /when: names and values.* expected, not "maybe"/],
    ["process.exit(1)", /when: names and values/],
  ])("%s is refused", (when, message) => {
    expect(refusals(`variables: { mode: full }\nsteps:\n  - sleep: 1s\n    when: ${when}\n`)[0]).toMatch(message);
  });

  it("does not take a variable for a fact", () => {
    expect(refusals("variables: { chips: 1 }\nsteps:\n  - { sleep: 1s, when: { chips: 48 } }\n")[0]).toMatch(
      /"chips" is a fact of the board, and a variable/,
    );
  });
});

describe("retry", () => {
  /** Fails so many times. */
  const flaky = (call: string, times: number, code: SpinnError["code"] = "ERR_SPINN_TIMEOUT"): void => {
    let left = times;
    board.before = (words) => {
      if (words.startsWith(call) && left-- > 0) throw new SpinnError(code, "silence");
    };
  };
  const steps = (retry: NonNullable<BringupScript["steps"][number]["retry"]>): BringupScript["steps"] => [{ signal: "USR0", retry }];

  it("tries again, says why, and reports it", async () => {
    flaky("signal", 2);
    const report = await run({ steps: steps({ times: 3, delay: "1ms" }) });
    expect(report.outcome).toBe("done");
    expect(report.steps[0]!.retries).toEqual([
      { attempt: 1, code: "ERR_SPINN_TIMEOUT", message: "silence" },
      { attempt: 2, code: "ERR_SPINN_TIMEOUT", message: "silence" },
    ]);
    expect(events.filter(({ type }) => type === "step-retry")).toEqual([
      { type: "step-retry", board: "10.0.0.1", step: 1, retry: report.steps[0]!.retries![0], times: 3, delayMs: 1 },
      { type: "step-retry", board: "10.0.0.1", step: 1, retry: report.steps[0]!.retries![1], times: 3, delayMs: 1 },
    ]);
    expect(formatReport(report)).toMatch(/attempt 2: ERR_SPINN_TIMEOUT: silence/);
  });

  it("ends where its times end", async () => {
    flaky("signal", 9);
    const error = await failure(run({ steps: steps({ times: 2, delay: "1ms" }) }));
    expect(error.message).toMatch(/^step 1 of 1 .* failed 3 times: send USR0: silence$/);
    expect(board.calls.filter((call) => call.startsWith("signal")).length).toBe(3);
  });

  it("follows only the errors it names, and by default none that it may make worse", async () => {
    flaky("signal", 1, "ERR_SPINN_STATE");
    await failure(run({ steps: steps({ times: 2, delay: "1ms", on: ["TIMEOUT", "ERR_SPINN_BOOT"] }) }));
    flaky("signal", 1, "ERR_SPINN_OUTCOME_UNKNOWN");
    await failure(run({ steps: steps({ times: 2, delay: "1ms" }) }));
    flaky("signal", 1, "ERR_SPINN_OUTCOME_UNKNOWN");
    expect((await run({ steps: steps({ times: 2, delay: "1ms", on: "outcome_unknown" }) })).outcome).toBe("done");
  });

  it("its rest ends when the run does", async () => {
    flaky("signal", 9);
    const stop = new AbortController();
    const ended = run(
      { steps: steps({ times: 2, delay: "1h" }) },
      { signal: stop.signal, onProgress: ({ type }) => type === "step-retry" && stop.abort() },
    );
    expect((await failure(ended)).code).toBe("ERR_SPINN_ABORTED");
    expect(board.open).toBe(0);
  });

  it.each([
    ["0", /number of attempts besides the first must be a whole number from 1 to 20/],
    ["{ delay: 1s }", /retry needs "times"/],
    ["{ times: 2, on: TIMOUT }", /unknown error "TIMOUT"; did you mean "TIMEOUT"/],
    ["{ times: 2, on: ABORTED }", /unknown error "ABORTED"/],
  ])("%s is refused", (retry, message) => {
    expect(refusals(`steps:\n  - sleep: 1s\n    retry: ${retry}\n`)[0]).toMatch(message);
  });
});

describe("what stands beside a step", () => {
  it("has its nearest word when it is mistyped", () => {
    expect(refusals("steps:\n  - sleep: 1s\n    whn: true\n")).toEqual(['t:3:5: unknown word in a step: "whn"; did you mean "when"?']);
    expect(refusals("steps:\n  - sleep: 1s\n    once: board\n")[0]).toMatch(/unknown once "board"; known are bmp, fleet/);
  });

  it("is in the schema", () => {
    const schema = JSON.parse(JSON.stringify(scriptSchema())) as { properties: { steps: { items: { anyOf: { properties: object }[] } } } };
    for (const { properties } of schema.properties.steps.items.anyOf) {
      expect(Object.keys(properties)).toEqual(expect.arrayContaining(["name", "when", "retry", "once"]));
    }
  });
});
