import { SpinnError } from "../errors.js";

/** Signals to applications. Source: spinnaker_tools `include/sark.h` (signal_e). */
export const Signal = {
  INIT: 0,
  PWRDN: 1,
  STOP: 2,
  START: 3,
  SYNC0: 4,
  SYNC1: 5,
  PAUSE: 6,
  CONT: 7,
  EXIT: 8,
  TIMER: 9,
  USR0: 10,
  USR1: 11,
  USR2: 12,
  USR3: 13,
} as const;

export type Signal = (typeof Signal)[keyof typeof Signal];

/** How a signal travels. Point to point (1) is known to SC&MP up to 3.4.1 only. */
export const SignalType = { MULTICAST: 0, POINT_TO_POINT: 1, NEAREST_NEIGHBOUR: 2 } as const;

export type SignalType = (typeof SignalType)[keyof typeof SignalType];

const NAMES = new Map<number, string>(Object.entries(Signal).map(([name, value]) => [value, name]));
const ALIASES: Record<string, Signal> = { CONTINUE: Signal.CONT, POWER_DOWN: Signal.PWRDN };

/** `SYNC0`; `signal 14` for a number without name. */
export function signalName(signal: number): string {
  return NAMES.get(signal) ?? `signal ${signal}`;
}

/** Reads a name in any case, or a number 0..13. Throws `ERR_SPINN_ARGUMENT`. */
export function parseSignal(text: string): Signal {
  const name = text.trim().toUpperCase().replaceAll("-", "_");
  const signal = Object.hasOwn(Signal, name) ? Signal[name as keyof typeof Signal] : ALIASES[name];
  if (signal !== undefined) return signal;
  if (/^\d+$/.test(name) && NAMES.has(Number(name))) return Number(name) as Signal;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `"${text}" is no signal`, { hint: `signals are ${[...NAMES.values()].join(" ")}` });
}

/** The usual way of a signal: those that end an application (INIT, PWRDN, STOP) from neighbour to neighbour, the rest multicast from the root. */
export function usualSignalType(signal: Signal): SignalType {
  return signal <= Signal.STOP ? SignalType.NEAREST_NEIGHBOUR : SignalType.MULTICAST;
}
