import { getChipInfo } from "../commands/index.js";
import { SpinnError } from "../errors.js";
import {
  type CoreCoordinates,
  CoreState,
  checkAppId,
  chipKey,
  coreStateName,
  coresOfMask,
  formatCore,
  isCrashed,
  readAplx,
} from "../machine/index.js";
import { type LongCallOptions, ProgressCounter } from "./call-options.js";
import { CopySpread } from "./copy-spread.js";
import { CoreSet } from "./core-set.js";
import { type CoreStatus, describeCore, readChipStatus } from "./core-status.js";
import { FloodFill } from "./flood-fill.js";
import { pause } from "./pause.js";
import type { Session } from "./session.js";

export interface LoadOptions extends LongCallOptions {
  /** Application id, 1..255. */
  readonly appId: number;
  /** Cores stop in state WAIT until the signal START. Default `false`: they run at once. */
  readonly wait?: boolean | undefined;
  /** Start on cores that are not IDLE too. Default `false`: a core in use is not taken away from its application. */
  readonly force?: boolean | undefined;
  /** Times the cores that did not start are tried again. Default 3. */
  readonly refills?: number | undefined;
  /** How long cores may take to show the state expected, ms. Default 2000. */
  readonly verifyMs?: number | undefined;
}

export interface LoadResult {
  readonly cores: number;
  readonly sizeBytes: number;
  /** Times some cores had to be tried again. */
  readonly refills: number;
}

/** One way to bring an image to chips and start it there. May leave cores out: what did not start is found by asking, and tried again. */
export interface Distributor {
  /** How long after `start` a core that is still IDLE may yet begin, ms. After that its start was lost. */
  readonly settleMs: number;
  /** Starts the application on these cores. What is known to have gone wrong, by `chipKey`. */
  start(cores: CoreSet, options: LongCallOptions): Promise<ReadonlyMap<number, string>>;
}

const VERIFY_POLL_MS = 20;
/** Cores named in an error before the rest is only counted. */
const NAMED = 8;

/**
 * Loads an application and makes sure it started: the image is checked, goes to the chips (copied from neighbour to neighbour on 4.x, flooded
 * on 3.x), every core's state is read, and what is missing is tried again.
 *
 * Throws `ERR_SPINN_FILE` (not an APLX image), `ERR_SPINN_MACHINE` (no such core), `ERR_SPINN_STATE` (a core is in use),
 * `ERR_SPINN_LOAD` naming the cores that did not start and why.
 */
export async function load(
  session: Session,
  image: Uint8Array,
  cores: Iterable<CoreCoordinates>,
  options: LoadOptions,
): Promise<LoadResult> {
  checkAppId(options.appId);
  readAplx(image);
  const wanted = new CoreSet(cores);
  if (wanted.size === 0) throw new SpinnError("ERR_SPINN_ARGUMENT", "there are no cores to load");
  wanted.checkAgainst(session.knownMachine);
  if (options.force !== true) await checkIdle(session, wanted, options);
  const start = { appId: options.appId, wait: options.wait ?? false };
  const distributor: Distributor = session.major >= 4 ? new CopySpread(session, image, start) : new FloodFill(session, image, start);
  const progress = new ProgressCounter(options, "load", wanted.size, "cores");
  const refills = options.refills ?? 3;
  let missing = wanted;
  for (let round = 0; ; round += 1) {
    const reasons = await distributor.start(missing, { signal: options.signal });
    const before = missing.size;
    const late = await verify(session, missing, distributor.settleMs, options);
    missing = new CoreSet(late);
    progress.add(before - missing.size);
    if (missing.size === 0) return { cores: wanted.size, sizeBytes: image.length, refills: round };
    if (round === refills) throw notStarted(session, late, wanted, reasons, options.appId);
  }
}

/** Throws `ERR_SPINN_STATE` when a core wanted is not IDLE. */
async function checkIdle(session: Session, wanted: CoreSet, options: LoadOptions): Promise<void> {
  const busy: string[] = [];
  await session.forEach(
    wanted.chips,
    async (chip, { signal }) => {
      const { coreStates } = await session.call(getChipInfo(chip), { signal });
      for (const p of coresOfMask(wanted.maskOf(chip))) {
        if (coreStates[p] !== CoreState.IDLE) busy.push(`${formatCore({ ...chip, p })} ${coreStateName(coreStates[p]!)}`);
      }
    },
    options,
  );
  if (busy.length === 0) return;
  throw new SpinnError("ERR_SPINN_STATE", `${busy.length} of ${wanted.size} cores are not free: ${some(busy)}`, {
    hint: "stop the application that uses them, or load with force",
    board: session.remote,
  });
}

/** The cores that do not run the application, with what they do instead. A crash ends the load: trying again would crash again. */
async function verify(session: Session, wanted: CoreSet, settleMs: number, options: LoadOptions): Promise<CoreStatus[]> {
  const verifyMs = options.verifyMs ?? 2000;
  const begun = performance.now();
  let open = wanted;
  for (;;) {
    const late = await readNotStarted(session, open, options);
    if (late.length === 0) return late;
    // Cores take their time from INIT to their main function; those that never left IDLE are given less.
    const allIdle = late.every((core) => core.state === CoreState.IDLE);
    if (performance.now() - begun > (allIdle ? Math.min(settleMs, verifyMs) : verifyMs)) return late;
    open = new CoreSet(late);
    await pause(VERIFY_POLL_MS, options.signal);
  }
}

async function readNotStarted(session: Session, wanted: CoreSet, options: LoadOptions): Promise<CoreStatus[]> {
  const late: CoreStatus[] = [];
  const crashed: CoreStatus[] = [];
  await session.forEach(
    wanted.chips,
    async (chip, { signal }) => {
      const cores = coresOfMask(wanted.maskOf(chip));
      if (options.force !== true) {
        // One request instead of nine. The cores were IDLE before, so whoever is in the right state now got there by this load.
        const { coreStates } = await session.call(getChipInfo(chip), { signal });
        if (cores.every((p) => isStarted(coreStates[p]!, options))) return;
      }
      const status = await readChipStatus(session, chip, { signal });
      for (const p of cores) {
        const core = status[p]!;
        if (core.appId === options.appId && isCrashed(core.state)) crashed.push(core);
        else if (core.appId !== options.appId || !isStarted(core.state, options)) late.push(core);
      }
    },
    options,
  );
  if (crashed.length === 0) return late;
  throw new SpinnError(
    "ERR_SPINN_LOAD",
    `${crashed.length} of ${wanted.size} cores crashed when they started: ${some(crashed.map(describeCore))}`,
    {
      hint: crashed.some((core) => core.runTimeError?.name === "VER")
        ? "build the application with the spinnaker_tools that match the machine's SC&MP"
        : "read the text of these cores, then stop the application",
      board: session.remote,
    },
  );
}

/** Waiting, or anywhere from its main function to its end. */
function isStarted(state: number, options: LoadOptions): boolean {
  return options.wait ? state === CoreState.WAIT : state >= CoreState.WAIT && state <= CoreState.EXIT;
}

function notStarted(
  session: Session,
  late: readonly CoreStatus[],
  wanted: CoreSet,
  reasons: ReadonlyMap<number, string>,
  appId: number,
): SpinnError {
  const say = (core: CoreStatus): string => {
    const reason = reasons.get(chipKey(core.x, core.y));
    return reason === undefined ? describeCore(core) : `${describeCore(core)} (${reason})`;
  };
  return new SpinnError("ERR_SPINN_LOAD", `app ${appId} did not start on ${late.length} of ${wanted.size} cores: ${some(late.map(say))}`, {
    hint: "the other cores run it; stop the application before loading again",
    board: session.remote,
  });
}

function some(words: readonly string[]): string {
  const rest = words.length - NAMED;
  return rest <= 0 ? words.join("; ") : `${words.slice(0, NAMED).join("; ")}; and ${rest} more`;
}
