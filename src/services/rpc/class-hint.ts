import { SpinnError } from "../../errors.js";
import { decodeBase64 } from "./base64.js";
import { mapFromPairs, setFromItems } from "./dict-key.js";
import { NdArray, NpScalar } from "./ndarray.js";
import { typeNamed } from "./pyon-type.js";
import { Complex, Fraction, OrderedDict, PyFloat, Slice, setMember, Tuple } from "./value.js";

/** How dicts and floats come back: see `decode`. */
export type ValueForm = "exact" | "plain";

function refuse(reason: string): never {
  throw new SpinnError("ERR_SPINN_PROTOCOL", reason);
}

function list(value: unknown, what: string): readonly unknown[] {
  return Array.isArray(value) ? value : refuse(`${what} needs a list`);
}

function unhashable(): never {
  return refuse("a list, dict or set cannot be a key or an element of a set");
}

function pairs(value: unknown): readonly (readonly [unknown, unknown])[] {
  for (const pair of list(value, "a dict in pairs")) {
    if (!Array.isArray(pair) || pair.length !== 2) refuse("a dict in pairs needs lists of two, key and value");
  }
  return value as readonly (readonly [unknown, unknown])[];
}

function real(value: unknown): number {
  if (typeof value === "number" || value instanceof PyFloat || typeof value === "bigint") return Number(value);
  return refuse("complex needs numbers");
}

function whole(value: unknown): bigint {
  if (typeof value === "bigint" || (typeof value === "number" && Number.isSafeInteger(value))) return BigInt(value);
  return refuse("a fraction needs whole numbers");
}

function side(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
    ? value
    : refuse("an array's shape needs whole numbers from 0");
}

function base64(value: unknown): Buffer {
  const bytes = typeof value === "string" ? decodeBase64(value) : value instanceof Uint8Array ? decodeBase64(latin1(value)) : undefined;
  return bytes ?? refuse("the base64 text is damaged");
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

function text(value: unknown): string {
  return typeof value === "string" ? value : refuse("an array's type must be text");
}

/** A dict from pairs in the form asked for: objects only for text keys, and never in the exact form. */
export function dictFromPairs(items: readonly (readonly [unknown, unknown])[], form: ValueForm): unknown {
  if (form === "exact" || items.some(([key]) => typeof key !== "string")) return mapFromPairs(new Map(), items, unhashable);
  const dict = Object.create(null) as Record<string, unknown>;
  for (const [key, value] of items) setMember(dict, key as string, value);
  return dict;
}

export function setOf(items: readonly unknown[]): Set<unknown> {
  return setFromItems(items, unhashable);
}

/** Smallest and largest number of arguments, and the maker. One table for the class hints of v2 and the calls of v1. */
const MAKERS: Readonly<Record<string, readonly [number, number, (args: readonly unknown[], form: ValueForm) => unknown]>> = {
  tuple: [0, 1, ([items = []]) => Tuple.from(list(items, "tuple"))],
  dict: [0, 1, ([items = []], form) => dictFromPairs(pairs(items), form)],
  set: [0, 1, ([items = []]) => setOf(list(items, "set"))],
  OrderedDict: [0, 1, ([items = []]) => mapFromPairs(new OrderedDict(), pairs(items), unhashable)],
  bytes: [1, 1, ([data]) => base64(data)],
  complex: [1, 2, ([re, im = 0]) => new Complex(real(re), real(im))],
  slice: [1, 3, (args) => (args.length === 1 ? new Slice(null, args[0]) : new Slice(args[0], args[1], args[2] ?? null))],
  Fraction: [1, 2, ([above, below = 1]) => (whole(below) === 0n ? refuse("a fraction over 0") : new Fraction(whole(above), whole(below)))],
  nparray: [3, 3, ([shape, dtype, data]) => new NdArray(text(dtype), list(shape, "an array's shape").map(side), base64(data))],
  npscalar: [2, 2, ([dtype, data]) => new NpScalar(text(dtype), base64(data))],
};

/** Classes that v1 text calls by name. */
export const V1_CALLS: ReadonlySet<string> = new Set(["slice", "Fraction", "OrderedDict", "nparray", "npscalar"]);

/** Makes the value a hint names. Throws `ERR_SPINN_PROTOCOL`, without a position, for unknown names and wrong arguments. */
export function makeValue(name: string, args: readonly unknown[], form: ValueForm): unknown {
  const entry = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined;
  const own = entry === undefined ? typeNamed(name) : undefined;
  if (own !== undefined) return own.decode(...args);
  if (entry === undefined) return refuse(`there is no PYON type called ${JSON.stringify(name.slice(0, 60))}`);
  const [fewest, most, make] = entry;
  if (args.length < fewest || args.length > most) refuse(`${name} with ${args.length} arguments`);
  return make(args, form);
}
