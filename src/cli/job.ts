import type { Command } from "commander";
import type { Terminal } from "./terminal.js";

/** Members of a result; the envelope's own two names are not free. */
export type ResultData = Readonly<Record<string, unknown>> & { readonly schema?: never; readonly version?: never };

/** One run of a verb: where its results go, and when it has to stop. */
export class Job {
  readonly verb: string;
  readonly terminal: Terminal;
  /** Fires on Ctrl-C and on SIGTERM. */
  readonly signal: AbortSignal;
  readonly isJson: boolean;
  readonly isVerbose: boolean;
  /** All verbs, for those that explain others. */
  readonly verbs: VerbTable;
  /** What an interrupt at this moment leaves behind, in words; `undefined` for nothing. */
  leftBehind: string | undefined;
  /** Bounded by what one verb opens. */
  readonly #kept: AsyncDisposable[] = [];

  constructor(
    verb: string,
    verbs: VerbTable,
    terminal: Terminal,
    signal: AbortSignal,
    options: { readonly json: boolean; readonly verbose: boolean },
  ) {
    this.verbs = verbs;
    this.verb = verb;
    this.terminal = terminal;
    this.signal = signal;
    this.isJson = options.json;
    this.isVerbose = options.verbose;
  }

  /** `{ signal, onProgress }` for the methods of a transceiver. */
  get calls(): { readonly signal: AbortSignal; readonly onProgress: Terminal["progress"]["update"] } {
    return { signal: this.signal, onProgress: this.terminal.progress.update };
  }

  /**
   * What the verb found: one JSON object with `schema` and `version`, or text. For a verb that streams, each object is one line.
   * Members of an object are never renamed or removed within a version.
   */
  result(data: ResultData, text: () => string | Uint8Array, kind = this.verb): void {
    if (this.isJson) this.terminal.out(`${toJson({ schema: `spinn.${kind}`, version: 1, ...data })}\n`);
    else this.terminal.out(text());
  }

  say(words: string): void {
    this.terminal.say(words);
  }

  /** Closes something when the verb has ended. */
  keep<T extends AsyncDisposable>(resource: T): T {
    this.#kept.push(resource);
    return resource;
  }

  /** Closes what was kept. */
  async release(): Promise<void> {
    for (const resource of this.#kept.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  }
}

/** JSON with u64 as decimal text, since JSON numbers cannot carry them, and bytes as base64. */
export function toJson(data: unknown): string {
  return JSON.stringify(data, (_, value: unknown) => {
    if (typeof value === "bigint") return value.toString();
    if (value instanceof Map) return Object.fromEntries(value);
    return value;
  });
}

/** One verb of the command: what `src/cli/verbs/NAME.ts` exports as `verb`. */
export interface Verb {
  /** Adds arguments and options. */
  configure(command: Command): void;
  /** Two or more, without the leading `spinn`; text behind ` # ` explains. */
  readonly examples: readonly string[];
  /** Exit statuses besides 0, 2, 70 and 130 that can come of it. */
  readonly statuses: readonly number[];
  /** Resolves with the exit status; nothing is 0. */
  run(job: Job, command: Command): Promise<number | undefined>;
}

/** A verb in the table of all, before it is loaded. */
export interface VerbEntry {
  readonly purpose: string;
  readonly group: string;
  /** Loads the verb's module: only the one that is used. */
  load(): Promise<{ readonly verb: Verb }>;
}

export type VerbTable = Readonly<Record<string, VerbEntry>>;
