import { SpinnError } from "../errors.js";

/** States of a core, `cpu_state` of its vcpu block. Source: spinnaker_tools `include/sark.h` (cpu_state_e). 12 to 14 are not used. */
export const CoreState = {
  /** Not working, or no such core. */
  DEAD: 0,
  PWRDN: 1,
  /** Run-time error. */
  RTE: 2,
  /** Silent for too long. */
  WDOG: 3,
  INIT: 4,
  /** Loaded, waits for START. */
  WAIT: 5,
  /** In c_main, before the event loop. */
  SARK: 6,
  RUN: 7,
  SYNC0: 8,
  SYNC1: 9,
  PAUSE: 10,
  EXIT: 11,
  /** Free for use. */
  IDLE: 15,
} as const;

export type CoreState = (typeof CoreState)[keyof typeof CoreState];

const NAMES = new Map<number, string>(Object.entries(CoreState).map(([name, value]) => [value, name]));
// Names SpiNNMan's users know.
const ALIASES: Record<string, CoreState> = {
  POWERED_DOWN: CoreState.PWRDN,
  RUN_TIME_EXCEPTION: CoreState.RTE,
  WATCHDOG: CoreState.WDOG,
  INITIALISING: CoreState.INIT,
  READY: CoreState.WAIT,
  C_MAIN: CoreState.SARK,
  RUNNING: CoreState.RUN,
  PAUSED: CoreState.PAUSE,
  FINISHED: CoreState.EXIT,
};

/** `RUN`; `state 13` for a number without name. */
export function coreStateName(state: number): string {
  return NAMES.get(state) ?? `state ${state}`;
}

/** Reads a name in any case, SpiNNMan's names too, or a number 0..15. Throws `ERR_SPINN_ARGUMENT`. */
export function parseCoreState(text: string): number {
  const name = text.trim().toUpperCase().replaceAll("-", "_");
  if (/^\d+$/.test(name) && Number(name) <= 15) return Number(name);
  const state = Object.hasOwn(CoreState, name) ? CoreState[name as keyof typeof CoreState] : ALIASES[name];
  if (state !== undefined) return state;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `"${text}" is no state of a core`, { hint: `states are ${[...NAMES.values()].join(" ")}` });
}

/** Whether a core in this state has crashed: it will never reach any other state by itself. */
export function isCrashed(state: number): boolean {
  return state === CoreState.RTE || state === CoreState.WDOG;
}
