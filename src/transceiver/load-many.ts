import { SpinnError } from "../errors.js";
import { type CoreCoordinates, CoreState, coresOfMask, formatCore, Signal } from "../machine/index.js";
import { type LongCallOptions, ProgressCounter } from "./call-options.js";
import { CoreSet } from "./core-set.js";
import { type LoadOptions, type LoadResult, load } from "./load.js";
import type { Session } from "./session.js";
import { sendSignal } from "./signals.js";
import { waitForCores } from "./states.js";

/** A program and where it shall run. */
export interface Program {
  /** An APLX image. */
  readonly image: Uint8Array;
  readonly cores: Iterable<CoreCoordinates>;
}

/** States of a core that has heard START, or needs none any more. */
const STARTED = [CoreState.SARK, CoreState.RUN, CoreState.SYNC0, CoreState.SYNC1, CoreState.PAUSE, CoreState.EXIT];
/** How long cores may take from START to their main function before the signal is sent again, ms, and how often. */
const START_MS = 500;
const STARTS = 3;

/**
 * Loads several programs as one application: each to its cores, one after the other, all held in WAIT; when every core of all programs is there
 * they get START together. With `wait` they stay in WAIT. START changes nothing on a core that has started, so it is sent again to late ones.
 *
 * Throws as `load` does, `ERR_SPINN_ARGUMENT` for a core named twice (before anything is sent) and `ERR_SPINN_STATE` for cores that did not
 * start. What had been loaded then stays: stop the application.
 */
export async function loadMany(session: Session, programs: Iterable<Program>, options: LoadOptions): Promise<LoadResult> {
  const list = [...programs].map(({ image, cores }) => ({ image, cores: new CoreSet(cores) }));
  checkApart(list.map(({ cores }) => cores));
  for (const { cores } of list) cores.checkAgainst(session.knownMachine);
  const total = list.reduce((sum, { cores }) => sum + cores.size, 0);
  const progress = new ProgressCounter(options, "load", total, "cores");
  const result = { cores: 0, sizeBytes: 0, refills: 0 };
  for (const { image, cores } of list) {
    const own = await load(session, image, cores.cores, { ...options, wait: true, onProgress: undefined });
    result.cores += own.cores;
    result.sizeBytes += own.sizeBytes;
    result.refills += own.refills;
    progress.add(own.cores);
  }
  if (options.wait !== true && total > 0)
    await startTogether(
      session,
      list.flatMap(({ cores }) => cores.cores),
      options,
    );
  return result;
}

/** Throws `ERR_SPINN_ARGUMENT` naming the first core that is in two of the sets. */
function checkApart(sets: readonly CoreSet[]): void {
  const all = new CoreSet();
  for (const set of sets) {
    for (const chip of set.chips) {
      const [twice] = coresOfMask(all.maskOf(chip) & set.maskOf(chip));
      if (twice !== undefined) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", `core ${formatCore({ ...chip, p: twice })} shall run two programs`);
      }
      all.add(chip, set.maskOf(chip));
    }
  }
}

/** START, until every core has heard it. */
async function startTogether(session: Session, cores: readonly CoreCoordinates[], options: LoadOptions & LongCallOptions): Promise<void> {
  const { appId, signal } = options;
  for (let attempt = 1; ; attempt += 1) {
    await sendSignal(session, Signal.START, { appId, signal });
    try {
      return await waitForCores(session, cores, STARTED, { appId, signal, timeoutMs: START_MS, pollMs: 20 });
    } catch (error) {
      if (attempt === STARTS || !(await onlyLate(session, cores, options))) throw error;
    }
  }
}

/** Whether the cores are well, and some have just not heard the signal. */
async function onlyLate(session: Session, cores: readonly CoreCoordinates[], options: LoadOptions): Promise<boolean> {
  const { appId, signal } = options;
  const held = waitForCores(session, cores, [CoreState.WAIT, CoreState.INIT, ...STARTED], { appId, signal, timeoutMs: 0 });
  return held.then(
    () => true,
    () => false,
  );
}
