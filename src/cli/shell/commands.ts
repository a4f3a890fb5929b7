import { nearestWord } from "../nearest.js";
import { asUsage, usage } from "../usage.js";
import type { Action, CommandTable, Language, ShellCommand } from "./command.js";
import { CONTROL } from "./control.js";
import type { ShellSession } from "./session.js";
import { Words } from "./words.js";

/** Reads files of commands, for `@`, and waits at the keyboard, for `pause`. */
export interface Reader {
  runFile(path: string, quiet: boolean): Promise<void>;
  waitForEnter(text: string): Promise<void>;
}

/** Every command of a language, those of the reader among them. */
export function allCommands<S extends ShellSession>(language: Language<S>, reader: Reader): CommandTable<S> {
  const commands: Record<string, ShellCommand<S>> = {
    ...language.commands,
    ...CONTROL,
    pause: {
      usage: "<text.S>",
      purpose: "Print text and wait for the Enter key",
      parse(words) {
        const text = words.rest().replaceAll("\\n", "\n");
        return () => reader.waitForEnter(text);
      },
    },
    "@": {
      usage: "<file.F> [quiet]",
      purpose: "Run the commands of a file",
      parse(words) {
        const file = words.text("file");
        const quiet = words.optional() !== undefined;
        return () => reader.runFile(file, quiet);
      },
    },
    help: {
      usage: "[<command>]",
      purpose: "Explain the commands, or one of them",
      parse(words) {
        const name = words.optional();
        if (name !== undefined) {
          if (!Object.hasOwn(commands, name)) throw unknown(name, Object.keys(commands));
          return async (session) => session.out(explain(name, commands[name]!));
        }
        return async (session) => {
          for (const known of Object.keys(commands).sort()) {
            const { usage: words, purpose } = commands[known]!;
            session.out(` ${known.padEnd(12)} ${words.padEnd(30)} - ${purpose}\n`);
          }
        };
      },
    },
    "?": {
      usage: "",
      purpose: "List the commands",
      parse: () => async (session) => session.out(wrapped(Object.keys(commands).sort())),
    },
  };
  return commands;
}

/**
 * Understands one line without its blanks at both ends; sends nothing. `undefined` for an empty line and a comment.
 * Throws `ERR_SPINN_ARGUMENT` for an unknown command, a bad or missing argument, and a word too many.
 */
export function parseLine<S extends ShellSession>(
  line: string,
  commands: CommandTable<S>,
  leftOut: Language<S>["leftOut"],
): Action<S> | undefined {
  if (line === "" || line.startsWith("#")) return undefined;
  const [name = "", ...rest] = line.split(/\s+/);
  const why = Object.hasOwn(leftOut, name) ? leftOut[name] : undefined;
  if (why !== undefined) throw usage(`${name} ${why}`);
  if (!Object.hasOwn(commands, name)) throw unknown(name, Object.keys(commands));
  const command = commands[name]!;
  if (rest.length === 1 && rest[0] === "?") return async (session) => session.out(explain(name, command));
  const words = new Words(name, command.usage, rest);
  return asUsage(() => {
    const action = command.parse(words);
    words.end();
    return action;
  });
}

function explain<S extends ShellSession>(name: string, command: ShellCommand<S>): string {
  return `usage:   ${name} ${command.usage}\npurpose: ${command.purpose}\n`;
}

function unknown(name: string, known: readonly string[]): Error {
  const near = nearestWord(name, known);
  return usage(`bad command "${name}"`, near === undefined ? "help lists the commands" : `did you mean ${near}?`);
}

function wrapped(words: readonly string[]): string {
  const lines = [""];
  for (const word of words) {
    if (`${lines.at(-1)} ${word}`.length > 78) lines.push("");
    lines[lines.length - 1] += ` ${word}`;
  }
  return lines.map((line) => `${line}\n`).join("");
}
