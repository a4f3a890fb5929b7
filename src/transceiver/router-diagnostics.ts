import { checkInteger, SpinnError } from "../errors.js";
import {
  type ChipCoordinates,
  ROUTER_CONTROL,
  ROUTER_COUNTER_COUNT,
  ROUTER_COUNTERS,
  ROUTER_DIAGNOSTIC_CONTROL,
  ROUTER_ERROR_STATUS,
  ROUTER_FILTERS,
} from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { readMemory, writeMemory } from "./memory.js";
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

export interface RouterDiagnostics {
  /** Control register: bit 0 on, monitor core 12:8 (physical), wait1 23:16, wait2 31:24. */
  readonly control: number;
  /** Router cycles a packet waits for a blocked link before emergency routing, and after it before it is dropped. */
  readonly wait1Cycles: number;
  readonly wait2Cycles: number;
  readonly monitorCore: number;
  /** Error status; reading clears it on the chip, so it is read once only: `undefined` when that reply was lost. */
  readonly errorStatus: number | undefined;
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

/** Sets all counters of a chip to 0. */
export async function clearRouterCounters(session: Session, chip: ChipCoordinates, options: CallOptions = {}): Promise<void> {
  return writeWord(session, chip, ROUTER_DIAGNOSTIC_CONTROL, 0xffffffff, options);
}

/** The filter of counter 0..15. */
export async function readRouterFilter(session: Session, chip: ChipCoordinates, index: number, options: CallOptions = {}): Promise<number> {
  return readWord(session, chip, ROUTER_FILTERS + 4 * checkFilter(index), options);
}

/**
 * What counter 0..15 counts: packet type 3:0, emergency 7:4, mode 8, default route 11:10, payload 13:12, source 15:14, destination 24:16.
 * 12 to 15 are free for users.
 */
export async function writeRouterFilter(
  session: Session,
  chip: ChipCoordinates,
  index: number,
  filter: number,
  options: CallOptions = {},
): Promise<void> {
  return writeWord(session, chip, ROUTER_FILTERS + 4 * checkFilter(index), checkInteger("filter", filter, 0, 0xffffffff), options);
}

/** Wait fields are small floating-point numbers: mantissa in the low nibble, exponent in the high one. Source: spinnaker_tools `tools/ybug`. */
export function waitCycles(field: number): number {
  const mantissa = (field & 15) + 16;
  const exponent = field >>> 4;
  return exponent > 4 ? mantissa * 2 ** exponent : (mantissa - 2 ** (4 - exponent)) * 2 ** exponent;
}

function checkFilter(index: number): number {
  return checkInteger("router counter", index, 0, ROUTER_COUNTER_COUNT - 1);
}

async function readWord(session: Session, chip: ChipCoordinates, address: number, options: CallOptions): Promise<number> {
  const bytes = await readMemory(session, chip, address, 4, options);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

async function writeWord(session: Session, chip: ChipCoordinates, address: number, value: number, options: CallOptions): Promise<void> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return writeMemory(session, chip, address, bytes, options);
}
