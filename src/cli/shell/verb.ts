import { createInterface } from "node:readline";
import type { Command } from "commander";
import { ExitStatus } from "../status.js";
import type { Language } from "./command.js";
import { Interpreter } from "./interpreter.js";
import type { ShellSession } from "./session.js";

export interface ShellVerbOptions {
  readonly keepGoing?: boolean;
  readonly allowFlash?: boolean;
}

/** What every verb that runs a command language takes. */
export function addShellOptions(command: Command): Command {
  return command
    .argument("[script]", "file of commands (default: stdin; a prompt when that is a terminal)")
    .option("-k, --keep-going", "go on after a line that fails; the status is then 7")
    .option("--allow-flash", "commands that change the board for good are run without a question");
}

/** Runs the script that is named, what comes through a pipe, or a prompt. Resolves with the exit status. */
export async function runShell<S extends ShellSession>(session: S, language: Language<S>, command: Command): Promise<number> {
  const { job } = session;
  const [script] = command.args;
  const { keepGoing } = command.opts<ShellVerbOptions>();
  const interpreter = new Interpreter(session, language, { keepGoing, quiet: job.terminal.isQuiet });
  const { input } = job.terminal;
  if (script !== undefined) await interpreter.runFile(script);
  else if (input !== undefined && job.terminal.isInteractive && !job.isJson) await interpreter.runPrompt(input, job.terminal.output);
  else if (input !== undefined)
    await interpreter.runStream(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY, signal: job.signal }));
  return interpreter.failures + session.failures === 0 ? ExitStatus.DONE : ExitStatus.PARTIAL;
}
