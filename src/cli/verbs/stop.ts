import { parseAppId } from "../app-id.js";
import { addBoardOptions, withBoard } from "../board.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import { plural } from "../format.js";
import type { Verb } from "../job.js";

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addBoardOptions(command)).requiredOption("--app-id <n>", "application to end, 1 to 255", parseAppId),
  examples: ["stop --app-id 30 # its cores, memory, routes and text are given back", "stop --app-id 17 --json"],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    const { appId } = command.opts<{ appId: number }>();
    await withBoard(job, command, async (board) => {
      const before = await board.readApplication(appId, { signal: job.signal });
      if (isDryRun(job, command, `stop app ${appId} and give back its ${plural(before.length, "core")}`)) return;
      await board.stop(appId, { signal: job.signal });
      job.result({ board: board.remote, appId, cores: before.length }, () =>
        before.length === 0
          ? `app ${appId} had no cores; told to stop all the same\n`
          : `stopped app ${appId}: ${plural(before.length, "core")} given back\n`,
      );
    });
  },
};
