import { CoreState, Signal } from "../../machine/index.js";
import { DEFAULT_APP_ID, parseAppId } from "../app-id.js";
import { addBoardOptions, withBoard } from "../board.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import { plural } from "../format.js";
import type { Verb } from "../job.js";
import { ExitStatus } from "../status.js";

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addBoardOptions(command)).option(
      "--app-id <n>",
      `application that waits, 1 to 255 (default: ${DEFAULT_APP_ID})`,
      parseAppId,
    ),
  examples: ["start # what was loaded with --wait", "start --app-id 17"],
  statuses: [1, 3, 4, 5, 9],
  async run(job, command) {
    const { appId = DEFAULT_APP_ID } = command.opts<{ appId?: number }>();
    return await withBoard(job, command, async (board) => {
      const waiting = (await board.countStates(appId, { signal: job.signal })).get(CoreState.WAIT) ?? 0;
      if (isDryRun(job, command, `start app ${appId} on ${plural(waiting, "core")} that wait`)) return ExitStatus.DONE;
      await board.sendSignal(Signal.START, { appId, signal: job.signal });
      job.result({ board: board.remote, appId, waiting }, () =>
        waiting === 0 ? `no core of app ${appId} was waiting\n` : `started app ${appId} on ${plural(waiting, "core")}\n`,
      );
      return waiting === 0 ? ExitStatus.NO : ExitStatus.DONE;
    });
  },
};
