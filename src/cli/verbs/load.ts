import { readAplx } from "../../machine/index.js";
import { DEFAULT_APP_ID, parseAppId } from "../app-id.js";
import { addBoardOptions, withBoard } from "../board.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import { readInputFile } from "../file.js";
import { formatBytes, formatDuration, plural } from "../format.js";
import { addInspectOption, inspected } from "../inspected.js";
import type { Verb } from "../job.js";
import { parseSelection, selectCores } from "../place.js";

interface Options {
  readonly appId?: number;
  readonly wait?: boolean;
  readonly force?: boolean;
}

export const verb: Verb = {
  configure: (command) =>
    void addInspectOption(addDryRun(addBoardOptions(command)))
      .argument("<image>", "application: an APLX file, as spinnaker_tools make it")
      .argument("<cores...>", "where: 1,2,3 or 1,2,3-5 or 1,2,3-5+9, a chip 1,2 for all its cores, 0-3,*,1 by pattern, @all")
      .option("--app-id <n>", `application id, 1 to 255 (default: ${DEFAULT_APP_ID})`, parseAppId)
      .option("--wait", "hold the cores in state WAIT until: spinn start")
      .option("--force", "also on cores that are in use"),
  examples: [
    "load hello.aplx 0,0,1-4 # four cores of chip 0,0",
    "load network.aplx @all --app-id 17 --wait # every application core; begin with: spinn start --app-id 17",
  ],
  statuses: [1, 3, 4, 5, 7, 9],
  async run(job, command) {
    const { appId = DEFAULT_APP_ID, wait = false, force = false } = command.opts<Options>();
    const [path, ...words] = command.args;
    const selection = parseSelection(words);
    const image = await readInputFile(path!, "application");
    readAplx(image);
    await withBoard(job, command, async (board) => {
      const { machine } = await board.discover(job.calls);
      const cores = selectCores(selection, machine);
      const chips = new Set(cores.map(({ x, y }) => `${x},${y}`)).size;
      const where = `${plural(cores.length, "core")} of ${plural(chips, "chip")} as app ${appId}`;
      if (isDryRun(job, command, `load ${path} (${formatBytes(image.length)}) on ${where}${wait ? ", to wait" : ""}`)) return;
      const startedAt = performance.now();
      job.leftBehind = `app ${appId} may run on some of ${plural(cores.length, "core")}: spinn stop --app-id ${appId} frees them`;
      const result = await inspected(job, command, "load", (steps) => board.load(image, cores, { appId, wait, force, ...steps }));
      job.leftBehind = undefined;
      const ms = performance.now() - startedAt;
      const data = { board: board.remote, appId, state: wait ? "WAIT" : "RUN", ...result, chips, seconds: ms / 1000 };
      job.result(data, () => {
        const again = result.refills === 0 ? "" : `, ${plural(result.refills, "refill")}`;
        const next = wait ? `; they wait: spinn start --app-id ${appId}` : "";
        return `loaded ${path} (${formatBytes(image.length)}) on ${where} in ${formatDuration(ms)}${again}${next}\n`;
      });
    });
  },
};
