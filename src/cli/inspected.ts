import type { Command } from "commander";
import { CONTROLLER_PORT, Runs, serveRuns } from "../controller/index.js";
import { SpinnError } from "../errors.js";
import type { Progress } from "../transceiver/index.js";
import type { Job } from "./job.js";
import { parseInteger } from "./number.js";

/** What a long piece of work tells of itself, and where it lets itself be paused. */
export interface Steps {
  /** Fires on Ctrl-C, and when somebody has asked the run to stop. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** What is being done now, in words. */
  readonly onStep: (words: string) => void;
  /** A point between two steps: waits while the run is paused. */
  readonly safePoint: () => Promise<void>;
}

export function addInspectOption(command: Command): Command {
  return command.option(
    "--inspect [port]",
    `let others follow and steer this while it runs: spinn watch 1, pause 1, step 1, stop-run 1 --via 127.0.0.1:PORT (default: ${CONTROLLER_PORT}; 0 is any free one)`,
    (text) => parseInteger("--inspect", text, 0, 65535),
  );
}

/**
 * Does a piece of work; with `--inspect` as run 1 of a server on 127.0.0.1, which stays until those who watch have seen the end.
 * Throws what `work` throws, and `ERR_SPINN_ADDRESS_IN_USE`.
 */
export async function inspected<T>(job: Job, command: Command, name: string, work: (steps: Steps) => Promise<T>): Promise<T> {
  const { inspect } = command.opts<{ inspect?: number | true }>();
  if (inspect === undefined) return await work({ ...job.calls, onStep: () => {}, safePoint: async () => {} });
  const runs = new Runs();
  await using served = await serveRuns(runs, { port: inspect === true ? CONTROLLER_PORT : inspect });
  job.say(`run 1 of 127.0.0.1:${served.port}: spinn watch 1 --via 127.0.0.1:${served.port}`);
  let outcome: { readonly result: T } | { readonly error: unknown } | undefined;
  const run = runs.start(name, async ({ signal, onStep, onProgress, safePoint }) => {
    const both = (progress: Progress): void => {
      onProgress(progress);
      job.calls.onProgress(progress);
    };
    try {
      const result = await work({ signal, onStep, onProgress: both, safePoint });
      outcome = { result };
      return result;
    } catch (error) {
      outcome = { error };
      throw error;
    }
  });
  const interrupt = (): void => run.idict.terminate(`interrupted: ${String(job.signal.reason)}`);
  job.signal.addEventListener("abort", interrupt);
  if (job.signal.aborted) interrupt();
  await run.ended;
  job.signal.removeEventListener("abort", interrupt);
  // Without an outcome it was ended before it began.
  if (outcome === undefined) throw run.signal.reason;
  if ("result" in outcome) return outcome.result;
  const { error } = outcome;
  if (job.signal.aborted || !run.idict.terminated || !(error instanceof SpinnError && error.code === "ERR_SPINN_ABORTED")) throw error;
  const reason = (run.signal.reason as SpinnError).message;
  throw new SpinnError("ERR_SPINN_ABORTED", `somebody has stopped it: ${reason}`, { hint: job.leftBehind, cause: error });
}
