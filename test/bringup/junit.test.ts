import { describe, expect, it } from "vitest";
import { countBoards } from "../../src/bringup/fleet-report.js";
import { type BringupReport, type FleetReport, formatJunit, type StepReport } from "../../src/bringup/index.js";
import { type Element, parseXml } from "./xml.js";

const step = (number: number, more: Partial<StepReport> = {}): StepReport => ({
  step: number,
  kind: "sleep",
  words: `step <${number}> & "more"`,
  line: number,
  status: "done",
  durationMs: 1500,
  ...more,
});

const report = (more: Partial<BringupReport> = {}): BringupReport => ({
  schema: "spinnkit.bringup-report",
  version: 1,
  script: "night & day",
  board: "10.0.0.1",
  outcome: "done",
  startedAt: "2026-01-31T12:00:00.000Z",
  durationMs: 4200,
  steps: [step(1), step(2)],
  error: undefined,
  boardNow: undefined,
  statePath: undefined,
  ...more,
});

function fleet(...boards: FleetReport["boards"]): FleetReport {
  const head = {
    schema: "spinnkit.bringup-fleet-report",
    version: 1,
    script: "rack",
    outcome: "failed",
    startedAt: "2026-01-31T12:00:00.000Z",
  } as const;
  return { ...head, durationMs: 10, counts: countBoards(boards), boards };
}

const board = (name: string, more: Partial<FleetReport["boards"][number]>): FleetReport["boards"][number] => ({
  board: name,
  host: "10.0.0.1",
  bmp: undefined,
  slot: undefined,
  outcome: "done",
  error: undefined,
  boardNow: "up",
  report: undefined,
  ...more,
});

const all = (element: Element, name: string): Element[] => [
  ...(element.name === name ? [element] : []),
  ...element.children.flatMap((child) => (typeof child === "string" ? [] : all(child, name))),
];

describe("JUnit", () => {
  it("a suite per board, a case per step, times in seconds", () => {
    const root = parseXml(formatJunit(report()));
    expect([root.name, root.attributes]).toEqual([
      "testsuites",
      { name: "night & day", tests: "2", failures: "0", errors: "0", skipped: "0", time: "4.2", timestamp: "2026-01-31T12:00:00.000Z" },
    ]);
    const [suite] = all(root, "testsuite");
    expect(suite!.attributes).toMatchObject({ name: "10.0.0.1", tests: "2", hostname: "10.0.0.1", time: "4.2" });
    expect(all(root, "testcase").map(({ attributes }) => attributes)).toEqual([
      { name: '1 step <1> & "more"', classname: "night & day.10.0.0.1", time: "1.5" },
      { name: '2 step <2> & "more"', classname: "night & day.10.0.0.1", time: "1.5" },
    ]);
  });

  it("failures, what was skipped and why, what did not run, retries, what was seen", () => {
    const retries = [{ attempt: 1, code: "ERR_SPINN_TIMEOUT", message: "silence" }];
    const steps = [
      step(1, { status: "skipped", reason: "chips is 4" }),
      step(2, { seen: { text: { "0,0,1": "a]]> <b>\u0000\u001b[31m\ud800" } }, retries }),
      step(3, { status: "failed" }),
      step(4, { status: "not run" }),
    ];
    const error = { code: "ERR_SPINN_STATE", message: "core 0,0,2: RTE\nand more", hint: "look at its text" };
    const root = parseXml(formatJunit(report({ outcome: "failed", steps, error, boardNow: "SC&MP answers" })));
    expect(root.attributes).toMatchObject({ tests: "4", failures: "1", errors: "0", skipped: "2" });
    expect(all(root, "skipped").map(({ attributes }) => attributes["message"])).toEqual([
      "chips is 4",
      "not run: an earlier step ended the run",
    ]);
    const [failure] = all(root, "failure");
    expect(failure).toEqual({
      name: "failure",
      attributes: { type: "ERR_SPINN_STATE", message: "core 0,0,2: RTE\nand more" },
      children: ["look at its text"],
    });
    expect(all(root, "system-err")[0]!.children).toEqual(["attempt 1: ERR_SPINN_TIMEOUT: silence\n"]);
    expect(all(root, "system-out")[0]!.children[0]).toContain('{"0,0,1":"a]]> <b>\\u0000');
    expect(all(root, "property").map(({ attributes }) => attributes)).toContainEqual({ name: "board.boardNow", value: "SC&MP answers" });
  });

  it("boards that were stopped, or never begun, are errors; what was replaced is skipped", () => {
    const aborted = report({ outcome: "aborted", steps: [step(1), step(2, { status: "aborted" })] });
    const failed = report({ outcome: "failed", steps: [step(1, { status: "failed" })] });
    const error = { code: "ERR_SPINN_BOOT", message: "no hello" };
    const root = parseXml(
      formatJunit(
        fleet(
          board("a", { outcome: "aborted", report: aborted, error: { code: "ERR_SPINN_ABORTED", message: "stopped" } }),
          board("b", { outcome: "not begun", boardNow: "nothing was sent to it" }),
          board("c", { outcome: "failed", error }),
          board("d", { outcome: "failed", error, report: failed, replacedBy: "e" }),
        ),
      ),
    );
    expect(
      all(root, "testsuite").map(({ attributes: { name, tests, failures, errors, skipped } }) => [name, tests, failures, errors, skipped]),
    ).toEqual([
      ["a", "2", "0", "1", "0"],
      ["b", "1", "0", "1", "0"],
      ["c", "1", "1", "0", "0"],
      ["d", "1", "0", "0", "1"],
    ]);
    expect(all(root, "error")[1]!.attributes).toEqual({ type: "ERR_SPINN_ABORTED", message: "nothing was sent to it" });
    expect(all(root, "skipped")[0]!.attributes).toEqual({ message: "replaced by e: no hello" });
  });

  it("what cores print cannot break it", () => {
    const bytes = Array.from({ length: 0x300 }, (_, i) => String.fromCharCode(i)).join("");
    const steps = [step(1, { words: bytes, seen: { text: bytes } })];
    const root = parseXml(formatJunit(report({ steps })));
    expect(all(root, "system-out").length).toBe(1);
  });
});

describe("the reader of these tests", () => {
  it.each(["<a>", "<a></b>", "<a b=c/>", "<a>&nbsp;</a>", "<a/><b/>", "<a>\u0001</a>", '<a b="<"/>', "<a>x]]></a>", '<a b="1" b="2"/>'])(
    "refuses %s",
    (text) => {
      expect(() => parseXml(text)).toThrow();
    },
  );
});
