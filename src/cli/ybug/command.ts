import type { YbugSession } from "./session.js";
import type { Words } from "./words.js";

/** What a command does once its line has been understood. Resolving with "quit" ends the script or the prompt. */
export type Action = (session: YbugSession) => Promise<unknown>;

export interface YbugCommand {
  /** Arguments, as ybug's help writes them: .D decimal, .X hexadecimal, .F file. */
  readonly usage: string;
  readonly purpose: string;
  /** Takes the words, sends nothing. Throws `ERR_SPINN_ARGUMENT`. */
  parse(words: Words): Action;
}

export type CommandTable = Readonly<Record<string, YbugCommand>>;

export const hex8 = (value: number): string => (value >>> 0).toString(16).padStart(8, "0");
