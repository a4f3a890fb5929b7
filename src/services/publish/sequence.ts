import { SpinnError } from "../../errors.js";
import { Slice } from "../rpc/index.js";

/** Python's list indexing on an Array: negative indices count from the end, slices clamp. */

function notIn(index: unknown, length: number): never {
  throw new SpinnError("ERR_SPINN_ARGUMENT", `index ${String(index)} is not in a list of ${length}`);
}

function isIndex(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value);
}

/** The place an index names; `ERR_SPINN_ARGUMENT` when there is none. */
export function indexOf(length: number, index: unknown): number {
  if (!isIndex(index)) notIn(index, length);
  const place = index < 0 ? index + length : index;
  return place >= 0 && place < length ? place : notIn(index, length);
}

/** list.insert: out of range goes to the end it ran past. */
export function insertAt(list: unknown[], index: unknown, value: unknown): void {
  if (!isIndex(index)) notIn(index, list.length);
  list.splice(index < 0 ? Math.max(0, index + list.length) : Math.min(index, list.length), 0, value);
}

interface Range {
  readonly start: number;
  readonly stop: number;
  readonly step: number;
}

/** slice.indices of Python. */
function rangeOf(slice: Slice, length: number): Range {
  const step = slice.step === null ? 1 : slice.step;
  if (!isIndex(step) || step === 0) throw new SpinnError("ERR_SPINN_ARGUMENT", `a slice cannot have the step ${String(slice.step)}`);
  const [low, high] = step > 0 ? [0, length] : [-1, length - 1];
  const clamp = (value: unknown, missing: number): number => {
    if (value === null) return missing;
    if (!isIndex(value)) notIn(value, length);
    return Math.min(high, Math.max(low, value < 0 ? value + length : value));
  };
  return { start: clamp(slice.start, step > 0 ? low : high), stop: clamp(slice.stop, step > 0 ? high : low), step };
}

function places({ start, stop, step }: Range): number[] {
  const found: number[] = [];
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) found.push(i);
  return found;
}

/** `list[key] = value`. */
export function setIn(list: unknown[], key: unknown, value: unknown): void {
  if (!(key instanceof Slice)) {
    list[indexOf(list.length, key)] = value;
    return;
  }
  if (!(Array.isArray(value) || value instanceof Set))
    throw new SpinnError("ERR_SPINN_ARGUMENT", "only a list can be put in place of a slice");
  const items = [...value] as unknown[];
  const range = rangeOf(key, list.length);
  if (range.step === 1) {
    const tail = list.slice(Math.max(range.start, range.stop));
    list.length = range.start;
    for (const item of items) list.push(item);
    for (const item of tail) list.push(item);
    return;
  }
  const found = places(range);
  if (found.length !== items.length) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${items.length} items do not fit an extended slice of ${found.length}`);
  }
  for (const [i, place] of found.entries()) list[place] = items[i];
}

/** `del list[key]`. */
export function deleteFrom(list: unknown[], key: unknown): void {
  if (!(key instanceof Slice)) {
    list.splice(indexOf(list.length, key), 1);
    return;
  }
  const gone = new Set(places(rangeOf(key, list.length)));
  const kept = list.filter((_, index) => !gone.has(index));
  list.length = 0;
  for (const item of kept) list.push(item);
}
