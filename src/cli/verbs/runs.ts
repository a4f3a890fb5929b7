import type { RunReport } from "../../controller/index.js";
import type { Verb } from "../job.js";
import { type Column, formatTable } from "../table.js";
import { addViaOption, chooseVia, withRuns } from "../via.js";

const HEAD: readonly Column[] = ["run", "state", "what", "at"].map((title) => ({ title }));

export const verb: Verb = {
  configure: (command) => void addViaOption(command),
  examples: ["runs # of the controller on this machine", "runs --via lab-pc:3277 --json"],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    await withRuns(job, await chooseVia(command), async (remote) => {
      const runs = await remote.list();
      job.result({ runs }, () => (runs.length === 0 ? "no runs\n" : formatTable(HEAD, runs.map(rowOf), job.terminal.columns)));
    });
    return undefined;
  },
};

function rowOf(run: RunReport): string[] {
  return [run.run, run.state, run.method, placeOf(run)];
}

/** How far a run is, in words. */
export function placeOf({ step, progress, error }: Partial<Pick<RunReport, "step" | "progress" | "error">>): string {
  if (error != null) return error.message;
  const words = progress == null ? [] : [`${progress.what} ${progress.done} of ${progress.total} ${progress.unit}`];
  return [...(step == null ? [] : [`step ${step}`]), ...words].join(", ");
}
