import { parseSignal, Signal, signalName } from "../../machine/index.js";
import { DEFAULT_APP_ID, parseAppId } from "../app-id.js";
import { addBoardOptions, withBoard } from "../board.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import type { Verb } from "../job.js";
import { nearestWord } from "../nearest.js";
import { usage } from "../usage.js";

/** A signal by name; the nearest one is named for a mistyped word. */
function readSignal(text: string): Signal {
  try {
    return parseSignal(text);
  } catch {
    const names = Object.keys(Signal).map((name) => name.toLowerCase());
    const near = nearestWord(text, names);
    throw usage(`"${text}" is no signal`, near === undefined ? `signals are ${names.join(" ")}` : `did you mean ${near}?`);
  }
}

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addBoardOptions(command))
      .argument("<signal>", "start, stop, pause, cont, sync0, sync1, timer, exit, usr0 to usr3, init, pwrdn", readSignal)
      .option("--app-id <n>", `application that gets it, 1 to 255 (default: ${DEFAULT_APP_ID})`, parseAppId),
  examples: ["signal start --app-id 30 # cores that wait begin", "signal sync0"],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    const [signal] = command.processedArgs as [Signal];
    const { appId = DEFAULT_APP_ID } = command.opts<{ appId?: number }>();
    if (isDryRun(job, command, `send ${signalName(signal)} to app ${appId}`)) return;
    await withBoard(job, command, async (board) => {
      await board.sendSignal(signal, { appId, signal: job.signal });
      job.result({ board: board.remote, signal: signalName(signal), appId }, () => `sent ${signalName(signal)} to app ${appId}\n`);
    });
  },
};
