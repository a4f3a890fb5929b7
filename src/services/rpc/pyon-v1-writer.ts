import { encodeBase64 } from "./base64.js";
import { dtypeOf, NdArray, NpScalar } from "./ndarray.js";
import { floatText } from "./number-text.js";
import { unwritable } from "./pyon-error.js";
import { quoteText } from "./text-quote.js";
import { Complex, Fraction, isPlainObject, OrderedDict, PyFloat, Slice, Tuple } from "./value.js";

const NONE = Symbol("None");

interface Frame {
  readonly items: readonly unknown[];
  /** Items are keys and values in turn. */
  readonly isDict: boolean;
  /** What stands between two items (two pairs, for a dict). */
  readonly separator: string;
  readonly close: string;
  readonly indents: boolean;
  next: number;
}

/** PYON v1 text, the notation before sipyco 1.10: Python literals and a few calls. */
export class V1Writer {
  readonly #maxDepth: number;
  readonly #pretty: boolean;
  readonly #stack: Frame[] = [];
  #level = 0;

  constructor(maxDepth: number, pretty: boolean) {
    this.#maxDepth = maxDepth;
    this.#pretty = pretty;
  }

  /** Throws `ERR_SPINN_ARGUMENT` with the path of a value that v1 has no word for. */
  write(root: unknown): string {
    const stack = this.#stack;
    let out = this.#begin(root);
    for (;;) {
      const frame = stack[stack.length - 1];
      if (frame === undefined) return out;
      const index = frame.next;
      if (index === frame.items.length) {
        stack.pop();
        if (frame.indents) this.#level -= 1;
        out += frame.indents ? this.#newLine() + frame.close : frame.close;
        continue;
      }
      frame.next = index + 1;
      if (frame.isDict && index % 2 === 1) out += ": ";
      else if (index > 0) out += frame.separator;
      out += this.#begin(frame.items[index]);
    }
  }

  #newLine(): string {
    return `\n${"    ".repeat(this.#level)}`;
  }

  #begin(value: unknown): string {
    if (value === NONE) return "None";
    switch (typeof value) {
      case "string":
        return quoteText(value);
      case "number":
        return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : realText(value);
      case "boolean":
        return value ? "true" : "false";
      case "bigint":
        return value.toString();
      case "object":
        return value === null ? "null" : this.#beginObject(value);
      default:
        return this.#refuse(`is ${typeof value === "undefined" ? "undefined" : `a ${typeof value}`}, which PYON has no word for`);
    }
  }

  #beginObject(value: object): string {
    if (value instanceof Tuple) return this.#push(value, "(", value.length === 1 ? ", )" : ")");
    if (Array.isArray(value)) return this.#push(value, "[", "]");
    if (isPlainObject(value)) return this.#beginDict(Object.entries(value));
    if (value instanceof OrderedDict) {
      const pairs = [...value].map(([key, item]) => Tuple.of(key, item));
      return this.#push(pairs, "OrderedDict([", "])");
    }
    if (value instanceof Map) return this.#beginDict([...value]);
    if (value instanceof Set) return this.#push([...value], "{", "}");
    if (value instanceof PyFloat) return realText(Number(value));
    if (value instanceof NdArray) return this.#array(value.shape, value.dtype, value.bytes);
    if (value instanceof NpScalar) {
      // v1 reads numbers back from a scalar, nothing else; numpy bool too is refused by the real writer.
      if (!/^.[iufc]/.test(value.dtype)) this.#refuse(`is a numpy scalar of type ${value.dtype}, which notation v1 has no word for`);
      return `npscalar(${quoteText(value.dtype)}, b"${encodeBase64(value.bytes)}")`;
    }
    if (value instanceof Uint8Array) return bytesText(value);
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
      return this.#array([(value as unknown as { length: number }).length], dtypeOf(value), value);
    }
    if (value instanceof Complex) return this.#complex(value);
    if (value instanceof Fraction) return `Fraction(${value.numerator}, ${value.denominator})`;
    if (value instanceof Slice) {
      // The real writer prints a slice by Python's repr, where null is None.
      return this.#push(
        [value.start, value.stop, value.step].map((item) => (item === null ? NONE : item)),
        "slice(",
        ")",
      );
    }
    return this.#refuse(`is of class ${value.constructor?.name ?? "(none)"}, which PYON has no word for`);
  }

  #array(shape: readonly number[], dtype: string, bytes: ArrayBufferView): string {
    const sides = shape.length === 1 ? `${shape[0]}, ` : shape.join(", ");
    return `nparray((${sides}), ${quoteText(dtype)}, b"${encodeBase64(bytes)}")`;
  }

  #beginDict(entries: [unknown, unknown][]): string {
    const broken = this.#pretty && entries.length > 1;
    const sorted = this.#pretty && entries.every(([key]) => typeof key === "string");
    if (sorted) entries.sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
    const items: unknown[] = [];
    for (const [key, value] of entries) items.push(key, value);
    if (!broken) return this.#push(items, "{", "}", true);
    this.#level += 1;
    return this.#push(items, `{${this.#newLine()}`, "}", true, `,${this.#newLine()}`, true);
  }

  #push(items: readonly unknown[], open: string, close: string, isDict = false, separator = ", ", indents = false): string {
    if (this.#stack.length >= this.#maxDepth) this.#refuse(`is nested deeper than ${this.#maxDepth} levels, or contains itself`);
    this.#stack.push({ items, isDict, separator, close, indents, next: 0 });
    return open;
  }

  #complex({ re, im }: Complex): string {
    if (!Number.isFinite(re) || !Number.isFinite(im))
      this.#refuse("is a complex number that is not finite, which notation v1 cannot read back");
    const part = (value: number): string => floatText(value).replace(/\.0$/, "");
    if (Object.is(re, 0)) return `${part(im)}j`;
    return `(${part(re)}${im < 0 || Object.is(im, -0) ? "" : "+"}${part(im)}j)`;
  }

  #refuse(reason: string): never {
    throw unwritable(
      reason,
      this.#stack.map(({ items, isDict, next }) => {
        if (!isDict) return next - 1;
        const key = items[(next - 1) & ~1];
        return typeof key === "string" ? key : (next - 1) >> 1;
      }),
    );
  }
}

function realText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  return Number.isFinite(value) ? floatText(value) : value > 0 ? "inf" : "-inf";
}

/** Bytes as Python's `repr` writes them. */
function bytesText(bytes: Uint8Array): string {
  const quote = bytes.includes(39) && !bytes.includes(34) ? '"' : "'";
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    if (character === quote || character === "\\") text += `\\${character}`;
    else if (byte === 9) text += "\\t";
    else if (byte === 10) text += "\\n";
    else if (byte === 13) text += "\\r";
    else text += byte >= 32 && byte < 127 ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return `b${quote}${text}${quote}`;
}
