import { SpinnError } from "../../errors.js";
import { encode, isPlainObject, NdArray, Tuple } from "../rpc/index.js";

/** Deepest nesting copied. */
const MAX_DEPTH = 200;

/** A value as it is now, whatever happens to the original later, and about how many bytes it is. */
export interface Snapshot {
  readonly value: unknown;
  readonly sizeBytes: number;
}

/**
 * Copies what can be sent: lists and dicts frozen, arrays of numbers with data of their own. Throws `ERR_SPINN_ARGUMENT` with the path of what
 * cannot (functions, undefined, instances of other classes, cycles).
 */
export function snapshot(value: unknown, path: string): Snapshot {
  let sizeBytes = 0;
  const copy = (item: unknown, at: string, depth: number): unknown => {
    sizeBytes += 8;
    if (item === null || typeof item === "number" || typeof item === "boolean") return item;
    if (typeof item === "string") {
      sizeBytes += item.length;
      return item;
    }
    if (depth > MAX_DEPTH) throw new SpinnError("ERR_SPINN_ARGUMENT", `${at} is nested deeper than ${MAX_DEPTH} levels, or holds itself`);
    if (Array.isArray(item)) {
      const list = Array.from(item, (one, i) => copy(one, `${at}[${i}]`, depth + 1));
      return Object.freeze(item instanceof Tuple ? Tuple.from(list) : list);
    }
    if (ArrayBuffer.isView(item) && !(item instanceof DataView)) {
      sizeBytes += item.byteLength;
      return (item as Uint8Array).slice();
    }
    if (item instanceof NdArray) {
      sizeBytes += item.bytes.length;
      return new NdArray(item.dtype, item.shape, item.bytes.slice());
    }
    if (item instanceof Map)
      return new Map(Array.from(item, ([key, one]) => [key, copy(one, `${at}[${String(key)}]`, depth + 1)] as const));
    if (item instanceof Set) return new Set(Array.from(item, (one, i) => copy(one, `${at}{${i}}`, depth + 1)));
    if (typeof item === "object" && isPlainObject(item)) {
      return Object.freeze(Object.fromEntries(Object.entries(item).map(([key, one]) => [key, copy(one, `${at}.${key}`, depth + 1)])));
    }
    try {
      sizeBytes += encode(item).length;
    } catch (error) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", (error as Error).message.replace(/^value/, at), { cause: error });
    }
    return item;
  };
  return { value: copy(value, path, 0), sizeBytes };
}
