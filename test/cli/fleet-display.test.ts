import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { FleetEvent } from "../../src/bringup/index.js";
import { FleetDisplay } from "../../src/cli/fleet-display.js";
import { Job } from "../../src/cli/job.js";
import { type OutputStream, Terminal } from "../../src/cli/terminal.js";

class Screen implements OutputStream {
  written = "";
  readonly writableLength = 0;
  readonly isTTY: boolean;
  readonly columns = 60;
  readonly rows: number;

  constructor(isTTY: boolean, rows = 24) {
    this.isTTY = isTTY;
    this.rows = rows;
  }

  write(data: string | Uint8Array): void {
    this.written += String(data);
  }

  on(): void {}

  /** What stands on it: erases and cursor movements played back. */
  get lines(): string[] {
    const lines = [""];
    let at = 0;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: ESC is what a movement begins with
    for (const [token] of this.written.matchAll(/\u001b\[2K|\u001b\[1A|\r|\n|[^\u001b\r\n]+/g)) {
      if (token === "\u001b[2K") lines[at] = "";
      else if (token === "\u001b[1A") at -= 1;
      else if (token === "\n") lines[++at] ??= "";
      else if (token !== "\r") lines[at] += token;
    }
    return lines.slice(0, at + 1);
  }
}

const NAMES = ["b0", "b1", "b2", "b3"];
const start = (board: string): FleetEvent => ({ type: "start", board, script: "s", steps: 3, skipped: 0 });
const begin = (board: string, step: number): FleetEvent => ({ type: "step-start", board, step, kind: "sleep", words: `work ${step}` });
const report = {
  schema: "spinnkit.bringup-report",
  version: 1,
  script: "s",
  board: "h",
  startedAt: "",
  durationMs: 2000,
  steps: [],
  boardNow: undefined,
  statePath: undefined,
} as const;
const end = (board: string, outcome: "done" | "failed"): FleetEvent => ({
  type: "end",
  board,
  report: { ...report, outcome, error: outcome === "done" ? undefined : { message: "step 1 of 3 failed: silence" } },
});

function displayOn(screen: Screen): (...events: FleetEvent[]) => void {
  const terminal = new Terminal({ stdin: {}, stdout: screen, stderr: screen });
  const display = new FleetDisplay(new Job("bringup", {}, terminal, new AbortController().signal, { json: false, verbose: false }));
  display.tell({ type: "fleet-start", script: "s", boards: NAMES, atOnce: 2 });
  return (...events) => {
    for (const event of events) display.tell(event);
    vi.advanceTimersByTime(200);
  };
}

describe("the display of a fleet", () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
  afterEach(() => void vi.useRealTimers());

  it("on a terminal has a line per board, drawn over", () => {
    const screen = new Screen(true);
    const tell = displayOn(screen);
    tell(start("b0"), begin("b0", 1), start("b1"), begin("b1", 2));
    expect(screen.lines).toEqual([
      "b0     runs         1/3  work 1",
      "b1     runs         2/3  work 2",
      "b2     waits",
      "b3     waits",
      "4 boards: 2 under way, 2 waits",
    ]);
    tell(
      {
        type: "step-retry",
        board: "b0",
        step: 1,
        retry: { attempt: 1, code: "ERR_SPINN_TIMEOUT", message: "silence" },
        times: 2,
        delayMs: 10,
      },
      end("b1", "done"),
    );
    expect(screen.lines.slice(1)).toEqual([
      "b0     runs         1/3  tries again (1 of 2)",
      "b1     up           3/3  in 2.0 s",
      "b2     waits",
      "b3     waits",
      "4 boards: 1 under way, 2 waits, 1 up",
    ]);
    expect(screen.lines[0]).toBe("b0     step 1: ERR_SPINN_TIMEOUT: silence; tries again (1 of 2) in 10 ms");
    tell(end("b0", "failed"), { type: "fleet-end", report: { ...FLEET, boards: [] } });
    expect(screen.lines.slice(1)).toEqual(["b0     FAILED: step 1 of 3 failed: silence", ""]);
  });

  it("shows what is under way first where not all fit, and counts all", () => {
    const screen = new Screen(true, 4);
    const tell = displayOn(screen);
    tell(start("b3"), begin("b3", 1));
    expect(screen.lines).toEqual(["b3     runs         1/3  work 1", "b0     waits", "4 boards: 1 under way, 3 waits"]);
  });

  it("elsewhere has a line per step, without any escape", () => {
    const screen = new Screen(false);
    const tell = displayOn(screen);
    const done = { step: 1, kind: "sleep", words: "work 1", line: 1, status: "done", durationMs: 10 } as const;
    const skipped = { ...done, step: 2, words: "work 2", status: "skipped", reason: "chips is 4" } as const;
    tell(
      start("b0"),
      begin("b0", 1),
      { type: "step-end", board: "b0", report: done },
      { type: "step-end", board: "b0", report: skipped },
      end("b0", "done"),
    );
    tell({ type: "refused", board: "b1", error: { message: "no file" } }, { type: "replaced", board: "b1", by: "b9" });
    tell({ type: "start", board: "b2", script: "s", steps: 3, skipped: 3 }, end("b2", "done"));
    tell({ type: "start", board: "b3", script: "s", steps: 3, skipped: 0, restarted: "it was booted again" });
    expect(screen.written.split("\n")).toEqual([
      "b0       1/3 ok   work 1  10 ms",
      "b0       2/3 skip work 2  10 ms (chips is 4)",
      "b0     up in 2.0 s",
      "b1     FAILED: no file",
      "b1     replaced by b9",
      "b2     is up since an earlier run",
      "b3     begins again: it was booted again",
      "",
    ]);
  });
});

const FLEET = {
  schema: "spinnkit.bringup-fleet-report",
  version: 1,
  script: "s",
  outcome: "failed",
  startedAt: "",
  durationMs: 1,
  counts: { done: 0, failed: 0, aborted: 0, notBegun: 0, replaced: 0 },
} as const;
