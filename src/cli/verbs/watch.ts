import type { RunValues } from "../../controller/index.js";
import { inspect } from "../../services/inspect/index.js";
import type { Verb } from "../job.js";
import { ExitStatus } from "../status.js";
import { addViaOption, chooseVia } from "../via.js";
import { placeOf } from "./runs.js";

export const verb: Verb = {
  configure: (command) => void addViaOption(command).argument("<run>", "number of the run, as spinn runs lists it"),
  examples: ["watch 3 # until it ends; Ctrl-C ends the watching, not the run", "watch 3 --via lab-pc:3277 --json"],
  statuses: [1, 3, 4, 5, 7, 9],
  async run(job, command) {
    const { host, port, tls } = await chooseVia(command);
    const run = command.args[0]!;
    job.leftBehind = `run ${run} goes on`;
    await using watcher = await inspect<RunValues>(host, port, { target: "runs", run, tls, signal: job.signal });
    job.signal.addEventListener("abort", () => void watcher.close(), { once: true });
    let last = "";
    for await (const { values, run: state } of watcher) {
      const by = state.paused_by.length === 0 ? "" : ` (paused by ${state.paused_by.join(", ")})`;
      const words = `${state.state}${by}  ${placeOf(values)}`.trimEnd();
      if (words === last && !state.final) continue;
      last = words;
      job.result({ run, state: state.state, pausedBy: state.paused_by, ...values }, () => `${words}\n`, "run");
      if (job.terminal.outputGone.aborted) return ExitStatus.DONE;
    }
    job.signal.throwIfAborted();
    return watcher.run.state === "done" ? ExitStatus.DONE : ExitStatus.NO;
  },
};
