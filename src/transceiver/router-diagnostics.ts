import { checkInteger, SpinnError } from "../errors.js";
import {
  type ChipCoordinates,
  decodeRouterErrors,
  encodeRouterFilter,
  ROUTER_CONTROL,
  ROUTER_COUNTER_COUNT,
  ROUTER_COUNTERS,
  ROUTER_DIAGNOSTIC_CONTROL,
  ROUTER_ERROR_STATUS,
  ROUTER_FILTERS,
  type RouterErrors,
  type RouterFilter,
} from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { readMemory } from "./memory.js";
import { readWord, writeWord } from "./memory-words.js";
import type { Session } from "./session.js";

/** What a router's counters count with the filters SC&MP sets; the last four are the user's. Source: spinnaker_tools `tools/ybug`. */
export const ROUTER_COUNTER_NAMES = [
  "localMulticast",
  "externalMulticast",
  "localP2P",
  "externalP2P",
  "localNearestNeighbour",
  "externalNearestNeighbour",
  "localFixedRoute",
  "externalFixedRoute",
  "droppedMulticast",
  "droppedP2P",
  "droppedNearestNeighbour",
  "droppedFixedRoute",
  "user0",
  "user1",
  "user2",
  "user3",
] as const;

export type RouterCounterName = (typeof ROUTER_COUNTER_NAMES)[number];

/** The first of the four counters that are free for users. */
const FIRST_USER_COUNTER = 12;

export interface RouterDiagnostics {
  /** Control register: bit 0 on, monitor core 12:8 (physical), wait1 23:16, wait2 31:24. */
  readonly control: number;
  /** Router cycles a packet waits for a blocked link before emergency routing, and after it before it is dropped. */
  readonly wait1Cycles: number;
  readonly wait2Cycles: number;
  readonly monitorCore: number;
  /** Error status; reading clears it on the chip, so it is read once only: `undefined` when that reply was lost. */
  readonly errorStatus: number | undefined;
  /** What the error status says. */
  readonly errors: RouterErrors | undefined;
  /** Packets, 32 bits each, counted since the last clear. */
  readonly counters: Readonly<Record<RouterCounterName, number>>;
}

/** Control, error status and counters of a chip's router. */
export async function readRouterDiagnostics(
  session: Session,
  chip: ChipCoordinates,
  options: CallOptions = {},
): Promise<RouterDiagnostics> {
  const [control, errorStatus, counters] = await Promise.all([
    readWord(session, chip, ROUTER_CONTROL, options),
    readErrorStatus(session, chip, options),
    readRouterCounters(session, chip, options),
  ]);
  return {
    control,
    wait1Cycles: waitCycles((control >>> 16) & 0xff),
    wait2Cycles: waitCycles(control >>> 24),
    monitorCore: (control >>> 8) & 31,
    errorStatus,
    errors: errorStatus === undefined ? undefined : decodeRouterErrors(errorStatus),
    counters,
  };
}

async function readErrorStatus(session: Session, chip: ChipCoordinates, options: CallOptions): Promise<number | undefined> {
  try {
    return await readWord(session, chip, ROUTER_ERROR_STATUS, options);
  } catch (error) {
    if (error instanceof SpinnError && error.code === "ERR_SPINN_OUTCOME_UNKNOWN") return undefined;
    throw error;
  }
}

/** The counters alone: reading them changes nothing. */
export async function readRouterCounters(
  session: Session,
  chip: ChipCoordinates,
  options: CallOptions = {},
): Promise<Record<RouterCounterName, number>> {
  const bytes = await readMemory(session, chip, ROUTER_COUNTERS, 4 * ROUTER_COUNTER_COUNT, options);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries = ROUTER_COUNTER_NAMES.map((name, i) => [name, view.getUint32(4 * i, true)] as const);
  return Object.fromEntries(entries) as Record<RouterCounterName, number>;
}

export interface ClearCountersOptions extends CallOptions {
  /** Counters to clear. Default: all 16. */
  readonly counters?: readonly RouterCounter[] | undefined;
}

/** A counter by name, or by number 0..15. */
export type RouterCounter = RouterCounterName | number;

/** Sets counters of a chip to 0 and has all 16 count. The register's high half clears, its low half enables (sark_hw.c `rtr_diag_init`). */
export async function clearRouterCounters(session: Session, chip: ChipCoordinates, options: ClearCountersOptions = {}): Promise<void> {
  const counters = options.counters ?? ROUTER_COUNTER_NAMES;
  const clear = counters.reduce((bits: number, counter) => bits | (1 << routerCounter(counter)), 0);
  return writeWord(session, chip, ROUTER_DIAGNOSTIC_CONTROL, ((clear << 16) | 0xffff) >>> 0, options);
}

/** The filter of a counter as a word; `decodeRouterFilter` says what it means. */
export async function readRouterFilter(
  session: Session,
  chip: ChipCoordinates,
  counter: RouterCounter,
  options: CallOptions = {},
): Promise<number> {
  return readWord(session, chip, ROUTER_FILTERS + 4 * routerCounter(counter), options);
}

/**
 * What a counter counts, in names or as a word. `user0` to `user3` are free for users. The others have names that other tools print too:
 * they are refused with `ERR_SPINN_REFUSED` unless `replace` is set.
 */
export async function writeRouterFilter(
  session: Session,
  chip: ChipCoordinates,
  counter: RouterCounter,
  filter: RouterFilter | number,
  options: WriteFilterOptions = {},
): Promise<void> {
  const index = routerCounter(counter);
  const word = typeof filter === "number" ? checkInteger("filter", filter, 0, 0xffffffff) : encodeRouterFilter(filter);
  if (index < FIRST_USER_COUNTER && options.replace !== true) {
    throw new SpinnError("ERR_SPINN_REFUSED", `router counter ${index} (${ROUTER_COUNTER_NAMES[index]}) belongs to SC&MP`, {
      hint: "use user0 to user3; with `replace` it counts something else under the old name until the next boot, for every tool",
    });
  }
  return writeWord(session, chip, ROUTER_FILTERS + 4 * index, word, options);
}

export interface WriteFilterOptions extends CallOptions {
  /** Also change one of the twelve counters that SC&MP sets. Default `false`. */
  readonly replace?: boolean | undefined;
}

/** Wait fields are small floating-point numbers: mantissa in the low nibble, exponent in the high one. Source: spinnaker_tools `tools/ybug`. */
export function waitCycles(field: number): number {
  const mantissa = (field & 15) + 16;
  const exponent = field >>> 4;
  return exponent > 4 ? mantissa * 2 ** exponent : (mantissa - 2 ** (4 - exponent)) * 2 ** exponent;
}

/** Number of a counter. Throws `ERR_SPINN_ARGUMENT` for a name that is none. */
function routerCounter(counter: RouterCounter): number {
  if (typeof counter === "number") return checkInteger("router counter", counter, 0, ROUTER_COUNTER_COUNT - 1);
  const index = ROUTER_COUNTER_NAMES.indexOf(counter);
  if (index >= 0) return index;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `"${String(counter)}" is no counter of a router`, {
    hint: `they are ${ROUTER_COUNTER_NAMES.join(" ")}`,
  });
}
