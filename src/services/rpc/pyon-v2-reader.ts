import { SpinnError } from "../../errors.js";
import { isPureBase64 } from "./base64.js";
import { makeValue, type ValueForm } from "./class-hint.js";
import { intFromText, MAX_INT_DIGITS } from "./number-text.js";
import { unreadable } from "./pyon-error.js";
import { PyFloat, setMember } from "./value.js";

const HINT = "__jsonclass__";
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: raw control characters are what JSON refuses in texts
const SPECIAL = /[\\\u0000-\u001f]/;
/** Below this length a loop beats a regular expression. */
const SHORT_TEXT = 48;
/** Above it a text is most likely an array in base64, and found out faster to be one. */
const LONG_TEXT = 4096;

interface Frame {
  /** Items so far, for a list. */
  readonly list: unknown[] | null;
  /** Members so far, for a dict: object or Map by the form asked for. */
  readonly dict: Record<string, unknown> | null;
  readonly map: Map<string, unknown> | null;
  /** The key whose value is being read. */
  key: string;
  hinted: boolean;
  hint: unknown;
}

/**
 * PYON v2: JSON, three bare words (NaN, Infinity, -Infinity), and objects whose `__jsonclass__` names a type. Reads without recursion:
 * depth costs memory, not stack, and is bounded. `JSON.parse` cannot do it: it rounds big ints and does not tell `1` from `1.0`.
 */
export class V2Reader {
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
    let frame: Frame | undefined;
    for (;;) {
      let value: unknown;
      const code = this.#skipSpace();
      if (code === 0x7b) {
        frame = this.#open(false);
        if (this.#skipSpace() !== 0x7d) {
          this.#readKey(frame);
          continue;
        }
        this.#at += 1;
        stack.pop();
        value = frame.dict ?? frame.map;
        frame = stack[stack.length - 1];
      } else if (code === 0x5b) {
        frame = this.#open(true);
        if (this.#skipSpace() !== 0x5d) continue;
        this.#at += 1;
        stack.pop();
        value = frame.list;
        frame = stack[stack.length - 1];
      } else {
        value = code === 0x22 ? this.#readText() : this.#readAtom(code);
      }
      // The value has its place: in the list or dict it stands in, or as the result.
      for (;;) {
        if (frame === undefined) {
          if (this.#skipSpace() === this.#text.charCodeAt(this.#at) && this.#at < this.#text.length) this.#fail("a second value");
          return value;
        }
        if (frame.list !== null) {
          frame.list.push(value);
          const next = this.#skipSpace();
          if (next === 0x2c) {
            this.#at += 1;
            break;
          }
          if (next !== 0x5d) this.#fail("a comma or ] is missing");
          value = frame.list;
        } else {
          this.#put(frame, value);
          const next = this.#skipSpace();
          if (next === 0x2c) {
            this.#at += 1;
            this.#readKey(frame);
            break;
          }
          if (next !== 0x7d) this.#fail("a comma or } is missing");
          value = frame.hinted ? this.#make(frame.hint) : (frame.dict ?? frame.map);
        }
        this.#at += 1;
        stack.pop();
        frame = stack[stack.length - 1];
      }
    }
  }

  #open(isList: boolean): Frame {
    if (this.#stack.length >= this.#maxDepth) this.#fail(`nested deeper than ${this.#maxDepth} levels`);
    this.#at += 1;
    const exact = this.#form === "exact";
    const frame: Frame = {
      list: isList ? [] : null,
      dict: isList || exact ? null : (Object.create(null) as Record<string, unknown>),
      map: !isList && exact ? new Map() : null,
      key: "",
      hinted: false,
      hint: undefined,
    };
    this.#stack.push(frame);
    return frame;
  }

  #readKey(frame: Frame): void {
    if (this.#skipSpace() !== 0x22) this.#fail('a key in double quotes is missing (or a "," is too much)');
    const key = this.#readText();
    if (this.#skipSpace() !== 0x3a) this.#fail("the : after a key is missing");
    this.#at += 1;
    frame.key = key;
  }

  #put(frame: Frame, value: unknown): void {
    if (frame.key === HINT) {
      frame.hinted = true;
      frame.hint = value;
    } else if (frame.dict !== null) setMember(frame.dict, frame.key, value);
    else frame.map!.set(frame.key, value);
  }

  #make(hint: unknown): unknown {
    if (!Array.isArray(hint) || hint.length !== 2 || typeof hint[0] !== "string" || !Array.isArray(hint[1])) {
      this.#fail(`${HINT} must be a list of a name and a list of arguments`);
    }
    const [name, args] = hint as [string, unknown[]];
    try {
      return makeValue(name, args, this.#form);
    } catch (error) {
      return this.#fail(error instanceof SpinnError ? error.message : String(error));
    }
  }

  /** Moves to the next character that is not white space and returns it; NaN at the end. */
  #skipSpace(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.#at += 1;
    }
  }

  #readText(): string {
    const text = this.#text;
    const start = this.#at + 1;
    let end = text.indexOf('"', start);
    if (end < 0) this.#fail("a text without closing quote");
    if (this.#isSimple(start, end)) {
      this.#at = end + 1;
      return text.slice(start, end);
    }
    // A quote behind an odd number of backslashes belongs to the text.
    for (;;) {
      let backslashes = 0;
      while (text.charCodeAt(end - 1 - backslashes) === 0x5c && end - 1 - backslashes >= start) backslashes += 1;
      if (backslashes % 2 === 0) break;
      end = text.indexOf('"', end + 1);
      if (end < 0) this.#fail("a text without closing quote");
    }
    try {
      const value = JSON.parse(text.slice(start - 1, end + 1)) as string;
      this.#at = end + 1;
      return value;
    } catch {
      return this.#fail("a text with a raw control character or an unknown escape");
    }
  }

  #isSimple(start: number, end: number): boolean {
    if (end - start > SHORT_TEXT) {
      const text = this.#text.slice(start, end);
      return (end - start > LONG_TEXT && isPureBase64(text)) || !SPECIAL.test(text);
    }
    for (let i = start; i < end; i += 1) {
      const code = this.#text.charCodeAt(i);
      if (code === 0x5c || code < 0x20) return false;
    }
    return true;
  }

  #readAtom(code: number): unknown {
    const text = this.#text;
    if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.#readNumber(code);
    if (code === 0x74 && this.#word("true")) return true;
    if (code === 0x66 && this.#word("false")) return false;
    if (code === 0x6e && this.#word("null")) return null;
    if (code === 0x4e && this.#word("NaN")) return NaN;
    if (code === 0x49 && this.#word("Infinity")) return Infinity;
    return this.#fail(this.#at >= text.length ? "the text ends where a value is missing" : "no value starts like this");
  }

  #word(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  #readNumber(first: number): unknown {
    const text = this.#text;
    // The short int is by far the most common number.
    if (first !== 0x2d && first !== 0x30) {
      let value = 0;
      let i = this.#at;
      let code = first;
      while (code >= 0x30 && code <= 0x39 && i - this.#at < 15) {
        value = value * 10 + code - 0x30;
        i += 1;
        code = text.charCodeAt(i);
      }
      if (code !== 0x2e && code !== 0x65 && code !== 0x45 && !(code >= 0x30 && code <= 0x39)) {
        this.#at = i;
        return value;
      }
    }
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(text);
    if (match === null) return this.#word("-Infinity") ? -Infinity : this.#fail("a minus without a number");
    const digits = match[0];
    if (match[1] === undefined && match[2] === undefined) {
      if (digits.length - (first === 0x2d ? 1 : 0) > MAX_INT_DIGITS) this.#fail(`an int of more than ${MAX_INT_DIGITS} digits`);
      this.#at += digits.length;
      return intFromText(digits);
    }
    this.#at += digits.length;
    const value = Number(digits);
    return this.#form === "exact" && Number.isSafeInteger(value) && !Object.is(value, -0) ? new PyFloat(value) : value;
  }

  #fail(reason: string): never {
    const path = this.#stack.map((frame) => (frame.list !== null ? frame.list.length : frame.key));
    throw unreadable(reason, this.#at, path, this.#text);
  }
}
