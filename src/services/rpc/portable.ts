import { NdArray } from "./ndarray.js";
import { RemoteError } from "./remote-error.js";
import { isPlainObject, PyFloat, setMember } from "./value.js";

/** Deepest nesting that crosses into a namespace. */
const MAX_DEPTH = 200;

/**
 * Values on their way between the server and a namespace, as JSON. What JSON has no word for is `{"$": [kind, text]}`: `bigint`, and
 * `number` for NaN and the infinities. Arrays of numbers go in as `{ dtype, shape, data }` with a list. All else is refused.
 */
export function toPortable(value: unknown, depth = 0): unknown {
  if (depth > MAX_DEPTH)
    throw new RemoteError("ValueError", `a value nested deeper than ${MAX_DEPTH} levels cannot enter or leave a namespace`);
  if (value === undefined || value === null || typeof value === "boolean" || typeof value === "string") return value ?? null;
  if (typeof value === "bigint") return { $: ["bigint", String(value)] };
  if (value instanceof PyFloat) return toPortable(Number(value), depth);
  if (typeof value === "number") return Number.isFinite(value) ? value : { $: ["number", String(value)] };
  if (Array.isArray(value)) return value.map((item) => toPortable(item, depth + 1));
  if (value instanceof Set) return [...value].map((item) => toPortable(item, depth + 1));
  if (value instanceof NdArray) {
    return {
      dtype: value.dtype,
      shape: value.shape,
      data: Array.from(value.data as Iterable<number | bigint>, (item) => toPortable(item)),
    };
  }
  if (typeof value === "object" && (value instanceof Map || isPlainObject(value))) {
    const entries = value instanceof Map ? [...value] : Object.entries(value);
    const dict = Object.create(null) as Record<string, unknown>;
    for (const [key, item] of entries) {
      if (typeof key !== "string" || key === "$")
        throw new RemoteError("TypeError", "only dicts with text keys, none of them $, can enter a namespace");
      setMember(dict, key, toPortable(item, depth + 1));
    }
    return dict;
  }
  throw new RemoteError(
    "TypeError",
    `a value of class ${(value as object).constructor?.name ?? typeof value} cannot enter or leave a namespace`,
  );
}

/** The value of portable JSON; the other direction. */
export function fromPortable(value: unknown, depth = 0): unknown {
  if (depth > MAX_DEPTH)
    throw new RemoteError("ValueError", `a value nested deeper than ${MAX_DEPTH} levels cannot enter or leave a namespace`);
  if (Array.isArray(value)) return value.map((item) => fromPortable(item, depth + 1));
  if (typeof value !== "object" || value === null) return value;
  const tagged = (value as { $?: unknown }).$;
  if (Array.isArray(tagged))
    return tagged[0] === "bigint" && /^-?\d{1,4300}$/.test(String(tagged[1])) ? BigInt(String(tagged[1])) : Number(tagged[1]);
  const dict = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) setMember(dict, key, fromPortable(item, depth + 1));
  return dict;
}
