import { SpinnError } from "../../errors.js";
import { dtypeOf, type NumericArray, ShapedArray } from "./array-value.js";

/** Lists within lists: Python's own limit is of this order, and what is in itself has no end. */
const MAX_DEPTH = 500;
const SMALL = 256;

/**
 * Plain data as Python unpickles it: null, booleans, numbers (whole ones as int), bigint, text, `Uint8Array` (bytes), other typed arrays and
 * {@link ShapedArray} (NumPy arrays), arrays (lists), plain objects and maps (dicts). Throws `ERR_SPINN_ARGUMENT` for anything else.
 */
export function writePickle(value: unknown): Uint8Array {
  const writer = new PickleWriter();
  writer.value(value, 0);
  return writer.end();
}

/** A name that the engine looks up in its namespace, or any expression that gives a function. */
export function writeReference(name: string): Uint8Array {
  const writer = new PickleWriter();
  writer.global("ipyparallel.serialize.canning", "Reference");
  writer.code(")\x81}(");
  for (const part of ["name", name, "buffers", []]) writer.value(part, 0);
  writer.code("ub");
  return writer.end();
}

class PickleWriter {
  #bytes = Buffer.allocUnsafe(SMALL);
  #length = 0;

  constructor() {
    this.code("\x80\x04");
  }

  end(): Uint8Array {
    this.code(".");
    return this.#bytes.subarray(0, this.#length);
  }

  code(opcodes: string): void {
    this.#room(opcodes.length);
    this.#length += this.#bytes.write(opcodes, this.#length, "latin1");
  }

  global(module: string, name: string): void {
    this.code(`c${module}\n${name}\n`);
  }

  value(value: unknown, depth: number): void {
    if (depth > MAX_DEPTH) throw new SpinnError("ERR_SPINN_ARGUMENT", `a value of more than ${MAX_DEPTH} levels, or one that holds itself`);
    if (value === null || value === undefined) this.code("N");
    else if (typeof value === "boolean") this.code(value ? "\x88" : "\x89");
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "bigint") this.#long(value);
    else if (typeof value === "string") this.#sized("X", Buffer.from(value, "utf8"));
    else if (value instanceof Uint8Array) this.#sized("B", value);
    else if (value instanceof ShapedArray) this.#array(value.data, value.shape, depth);
    else if (ArrayBuffer.isView(value)) this.#array(value as NumericArray, [(value as NumericArray).length], depth);
    else if (Array.isArray(value)) {
      this.code("](");
      for (const item of value) this.value(item, depth + 1);
      this.code("e");
    } else this.#dict(value, depth);
  }

  #number(value: number): void {
    const isWhole = Number.isSafeInteger(value) && !Object.is(value, -0);
    if (isWhole && (value < -0x80000000 || value > 0x7fffffff)) this.#long(BigInt(value));
    else if (isWhole) {
      this.code("J");
      this.#room(4);
      this.#length = this.#bytes.writeInt32LE(value, this.#length);
    } else {
      this.code("G");
      this.#room(8);
      this.#length = this.#bytes.writeDoubleBE(value, this.#length);
    }
  }

  #long(value: bigint): void {
    let size = 1;
    while (BigInt.asIntN(size * 8, value) !== value) size += 1;
    const hex = BigInt.asUintN(size * 8, value)
      .toString(16)
      .padStart(size * 2, "0");
    this.#sized("\x8b", Buffer.from(hex, "hex").reverse());
  }

  /** Writable on the engine: over a bytearray, which is NumPy's to keep. */
  #array(array: NumericArray, shape: readonly number[], depth: number): void {
    const dtype = dtypeOf(array);
    this.global("numpy", "ndarray");
    this.code("((");
    for (const length of shape) this.value(length, depth + 1);
    this.code("t");
    this.value(dtype, depth + 1);
    this.global("builtins", "bytearray");
    this.#sized("B", new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    this.code("\x85RtR");
  }

  #dict(value: object, depth: number): void {
    const entries = value instanceof Map ? [...value] : isPlain(value) ? Object.entries(value) : undefined;
    if (entries === undefined) {
      const name = typeof value === "object" ? (value.constructor?.name ?? "object") : typeof value;
      throw new SpinnError("ERR_SPINN_ARGUMENT", `a ${name} cannot be sent to an engine`, {
        hint: "values are null, booleans, numbers, bigint, text, Uint8Array and other typed arrays, ShapedArray, arrays, plain objects and maps of these",
      });
    }
    this.code("}(");
    for (const [key, item] of entries) {
      this.value(key, depth + 1);
      this.value(item, depth + 1);
    }
    this.code("u");
  }

  #sized(opcode: string, bytes: Uint8Array): void {
    this.code(opcode);
    this.#room(4 + bytes.length);
    this.#length = this.#bytes.writeUInt32LE(bytes.length, this.#length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more + SMALL));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
