import { SpinnError } from "../errors.js";
import type { Job } from "./job.js";

/** Asks at a prompt that is open already. */
export type Question = (text: string) => Promise<string>;

/** Says what will happen and asks whether to go on. Without a terminal, or when the answer is no, nothing is done: status 8. */
export async function confirm(job: Job, what: string, yes: boolean | undefined, option = "--yes"): Promise<void> {
  if (yes) return;
  const answer = await ask(job, what, `${what}. Go on? [y/N] `, option);
  if (!/^y(es)?$/i.test(answer)) throw new SpinnError("ERR_SPINN_REFUSED", "the answer was no: nothing was sent");
}

/** As {@link confirm}, for what cannot be taken back: the name of the board must be typed. */
export async function confirmName(job: Job, what: string, name: string, option: string, prompt?: Question): Promise<void> {
  const question = `${what}. Type ${name} to go on: `;
  const answer = prompt === undefined ? await ask(job, what, question, option) : (await prompt(question)).trim();
  if (answer !== name) throw new SpinnError("ERR_SPINN_REFUSED", "that is not its name: nothing was sent");
}

async function ask(job: Job, what: string, question: string, option: string): Promise<string> {
  if (!job.terminal.isInteractive) {
    throw new SpinnError("ERR_SPINN_REFUSED", `${what}, and there is no terminal to ask on`, { hint: `if you mean it, add ${option}` });
  }
  job.terminal.progress.clear();
  const { createInterface } = await import("node:readline/promises");
  const line = createInterface({ input: job.terminal.input ?? process.stdin, output: process.stderr });
  try {
    return (await line.question(question, { signal: job.signal })).trim();
  } catch (cause) {
    // Ctrl-C at a prompt arrives here and not as a signal: the terminal is in raw mode.
    throw new SpinnError("ERR_SPINN_ABORTED", "interrupted; nothing was sent", { cause });
  } finally {
    line.close();
  }
}
