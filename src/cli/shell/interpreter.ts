import { createInterface, type Interface } from "node:readline/promises";
import { SpinnError } from "../../errors.js";
import { failureOf } from "../failure.js";
import { readInputFile } from "../file.js";
import type { Action, CommandTable, Language } from "./command.js";
import { allCommands, parseLine, type Reader } from "./commands.js";
import { isAbort, type ShellSession } from "./session.js";

/** Files that may run files: as deep as ybug goes. */
const MAX_DEPTH = 10;
/** Lines that the prompt remembers. */
const HISTORY = 500;

export interface InterpreterOptions {
  /** Go on after a line that failed. Default `false`. */
  readonly keepGoing?: boolean | undefined;
  /** Leave out the lines themselves from what is printed. Default `false`. */
  readonly quiet?: boolean | undefined;
}

/** Runs lines of commands, from files, from a stream or from a keyboard. */
export class Interpreter<S extends ShellSession> implements Reader {
  readonly #session: S;
  readonly #language: Language<S>;
  readonly #commands: CommandTable<S>;
  readonly #keepGoing: boolean;
  #quiet: boolean;
  #depth = 0;
  #failures = 0;
  #prompt: Interface | undefined;

  constructor(session: S, language: Language<S>, options: InterpreterOptions = {}) {
    this.#session = session;
    this.#language = language;
    this.#keepGoing = options.keepGoing ?? false;
    this.#quiet = options.quiet ?? false;
    this.#commands = allCommands(language, this);
  }

  /** Lines that failed and were gone past. */
  get failures(): number {
    return this.#failures;
  }

  /**
   * A file from its first line to its last. All of it is understood before anything is sent, so a mistyped line at its end does not leave
   * half of the work done. Throws what the first failing line throws, with file and line before the words.
   */
  async runFile(path: string, quiet = this.#quiet): Promise<void> {
    if (this.#depth > MAX_DEPTH) {
      throw new SpinnError("ERR_SPINN_SCRIPT", `@ ${path}: files run files more than ${MAX_DEPTH} deep`, { hint: "does it run itself?" });
    }
    const text = new TextDecoder().decode(await readInputFile(path, "script"));
    const lines = text.split("\n");
    if (lines.at(-1) === "") lines.pop();
    if (!this.#keepGoing) for (const [i, line] of lines.entries()) this.#understand(line, `${path}:${i + 1}`);
    const before = this.#quiet;
    this.#quiet = quiet;
    this.#depth += 1;
    try {
      for (const [i, line] of lines.entries()) if (await this.#runLine(line, `${path}:${i + 1}`)) break;
    } finally {
      this.#depth -= 1;
      this.#quiet = before;
    }
  }

  /** Lines as they come, from a pipe. */
  async runStream(lines: AsyncIterable<string>): Promise<void> {
    let number = 0;
    for await (const line of lines) {
      number += 1;
      if (await this.#runLine(line, `stdin:${number}`)) return;
    }
  }

  /** A prompt on a terminal, until `quit`, Ctrl-D, or Ctrl-C at an empty prompt. Errors are told, and it goes on. */
  async runPrompt(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Promise<void> {
    const names = Object.keys(this.#commands).sort();
    const complete = (line: string): [string[], string] => [names.filter((name) => name.startsWith(line)).map((name) => `${name} `), line];
    const prompt = createInterface({
      input,
      output,
      completer: complete,
      historySize: HISTORY,
      removeHistoryDuplicates: true,
      terminal: true,
    });
    this.#prompt = prompt;
    const ended = new AbortController();
    prompt.on("close", () => ended.abort());
    const { job } = this.#session;
    let running: AbortController | undefined;
    // In raw mode Ctrl-C is a key and no signal: it ends the command under way, or the prompt.
    prompt.on("SIGINT", () => (running === undefined ? prompt.close() : running.abort()));
    try {
      while (!ended.signal.aborted) {
        const signal = AbortSignal.any([job.signal, ended.signal]);
        const line = await prompt.question(this.#session.prompt, { signal }).catch(() => undefined);
        if (line === undefined) break;
        running = new AbortController();
        this.#session.signal = AbortSignal.any([job.signal, running.signal]);
        this.#session.question = (text) => prompt.question(text, { signal: this.#session.signal });
        try {
          const action = parseLine(line.trim(), this.#commands, this.#language.leftOut);
          if (action !== undefined && (await this.#act(action)) === "quit") break;
        } catch (error) {
          job.terminal.progress.clear();
          const { message, hint } = failureOf(error);
          job.terminal.out(`error: ${message}\n${hint === undefined ? "" : `  ${hint}\n`}`);
        } finally {
          running = undefined;
          this.#session.signal = job.signal;
          this.#session.question = undefined;
        }
      }
    } finally {
      this.#prompt = undefined;
      prompt.close();
    }
    job.signal.throwIfAborted();
  }

  /** Waits at a terminal only: a script that nobody watches goes on. */
  async waitForEnter(text: string): Promise<void> {
    const { job, signal } = this.#session;
    this.#session.out(text);
    if (this.#prompt !== undefined) {
      await this.#prompt.question("", { signal });
      return;
    }
    if (!job.terminal.isInteractive) return job.say("# pause: there is no terminal, so it goes on");
    const line = createInterface({ input: process.stdin, output: process.stderr });
    try {
      await line.question("", { signal });
    } catch (cause) {
      throw new SpinnError("ERR_SPINN_ABORTED", "interrupted at a pause", { cause });
    } finally {
      line.close();
    }
  }

  /** Throws as a script's line fails. */
  #understand(raw: string, where: string): Action<S> | undefined {
    try {
      return parseLine(raw.trim(), this.#commands, this.#language.leftOut);
    } catch (error) {
      throw placed(error, where);
    }
  }

  /** Whether it was `quit`. */
  async #runLine(raw: string, where: string): Promise<boolean> {
    const { job } = this.#session;
    if (job.signal.aborted) throw new SpinnError("ERR_SPINN_ABORTED", `${where}: interrupted before this line`);
    if (!this.#quiet && !job.isJson)
      job.terminal.out(`${"@".repeat(Math.max(0, this.#depth - 1))}${this.#session.prompt}${raw.trimEnd()}\n`);
    try {
      const action = this.#understand(raw, where);
      const ended = action !== undefined && (await this.#act(action)) === "quit";
      if (action !== undefined) this.#tell(raw, where);
      return ended;
    } catch (error) {
      const known = placed(error, where);
      if (!this.#keepGoing || !(known instanceof SpinnError) || isAbort(known) || job.signal.aborted) throw known;
      this.#failures += 1;
      const { code, message, hint } = failureOf(known);
      this.#tell(raw, where, { code, message, hint });
      job.terminal.complain(job.terminal.paintTalk("bad", `error: ${message}${hint === undefined ? "" : `\n  ${hint}`}`));
      return false;
    }
  }

  async #act(action: Action<S>): Promise<"quit" | undefined> {
    const ended = await action(this.#session);
    this.#session.job.terminal.progress.clear();
    if (this.#session.debugLevel > 0) {
      for (const { remote, counters } of this.#session.lines) {
        const { sent, received, resent, timeouts } = counters;
        this.#session.job.terminal.complain(`# ${remote}: sent ${sent}, received ${received}, resent ${resent}, timeouts ${timeouts}`);
      }
    }
    return ended === "quit" ? "quit" : undefined;
  }

  /** With --json an object for each command. */
  #tell(raw: string, where: string, error?: Readonly<Record<string, unknown>>): void {
    const { job } = this.#session;
    if (!job.isJson) return;
    job.result(
      { where, command: raw.trim(), text: this.#session.takeText(), ...(error === undefined ? {} : { error }) },
      () => "",
      `${this.#language.name}.command`,
    );
  }
}

/** An error of ours with file and line before its words; those of files within files once only. Others are left as they are. */
function placed(error: unknown, where: string): unknown {
  if (!(error instanceof SpinnError) || /^[^\s]+:\d+: /.test(error.message)) return error;
  const { hint, board, request, returnCode } = error;
  return new SpinnError(error.code, `${where}: ${error.message}`, { hint, board, request, returnCode, cause: error.cause ?? error });
}
