import { SpinnError } from "../../errors.js";
import type { Json } from "./message.js";

/** What Python said of an error: `cause` of an `ERR_SPINN_REMOTE`. */
export interface RemoteCause {
  readonly ename: string;
  readonly evalue: string;
  /** Lines, with the terminal's colours in them. */
  readonly traceback: readonly string[];
}

/** What the error of several tasks shows of them. */
const SHOWN = 4;

/** The error that a reply with a status other than ok tells. */
export function errorIn(content: Json, where: string): SpinnError {
  if (content["status"] === "aborted") return new SpinnError("ERR_SPINN_ABORTED", `${where} dropped the task before it started`);
  const [ename, evalue] = [content["ename"], content["evalue"]].map((text) => (typeof text === "string" ? text : "?")) as [string, string];
  const traceback = Array.isArray(content["traceback"]) ? content["traceback"].filter((line) => typeof line === "string") : [];
  const cause: RemoteCause = { ename, evalue, traceback };
  return new SpinnError("ERR_SPINN_REMOTE", `${where} answered ${ename}: ${evalue}`, { cause, hint: HINTS[ename] });
}

/** The scheduler's own errors, in words. */
const HINTS: Readonly<Record<string, string>> = {
  InvalidDependency: "the scheduler does not know a task of after or follow: those sent straight to an engine are unknown to it",
  ImpossibleDependency: "a task of after or follow failed, or the engines that may run it are gone",
  TaskTimeout: "no engine was free within startTimeoutMs",
  EngineError: "the engine went away while it ran the task: it may have been done in part",
};

/** One error for all that failed of one call; `cause` is an AggregateError of them. */
export function errorOf(errors: readonly SpinnError[], among: number): SpinnError {
  const [first] = errors;
  if (errors.length === 1 && first !== undefined) return first;
  const shown = errors.slice(0, SHOWN).map(({ message }) => message);
  const more = errors.length > SHOWN ? `; and ${errors.length - SHOWN} more` : "";
  // All of one kind keep their code: a caller that branches on it need not look inside.
  const code = errors.every((error) => error.code === first?.code) ? first!.code : "ERR_SPINN_REMOTE";
  return new SpinnError(code, `${errors.length} of ${among} tasks failed: ${shown.join("; ")}${more}`, {
    cause: new AggregateError(errors, `${errors.length} tasks failed`),
  });
}
