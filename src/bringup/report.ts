import type { SpinnError } from "../errors.js";
import type { Seen } from "./step.js";

export type StepStatus = "done" | "skipped" | "failed" | "aborted" | "not run";

/** What became of one step. */
export interface StepReport {
  /** From 1. */
  readonly step: number;
  readonly kind: string;
  readonly words: string;
  /** Line in the script, if it was a text. */
  readonly line: number | undefined;
  readonly status: StepStatus;
  /** ISO 8601; absent for steps that did not run. */
  readonly startedAt?: string;
  readonly durationMs?: number;
  /** What the step found or made. */
  readonly seen?: Seen;
  /** Why it was skipped. */
  readonly reason?: string;
  /** Attempts that failed and were followed by another. */
  readonly retries?: readonly RetryReport[];
}

/** An attempt that failed, and was not the last. */
export interface RetryReport {
  /** From 1. */
  readonly attempt: number;
  readonly code: string;
  readonly message: string;
}

/** What became of a run. Plain data, for JSON. */
export interface BringupReport {
  readonly schema: "spinnkit.bringup-report";
  readonly version: 1;
  readonly script: string;
  /** Its host. */
  readonly board: string | undefined;
  /** What the board is called, where it has a name. */
  readonly name?: string | undefined;
  readonly outcome: "done" | "failed" | "aborted";
  /** ISO 8601. */
  readonly startedAt: string;
  readonly durationMs: number;
  readonly steps: readonly StepReport[];
  /** What ended the run, unless it is done. */
  readonly error: ReturnType<SpinnError["toJSON"]> | undefined;
  /** What state the board was in after a run that did not end well. */
  readonly boardNow: string | undefined;
  /** File that remembers the finished steps of a run that did not end well; absent when nothing does, so that it cannot be resumed. */
  readonly statePath: string | undefined;
}

const MARKS: Readonly<Record<StepStatus, string>> = { done: "ok", skipped: "skip", failed: "FAIL", aborted: "STOP", "not run": "-" };

/** A report for people: a line per step, what each saw, and how it ended. */
export function formatReport(report: BringupReport): string {
  const lines = [`${report.script}${report.board === undefined ? "" : ` on ${report.board}`}, ${report.startedAt}`];
  for (const step of report.steps) {
    const time = step.durationMs === undefined ? "" : `  (${seconds(step.durationMs)})`;
    lines.push(`${String(step.step).padStart(3)} ${MARKS[step.status].padEnd(4)} ${step.words}${time}`);
    if (step.reason !== undefined) lines.push(`           ${step.reason}`);
    for (const { attempt, code, message } of step.retries ?? []) lines.push(`           attempt ${attempt}: ${code}: ${message}`);
    for (const [name, value] of Object.entries(step.seen ?? {})) lines.push(...seenLines(name, value));
  }
  const count = report.steps.filter(({ status }) => status === "done" || status === "skipped").length;
  lines.push(`${report.outcome}: ${count} of ${report.steps.length} steps in ${seconds(report.durationMs)}`);
  if (report.error !== undefined) lines.push(String(report.error["message"]));
  if (report.error?.["hint"] !== undefined) lines.push(String(report.error["hint"]));
  if (report.boardNow !== undefined) lines.push(`board now: ${report.boardNow}`);
  return `${lines.join("\n")}\n`;
}

function seenLines(name: string, value: unknown): string[] {
  const indent = "           ";
  if (name === "text" && typeof value === "object" && value !== null) {
    return Object.entries(value).flatMap(([core, text]) =>
      String(text)
        .replace(/\n$/, "")
        .split("\n")
        .map((line) => `${indent}${core}| ${line}`),
    );
  }
  return [`${indent}${name}: ${Array.isArray(value) ? value.join(", ") : String(value)}`];
}

function seconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
