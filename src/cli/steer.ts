import type { Command } from "commander";
import type { Job, Verb } from "./job.js";
import { addViaOption, withController } from "./via.js";

interface Steer {
  /** Method of the controller's target `runs`. */
  readonly method: string;
  /** Its arguments besides the run. */
  readonly args?: (command: Command) => Readonly<Record<string, unknown>>;
  readonly words: string;
  readonly examples: readonly string[];
  readonly configure?: (command: Command) => unknown;
}

/** A verb that steers one run of a controller. */
export function steerVerb({ method, args, words, examples, configure }: Steer): Verb {
  return {
    configure: (command) => {
      addViaOption(command).argument("<run>", "number of the run, as spinn runs lists it");
      configure?.(command);
    },
    examples,
    statuses: [3, 4, 5, 9],
    async run(job: Job, command: Command) {
      const run = command.args[0]!;
      await withController(job, command, async (controller) => {
        await controller.steer(method, run, args?.(command) ?? {});
        const { state } = await controller.status(run);
        job.result({ run, state }, () => `run ${run}: ${words} (it is ${state})\n`, "run");
      });
      return undefined;
    },
  };
}
