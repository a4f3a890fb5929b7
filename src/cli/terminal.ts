import { styleText } from "node:util";
import { SpinnError } from "../errors.js";
import { ProgressLine } from "./progress.js";

export type ColourChoice = "auto" | "always" | "never";

/** Colours by meaning. The words say the same: nothing is told by colour alone. */
const COLOURS = { good: "green", bad: "red", odd: "yellow", faint: "gray", strong: "bold" } as const;

export type Meaning = keyof typeof COLOURS;

export interface TerminalOptions {
  /** Default `auto`: colours on a terminal, unless NO_COLOR is set or TERM is `dumb`. */
  readonly colour?: ColourChoice | undefined;
  /** Default `true`: a progress line, when stderr is a terminal. */
  readonly progress?: boolean | undefined;
  /** Only data and errors. Default `false`. */
  readonly quiet?: boolean | undefined;
}

/** A stream that text goes to; a terminal says so, and how wide it is. */
export interface OutputStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** Bytes that have not left yet. */
  readonly writableLength: number;
  write(data: string | Uint8Array, done?: () => void): unknown;
  on(event: "error", listener: (error: NodeJS.ErrnoException) => void): unknown;
}

/** Where a run reads and writes: the process's own, or a test's. */
export interface Streams {
  /** What can be read, for verbs that do, is a readable stream. */
  readonly stdin: { readonly isTTY?: boolean | undefined } | NodeJS.ReadableStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
}

const ESC = "\u001b";
/** Control characters, but for ends of lines, tabulators and what begins a colour of ours. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROLS = /(?!\r\n|\u001b\[[\d;]*m)[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** Text as a terminal may have it: what cores write comes from programs of others, and escape sequences could move, hide or type. */
function harmless(text: string): string {
  return text.replace(CONTROLS, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** stdout for data, stderr for talk, and what is known about both. */
export class Terminal {
  readonly progress: ProgressLine;
  /** Fires when nobody reads stdout any more: whatever streams to it can stop. */
  readonly outputGone: AbortSignal;
  readonly #streams: Streams;
  readonly #quiet: boolean;
  readonly #colourOut: boolean;
  readonly #colourErr: boolean;
  readonly #gone = new AbortController();
  #failure: SpinnError | undefined;

  constructor(streams: Streams, options: TerminalOptions = {}) {
    this.#streams = streams;
    this.#quiet = options.quiet ?? false;
    this.#colourOut = hasColour(streams.stdout, options.colour);
    this.#colourErr = hasColour(streams.stderr, options.colour);
    this.outputGone = this.#gone.signal;
    this.progress = new ProgressLine(streams.stderr, { enabled: !this.#quiet && options.progress !== false });
    streams.stdout.on("error", (error) => this.#onOutputError(error));
    streams.stderr.on("error", () => {});
  }

  /** Columns of the terminal that stdout is; unlimited for a file or a pipe. */
  get columns(): number {
    const { stdout } = this.#streams;
    return stdout.isTTY ? stdout.columns || 80 : Number.POSITIVE_INFINITY;
  }

  /** Whether a person sits at both ends: only then a question can be asked. */
  get isInteractive(): boolean {
    const { stdin, stderr } = this.#streams;
    return "isTTY" in stdin && stdin.isTTY === true && stderr.isTTY === true;
  }

  /** stdin as a stream; `undefined` for one that only says whether it is a terminal. */
  get input(): NodeJS.ReadableStream | undefined {
    const { stdin } = this.#streams;
    return "pipe" in stdin ? stdin : undefined;
  }

  /** stdout as readline wants it. */
  get output(): NodeJS.WritableStream {
    return this.#streams.stdout as unknown as NodeJS.WritableStream;
  }

  get isQuiet(): boolean {
    return this.#quiet;
  }

  /** Whether a person sees what goes to stderr, so that a line can be drawn over again. */
  get isWatched(): boolean {
    return this.#streams.stderr.isTTY === true;
  }

  /** Bytes of data that stdout has not taken yet. */
  get backlogBytes(): number {
    return this.#streams.stdout.writableLength;
  }

  /** Data. `over`: so many lines of what was written last are written over. */
  out(text: string | Uint8Array, over = 0): void {
    const { stdout } = this.#streams;
    if (text.length === 0 || this.#gone.signal.aborted) return;
    this.progress.clear();
    if (over > 0) stdout.write(`${ESC}[${over}A`);
    stdout.write(stdout.isTTY && typeof text === "string" ? harmless(text) : text);
  }

  /** Talk: silent with `--quiet`. */
  say(words: string): void {
    if (!this.#quiet) this.complain(words);
  }

  /** Errors and warnings: never silent. */
  complain(words: string): void {
    this.progress.clear();
    const { stderr } = this.#streams;
    stderr.write(`${stderr.isTTY ? harmless(words) : words}\n`);
  }

  /** Text for stdout, in the colour of its meaning. */
  paint(meaning: Meaning, text: string): string {
    return this.#colourOut ? styleText(COLOURS[meaning], text, { validateStream: false }) : text;
  }

  /** Text for stderr, likewise. */
  paintTalk(meaning: Meaning, text: string): string {
    return this.#colourErr ? styleText(COLOURS[meaning], text, { validateStream: false }) : text;
  }

  /** Waits until stdout has taken everything; throws `ERR_SPINN_FILE` when it could not. A reader that went away is no error. */
  async flush(): Promise<void> {
    if (this.#streams.stdout.writableLength > 0 && !this.#gone.signal.aborted) {
      await new Promise<void>((resolve) => {
        this.outputGone.addEventListener("abort", () => resolve(), { once: true });
        this.#streams.stdout.write("", () => resolve());
      });
    }
    // A synchronous stdout (a file) reports its error in the next turn.
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#failure !== undefined) throw this.#failure;
  }

  #onOutputError(error: NodeJS.ErrnoException): void {
    if (error.code !== "EPIPE") {
      this.#failure ??= new SpinnError("ERR_SPINN_FILE", `the output cannot be written: ${error.message}`, {
        hint: error.code === "ENOSPC" ? "the disk is full: make room, and run the command again" : undefined,
        cause: error,
      });
    }
    this.#gone.abort();
  }
}

function hasColour(stream: OutputStream, choice: ColourChoice = "auto"): boolean {
  if (choice !== "auto") return choice === "always";
  return stream.isTTY === true && !process.env["NO_COLOR"] && process.env["TERM"] !== "dumb";
}
