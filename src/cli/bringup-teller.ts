import type { BringupEvent, BringupReport, StepReport } from "../bringup/index.js";
import { formatDuration } from "./format.js";
import type { Job } from "./job.js";

/** Tells the run of one board as it goes: lines for people on stdout, or an object per event. */
export class Teller {
  readonly #job: Job;
  readonly #ndjson: boolean;
  #steps = 0;
  #place = "";

  constructor(job: Job, ndjson: boolean) {
    this.#job = job;
    this.#ndjson = ndjson;
  }

  tell(event: BringupEvent): void {
    const { terminal } = this.#job;
    if (event.type === "step-progress") terminal.progress.update(event.progress);
    if (this.#ndjson) this.#job.result({ event }, () => "", "bringup.event");
    switch (event.type) {
      case "start":
        this.#start(event);
        break;
      case "step-start":
        this.#at(`it was at step ${event.step} of ${this.#steps} (${event.words})`);
        if (!this.#job.isJson) terminal.progress.note(`${String(event.step).padStart(3)} ...  ${event.words}`);
        break;
      case "step-retry": {
        const { attempt, code, message } = event.retry;
        const rest = `tries again (${attempt} of ${event.times}) in ${formatDuration(event.delayMs)}`;
        if (!this.#job.isJson)
          terminal.out(`${String(event.step).padStart(3)} ${terminal.paint("odd", "... ")}  ${code}: ${message}; ${rest}\n`);
        break;
      }
      case "step-end":
        if (event.report.status === "done") this.#at(`step ${event.report.step} of ${this.#steps} (${event.report.words}) was done`);
        if (!this.#job.isJson) terminal.out(this.#stepText(event.report));
        break;
      case "end": {
        const { boardNow, statePath } = event.report;
        const next = statePath === undefined ? "" : "; spinn bringup --resume goes on there";
        if (boardNow !== undefined) this.#job.leftBehind = `${this.#place}; the board now: ${boardNow}${next}`;
      }
    }
  }

  #at(place: string): void {
    this.#place = place;
    this.#job.leftBehind = `${place}; spinn bringup --resume goes on there`;
  }

  #start(event: { readonly script: string; readonly steps: number; readonly skipped: number }): void {
    this.#steps = event.steps;
    if (this.#job.isJson) return;
    const skipped = event.skipped === 0 ? "" : `, ${event.skipped} of them done by an earlier run`;
    this.#job.terminal.out(`${event.script}: ${event.steps} steps${skipped}\n`);
  }

  #stepText(step: StepReport): string {
    const { terminal } = this.#job;
    const time = step.durationMs === undefined ? "" : `  ${terminal.paint("faint", formatDuration(step.durationMs))}`;
    const reason = step.reason === undefined ? [] : [step.reason];
    const seen = [...reason, ...Object.entries(step.seen ?? {}).flatMap(([name, value]) => seenLines(name, value))];
    return `${[`${String(step.step).padStart(3)} ${this.#mark(step)}  ${step.words}${time}`, ...seen.map((line) => `          ${line}`)].join("\n")}\n`;
  }

  #mark({ status }: StepReport): string {
    const { terminal } = this.#job;
    if (status === "done") return terminal.paint("good", "ok  ");
    if (status === "skipped") return terminal.paint("faint", "skip");
    return terminal.paint("bad", status === "failed" ? "FAIL" : "STOP");
  }
}

export function closingLine(report: BringupReport): string {
  return `${report.outcome}: ${report.steps.length} steps in ${formatDuration(report.durationMs)}\n`;
}

function seenLines(name: string, value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [`${name}: ${String(value)}`];
  if (Array.isArray(value)) return [`${name}: ${value.map((part) => (typeof part === "object" ? JSON.stringify(part) : part)).join(" ")}`];
  return Object.entries(value).flatMap(([key, part]) =>
    String(typeof part === "object" ? JSON.stringify(part) : part)
      .replace(/\n$/, "")
      .split("\n")
      .map((line) => `${key}: ${line}`),
  );
}
