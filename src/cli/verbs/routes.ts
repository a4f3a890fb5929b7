import { hex32 } from "../../errors.js";
import { formatRoutingTable, type LoadedRoutingEntry, linkName, parseRoutingTable } from "../../machine/index.js";
import { DEFAULT_APP_ID, parseAppId } from "../app-id.js";
import { addBoardOptions, withBoard } from "../board.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import { readInputFile } from "../file.js";
import { formatRanges, plural } from "../format.js";
import type { Verb } from "../job.js";
import { addDisturbOptions, confirmDisturbing, othersOn, refuseUnasked } from "../ownership.js";
import { parsePlace } from "../place.js";
import { formatTable } from "../table.js";
import { usage } from "../usage.js";

interface Options {
  readonly load?: string;
  readonly appId?: number;
  readonly clear?: boolean;
  readonly table?: boolean;
}

export const verb: Verb = {
  configure: (command) =>
    void addDisturbOptions(addDryRun(addBoardOptions(command)))
      .argument("<chip>", "chip x,y", parsePlace)
      .option("--load <file>", "load a table: lines of key, mask, links, cores (0x00010000 0xffff0000 links 0,2 cores 1,5)")
      .option("--app-id <n>", `owner of what is loaded, 1 to 255 (default: ${DEFAULT_APP_ID})`, parseAppId)
      .option("--clear", "clear every entry but the system's own, whoever owns it")
      .option("--table", "print in the form that --load takes"),
  examples: ["routes 0,0 # entries in use, in words", "routes 0,0 --load ring.routes --app-id 17", "routes 0,0 --table > saved.routes"],
  statuses: [3, 4, 5, 6, 8, 9],
  async run(job, command) {
    const [place] = command.processedArgs as [{ x: number; y: number; p?: number }];
    if (place.p !== undefined) throw usage("routes belong to a chip, not to a core", "a chip is written x,y, e.g. 1,2");
    const options = command.opts<Options>();
    if (options.load !== undefined && options.clear) throw usage("--load and --clear exclude each other");
    const chip = { x: place.x, y: place.y };
    const table = options.load === undefined ? undefined : new TextDecoder().decode(await readInputFile(options.load, "routing table"));
    const entries = table === undefined ? undefined : parseRoutingTable(table);
    const { appId = DEFAULT_APP_ID } = options;
    const clearing = `clear the routes of chip ${chip.x},${chip.y}`;
    const change =
      entries === undefined ? clearing : `load ${plural(entries.length, "route")} on chip ${chip.x},${chip.y} for app ${appId}`;
    if ((entries !== undefined || options.clear) && isDryRun(job, command, change)) return;
    if (options.clear) await refuseUnasked(job, command, `this will ${clearing}, whoever owns them`);
    await withBoard(job, command, async (board) => {
      const calls = { signal: job.signal };
      if (entries !== undefined) {
        const first = await board.loadRoutes(chip, entries, { appId, ...calls });
        const words = `loaded ${plural(entries.length, "route")} on chip ${chip.x},${chip.y} from entry ${first} on, for app ${appId}; read back the same\n`;
        job.result({ board: board.remote, chip, first, count: entries.length, appId }, () => words, "routes.load");
      } else if (options.clear) {
        await confirmDisturbing(job, command, `this will ${clearing}, whoever owns them`, await othersOn(job, board, options.appId));
        await board.clearRoutes(chip, calls);
        job.result({ board: board.remote, chip, cleared: true }, () => `cleared the routes of chip ${chip.x},${chip.y}\n`, "routes.clear");
      } else {
        const routes = await board.readRoutes(chip, calls);
        job.result({ board: board.remote, chip, routes }, () =>
          options.table ? formatRoutingTable(routes) : routesText(routes, job.terminal.columns),
        );
      }
    });
  },
};

function routesText(routes: readonly LoadedRoutingEntry[], columns: number): string {
  const rows = routes.map(({ index, key, mask, links, cores, appId }) => [
    String(index),
    hex32(key),
    hex32(mask),
    [cores.length === 0 ? "" : `cores ${formatRanges(cores)}`, links.map(linkName).join(", ")].filter((part) => part !== "").join("; "),
    appId === undefined ? "" : String(appId),
  ]);
  const head = [
    { title: "entry", align: "right" as const },
    { title: "key" },
    { title: "mask" },
    { title: "goes to" },
    { title: "id", align: "right" as const },
  ];
  return formatTable(head, rows, columns);
}
