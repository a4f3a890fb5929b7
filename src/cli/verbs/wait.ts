import { coreStateName, parseCoreState } from "../../machine/index.js";
import { DEFAULT_APP_ID, parseAppId } from "../app-id.js";
import { addBoardOptions, withBoard } from "../board.js";
import { formatDuration, plural } from "../format.js";
import type { Verb } from "../job.js";
import { parseDuration, parseInteger } from "../number.js";
import { parseSelection, selectCores } from "../place.js";
import { ExitStatus } from "../status.js";
import { asUsage, usage } from "../usage.js";

interface Options {
  readonly appId?: number;
  readonly count?: number;
  readonly for?: number;
}

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .argument("<state>", "RUN, EXIT, SYNC0, PAUSE ...; several joined by +: RUN+EXIT", readStates)
      .argument("[cores...]", "cores that shall get there (default: all cores of the application)")
      .option("--app-id <n>", `application, 1 to 255 (default: ${DEFAULT_APP_ID})`, parseAppId)
      .option("--count <n>", "so many cores of the application are enough", (text) => parseInteger("--count", text, 1, 1 << 24))
      .option("--for <time>", "how long to wait (default: until Ctrl-C)", (text) => parseDuration("--for", text)),
  examples: ["wait EXIT --for 60s # until every core of app 30 has ended", "wait SYNC0 --app-id 17 --count 16 --for 5s"],
  statuses: [1, 3, 4, 5, 9],
  async run(job, command) {
    const [states] = command.processedArgs as [number[]];
    const { appId = DEFAULT_APP_ID, count, for: timeoutMs } = command.opts<Options>();
    const words = command.args.slice(1);
    if (words.length > 0 && count !== undefined) throw usage("--count and a list of cores exclude each other");
    const selection = words.length === 0 ? undefined : parseSelection(words);
    const names = states.map(coreStateName).join(" or ");
    return await withBoard(job, command, async (board) => {
      const { machine } = await board.discover(job.calls);
      const startedAt = performance.now();
      const options = { appId, signal: job.signal, ...(timeoutMs === undefined ? {} : { timeoutMs }) };
      job.terminal.progress.note(`waiting for ${names}${timeoutMs === undefined ? "" : `, at most ${formatDuration(timeoutMs)}`}`);
      let cores: number;
      if (selection !== undefined) {
        const chosen = selectCores(selection, machine);
        cores = chosen.length;
        await board.waitForCores(chosen, states, options);
      } else {
        cores = count ?? (await board.readApplication(appId, { signal: job.signal })).length;
        if (cores === 0) {
          job.result({ board: board.remote, appId, states: states.map(coreStateName), cores: 0 }, () => `app ${appId} has no cores\n`);
          return ExitStatus.NO;
        }
        await board.waitForCount(cores, states, options);
      }
      const ms = performance.now() - startedAt;
      const data = { board: board.remote, appId, states: states.map(coreStateName), cores, seconds: ms / 1000 };
      job.result(data, () => `${plural(cores, "core")} of app ${appId} in ${names} after ${formatDuration(ms)}\n`);
      return ExitStatus.DONE;
    });
  },
};

function readStates(text: string): number[] {
  return text.split("+").map((word) => asUsage(() => parseCoreState(word)));
}
