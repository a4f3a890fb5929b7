import type { SpinnError } from "../errors.js";
import type { BringupReport } from "./report.js";

/** What became of one board of a fleet. Plain data, for JSON. */
export interface FleetBoardReport {
  /** Its name. */
  readonly board: string;
  readonly host: string | undefined;
  /** `host:port` of its BMP. */
  readonly bmp: string | undefined;
  readonly slot: number | undefined;
  /** `done`: it is up. `not begun`: the run ended before its turn. */
  readonly outcome: BringupReport["outcome"] | "not begun";
  /** The board that came in its place. */
  readonly replacedBy?: string;
  /** What ended its run, unless it is done. */
  readonly error: ReturnType<SpinnError["toJSON"]> | undefined;
  /** What state it is in, in words. */
  readonly boardNow: string;
  /** Absent for a board that failed its checks or whose turn never came. */
  readonly report: BringupReport | undefined;
}

/** How many boards ended how. */
export interface FleetCounts {
  readonly done: number;
  /** Without those that were replaced. */
  readonly failed: number;
  readonly aborted: number;
  readonly notBegun: number;
  readonly replaced: number;
}

/** What became of a run for many boards. Plain data, for JSON. */
export interface FleetReport {
  readonly schema: "spinnkit.bringup-fleet-report";
  readonly version: 1;
  readonly script: string;
  /** `done`: every board is up, where one was replaced the one in its place. `aborted`: the caller's signal ended it. */
  readonly outcome: BringupReport["outcome"];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly counts: FleetCounts;
  /** In the order in which they were given. */
  readonly boards: readonly FleetBoardReport[];
}

export function countBoards(boards: readonly FleetBoardReport[]): FleetCounts {
  const count = (outcome: FleetBoardReport["outcome"]): number =>
    boards.filter((board) => board.outcome === outcome && board.replacedBy === undefined).length;
  return {
    done: count("done"),
    failed: count("failed"),
    aborted: count("aborted"),
    notBegun: count("not begun"),
    replaced: boards.filter(({ replacedBy }) => replacedBy !== undefined).length,
  };
}
