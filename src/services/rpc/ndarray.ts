import { SpinnError } from "../../errors.js";
import { type Dtype, parseDtype } from "./dtype.js";
import { Complex } from "./value.js";

export type NumericArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint8ClampedArray
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

const VIEWS = {
  i1: Int8Array,
  i2: Int16Array,
  i4: Int32Array,
  i8: BigInt64Array,
  b1: Uint8Array,
  u1: Uint8Array,
  u2: Uint16Array,
  u4: Uint32Array,
  u8: BigUint64Array,
  f4: Float32Array,
  f8: Float64Array,
  c8: Float32Array,
  c16: Float64Array,
  M8: BigInt64Array,
  m8: BigInt64Array,
} as const;

/** dtype of a typed array, this machine being little-endian as every machine Node runs on in practice. */
export function dtypeOf(view: ArrayBufferView): string {
  if (view instanceof Float64Array) return "<f8";
  if (view instanceof Float32Array) return "<f4";
  if (view instanceof Int8Array) return "|i1";
  if (view instanceof Int16Array) return "<i2";
  if (view instanceof Int32Array) return "<i4";
  if (view instanceof BigInt64Array) return "<i8";
  if (view instanceof Uint8Array || view instanceof Uint8ClampedArray) return "|u1";
  if (view instanceof Uint16Array) return "<u2";
  if (view instanceof Uint32Array) return "<u4";
  if (view instanceof BigUint64Array) return "<u8";
  throw new SpinnError("ERR_SPINN_ARGUMENT", `${view.constructor.name} has no numpy counterpart`);
}

/**
 * A numpy array: shape, dtype text and the bytes in C order. `data` is a typed array over the same bytes (no copy) wherever
 * JavaScript has the type; big-endian and half-precision arrays are converted when asked for.
 */
export class NdArray {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  readonly #dtype: Dtype;
  #data: NumericArray | undefined;

  /** Throws `ERR_SPINN_PROTOCOL` when the bytes are not exactly what shape and dtype ask for. */
  constructor(dtype: string, shape: readonly number[], bytes: Uint8Array) {
    this.#dtype = parseDtype(dtype);
    this.dtype = this.#dtype.text;
    let count = 1;
    for (const side of shape) {
      if (!Number.isSafeInteger(side) || side < 0) throw new SpinnError("ERR_SPINN_PROTOCOL", `an array side of ${side} is impossible`);
      count *= side;
    }
    if (count * this.#dtype.itemBytes !== bytes.byteLength) {
      throw new SpinnError(
        "ERR_SPINN_PROTOCOL",
        `an array of shape (${shape.join(", ")}) and type ${this.dtype} needs ${count * this.#dtype.itemBytes} bytes, not ${bytes.byteLength}`,
      );
    }
    this.shape = [...shape];
    this.bytes = bytes;
  }

  /** Over the memory of a typed array, without a copy; `shape` defaults to one dimension. */
  static from(data: NumericArray, shape: readonly number[] = [data.length]): NdArray {
    return new NdArray(dtypeOf(data), shape, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((product, side) => product * side, 1);
  }

  /**
   * The elements in C order. bool is 0 and 1 in a Uint8Array, complex is real and imaginary in turn, half floats become a Float32Array,
   * dates a BigInt64Array. Throws `ERR_SPINN_ARGUMENT` for text, raw and 80-bit elements: take `bytes` or `item(i)`.
   */
  get data(): NumericArray {
    this.#data ??= toTypedArray(this.#dtype, this.bytes);
    return this.#data;
  }

  /** Element `index` in C order as a JavaScript value; what has no value of its own comes as its bytes. */
  item(index: number): number | bigint | boolean | string | Complex | Uint8Array {
    if (!Number.isInteger(index) || index < 0 || index >= this.size) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `element ${index} of an array of ${this.size}`);
    }
    const { kind, itemBytes } = this.#dtype;
    const bytes = this.bytes.subarray(index * itemBytes, (index + 1) * itemBytes);
    if (kind === "U") return textOf(bytes, this.#dtype.bigEndian);
    if (kind === "S") return bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1);
    if (kind === "V" || itemBytes === 12 || itemBytes > 16 || (kind === "f" && itemBytes === 16)) return bytes;
    if (kind === "c") return new Complex(this.data[index * 2] as number, this.data[index * 2 + 1] as number);
    const value = this.data[index]!;
    return kind === "b" ? value !== 0 : value;
  }
}

/** A numpy scalar: one element with its dtype. */
export class NpScalar {
  readonly dtype: string;
  readonly bytes: Uint8Array;
  readonly value: number | bigint | boolean | string | Complex | Uint8Array;

  /** Throws `ERR_SPINN_PROTOCOL` when there are fewer bytes than one element; more are ignored, as numpy does. */
  constructor(dtype: string, bytes: Uint8Array) {
    const { itemBytes } = parseDtype(dtype);
    if (bytes.byteLength < itemBytes || itemBytes === 0) {
      throw new SpinnError("ERR_SPINN_PROTOCOL", `a scalar of type ${dtype} needs ${itemBytes} bytes, not ${bytes.byteLength}`);
    }
    const one = new NdArray(dtype, [], bytes.subarray(0, itemBytes));
    this.dtype = one.dtype;
    this.bytes = one.bytes;
    this.value = one.item(0);
  }
}

function toTypedArray(dtype: Dtype, bytes: Uint8Array): NumericArray {
  if (dtype.kind === "f" && dtype.itemBytes === 2) return halvesToFloats(bytes, dtype.bigEndian);
  const key = `${dtype.kind}${dtype.itemBytes}`;
  if (!Object.hasOwn(VIEWS, key)) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `no typed array holds elements of type ${dtype.text}`, { hint: "use .bytes or .item(i)" });
  }
  const View = VIEWS[key as keyof typeof VIEWS];
  let { buffer, byteOffset, byteLength }: Uint8Array = bytes;
  if (dtype.bigEndian || byteOffset % View.BYTES_PER_ELEMENT !== 0) {
    const copy = Buffer.allocUnsafeSlow(byteLength);
    copy.set(bytes);
    if (dtype.bigEndian) swapBytes(copy, View.BYTES_PER_ELEMENT);
    ({ buffer, byteOffset, byteLength } = copy);
  }
  return new View(buffer as ArrayBuffer, byteOffset, byteLength / View.BYTES_PER_ELEMENT);
}

function swapBytes(buffer: Buffer, itemBytes: number): void {
  if (itemBytes === 2) buffer.swap16();
  else if (itemBytes === 4) buffer.swap32();
  else if (itemBytes === 8) buffer.swap64();
}

/** IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
function halvesToFloats(bytes: Uint8Array, bigEndian: boolean): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const floats = new Float32Array(bytes.byteLength / 2);
  for (let i = 0; i < floats.length; i += 1) {
    const half = view.getUint16(i * 2, !bigEndian);
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    const size =
      exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction ? NaN : Infinity) : (1 + fraction / 1024) * 2 ** (exponent - 15);
    floats[i] = half & 0x8000 ? -size : size;
  }
  return floats;
}

/** UTF-32, zero padded. */
function textOf(bytes: Uint8Array, bigEndian: boolean): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let text = "";
  for (let i = 0; i < bytes.byteLength; i += 4) {
    const point = view.getUint32(i, !bigEndian);
    text += point <= 0x10ffff ? String.fromCodePoint(point) : "\ufffd";
  }
  return text.replace(/\0+$/, "");
}
