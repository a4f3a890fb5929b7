import type { Command } from "commander";
import type { Job, Verb } from "./job.js";
import { ExitStatus } from "./status.js";
import { addViaOption, chooseVia, withRuns } from "./via.js";

interface Steer {
  /** Method of the target `runs`. */
  readonly method: string;
  /** Its arguments besides the run. */
  readonly args?: (command: Command) => Readonly<Record<string, unknown>>;
  readonly words: string;
  readonly examples: readonly string[];
  readonly configure?: (command: Command) => unknown;
}

const ENDED: readonly string[] = ["done", "failed", "aborted"];

/** A verb that steers one run. */
export function steerVerb({ method, args, words, examples, configure }: Steer): Verb {
  return {
    configure: (command) => {
      addViaOption(command).argument("<run>", "number of the run, as spinn runs lists it");
      configure?.(command);
    },
    examples,
    statuses: [1, 3, 4, 5, 9],
    async run(job: Job, command: Command) {
      const run = command.args[0]!;
      return await withRuns(job, await chooseVia(command), async (runs) => {
        const before = await runs.status(run);
        const hasEnded = ENDED.includes(before.state);
        if (!hasEnded) await runs.steer(method, run, args?.(command) ?? {});
        const { state } = hasEnded ? before : await runs.status(run);
        job.result(
          { run, state },
          () => (hasEnded ? `run ${run} has ended: ${state}\n` : `run ${run}: ${words} (it is ${state})\n`),
          "run",
        );
        return hasEnded && method !== "request_stop" ? ExitStatus.NO : ExitStatus.DONE;
      });
    },
  };
}
