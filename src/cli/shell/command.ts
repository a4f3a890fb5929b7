import type { ShellSession } from "./session.js";
import type { Words } from "./words.js";

/** What a command does once its line has been understood. Resolving with "quit" ends the script or the prompt. */
export type Action<S> = (session: S) => Promise<unknown>;

export interface ShellCommand<S extends ShellSession = ShellSession> {
  /** Arguments, as ybug's help writes them: .D decimal, .X hexadecimal, .F file. */
  readonly usage: string;
  readonly purpose: string;
  /** Takes the words, sends nothing. Throws `ERR_SPINN_ARGUMENT`. */
  parse(words: Words): Action<S>;
}

export type CommandTable<S extends ShellSession = ShellSession> = Readonly<Record<string, ShellCommand<S>>>;

/** A command language: what it knows, and what it knows but does not do. */
export interface Language<S extends ShellSession> {
  /** The name of the verb. */
  readonly name: string;
  readonly commands: CommandTable<S>;
  /** Commands of the original that are left out, with the reason and what does their work. */
  readonly leftOut: Readonly<Record<string, string>>;
}

export const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
