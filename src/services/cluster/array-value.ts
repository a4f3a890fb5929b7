import { SpinnError } from "../../errors.js";

const ARRAYS = {
  b1: Uint8Array,
  i1: Int8Array,
  u1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
  i8: BigInt64Array,
  u8: BigUint64Array,
  f4: Float32Array,
  f8: Float64Array,
} as const;

/** What holds the numbers of an array. `int64`, NumPy's own choice for whole numbers, is a BigInt64Array; booleans are bytes. */
export type NumericArray = InstanceType<(typeof ARRAYS)[keyof typeof ARRAYS]>;

/** An array of other than one dimension, by rows. One with one dimension is a typed array alone. */
export class ShapedArray {
  readonly data: NumericArray;
  readonly shape: readonly number[];

  /** Throws `ERR_SPINN_ARGUMENT` when `shape` does not multiply to the length of `data`. */
  constructor(data: NumericArray, shape: readonly number[]) {
    if (!shape.every((length) => Number.isSafeInteger(length) && length >= 0) || shape.reduce((a, b) => a * b, 1) !== data.length) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `an array of ${data.length} numbers has no shape (${shape.join(", ")})`);
    }
    this.data = data;
    this.shape = Object.freeze([...shape]);
    Object.freeze(this);
  }
}

/** NumPy's name for the elements, like `<f8`. Throws `ERR_SPINN_ARGUMENT` for what is none of the arrays above. */
export function dtypeOf(array: ArrayBufferView): string {
  const code = (Object.keys(ARRAYS) as (keyof typeof ARRAYS)[]).find((key) => key !== "b1" && array instanceof ARRAYS[key]);
  if (code === undefined) throw new SpinnError("ERR_SPINN_ARGUMENT", `a ${array.constructor.name} cannot be sent: use another typed array`);
  return code.endsWith("1") ? `|${code}` : `<${code}`;
}

/** Bytes of NumPy as an array of numbers; not a copy where they lie well. Throws `ERR_SPINN_PROTOCOL`. */
export function arrayFrom(dtype: unknown, shape: unknown, bytes: Uint8Array): NumericArray | ShapedArray {
  const Kind = kindOf(dtype);
  const size = Kind.BYTES_PER_ELEMENT;
  const lengths = Array.isArray(shape) ? shape : [];
  if (
    !lengths.every((length) => Number.isSafeInteger(length) && length >= 0) ||
    lengths.reduce((a, b) => a * b, 1) * size !== bytes.length
  ) {
    throw new SpinnError(
      "ERR_SPINN_PROTOCOL",
      `${bytes.length} bytes do not make an array of ${String(dtype)}, shape (${lengths.join(", ")})`,
    );
  }
  const mustMove = bytes.byteOffset % size !== 0 || (String(dtype).startsWith(">") && size > 1);
  const place = mustMove ? Uint8Array.from(bytes) : bytes;
  if (String(dtype).startsWith(">")) swap(place, size);
  const data = new Kind(place.buffer as ArrayBuffer, place.byteOffset, bytes.length / size);
  return lengths.length === 1 ? data : new ShapedArray(data, lengths as number[]);
}

/** One NumPy number. */
export function numberFrom(dtype: string, bytes: Uint8Array): number | bigint | boolean {
  const array = arrayFrom(dtype, [1], bytes) as NumericArray;
  const value = array[0]!;
  if (dtype.endsWith("b1")) return value !== 0;
  return typeof value === "bigint" && Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

function kindOf(dtype: unknown): (typeof ARRAYS)[keyof typeof ARRAYS] {
  const code = typeof dtype === "string" ? dtype.slice(1) : "";
  if (Object.hasOwn(ARRAYS, code)) return ARRAYS[code as keyof typeof ARRAYS];
  throw new SpinnError(
    "ERR_SPINN_PROTOCOL",
    `an array of ${typeof dtype === "string" ? JSON.stringify(dtype.slice(0, 60)) : "an unnamed kind"}, which has no typed array here`,
    {
      hint: "convert it on the engine, for example with .astype('f8')",
    },
  );
}

function swap(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else if (size === 8) buffer.swap64();
}
