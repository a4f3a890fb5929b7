import { SpinnError } from "../../errors.js";
import { type NumericArray, ShapedArray } from "./array-value.js";

export type Sequence = readonly unknown[] | NumericArray;

/** `count` blocks of nearly equal length, the longer ones first; typed arrays share their memory. */
export function blocks(sequence: Sequence, count: number): Sequence[] {
  const [least, more] = [Math.floor(sequence.length / count), sequence.length % count];
  let from = 0;
  return Array.from({ length: count }, (_, i) => {
    const to = from + least + (i < more ? 1 : 0);
    const block = part(sequence, from, to);
    from = to;
    return block;
  });
}

/** Blocks of `size`, the last one shorter. */
export function chunks(sequence: Sequence, size: number): Sequence[] {
  return Array.from({ length: Math.ceil(sequence.length / size) }, (_, i) => part(sequence, i * size, (i + 1) * size));
}

/** What a map goes over: as many items as the shortest sequence has. */
export function lengthOf(sequences: readonly Sequence[]): number {
  if (sequences.length === 0) throw new SpinnError("ERR_SPINN_ARGUMENT", "map needs a sequence");
  return Math.min(...sequences.map(({ length }) => length));
}

/** Values of several engines one behind the other: lists to a list, typed arrays to a typed array. Throws `ERR_SPINN_ARGUMENT` for others. */
export function joined(values: readonly unknown[]): unknown[] | NumericArray | ShapedArray {
  if (values.every((value) => Array.isArray(value))) return values.flat(1);
  const parts = values.map((value) => (value instanceof ShapedArray ? value.data : value) as NumericArray);
  // One dimension is a typed array alone: its rows are of nothing more.
  const rowShapes = values.map((value) => (value instanceof ShapedArray ? value.shape.slice(1).join() : "row"));
  const [first] = parts;
  const isOneKind = parts.every((piece) => ArrayBuffer.isView(piece) && piece.constructor === first?.constructor);
  if (first === undefined || !isOneKind || new Set(rowShapes).size > 1) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", "the engines' values cannot be joined: they must all be lists, or all arrays of one kind");
  }
  const all = new (first.constructor as new (length: number) => NumericArray)(parts.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of parts) {
    all.set(piece as never, at);
    at += piece.length;
  }
  const shapes = values.flatMap((value) => (value instanceof ShapedArray ? [value.shape] : []));
  if (shapes.length === 0) return all;
  return new ShapedArray(all, [shapes.reduce((rows, shape) => rows + (shape[0] ?? 0), 0), ...shapes[0]!.slice(1)]);
}

function part(sequence: Sequence, from: number, to: number): Sequence {
  return Array.isArray(sequence) ? sequence.slice(from, to) : (sequence as NumericArray).subarray(from, to);
}
