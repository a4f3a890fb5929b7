import { CommanderError } from "commander";
import { SpinnError } from "../errors.js";
import { ExitStatus, statusOf } from "./status.js";
import { usage } from "./usage.js";

/** How a run ended that did not end well. */
export interface Failure {
  readonly status: ExitStatus;
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  /** Of our own errors: what else they carry, for `--json`. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly stack: string | undefined;
}

/** Everything that can be thrown, as one shape. */
export function failureOf(error: unknown, verb?: string): Failure {
  if (error instanceof CommanderError) return failureOf(fromCommander(error, verb));
  if (error instanceof SpinnError) {
    const { code, message, hint, stack } = error;
    return { status: statusOf(error), code, message, hint, details: error.toJSON(), stack: withCauses(error, stack) };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    status: ExitStatus.BUG,
    code: "ERR_SPINN_BUG",
    message: `this is a fault of spinn itself: ${message}`,
    hint: "please report it, with the output of the same command with --debug",
    details: {},
    stack: error instanceof Error ? withCauses(error, error.stack) : undefined,
  };
}

/** `spinn read: no answer ...` and a line that says what to do. */
export function failureText(verb: string | undefined, failure: Failure, debug: boolean): string {
  const name = verb === undefined ? "spinn" : `spinn ${verb}`;
  const hint = failure.hint === undefined ? "" : `\n  ${failure.hint}`;
  const stack = debug && failure.stack !== undefined ? `\n${failure.stack}` : "";
  return `${name}: ${failure.message}${hint}${stack}`;
}

/** The error object of `--json`. */
export function failureJson(verb: string | undefined, failure: Failure): Record<string, unknown> {
  const { status, code, message, hint, details } = failure;
  return { schema: "spinn.error", version: 1, verb, status, error: { code, message, hint, ...details } };
}

/** Commander's complaints, in our form: `error: unknown option '--x'` and a suggestion on a second line. */
function fromCommander(error: CommanderError, verb = "VERB"): SpinnError {
  const [first = "", ...rest] = error.message.replace(/^error: /, "").split("\n");
  const hint = rest.join(" ").replace(/^\(|\)$/g, "");
  const words = first.trim().replace(/^missing required argument '(.*)'$/, "$1: missing");
  return usage(words, hint === "" ? `spinn help ${verb} shows how it is used` : hint);
}

function withCauses(error: Error, stack: string | undefined): string {
  const cause = error.cause;
  const below = cause instanceof Error ? `\ncaused by: ${withCauses(cause, cause.stack)}` : "";
  return `${stack ?? ""}${below}`;
}
