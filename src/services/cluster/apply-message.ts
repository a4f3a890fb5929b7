import { SpinnError } from "../../errors.js";
import { Reference, readPickle } from "./pickle-reader.js";
import { writePickle, writeReference } from "./pickle-writer.js";

/** Arguments by name, as the last argument of a call: `view.apply("f", 1, kw({ scale: 2 }))`. */
export class Keywords {
  readonly values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.values = values;
  }
}

export function kw(values: Readonly<Record<string, unknown>>): Keywords {
  return new Keywords(values);
}

/** A call, as an apply_request carries it. */
export interface Call {
  readonly name: string;
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
}

/**
 * The buffers of an apply_request: the function (a name, or an expression, that the engine looks up), how many arguments, and each of them.
 * Throws `ERR_SPINN_ARGUMENT` for values that are no plain data.
 */
export function packCall(name: string, args: readonly unknown[]): Uint8Array[] {
  const last = args.at(-1);
  const positional = last instanceof Keywords ? args.slice(0, -1) : args;
  const keywords = last instanceof Keywords ? last.values : {};
  const names = Object.keys(keywords).sort();
  const info = { nargs: positional.length, narg_bufs: positional.length, kw_keys: names };
  return [writeReference(name), writePickle(info), ...[...positional, ...names.map((key) => keywords[key])].map(writePickle)];
}

/** Reads such buffers. Throws `ERR_SPINN_PROTOCOL`, also for a Python function: only a name can be called here. */
export function unpackCall(buffers: readonly Uint8Array[]): Call {
  let rest = buffers;
  const next = (): unknown => {
    const { value, framesUsed } = readPickle(rest);
    rest = rest.slice(framesUsed);
    return value;
  };
  const called = next();
  if (!(called instanceof Reference)) throw malformed();
  const { nargs, kw_keys: names } = (next() ?? {}) as { readonly nargs?: unknown; readonly kw_keys?: unknown };
  // No more arguments than buffers: the count is not trusted.
  if (typeof nargs !== "number" || nargs > rest.length || !Array.isArray(names) || names.length > rest.length) throw malformed();
  const args = Array.from({ length: nargs }, next);
  const kwargs = Object.fromEntries((names as unknown[]).map((name) => [String(name), next()]));
  return { name: called.name, args, kwargs };
}

function malformed(): SpinnError {
  return new SpinnError("ERR_SPINN_PROTOCOL", "an apply_request that does not call a name with plain data");
}
