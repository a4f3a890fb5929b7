import type { RunValues } from "../../controller/index.js";
import type { Verb } from "../job.js";
import { ExitStatus } from "../status.js";
import { addViaOption, chooseVia, withRuns } from "../via.js";
import { placeOf } from "./runs.js";

/** Values of a computation that are shown in a line. */
const MAX_SHOWN = 6;

export const verb: Verb = {
  configure: (command) => void addViaOption(command).argument("<run>", "number of the run, as spinn runs lists it"),
  examples: ["watch 3 # until it ends; Ctrl-C ends the watching, not the run", "watch 3 --via lab-pc:3277 --json"],
  statuses: [1, 3, 4, 5, 7, 9],
  async run(job, command) {
    const run = command.args[0]!;
    job.leftBehind = `run ${run} goes on`;
    return await withRuns(job, await chooseVia(command), async (runs) => {
      await using watcher = await runs.watch<Record<string, unknown>>(run, job.signal);
      job.signal.addEventListener("abort", () => void watcher.close(), { once: true });
      let last = "";
      for await (const { values, run: state } of watcher) {
        // A run of a controller or a verb; anything else is a computation with values of its own.
        const own = "method" in values && "progress" in values ? (values as unknown as RunValues) : undefined;
        const by = state.paused_by.length === 0 ? "" : ` (paused by ${state.paused_by.join(", ")})`;
        const place = own === undefined ? (state.error?.message ?? valueWords(values)) : placeOf(own);
        const words = `${state.state}${by}  ${place}`.trimEnd();
        if (words === last && !state.final) continue;
        last = words;
        const data = { run, state: state.state, pausedBy: state.paused_by, ...(own ?? { error: state.error, values }) };
        job.result(data, () => `${words}\n`, "run");
        if (job.terminal.outputGone.aborted) return ExitStatus.DONE;
      }
      job.signal.throwIfAborted();
      return watcher.run.state === "done" ? ExitStatus.DONE : ExitStatus.NO;
    });
  },
};

/** `n 17, gain 0.5`: what of a computation's values fits a line. */
function valueWords(values: Readonly<Record<string, unknown>>): string {
  return Object.entries(values)
    .filter(([, value]) => ["number", "string", "boolean"].includes(typeof value))
    .slice(0, MAX_SHOWN)
    .map(([name, value]) => `${name} ${String(value).slice(0, 40)}`)
    .join(", ");
}
