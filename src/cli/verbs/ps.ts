import { setTimeout as sleep } from "node:timers/promises";
import { type CoreCoordinates, coreStateName, formatCore, isCrashed, type Machine, parseCoreState } from "../../machine/index.js";
import { type CoreStatus, describeCore, type Transceiver } from "../../transceiver/index.js";
import { addBoardOptions, withBoard } from "../board.js";
import { formatTime, plural } from "../format.js";
import { CHIPS_AT_A_TIME, inParallel } from "../in-parallel.js";
import type { Job, Verb } from "../job.js";
import { parseDuration, parseInteger } from "../number.js";
import { areExactChips, parseSelection, type Selection, selectChips, selectCores } from "../place.js";
import { ExitStatus } from "../status.js";
import { formatTable } from "../table.js";
import { asUsage } from "../usage.js";

interface Options {
  readonly all?: boolean;
  readonly state?: number;
  readonly appId?: number;
  readonly app?: string;
  readonly counts?: boolean;
  readonly watch?: boolean;
  readonly every?: number;
}

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .argument("[places...]", "cores x,y,p or x,y,3-5, chips x,y or 0-3,*, or @all (default: @all)")
      .option("-a, --all", "also cores that are free, and monitors")
      .option("-s, --state <state>", "only cores in this state, e.g. RUN, RTE, IDLE", (text) => asUsage(() => parseCoreState(text)))
      .option("--app-id <n>", "only cores of this application, 0 to 255", (text) => parseInteger("--app-id", text, 0, 255))
      .option("--app <text>", "only cores whose application's name holds this text")
      .option("-c, --counts", "only the counts")
      .option("-w, --watch", "again and again, until Ctrl-C; with --json a line each time")
      .option("--every <time>", "pause between two looks with --watch (default: 1s)", (text) => parseDuration("--every", text)),
  examples: ["ps # every core that is in use", "ps 1,2 --all # all cores of one chip", "ps --state RTE # what has crashed, with reasons"],
  statuses: [1, 3, 4, 5, 9],
  async run(job, command) {
    const selection = parseSelection(command.args.length === 0 ? ["@all"] : command.args);
    const options = command.opts<Options>();
    return await withBoard(job, command, async (board) => {
      const machine = areExactChips(selection) ? undefined : (await board.discover(job.calls)).machine;
      const stop = AbortSignal.any([job.signal, job.terminal.outputGone]);
      for (;;) {
        const status = await list(job, board, machine, selection, options);
        if (!options.watch || stop.aborted) return status;
        await sleep(options.every ?? 1000, undefined, { signal: stop }).catch(() => undefined);
        job.signal.throwIfAborted();
      }
    });
  },
};

async function list(job: Job, board: Transceiver, machine: Machine | undefined, selection: Selection, options: Options): Promise<number> {
  const chips = selectChips(selection, machine);
  const wanted = new Set(selectCores(selection, machine).map(formatCore));
  const named = selection.patterns.every((pattern) => pattern.p !== undefined);
  const signal = { signal: job.signal };
  const read = await inParallel(chips, CHIPS_AT_A_TIME, (chip) => board.readChipStatus(chip, signal));
  // Monitors are cores too: a chip named without cores has them all.
  const cores = read.flat().filter((core) => wanted.has(formatCore(core)) || (core.p === 0 && !named));
  const isFiltered = options.state !== undefined || options.appId !== undefined || options.app !== undefined;
  const shown = cores.filter((core) => {
    if (options.state !== undefined && core.state !== options.state) return false;
    if (options.appId !== undefined && core.appId !== options.appId) return false;
    if (options.app !== undefined && !core.appName.includes(options.app)) return false;
    return isFiltered || options.all || named || isInUse(core);
  });
  const counts = countGroups(isFiltered ? shown : cores);
  job.result({ board: board.remote, cores: options.counts ? [] : shown.map(plain), counts }, () =>
    textOf(job, options.counts ? [] : shown, counts, cores.length),
  );
  return isFiltered && shown.length === 0 ? ExitStatus.NO : ExitStatus.DONE;
}

function isInUse(core: CoreStatus): boolean {
  const free = ["IDLE", "DEAD", "PWRDN"].includes(coreStateName(core.state));
  return core.p !== 0 ? !free : isCrashed(core.state);
}

interface Group {
  readonly state: string;
  readonly appId: number;
  readonly app: string;
  readonly cores: number;
}

/** How many cores are in which state for which application. */
function countGroups(cores: readonly CoreStatus[]): Group[] {
  const groups = new Map<string, Group>();
  for (const core of cores) {
    const state = coreStateName(core.state);
    const key = `${state} ${core.appId} ${core.appName}`;
    groups.set(key, { state, appId: core.appId, app: core.appName, cores: (groups.get(key)?.cores ?? 0) + 1 });
  }
  return [...groups.values()].sort((a, b) => b.cores - a.cores);
}

function textOf(job: Job, cores: readonly CoreStatus[], counts: readonly Group[], total: number): string {
  const { terminal } = job;
  const rows = cores.map((core) => [
    formatCore(core),
    String(core.physicalCore),
    stateText(job, core.state),
    core.appName,
    String(core.appId),
    formatTime(core.startTime),
    core.softwareErrors.count === 0 ? "" : String(core.softwareErrors.count),
  ]);
  const head = [
    { title: "core" },
    { title: "phys", align: "right" as const },
    { title: "state" },
    { title: "application" },
    { title: "id", align: "right" as const },
    { title: "started" },
    { title: "software errors", align: "right" as const },
  ];
  const table = rows.length === 0 ? "" : `${formatTable(head, rows, terminal.columns)}\n`;
  const crashed = cores.filter((core) => isCrashed(core.state)).map((core) => `${terminal.paint("bad", describeCore(core))}\n`);
  const groups = counts.map(
    ({ state, appId, app, cores: count }) =>
      `  ${String(count).padStart(5)}  ${state}${app === "" ? "" : `  "${app}"`}${appId === 0 ? "" : `  id ${appId}`}\n`,
  );
  return `${table}${crashed.join("")}${crashed.length > 0 ? "\n" : ""}${plural(total, "core")}:\n${groups.join("")}`;
}

export function stateText(job: Job, state: number): string {
  const name = coreStateName(state);
  if (isCrashed(state)) return job.terminal.paint("bad", name);
  if (name === "RUN" || name === "EXIT") return job.terminal.paint("good", name);
  return name === "IDLE" || name === "DEAD" ? job.terminal.paint("faint", name) : name;
}

function plain(core: CoreStatus): CoreCoordinates & Record<string, unknown> {
  const { runTimeError, softwareErrors, registers, state, ...rest } = core;
  const crash = runTimeError === undefined ? {} : { error: runTimeError, registers };
  return { ...rest, state: coreStateName(state), stateCode: state, softwareErrors: softwareErrors.count, ...crash };
}
