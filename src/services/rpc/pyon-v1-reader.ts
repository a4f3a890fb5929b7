import { SpinnError } from "../../errors.js";
import { dictFromPairs, makeValue, setOf, V1_CALLS, type ValueForm } from "./class-hint.js";
import { intFromText, MAX_INT_DIGITS } from "./number-text.js";
import { unreadable } from "./pyon-error.js";
import { unescapeLiteral } from "./v1-text.js";
import { Complex, PyFloat, Tuple } from "./value.js";

const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["null", null],
  ["None", null],
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["nan", NaN],
  ["inf", Infinity],
]);

const SPACE = /(?:[ \t\n\r\f]+|\\\n|#[^\n]*)*/y;
const NAME = /[A-Za-z_]\w*/y;
const NUMBER =
  /(0[xX](?:_?[0-9a-fA-F])+|0[bB](?:_?[01])+|0[oO](?:_?[0-7])+)|((?:\d(?:_?\d)*)?\.?(?:\d(?:_?\d)*)?(?:[eE][+-]?\d(?:_?\d)*)?)([jJ])?/y;
const QUOTES = /[bBuU]?("""|'''|"|')/y;

interface Frame {
  readonly close: ")" | "]" | "}";
  /** Name of the call, or undefined for brackets of their own. */
  readonly call: string | undefined;
  readonly items: unknown[];
  /** In braces: keys wait here until their value is read. */
  isDict: boolean;
  keyPending: boolean;
  commas: number;
}

/**
 * PYON v1: the literals of Python, the names of {@link WORDS} and five calls. The real reader is Python's `eval`; this one knows
 * numbers, texts, bytes, brackets and nothing that computes. Without recursion, depth bounded.
 */
export class V1Reader {
  readonly #text: string;
  readonly #form: ValueForm;
  readonly #maxDepth: number;
  readonly #stack: Frame[] = [];
  #at = 0;

  constructor(text: string, form: ValueForm, maxDepth: number) {
    this.#text = text;
    this.#form = form;
    this.#maxDepth = maxDepth;
  }

  /** The value of the whole text. Throws `ERR_SPINN_PROTOCOL` with position and path. */
  read(): unknown {
    const stack = this.#stack;
    for (;;) {
      let value: unknown;
      let character = this.#next();
      const open = stack[stack.length - 1];
      if (open !== undefined && character === open.close && (open.items.length === 0 || open.commas > 0) && !open.keyPending) {
        value = this.#finish(open);
      } else {
        const started = this.#begin(character);
        if (started === OPENED) continue;
        value = started;
      }
      for (;;) {
        const frame = stack[stack.length - 1];
        character = this.#next();
        if (frame === undefined) {
          if (this.#at < this.#text.length) this.#fail("a second value");
          return value;
        }
        const isKey = frame.close === "}" && !frame.keyPending && (frame.isDict || frame.items.length === 0) && character === ":";
        if (frame.isDict && !frame.keyPending && !isKey) this.#fail("a dict's key without a value");
        frame.items.push(value);
        if (isKey) {
          frame.isDict = true;
          frame.keyPending = true;
          this.#at += 1;
          break;
        }
        frame.keyPending = false;
        frame.commas = 0;
        if (character === ",") {
          frame.commas = 1;
          this.#at += 1;
          break;
        }
        if (character !== frame.close) this.#fail(`a comma or ${frame.close} is missing`);
        value = this.#finish(frame);
      }
    }
  }

  /** Reads an atom, or opens a bracket. */
  #begin(character: string): unknown {
    if (character === "(" || character === "[" || character === "{") return this.#open(character, undefined);
    if (character === '"' || character === "'") return this.#readTexts();
    if (/[0-9.+-]/.test(character)) return this.#readNumber();
    const name = this.#match(NAME)?.[0];
    if (name === undefined) this.#fail(character === "" ? "the text ends where a value is missing" : "no value starts like this");
    const after = this.#text[this.#at + name.length];
    if ((after === '"' || after === "'") && /^[bBuU]$/.test(name)) return this.#readTexts();
    if (WORDS.has(name)) {
      this.#at += name.length;
      return this.#float(WORDS.get(name));
    }
    if (!V1_CALLS.has(name)) this.#fail(`the name ${JSON.stringify(name.slice(0, 60))} means nothing`);
    this.#at += name.length;
    if (this.#next() !== "(") this.#fail(`${name} without its arguments`);
    return this.#open("(", name);
  }

  #open(character: "(" | "[" | "{", call: string | undefined): typeof OPENED {
    if (this.#stack.length >= this.#maxDepth) this.#fail(`nested deeper than ${this.#maxDepth} levels`);
    this.#at += 1;
    const close = character === "(" ? ")" : character === "[" ? "]" : "}";
    this.#stack.push({ close, call, items: [], isDict: false, keyPending: false, commas: 0 });
    return OPENED;
  }

  #finish(frame: Frame): unknown {
    this.#at += 1;
    this.#stack.pop();
    const { items } = frame;
    try {
      if (frame.call !== undefined) return makeValue(frame.call, items, this.#form);
      if (frame.close === "]") return items;
      if (frame.close === ")") return items.length === 1 && frame.commas === 0 ? items[0] : Tuple.from(items);
      if (!frame.isDict && items.length > 0) return setOf(items);
      const pairs: [unknown, unknown][] = [];
      for (let i = 0; i < items.length; i += 2) pairs.push([items[i], items[i + 1]]);
      return dictFromPairs(pairs, this.#form);
    } catch (error) {
      return this.#fail(error instanceof SpinnError ? error.message : String(error));
    }
  }

  /** One text or bytes literal, or several side by side, which Python joins. */
  #readTexts(): unknown {
    let kind: boolean | undefined;
    let value = "";
    for (;;) {
      const quotes = this.#match(QUOTES);
      if (quotes === undefined) break;
      const isBytes = /^[bB]/.test(quotes[0]);
      if (kind !== undefined && kind !== isBytes) this.#fail("text and bytes side by side");
      kind = isBytes;
      const start = this.#at + quotes[0].length;
      const end = this.#closingQuote(start, quotes[1]!);
      const part = unescapeLiteral(this.#text.slice(start, end), isBytes);
      if (part === undefined) this.#fail("a damaged escape");
      value += part;
      this.#at = end + quotes[1]!.length;
      this.#next();
    }
    return kind === true ? new Uint8Array(Buffer.from(value, "latin1")) : value;
  }

  #closingQuote(start: number, quote: string): number {
    for (let i = start; ; i += 1) {
      const end = this.#text.indexOf(quote, i);
      if (end < 0) this.#fail("a text without closing quote");
      let backslashes = 0;
      while (this.#text.charCodeAt(end - 1 - backslashes) === 0x5c && end - 1 - backslashes >= start) backslashes += 1;
      if (backslashes % 2 === 0) {
        if (quote.length === 1 && this.#text.slice(start, end).includes("\n")) this.#fail("a text over several lines");
        return end;
      }
      i = end;
    }
  }

  /** A number, or the sum of a real and an imaginary one: what Python prints for complex numbers. */
  #readNumber(): unknown {
    const first = this.#readTerm();
    if (first instanceof Complex) return first;
    const sign = this.#next();
    if (sign !== "+" && sign !== "-") return first;
    const second = this.#readTerm();
    if (!(second instanceof Complex)) this.#fail("a sum; only a complex number is written as one");
    // An int has no minus zero, so `-0-1j` has the real part 0 to Python.
    return new Complex(Number(first), second.im);
  }

  #readTerm(): unknown {
    let negative = false;
    for (let character = this.#next(); character === "+" || character === "-"; character = this.#next()) {
      if (character === "-") negative = !negative;
      this.#at += 1;
    }
    const name = this.#match(NAME)?.[0];
    if (name === "inf" || name === "nan") {
      this.#at += 3;
      return name === "nan" ? NaN : negative ? -Infinity : Infinity;
    }
    const match = this.#match(NUMBER);
    if (match === undefined || match[0] === "" || match[0] === ".") this.#fail("a sign or point without a number");
    this.#at += match[0].length;
    if (/^\w/.test(this.#text.slice(this.#at, this.#at + 1))) this.#fail("a number that runs into a name");
    const digits = (match[1] ?? match[2]!).replaceAll("_", "");
    if (digits.length > MAX_INT_DIGITS && (match[1] !== undefined || /^\d+$/.test(digits))) {
      this.#fail(`an int of more than ${MAX_INT_DIGITS} digits`);
    }
    if (match[3] !== undefined) {
      const im = Number(digits);
      return negative ? new Complex(-0, -im) : new Complex(0, im);
    }
    if (match[1] !== undefined) return intFromText(String(negative ? -BigInt(digits) : BigInt(digits)));
    if (/^\d+$/.test(digits)) {
      if (/^0+[1-9]/.test(digits)) this.#fail("an int with a zero in front");
      return intFromText(negative ? `-${digits}` : digits);
    }
    return this.#float(negative ? -Number(digits) : Number(digits));
  }

  #float(value: unknown): unknown {
    const whole = this.#form === "exact" && typeof value === "number" && Number.isSafeInteger(value) && !Object.is(value, -0);
    return whole ? new PyFloat(value as number) : value;
  }

  /** Skips white space and comments and returns the next character, "" at the end. */
  #next(): string {
    SPACE.lastIndex = this.#at;
    this.#at += SPACE.exec(this.#text)?.[0].length ?? 0;
    return this.#text[this.#at] ?? "";
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.#text) ?? undefined;
  }

  #fail(reason: string): never {
    const path = this.#stack.map(({ items, isDict }) => {
      const key = isDict ? items[items.length - 1] : undefined;
      return typeof key === "string" ? key : isDict ? items.length >> 1 : items.length;
    });
    throw unreadable(reason, this.#at, path, this.#text);
  }
}

/** A bracket was opened and its first item is to be read next. */
const OPENED = Symbol("opened");
