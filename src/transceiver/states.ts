import { countCores, countCoresByRegion } from "../commands/index.js";
import { SpinnError } from "../errors.js";
import { type ChipCoordinates, type CoreCoordinates, CoreState, checkAppId, coreStateName, isCrashed } from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { CoreSet } from "./core-set.js";
import { type CoreStatus, describeCore, readChipStatus } from "./core-status.js";
import { pause } from "./pause.js";
import type { Session } from "./session.js";

/** Times a board that is busy with another count is asked again, and the pause between, ms: a count takes 10. */
const BUSY_ATTEMPTS = 20;
const BUSY_PAUSE_MS = 10;
/** Cores named in an error before the rest is only counted. */
const NAMED = 8;

/**
 * How many cores of an application are in a state, on the whole machine.
 *
 * 4.x: COUNT, board by board in parallel; 3.x: one region signal at the root. Boards that COUNT cannot count right (it does not follow a torus
 * round its edge) or that do not answer completely are counted by reading the states of their cores.
 */
export async function countInState(session: Session, appId: number, state: number, options: CallOptions = {}): Promise<number> {
  if (session.major < 4) return countByRegion(session, appId, state, options);
  const machine = session.knownMachine;
  const orphans = [...machine.chips.values()].filter((chip) => !machine.hasChip(chip.nearestEthernet.x, chip.nearestEthernet.y));
  let sum = await countByReading(session, orphans, appId, state, options);
  await session.forEach(
    boards(session),
    async (ethernet, { signal }) => {
      // Not `sum += await`: that reads the sum before the other boards have added to it.
      const count = await countOnBoard(session, ethernet, appId, state, signal);
      sum += count;
    },
    options,
  );
  return sum;
}

/** How many cores of an application are in each state, by reading every core: slower than a count, but complete. */
export async function countStates(session: Session, appId: number, options: CallOptions = {}): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (const core of await readApplication(session, appId, options)) counts.set(core.state, (counts.get(core.state) ?? 0) + 1);
  return counts;
}

/** Status of every core of an application, in the order of chips. One read of all blocks per chip. */
export async function readApplication(session: Session, appId: number, options: CallOptions = {}): Promise<CoreStatus[]> {
  return readCores(session, session.knownMachine.chips.values(), appId, options);
}

export interface WaitOptions extends CallOptions {
  /** Application, 1..255. */
  readonly appId: number;
  /** How long to wait, ms. Default: until the signal fires. */
  readonly timeoutMs?: number | undefined;
  /** Pause between two questions, ms. Default 100, as SpiNNMan. */
  readonly pollMs?: number | undefined;
  /** States that end the wait as a failure. Default RTE and WDOG. */
  readonly errorStates?: readonly number[] | undefined;
}

/**
 * Waits until so many cores of an application are in one of the states.
 * Throws `ERR_SPINN_STATE` as soon as a core crashes, naming cores and reasons, and when `timeoutMs` has passed, naming those that are elsewhere.
 */
export async function waitForCount(session: Session, count: number, states: readonly number[], options: WaitOptions): Promise<void> {
  checkAppId(options.appId);
  await poll(options, async (isLast) => {
    const failures = options.errorStates ?? [CoreState.RTE, CoreState.WDOG];
    let there = 0;
    for (const state of states) there += await countInState(session, options.appId, state, options);
    if (there >= count && states.length === 1) return true;
    if (there >= count) {
      // A core that went from one of the states to another between two counts was counted twice: look at each core once.
      const cores = await readApplication(session, options.appId, options);
      if (cores.filter((core) => states.includes(core.state)).length >= count) return true;
    }
    let failed = 0;
    for (const state of failures) failed += states.includes(state) ? 0 : await countInState(session, options.appId, state, options);
    if (failed === 0 && !isLast) return false;
    const cores = await readApplication(session, options.appId, options);
    throwCrashed(session, cores, states, failures);
    if (!isLast) return false;
    const others = cores.filter((core) => !states.includes(core.state));
    throw lateError(session, options.timeoutMs!, count - there, count, states, others);
  });
}

/** Waits until each of these cores is in one of the states. Otherwise as {@link waitForCount}. */
export async function waitForCores(
  session: Session,
  cores: Iterable<CoreCoordinates>,
  states: readonly number[],
  options: WaitOptions,
): Promise<void> {
  checkAppId(options.appId);
  const all = new CoreSet(cores);
  const failures = options.errorStates ?? [CoreState.RTE, CoreState.WDOG];
  let open = all;
  await poll(options, async (isLast) => {
    const here = (await readCores(session, open.chips, undefined, options)).filter((core) => (open.maskOf(core) >>> core.p) & 1);
    throwCrashed(session, here, states, failures);
    const late = here.filter((core) => core.appId !== options.appId || !states.includes(core.state));
    if (late.length === 0) return true;
    // A core that got there may be on its way further when others arrive: only the rest is asked again.
    open = new CoreSet(late);
    if (isLast) throw lateError(session, options.timeoutMs!, late.length, all.size, states, late);
    return false;
  });
}

/** Asks until the answer is `true`; the last time, after the time-out, with `isLast`. */
async function poll(options: WaitOptions, ask: (isLast: boolean) => Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + (options.timeoutMs ?? Number.POSITIVE_INFINITY);
  for (;;) {
    const isLast = performance.now() >= giveUpAt;
    if (await ask(isLast)) return;
    await pause(Math.max(1, Math.min(options.pollMs ?? 100, giveUpAt - performance.now())), options.signal);
  }
}

async function countByRegion(session: Session, appId: number, state: number, options: CallOptions): Promise<number> {
  try {
    return await session.call(countCoresByRegion(appId, state, { chip: session.root }), options);
  } catch (error) {
    if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_RETURN_CODE" || session.machine === undefined) throw error;
    return countByReading(session, session.machine.chips.values(), appId, state, options);
  }
}

async function countOnBoard(
  session: Session,
  ethernet: ChipCoordinates,
  appId: number,
  state: number,
  signal: AbortSignal,
): Promise<number> {
  const chips = [...session.knownMachine.chipsOfBoard(ethernet)];
  // COUNT asks own position + (0..7, 0..7) without wrapping round.
  const crosses = chips.some((chip) => chip.x < ethernet.x || chip.y < ethernet.y);
  for (let attempt = 0; attempt < BUSY_ATTEMPTS && !crosses; attempt += 1) {
    try {
      const { count, complete } = await session.call(countCores(ethernet, appId, state), { signal });
      if (complete) return count;
      break;
    } catch (error) {
      if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_SHORT_REPLY") throw error;
      await pause(BUSY_PAUSE_MS, signal);
    }
  }
  return countByReading(session, chips, appId, state, { signal });
}

async function countByReading(
  session: Session,
  chips: Iterable<ChipCoordinates>,
  appId: number,
  state: number,
  options: CallOptions,
): Promise<number> {
  return (await readCores(session, chips, appId, options)).filter((core) => core.state === state).length;
}

/** The cores of an application (of any, for `undefined`) on these chips; never the monitors. */
async function readCores(
  session: Session,
  chips: Iterable<ChipCoordinates>,
  appId: number | undefined,
  options: CallOptions,
): Promise<CoreStatus[]> {
  const found: CoreStatus[] = [];
  await session.forEach(
    chips,
    async (chip, { signal }) => {
      const cores = await readChipStatus(session, chip, { signal });
      found.push(...cores.slice(1).filter((core) => appId === undefined || core.appId === appId));
    },
    options,
  );
  return found.sort((a, b) => a.x - b.x || a.y - b.y || a.p - b.p);
}

/** Ethernet chips to ask, whether their Ethernet is up or not: COUNT goes there over the machine's own routes too. */
function boards(session: Session): ChipCoordinates[] {
  const machine = session.knownMachine;
  return machine.geometry.ethernetChips.filter((chip) => machine.hasChip(chip.x, chip.y));
}

function throwCrashed(session: Session, cores: readonly CoreStatus[], wanted: readonly number[], failures: readonly number[]): void {
  const crashed = cores.filter((core) => failures.includes(core.state) && !wanted.includes(core.state));
  if (crashed.length === 0) return;
  const verb = crashed.every((core) => isCrashed(core.state)) ? "crashed" : "failed";
  throw new SpinnError("ERR_SPINN_STATE", `${crashed.length} ${crashed.length === 1 ? "core" : "cores"} ${verb}: ${some(crashed)}`, {
    hint: "their text may say more",
    board: session.remote,
  });
}

function lateError(
  session: Session,
  timeoutMs: number,
  missing: number,
  total: number,
  states: readonly number[],
  others: readonly CoreStatus[],
): SpinnError {
  const names = states.map(coreStateName).join(" or ");
  const where = others.length === 0 ? "" : `: ${some(others)}`;
  return new SpinnError("ERR_SPINN_STATE", `after ${timeoutMs} ms ${missing} of ${total} cores are not in ${names}${where}`, {
    hint: "wait longer, or look at the text of these cores",
    board: session.remote,
  });
}

function some(cores: readonly CoreStatus[]): string {
  const words = cores.slice(0, NAMED).map(describeCore).join("; ");
  return cores.length <= NAMED ? words : `${words}; and ${cores.length - NAMED} more`;
}
