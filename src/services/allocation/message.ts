import { SpinnError } from "../../errors.js";
import { fieldsOf, integerOf, listOf, textOf } from "./fields.js";

/** What a server says in one line of the classic protocol. */
export type ServerMessage =
  | { readonly kind: "return"; readonly value: unknown }
  | { readonly kind: "exception"; readonly text: string }
  | { readonly kind: "jobs"; readonly ids: readonly number[] }
  | { readonly kind: "machines"; readonly names: readonly string[] }
  /** A notification of a kind that this version does not know: no reply, and no harm. */
  | { readonly kind: "other" };

/** One command as a line. All three keys are always there: servers up to 0.5.2 hang up on a request that leaves one out. */
export function encodeCommand(command: string, args: readonly unknown[] = [], kwargs: Readonly<Record<string, unknown>> = {}): string {
  return `${JSON.stringify({ command, args, kwargs })}\n`;
}

/** Reads one line without its line feed. Throws `ERR_SPINN_PROTOCOL` for what is no JSON object or has members of the wrong kind. */
export function decodeLine(line: string): ServerMessage {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch (cause) {
    const shown = line.length > 60 ? `${line.slice(0, 57)}...` : line;
    throw new SpinnError("ERR_SPINN_PROTOCOL", `a line that is not JSON: ${JSON.stringify(shown)}`, {
      cause,
      hint: "is this really a spalloc server? see the host and port that were given",
    });
  }
  const fields = fieldsOf(json, "a message");
  if (Object.hasOwn(fields, "return")) return { kind: "return", value: fields["return"] };
  if (Object.hasOwn(fields, "exception")) return { kind: "exception", text: textOf(fields["exception"], "an exception") };
  if (Object.hasOwn(fields, "jobs_changed")) {
    return { kind: "jobs", ids: listOf(fields["jobs_changed"], "jobs_changed", integerOf) };
  }
  if (Object.hasOwn(fields, "machines_changed")) {
    return { kind: "machines", names: listOf(fields["machines_changed"], "machines_changed", textOf) };
  }
  return { kind: "other" };
}
