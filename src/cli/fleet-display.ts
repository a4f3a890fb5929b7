import type { FleetBoardReport, FleetEvent, FleetReport, StepReport } from "../bringup/index.js";
import { formatDuration, plural } from "./format.js";
import type { Job } from "./job.js";
import { progressWords } from "./progress.js";
import { formatTable } from "./table.js";

type State = "waits" | "runs" | "up" | "FAILED" | "stopped" | "replaced";

interface Row {
  state: State;
  step: number;
  steps: number;
  words: string;
  /** Since when the step's progress runs, ms of the monotonic clock. */
  since: number;
  /** Up since an earlier run. */
  isOld: boolean;
}

/** Between two drawings, ms. */
const DRAW_MS = 100;
/** Rows that people look at first come first where not all fit. */
const ORDER: readonly State[] = ["runs", "FAILED", "stopped", "waits", "up", "replaced"];

/**
 * Shows a run for many boards as it goes, on stderr: on a terminal a table with a line per board, drawn over and over, with retries and
 * failures above it; elsewhere a line per step. Rows are bounded by the boards.
 */
export class FleetDisplay {
  readonly #job: Job;
  readonly #rows = new Map<string, Row>();
  #width = 5;
  #timer: NodeJS.Timeout | undefined;

  constructor(job: Job) {
    this.#job = job;
  }

  tell(event: FleetEvent): void {
    if (event.type === "fleet-start") for (const name of event.boards ?? []) this.#row(name);
    else if (event.type !== "fleet-end" && event.board !== undefined) this.#board(event.board, event);
    if (event.type === "fleet-end") this.close();
    else if (this.#job.terminal.progress.isEnabled) this.#timer ??= setTimeout(() => this.#draw(), DRAW_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#job.terminal.progress.clear();
  }

  #board(name: string, event: Exclude<FleetEvent, { readonly type: "fleet-start" | "fleet-end" }>): void {
    const row = this.#row(name);
    switch (event.type) {
      case "start":
        Object.assign(row, { state: "runs", step: event.skipped, steps: event.steps, words: "", isOld: event.skipped === event.steps });
        if (event.restarted !== undefined) this.#say(name, `begins again: ${event.restarted}`);
        else if (row.isOld) this.#say(name, "is up since an earlier run");
        else if (event.skipped > 0) this.#say(name, `goes on at step ${event.skipped + 1} of ${event.steps}`);
        break;
      case "step-start":
        Object.assign(row, { step: event.step, words: event.words, since: performance.now() });
        break;
      case "step-progress": {
        const [now, line] = [performance.now(), this.#job.terminal.progress];
        if (line.isEnabled) row.words = progressWords(event.progress, now - row.since, 60);
        break;
      }
      case "step-retry": {
        const { attempt, code, message } = event.retry;
        row.words = `tries again (${attempt} of ${event.times})`;
        this.#say(
          name,
          `step ${event.step}: ${code}: ${message}; tries again (${attempt} of ${event.times}) in ${formatDuration(event.delayMs)}`,
        );
        break;
      }
      case "step-end":
        if (!this.#job.terminal.progress.isEnabled) this.#say(name, stepWords(event.report, row.steps));
        break;
      case "end": {
        const { outcome, durationMs, error } = event.report;
        row.state = outcome === "done" ? "up" : outcome === "failed" ? "FAILED" : "stopped";
        row.words = outcome === "done" ? `in ${formatDuration(durationMs)}` : String(error?.["message"]);
        if (row.isOld) break;
        if (outcome !== "done") this.#say(name, `${row.state}: ${row.words}`);
        else if (!this.#job.terminal.progress.isEnabled) this.#say(name, `up ${row.words}`);
        break;
      }
      case "refused":
        Object.assign(row, { state: "FAILED", words: String(event.error["message"]) });
        this.#say(name, `FAILED: ${row.words}`);
        break;
      case "replaced":
        Object.assign(row, { state: "replaced", words: `by ${event.by}` });
        this.#say(name, `replaced by ${event.by}`);
    }
  }

  #row(name: string): Row {
    const row = this.#rows.get(name) ?? { state: "waits", step: 0, steps: 0, words: "", since: 0, isOld: false };
    this.#rows.set(name, row);
    this.#width = Math.max(this.#width, name.length);
    return row;
  }

  #say(name: string, words: string): void {
    if (this.#job.terminal.isQuiet) return;
    this.#job.say(`${name.padEnd(this.#width)}  ${words}`);
  }

  #draw(): void {
    this.#timer = undefined;
    const { progress } = this.#job.terminal;
    const rows = [...this.#rows];
    const room = progress.rows - 1;
    const shown =
      rows.length <= room ? rows : [...rows].sort(([, a], [, b]) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state)).slice(0, room);
    const lines = shown.map(([name, { state, step, steps, words }]) => {
      const place = steps === 0 ? "" : `${state === "up" ? steps : step}/${steps}`;
      return `${name.padEnd(this.#width)}  ${state.padEnd(8)} ${place.padStart(7)}  ${words}`.trimEnd();
    });
    const count = (state: State): number => rows.filter(([, row]) => row.state === state).length;
    const counts = ORDER.filter((state) => count(state) > 0).map((state) => `${count(state)} ${state === "runs" ? "under way" : state}`);
    progress.block([...lines, `${plural(rows.length, "board")}: ${counts.join(", ")}`]);
  }
}

function stepWords({ step, status, words, durationMs, reason }: StepReport, steps: number): string {
  const mark = status === "done" ? "ok" : status === "skipped" ? "skip" : status === "failed" ? "FAIL" : "STOP";
  const time = durationMs === undefined ? "" : `  ${formatDuration(durationMs)}`;
  return `${`${step}/${steps}`.padStart(5)} ${mark.padEnd(4)} ${words}${time}${reason === undefined ? "" : ` (${reason})`}`;
}

/** The report for people: a table, then what is the matter with each board that is not up. */
export function fleetText(job: Job, report: FleetReport): string {
  const { terminal } = job;
  const rows = report.boards.map((board) => [board.board, resultOf(job, board), stepsOf(board), timeOf(board)]);
  const head = [
    { title: "board" },
    { title: "result" },
    { title: "steps", align: "right" as const },
    { title: "time", align: "right" as const },
  ];
  const trouble = report.boards
    .filter(({ outcome }) => outcome === "failed" || outcome === "aborted")
    .map(({ board, error, boardNow }) => {
      const hint = String(error?.["hint"] ?? `The board now: ${boardNow}`);
      return `\n${board}: ${String(error?.["message"])}\n  ${hint}\n`;
    });
  return `${formatTable(head, rows, terminal.columns)}${trouble.join("")}\n${countsLine(report)} in ${formatDuration(report.durationMs)}\n`;
}

/** `23 of 24 boards are up, 1 failed` */
export function countsLine({ counts }: FleetReport): string {
  const { done, failed, aborted, notBegun, replaced } = counts;
  const rest = { failed, stopped: aborted, "not begun": notBegun, replaced };
  const words = Object.entries(rest).filter(([, count]) => count > 0);
  const all = done + failed + aborted + notBegun;
  return [`${done} of ${plural(all, "board")} up`, ...words.map(([word, count]) => `${count} ${word}`)].join(", ");
}

function resultOf({ terminal }: Job, { outcome, replacedBy }: FleetBoardReport): string {
  if (replacedBy !== undefined) return terminal.paint("odd", `replaced by ${replacedBy}`);
  if (outcome === "done") return terminal.paint("good", "up");
  return outcome === "not begun" ? terminal.paint("odd", outcome) : terminal.paint("bad", outcome === "failed" ? "FAILED" : "stopped");
}

function stepsOf({ report }: FleetBoardReport): string {
  if (report === undefined) return "";
  const done = report.steps.filter(({ status }) => status === "done" || status === "skipped").length;
  return `${done}/${report.steps.length}`;
}

function timeOf({ report }: FleetBoardReport): string {
  return report === undefined ? "" : formatDuration(report.durationMs);
}
