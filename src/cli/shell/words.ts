import { nearestWord } from "../nearest.js";
import { usage } from "../usage.js";

/**
 * The arguments of one command line, taken one after another. ybug's numbers depend on the place: `hex` where it takes an address or a word,
 * `decimal` elsewhere; either may be written with 0x. What does not fit throws `ERR_SPINN_ARGUMENT`, never counts as 0.
 */
export class Words {
  readonly #command: string;
  readonly #usage: string;
  readonly #words: readonly string[];
  #next = 0;

  constructor(command: string, usageText: string, words: readonly string[]) {
    this.#command = command;
    this.#usage = usageText;
    this.#words = words;
  }

  /** How many are not taken yet. */
  get left(): number {
    return this.#words.length - this.#next;
  }

  /** Those that are not taken yet. */
  peek(): readonly string[] {
    return this.#words.slice(this.#next);
  }

  text(what: string): string {
    const word = this.optional();
    if (word === undefined) throw this.wrong(`${what} is missing`);
    return word;
  }

  optional(): string | undefined {
    const word = this.#words[this.#next];
    if (word !== undefined) this.#next += 1;
    return word;
  }

  /** Everything that is left, with one blank between words. */
  rest(): string {
    const words = this.#words.slice(this.#next).join(" ");
    this.#next = this.#words.length;
    return words;
  }

  hex(what: string, high = 0xffffffff): number {
    const word = this.text(what);
    const match = /^(?:0x)?([0-9a-f]+)$/i.exec(word);
    if (match === null) throw this.wrong(`${what}: "${word}" is no hexadecimal number`);
    return this.#bounded(what, word, Number.parseInt(match[1]!, 16), 0, high, 16);
  }

  decimal(what: string, low: number, high: number): number {
    const word = this.text(what);
    if (!/^(\d+|0x[0-9a-f]+)$/i.test(word)) throw this.wrong(`${what}: "${word}" is no decimal number`);
    return this.#bounded(what, word, Number(word), low, high, 10);
  }

  /** Seconds, whole or with a fraction. */
  seconds(what: string): number {
    const word = this.text(what);
    if (!/^(\d+\.?\d*|\.\d+)$/.test(word)) throw this.wrong(`${what}: "${word}" is no number of seconds`);
    return this.#bounded(what, word, Number(word), 0, 86_400, 10);
  }

  choice<T extends string>(what: string, known: readonly T[]): T {
    const word = this.text(what);
    const found = known.find((name) => name === word);
    if (found !== undefined) return found;
    const near = nearestWord(word, known);
    const hint = near === undefined ? `known are ${known.join(", ")}` : `did you mean ${near}?`;
    throw usage(`${this.#command}: ${what}: there is no "${word}"`, hint);
  }

  /** Throws when words are left over. */
  end(): void {
    if (this.left > 0) throw this.wrong(`"${this.#words[this.#next]}" is one word too many`);
  }

  /** An error of this line, with how the command is used. */
  wrong(message: string): Error {
    return usage(`${this.#command}: ${message}`, `usage: ${`${this.#command} ${this.#usage}`.trim()}`);
  }

  #bounded(what: string, word: string, value: number, low: number, high: number, radix: 10 | 16): number {
    if (value >= low && value <= high) return value;
    throw this.wrong(`${what} must be from ${low.toString(radix)} to ${high.toString(radix)}, not ${word}`);
  }
}
