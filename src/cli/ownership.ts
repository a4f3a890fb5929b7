import type { Command } from "commander";
import { SpinnError } from "../errors.js";
import { CoreState } from "../machine/index.js";
import { type BMPTransceiver, type CoreStatus, type TagEntry, Transceiver } from "../transceiver/index.js";
import { openBmp } from "./bmp.js";
import { confirm } from "./confirm.js";
import { isDryRun } from "./dry-run.js";
import { plural } from "./format.js";
import { CHIPS_AT_A_TIME, inParallel } from "./in-parallel.js";
import type { Job } from "./job.js";

/** States in which a core does something for somebody. */
const BUSY: ReadonlySet<number> = new Set([
  CoreState.INIT,
  CoreState.WAIT,
  CoreState.SARK,
  CoreState.RUN,
  CoreState.SYNC0,
  CoreState.SYNC1,
  CoreState.PAUSE,
]);
/** A board that is looked at before it is switched: one that is off or not booted must not cost much time, ms. */
const PROBE_MS = 400;

/** The options of a verb that can disturb others. */
export function addDisturbOptions(command: Command): Command {
  return command
    .option("-y, --yes", "do not ask; not enough where others would be disturbed")
    .option("--force", "do not ask, even where others would be disturbed");
}

/**
 * Asks before a verb goes on that stops `what` it stops. When others would be disturbed, that is said, and `--yes` is not enough: it takes
 * `--force`, or a yes at a terminal. Throws `ERR_SPINN_REFUSED` otherwise.
 */
export async function confirmDisturbing(job: Job, command: Command, what: string, others: readonly string[]): Promise<void> {
  const { yes, force } = command.opts<{ yes?: boolean; force?: boolean }>();
  if (others.length === 0) return await confirm(job, what, yes === true || force === true);
  await confirm(job, `${what}; it would disturb ${others.join(", ")}`, force, "--force");
}

/** Without a terminal, and without a yes, it is refused whoever is disturbed: then nothing is sent to find that out. */
export async function refuseUnasked(job: Job, command: Command, what: string): Promise<void> {
  const { yes, force } = command.opts<{ yes?: boolean; force?: boolean }>();
  if (!job.terminal.isInteractive && yes !== true && force !== true) await confirm(job, what, false);
}

/**
 * The BMP, for a verb that stops what runs on boards of its frame: asked for first, as {@link confirmDisturbing} does. `undefined` with
 * `--dry-run`, when nothing is to be sent.
 */
export async function openToDisturb(
  job: Job,
  command: Command,
  what: string,
  slots: readonly number[],
): Promise<BMPTransceiver | undefined> {
  const stops = `${what} stops whatever runs there`;
  if (isDryRun(job, command, `do ${what}, which stops whatever runs there`)) return undefined;
  await refuseUnasked(job, command, stops);
  const { force } = command.opts<{ force?: boolean }>();
  const bmp = await openBmp(job, command);
  try {
    await confirmDisturbing(job, command, stops, force === true ? [] : await othersBehind(job, bmp, slots));
    return bmp;
  } catch (error) {
    await bmp.close();
    throw error;
  }
}

/** What a board does for others than `ownAppId`: applications with cores at work, and tags that send to other hosts. In words. */
export async function othersOn(job: Job, board: Transceiver, ownAppId?: number): Promise<string[]> {
  const { machine } = await board.discover({ signal: job.signal });
  const chips = [...machine.chips.values()].filter(({ coreStates }) => coreStates.slice(1).some((state) => BUSY.has(state)));
  const read = await inParallel(chips, CHIPS_AT_A_TIME, ({ x, y }) => board.readChipStatus({ x, y }, { signal: job.signal }));
  const cores = read.flat().filter(({ p, state, appId }) => p !== 0 && BUSY.has(state) && appId !== ownAppId);
  const tags = await board.listIpTags({ signal: job.signal });
  return [...applicationsOf(cores), ...tags.filter((tag) => isForeign(board, tag)).map(tagText)];
}

/** As {@link othersOn}, for a board that may be off, not booted, or nobody's: then nobody is disturbed. */
export async function othersAt(job: Job, host: string, port?: number): Promise<string[]> {
  try {
    await using board = await Transceiver.connect({ host, port, signal: job.signal, probeMs: PROBE_MS, readyMs: PROBE_MS });
    return (await othersOn(job, board)).map((words) => `${words} (${host})`);
  } catch (error) {
    if (!(error instanceof SpinnError) || job.signal.aborted) throw error;
    return [];
  }
}

/** Whether a tag sends to another host than this one. */
export function isForeign(board: Transceiver, tag: TagEntry): boolean {
  if (!tag.inUse || tag.transient || tag.reverse || tag.host === undefined) return false;
  // From where the board sees this host, or the controller it goes through; unknown, everybody is somebody else.
  return tag.host !== board.connections[0]?.channel.local?.replace(/:\d+$/, "");
}

export function tagText(tag: TagEntry): string {
  return `tag ${tag.tag}, which sends to ${tag.host}:${tag.port}`;
}

function applicationsOf(cores: readonly CoreStatus[]): string[] {
  const counts = new Map<string, number>();
  for (const { appId, appName } of cores) {
    const name = `app ${appId}${appName === "" ? "" : ` "${appName}"`}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].map(([name, count]) => `${name} on ${plural(count, "core")}`);
}

/** What runs on the boards of slots; a board that is off, mute or not booted disturbs nobody. */
async function othersBehind(job: Job, bmp: BMPTransceiver, slots: readonly number[]): Promise<string[]> {
  const others: string[] = [];
  for (const slot of slots) {
    try {
      const { address, port } = (await bmp.readAddresses(slot, { signal: job.signal })).spinnaker;
      if (address !== undefined) others.push(...(await othersAt(job, address, port)));
    } catch (error) {
      if (!(error instanceof SpinnError) || job.signal.aborted) throw error;
    }
  }
  return others;
}
