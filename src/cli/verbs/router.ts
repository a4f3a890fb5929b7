import { setTimeout as sleep } from "node:timers/promises";
import { formatChip } from "../../machine/index.js";
import { ROUTER_COUNTER_NAMES, type RouterCounterName, type Transceiver } from "../../transceiver/index.js";
import { addBoardOptions, withBoard } from "../board.js";
import { plural } from "../format.js";
import { CHIPS_AT_A_TIME, inParallel } from "../in-parallel.js";
import type { Job, Verb } from "../job.js";
import { parseDuration } from "../number.js";
import { areExactChips, parseChips, type Selection, selectChips } from "../place.js";
import { formatTable } from "../table.js";

interface Options {
  readonly clear?: boolean;
  readonly watch?: boolean;
  readonly every?: number;
}

interface ChipCounters {
  readonly x: number;
  readonly y: number;
  readonly counters: Readonly<Record<RouterCounterName, number>>;
}

const WORDS: Readonly<Record<RouterCounterName, string>> = {
  localMulticast: "multicast from cores",
  externalMulticast: "multicast from links",
  localP2P: "point to point from cores",
  externalP2P: "point to point from links",
  localNearestNeighbour: "nearest neighbour from cores",
  externalNearestNeighbour: "nearest neighbour from links",
  localFixedRoute: "fixed route from cores",
  externalFixedRoute: "fixed route from links",
  droppedMulticast: "multicast dropped",
  droppedP2P: "point to point dropped",
  droppedNearestNeighbour: "nearest neighbour dropped",
  droppedFixedRoute: "fixed route dropped",
  user0: "user counter 0",
  user1: "user counter 1",
  user2: "user counter 2",
  user3: "user counter 3",
};

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .argument("[chips...]", "chips x,y, patterns 0-3,*, or @all (default: the root chip)")
      .option("-c, --clear", "set the counters to 0 after reading them")
      .option("-w, --watch", "packets per second, again and again until Ctrl-C; with --json a line each time")
      .option("--every <time>", "pause between two looks with --watch (default: 1s)", (text) => parseDuration("--every", text)),
  examples: [
    "router 1,2 # what the router of one chip has counted, as bars",
    "router @all # totals of the machine, and each chip that dropped packets",
    "router @all --watch",
  ],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    const selection = command.args.length === 0 ? undefined : parseChips(command.args);
    const options = command.opts<Options>();
    await withBoard(job, command, async (board) => {
      const chips = await chipsOf(job, board, selection);
      const read = (): Promise<ChipCounters[]> =>
        inParallel(chips, CHIPS_AT_A_TIME, async ({ x, y }) => ({
          x,
          y,
          counters: await board.readRouterCounters({ x, y }, { signal: job.signal }),
        }));
      let before = await read();
      if (!options.watch) {
        job.result({ board: board.remote, chips: before, total: total(before) }, () => countersText(job, before));
        if (options.clear) {
          await inParallel(chips, CHIPS_AT_A_TIME, (chip) => board.clearRouterCounters(chip, { signal: job.signal }));
          job.say(`cleared the counters of ${plural(chips.length, "chip")}`);
        }
        return;
      }
      const everyMs = options.every ?? 1000;
      const stop = AbortSignal.any([job.signal, job.terminal.outputGone]);
      for (let at = performance.now(); ; ) {
        await sleep(everyMs, undefined, { signal: stop }).catch(() => undefined);
        job.signal.throwIfAborted();
        if (stop.aborted) return;
        const after = await read();
        const seconds = (performance.now() - at) / 1000;
        at = performance.now();
        const rates = difference(total(before), total(after), seconds);
        before = after;
        job.result({ time: new Date().toISOString(), packetsPerSecond: rates }, () => `${ratesText(rates)}\n`, "router.rates");
      }
    });
  },
};

async function chipsOf(job: Job, board: Transceiver, selection: Selection | undefined) {
  if (selection === undefined) return [{ x: board.version.x, y: board.version.y }];
  return selectChips(selection, areExactChips(selection) ? undefined : (await board.discover(job.calls)).machine);
}

function total(chips: readonly ChipCounters[]): Record<RouterCounterName, number> {
  const sum = (name: RouterCounterName): number => chips.reduce((all, { counters }) => all + counters[name], 0);
  return Object.fromEntries(ROUTER_COUNTER_NAMES.map((name) => [name, sum(name)])) as Record<RouterCounterName, number>;
}

/** Packets per second; counters of 32 bits may have run over once between two looks. */
function difference(before: Record<RouterCounterName, number>, after: Record<RouterCounterName, number>, seconds: number) {
  const rate = (name: RouterCounterName): number => Math.round(((after[name] - before[name] + 2 ** 32) % 2 ** 32) / seconds);
  return Object.fromEntries(ROUTER_COUNTER_NAMES.map((name) => [name, rate(name)])) as Record<RouterCounterName, number>;
}

function ratesText(rates: Record<RouterCounterName, number>): string {
  const moving = ROUTER_COUNTER_NAMES.filter((name) => rates[name] > 0);
  return moving.length === 0 ? "no packets" : moving.map((name) => `${WORDS[name]} ${rates[name]}/s`).join(", ");
}

function countersText(job: Job, chips: readonly ChipCounters[]): string {
  const sums = total(chips);
  const most = Math.max(1, ...Object.values(sums));
  const rows = ROUTER_COUNTER_NAMES.map((name) => {
    const isDrop = name.startsWith("dropped") && sums[name] > 0;
    const bar = "#".repeat(Math.round((24 * sums[name]) / most));
    return [WORDS[name], isDrop ? job.terminal.paint("bad", String(sums[name])) : String(sums[name]), bar === "" ? " " : bar];
  });
  const where = chips.length === 1 ? `chip ${formatChip(chips[0]!)}` : plural(chips.length, "chip");
  const table = formatTable(
    [{ title: `packets of ${where}` }, { title: "count", align: "right" }, { title: "" }],
    rows,
    job.terminal.columns,
  );
  const dropping =
    chips.length === 1
      ? []
      : chips.filter(({ counters }) => ROUTER_COUNTER_NAMES.some((name) => name.startsWith("dropped") && counters[name] > 0));
  if (dropping.length === 0) return table;
  const drops = dropping.map(({ x, y, counters }) => [
    `${x},${y}`,
    ...ROUTER_COUNTER_NAMES.filter((name) => name.startsWith("dropped")).map((name) => String(counters[name])),
  ]);
  const head = ["chip", "multicast", "point to point", "neighbour", "fixed route"].map((title, i) => ({
    title,
    align: i === 0 ? ("left" as const) : ("right" as const),
  }));
  return `${table}\ndropped packets:\n${formatTable(head, drops, job.terminal.columns)}`;
}
