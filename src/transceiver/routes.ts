import {
  allocateRouterEntries,
  freeRouterEntriesOf,
  getChipInfo,
  getFixedRoute,
  initRouter,
  loadRouter,
  setFixedRoute,
} from "../commands/index.js";
import { SpinnError } from "../errors.js";
import {
  type ChipCoordinates,
  checkAppId,
  decodeRoute,
  decodeRoutingTable,
  encodeRoute,
  encodeRoutingTable,
  formatChip,
  type Link,
  type LoadedRoutingEntry,
  ROUTER_ENTRY,
  ROUTER_ENTRY_COUNT,
  ROUTING_ENTRY_SIZE,
  type RoutingEntry,
  UNUSED_ROUTE,
} from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { readMemory, writeMemory } from "./memory.js";
import type { Session } from "./session.js";
import { readSystemNumber } from "./struct-fields.js";

export interface LoadRoutesOptions extends CallOptions {
  /** Owner, 1..255: a STOP of this application frees the entries. */
  readonly appId: number;
  /** Read the entries back and compare. Default `true`. */
  readonly verify?: boolean | undefined;
}

/** Times an allocation is asked for again after it was proven that a lost request had not been executed. */
const ATTEMPTS = 4;

/**
 * Loads multicast routes on one chip: takes a row of entries for the application, puts the table into the load buffer and has it loaded.
 * Resolves with the place of the first entry. Not for several callers on one chip at a time: they share the load buffer.
 *
 * Throws `ERR_SPINN_MEMORY` when the router has no such row free, `ERR_SPINN_VERIFY` when other entries are read back,
 * `ERR_SPINN_ARGUMENT` for an entry that can never match.
 */
export async function loadRoutes(
  session: Session,
  chip: ChipCoordinates,
  entries: readonly RoutingEntry[],
  options: LoadRoutesOptions,
): Promise<number> {
  checkAppId(options.appId);
  const table = encodeRoutingTable(entries);
  if (entries.length === 0) throw new SpinnError("ERR_SPINN_ARGUMENT", "there are no routes to load");
  const buffer = await readSystemNumber(session, chip, "sdram_sys", options);
  const base = await allocateRow(session, chip, entries.length, options);
  await writeMemory(session, chip, buffer, table, options);
  await session.call(loadRouter(chip, options.appId, buffer, base, entries.length), options);
  if (options.verify !== false) await verifyRoutes(session, chip, base, table, options);
  return base;
}

/** The entries in use on a chip, SC&MP's own (place 0) included. Reads the copy SC&MP keeps: keys and masks of the router are write-only. */
export async function readRoutes(session: Session, chip: ChipCoordinates, options: CallOptions = {}): Promise<LoadedRoutingEntry[]> {
  return decodeRoutingTable(await readCopy(session, chip, options));
}

/** Clears every entry but SC&MP's own, whoever owns it. */
export async function clearRoutes(session: Session, chip: ChipCoordinates, options: CallOptions = {}): Promise<void> {
  return session.call(initRouter(chip), options);
}

/** Frees and clears the entries of an application; resolves with the number of rows freed (a lost reply makes it 0). */
export async function freeRoutes(session: Session, chip: ChipCoordinates, appId: number, options: CallOptions = {}): Promise<number> {
  return session.call(freeRouterEntriesOf(chip, checkAppId(appId), true), options);
}

/** Where fixed-route packets go: links and physical cores. */
export interface FixedRoute {
  readonly links: readonly Link[];
  readonly cores: readonly number[];
}

export async function readFixedRoute(session: Session, chip: ChipCoordinates, options: CallOptions = {}): Promise<FixedRoute> {
  return decodeRoute(await session.call(getFixedRoute(chip), options));
}

export async function writeFixedRoute(
  session: Session,
  chip: ChipCoordinates,
  route: FixedRoute,
  options: CallOptions = {},
): Promise<void> {
  return session.call(setFixedRoute(chip, encodeRoute(route)), options);
}

/** A row of entries for the application. After a lost reply the copy of the table tells whether the row was taken. */
async function allocateRow(session: Session, chip: ChipCoordinates, count: number, options: LoadRoutesOptions): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await session.call(allocateRouterEntries(chip, options.appId, count), options);
    } catch (error) {
      if (!(error instanceof SpinnError)) throw error;
      if (error.code === "ERR_SPINN_MEMORY") throw await refusal(session, chip, count, error, options);
      if (error.code !== "ERR_SPINN_OUTCOME_UNKNOWN" || attempt === ATTEMPTS) throw error;
      const row = findEmptyRow(await readCopy(session, chip, options), options.appId, count);
      if (row !== undefined) return row;
    }
  }
}

/** A row that belongs to the application and holds nothing: taken, and never loaded. */
function findEmptyRow(copy: Uint8Array, appId: number, count: number): number | undefined {
  const entry = (index: number): Uint8Array => copy.subarray(index * ROUTING_ENTRY_SIZE, (index + 1) * ROUTING_ENTRY_SIZE);
  for (let index = 1; index > 0 && index < ROUTER_ENTRY_COUNT; ) {
    const next = ROUTER_ENTRY.number(entry(index), "next");
    const owner = ROUTER_ENTRY.number(entry(index), "free");
    const end = Math.min(next, ROUTER_ENTRY_COUNT);
    if (end <= index) return undefined;
    const ours = (owner & 0x8000) !== 0 && (owner & 0xff) === appId && end - index === count;
    const rows = Array.from({ length: end - index }, (_, i) => ROUTER_ENTRY.number(entry(index + i), "route"));
    if (ours && rows.every((route) => route >= UNUSED_ROUTE)) return index;
    index = end;
  }
  return undefined;
}

async function verifyRoutes(session: Session, chip: ChipCoordinates, base: number, table: Uint8Array, options: CallOptions): Promise<void> {
  const copyAt = await readSystemNumber(session, chip, "rtr_copy", options);
  const back = await readMemory(session, chip, copyAt + base * ROUTING_ENTRY_SIZE, table.length, options);
  for (let at = 0; at < table.length; at += ROUTING_ENTRY_SIZE) {
    // The first word holds links of the free list; route, key and mask must be ours.
    const same = table.subarray(at + 4, at + ROUTING_ENTRY_SIZE).every((byte, i) => byte === back[at + 4 + i]);
    if (same) continue;
    throw new SpinnError(
      "ERR_SPINN_VERIFY",
      `routing entry ${base + at / ROUTING_ENTRY_SIZE} of chip ${formatChip(chip)} is not what was loaded`,
      {
        hint: "did somebody else load routes on this chip at the same time?",
        board: session.remote,
      },
    );
  }
}

async function readCopy(session: Session, chip: ChipCoordinates, options: CallOptions): Promise<Uint8Array> {
  const copyAt = await readSystemNumber(session, chip, "rtr_copy", options);
  return readMemory(session, chip, copyAt, ROUTER_ENTRY_COUNT * ROUTING_ENTRY_SIZE, options);
}

async function refusal(
  session: Session,
  chip: ChipCoordinates,
  count: number,
  cause: SpinnError,
  options: CallOptions,
): Promise<SpinnError> {
  const info = await session.call(getChipInfo(chip), options).catch(() => undefined);
  if (info === undefined) return cause;
  return new SpinnError(
    "ERR_SPINN_MEMORY",
    `the router of chip ${formatChip(chip)} has no ${count} free entries in a row: the longest row is ${info.freeRouterEntries}`,
    { hint: "stop applications that are no longer needed, or merge routes", board: session.remote, cause },
  );
}
