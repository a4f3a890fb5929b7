import { readFileSync } from "node:fs";
import { CommanderError } from "commander";
import { type Failure, failureJson, failureOf, failureText } from "./failure.js";
import { type GlobalOptions, programHelp, verbCommand } from "./help.js";
import { Job, toJson, type Verb } from "./job.js";
import { nearestWord } from "./nearest.js";
import { ExitStatus } from "./status.js";
import { type Streams, Terminal } from "./terminal.js";
import { usage } from "./usage.js";
import { VERBS } from "./verbs.js";

/** Options of the whole program that take a value: the word behind them is no verb. */
const WITH_VALUE = new Set(["--host", "--port", "--timeout", "--color", "--via"]);

/** What ends a run from outside. */
export interface Interrupts {
  readonly signal: AbortSignal;
  readonly received: string | undefined;
  readonly status: number;
}

/** Runs one command line to its end; resolves with the exit status. Throws nothing. */
export async function run(words: readonly string[], streams: Streams, interrupts: Interrupts): Promise<number> {
  const place = words.findIndex((word, i) => !word.startsWith("-") && !WITH_VALUE.has(words[i - 1] ?? ""));
  const name = place < 0 ? undefined : words[place]!;
  if (name === undefined && words.includes("--version")) return print(streams, `spinn ${packageVersion()}\n`);
  if (name === undefined && (words.length === 0 || words.some((word) => word === "--help" || word === "-h")))
    return print(streams, programHelp(VERBS));
  let terminal = new Terminal(streams);
  let job: Job | undefined;
  let options: GlobalOptions = { json: words.includes("--json") || words.includes("--ndjson"), debug: words.includes("--debug") };
  try {
    if (name === undefined) throw usage("no verb is named", "spinn --help lists them");
    const verb = await loadVerb(name);
    const command = verbCommand(name, VERBS[name]!.purpose, verb, streams.stdout);
    // What stands before the verb belongs to it as well: spinn --host H ps.
    command.parse([...words.slice(0, place), ...words.slice(place + 1)], { from: "user" });
    options = command.opts<GlobalOptions>();
    terminal = new Terminal(streams, { colour: options.color, progress: options.progress, quiet: options.quiet });
    const json = options.json === true || options.ndjson === true;
    job = new Job(name, VERBS, terminal, interrupts.signal, { json, verbose: options.verbose === true });
    const status = (await verb.run(job, command)) ?? ExitStatus.DONE;
    terminal.progress.clear();
    await terminal.flush();
    return status;
  } catch (error) {
    terminal.progress.clear();
    if (error instanceof CommanderError && error.exitCode === 0) return ExitStatus.DONE;
    if (interrupts.received !== undefined) return sayInterrupted(terminal, name, job, interrupts);
    const known = name !== undefined && Object.hasOwn(VERBS, name) ? name : undefined;
    return fail(terminal, known, failureOf(error, known), options);
  } finally {
    await job?.release();
  }
}

async function loadVerb(name: string): Promise<Verb> {
  const entry = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (entry !== undefined) return (await entry.load()).verb;
  const near = nearestWord(name, Object.keys(VERBS));
  throw usage(
    `there is no verb "${name}"`,
    near === undefined ? "spinn --help lists them" : `did you mean "${near}"? spinn --help lists all verbs`,
  );
}

function fail(terminal: Terminal, verb: string | undefined, failure: Failure, options: GlobalOptions): number {
  terminal.complain(terminal.paintTalk("bad", failureText(verb, failure, options.debug === true)));
  if (options.json || options.ndjson) terminal.out(`${toJson(failureJson(verb, failure))}\n`);
  return failure.status;
}

function sayInterrupted(terminal: Terminal, verb: string | undefined, job: Job | undefined, interrupts: Interrupts): number {
  terminal.complain(`spinn ${verb}: interrupted; ${job?.leftBehind ?? "nothing was left behind"}`);
  if (job?.isJson) {
    const error = { code: "ERR_SPINN_ABORTED", message: "interrupted", leftBehind: job.leftBehind ?? null };
    terminal.out(`${toJson({ schema: "spinn.error", version: 1, verb, status: interrupts.status, error })}\n`);
  }
  return interrupts.status;
}

function print({ stdout }: Streams, text: string): number {
  stdout.on("error", () => {});
  stdout.write(text);
  return ExitStatus.DONE;
}

function packageVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
