import { base64Bytes, encodeBase64 } from "./base64.js";
import { dtypeOf, NdArray, NpScalar } from "./ndarray.js";
import { floatText } from "./number-text.js";
import { unwritable } from "./pyon-error.js";
import { typeOf } from "./pyon-type.js";
import { quoteText } from "./text-quote.js";
import { Complex, Fraction, isPlainObject, PyFloat, Slice, Tuple } from "./value.js";

const HINT = "__jsonclass__";
/** Arrays from here on are parts of their own. */
const PART_BYTES = 16 * 1024;

interface Frame {
  /** What is left to write, one after the other; for pairs, keys and values in turn. */
  readonly items: readonly unknown[];
  /** Texts that go in front of the items, for a dict with text keys. */
  readonly keys: readonly string[] | null;
  readonly inPairs: boolean;
  readonly close: string;
  next: number;
}

/** PYON v2 text on one line. Without recursion, so that depth costs memory and not stack. */
export class V2Writer {
  readonly #maxDepth: number;
  readonly #stack: Frame[] = [];
  /** Set for what is written in parts; bounded by the value. */
  readonly #parts: (string | Buffer)[] | undefined;
  /** Array whose base64 comes next, and what follows it. */
  #array: ArrayBufferView | undefined;
  #behindArray = "";

  constructor(maxDepth: number, parts?: (string | Buffer)[]) {
    this.#maxDepth = maxDepth;
    this.#parts = parts;
  }

  /** Throws `ERR_SPINN_ARGUMENT` with the path of a value that PYON has no word for, or that is nested too deep (as one containing itself is). */
  write(root: unknown): string {
    const stack = this.#stack;
    let out = this.#begin(root);
    if (this.#array !== undefined) out = this.#pass(out);
    for (;;) {
      const frame = stack[stack.length - 1];
      if (frame === undefined) return out;
      const index = frame.next;
      if (index === frame.items.length) {
        out += frame.close;
        stack.pop();
        continue;
      }
      frame.next = index + 1;
      if (frame.keys !== null) out += index === 0 ? `${quoteText(frame.keys[index]!)}:` : `,${quoteText(frame.keys[index]!)}:`;
      else if (frame.inPairs) out += index % 2 === 1 ? "," : index === 0 ? "[" : "],[";
      else if (index > 0) out += ",";
      const item = frame.items[index];
      // The two commonest atoms without a call.
      if (typeof item === "number" && Number.isSafeInteger(item) && item !== 0) out += item;
      else {
        out += this.#begin(item);
        if (this.#array !== undefined) out = this.#pass(out);
      }
    }
  }

  /** Hands on what there is and the array behind it; what follows begins the next part. */
  #pass(out: string): string {
    this.#parts!.push(out, base64Bytes(this.#array!));
    this.#array = undefined;
    return this.#behindArray;
  }

  /** The base64 of a view with what is around it; of a large one only what is in front, when it is written in parts. */
  #base64(before: string, view: ArrayBufferView, behind: string): string {
    if (this.#parts === undefined || view.byteLength < PART_BYTES) return before + encodeBase64(view) + behind;
    this.#array = view;
    this.#behindArray = behind;
    return before;
  }

  /** The text of an atom, or the opening text of a container that is pushed to be written next. */
  #begin(value: unknown): string {
    switch (typeof value) {
      case "string":
        return quoteText(value);
      case "number":
        return numberText(value);
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
    if (Array.isArray(value)) {
      if (value instanceof Tuple) return this.#push(value, `{"${HINT}":["tuple",[[`, "]]]}");
      return this.#push(value, "[", "]");
    }
    if (isPlainObject(value)) return this.#pushDict(Object.keys(value), Object.values(value));
    if (value instanceof Map) return this.#beginMap(value);
    if (value instanceof Set) return this.#push([...value], `{"${HINT}":["set",[[`, "]]]}");
    if (value instanceof PyFloat) return Number.isFinite(Number(value)) ? floatText(Number(value)) : numberText(Number(value));
    if (value instanceof NdArray) {
      return this.#base64(`{"${HINT}":["nparray",[[${value.shape.join(",")}],${quoteText(value.dtype)},"`, value.bytes, `"]]}`);
    }
    if (value instanceof NpScalar) return `{"${HINT}":["npscalar",[${quoteText(value.dtype)},"${encodeBase64(value.bytes)}"]]}`;
    if (value instanceof Uint8Array) return this.#base64(`{"${HINT}":["bytes",["`, value, `"]]}`);
    if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
      const { length } = value as unknown as { length: number };
      return this.#base64(`{"${HINT}":["nparray",[[${length}],"${dtypeOf(value)}","`, value, `"]]}`);
    }
    if (value instanceof Complex) return `{"${HINT}":["complex",[${realText(value.re)},${realText(value.im)}]]}`;
    if (value instanceof Fraction) return `{"${HINT}":["Fraction",[${value.numerator},${value.denominator}]]}`;
    if (value instanceof Slice) return this.#push([value.start, value.stop, value.step], `{"${HINT}":["slice",[`, "]]}");
    const own = typeOf(value);
    if (own !== undefined) return this.#push([...own.encode(value)], `{"${HINT}":[${quoteText(own.name)},[`, "]]}");
    return this.#refuse(`is of class ${value.constructor?.name ?? "(none)"}, which PYON has no word for`);
  }

  #beginMap(map: ReadonlyMap<unknown, unknown>): string {
    const keys = [...map.keys()];
    if (keys.every((key) => typeof key === "string")) return this.#pushDict(keys, [...map.values()]);
    const items: unknown[] = [];
    for (const [key, value] of map) items.push(key, value);
    return this.#push(items, `{"${HINT}":["dict",[[`, "]]]]}", null, true);
  }

  #pushDict(keys: readonly string[], values: readonly unknown[]): string {
    if (keys.includes(HINT)) this.#refuse(`has the key ${HINT}, which PYON keeps for itself`);
    return this.#push(values, "{", "}", keys);
  }

  #push(items: readonly unknown[], open: string, close: string, keys: readonly string[] | null = null, inPairs = false): string {
    if (this.#stack.length >= this.#maxDepth) this.#refuse(`is nested deeper than ${this.#maxDepth} levels, or contains itself`);
    this.#stack.push({ items, keys, inPairs, close, next: 0 });
    return open;
  }

  #refuse(reason: string): never {
    throw unwritable(
      reason,
      this.#stack.map(({ keys, inPairs, next }) => (keys !== null ? keys[next - 1]! : inPairs ? (next - 1) >> 1 : next - 1)),
    );
  }
}

/** Whole numbers are ints as far as JavaScript counts exactly, all others floats. */
function numberText(value: number): string {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value);
  return realText(value);
}

function realText(value: number): string {
  return Number.isFinite(value) ? floatText(value) : String(value);
}

/** The pretty form: four spaces a level, every list and dict over lines but the empty ones. Works on any one-line v2 text. */
export function prettyV2(line: string): string {
  let out = "";
  let level = 0;
  const newLine = (): string => `\n${"    ".repeat(level)}`;
  for (const token of line.match(/"(?:[^"\\]|\\.)*"|\[\]|\{\}|[[\]{},:]|[^[\]{},:"]+/g) ?? []) {
    if (token === "[" || token === "{") {
      level += 1;
      out += token + newLine();
    } else if (token === "]" || token === "}") {
      level -= 1;
      out += newLine() + token;
    } else out += token === "," ? token + newLine() : token === ":" ? ": " : token;
  }
  return out;
}
