import { checkInteger, hex32 } from "../errors.js";
import { checkAppId, ROUTER_ENTRY_COUNT } from "../machine/index.js";
import { Command, type ScpRequest } from "../wire/index.js";
import { checkWords } from "./address.js";
import { EMPTY_REPEATABLE, ShapedRequest, wordShape } from "./shaped-request.js";
import { checkMonitor, type Target } from "./target.js";

const Operation = { INIT: 0, CLEAR: 1, LOAD: 2, FIXED_ROUTE: 3 } as const;
const READ_FLAG = 0x80000000;
/** Bytes of an entry in a table handed to {@link loadRouter}: u16 offset, u16, u32 route, u32 key, u32 mask. */
export const ROUTER_ENTRY_SIZE = 16;

/** RTR 0: clears entries 1..1023 and all allocations. Repeatable: empty stays empty. Source: scamp-cmd.c `cmd_rtr`. */
export function initRouter(chip: Target): ScpRequest<void> {
  return request(chip, { arg1: Operation.INIT }, "clear all entries");
}

/** RTR 1: clears `count` entries from `index` (1..1023). Repeatable: empty stays empty. Throws `ERR_SPINN_ARGUMENT`. */
export function clearRouter(chip: Target, index: number, count: number): ScpRequest<void> {
  checkInteger("router entry", index, 1, ROUTER_ENTRY_COUNT - 1);
  checkInteger("number of router entries", count, 1, ROUTER_ENTRY_COUNT - index);
  return request(chip, { arg1: (count << 16) | Operation.CLEAR, arg2: index }, `clear ${count} entries from ${index}`);
}

/**
 * RTR 2: loads `count` entries from a table at `table` in the chip's memory to `base` on, for an application. Each entry's own offset field
 * plus `base` says where it goes. Repeatable as long as the table lies there: the same entries go to the same places.
 * Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_MEMORY`.
 */
export function loadRouter(chip: Target, appId: number, table: number, base: number, count: number): ScpRequest<void> {
  checkAppId(appId);
  checkInteger("router entry", base, 1, ROUTER_ENTRY_COUNT - 1);
  checkInteger("number of router entries", count, 1, ROUTER_ENTRY_COUNT - base);
  checkWords("a routing table", table, count * ROUTER_ENTRY_SIZE);
  const arg1 = (count << 16) | (appId << 8) | Operation.LOAD;
  return request(chip, { arg1, arg2: table, arg3: base }, `load ${count} entries at ${base} for app ${appId}`);
}

/**
 * RTR 3, writing: the route of fixed-route packets, links in bits 5:0 and cores in bits 23:6. Repeatable: the same value is
 * written again.
 */
export function setFixedRoute(chip: Target, route: number): ScpRequest<void> {
  checkInteger("route", route, 0, 0xffffff);
  return request(chip, { arg1: Operation.FIXED_ROUTE, arg2: route }, `set fixed route ${hex32(route)}`);
}

/** RTR 3, reading: SC&MP's copy of the fixed-route register. Repeatable: it only reads. */
export function getFixedRoute(chip: Target): ScpRequest<number> {
  const fields = { arg1: Operation.FIXED_ROUTE, arg2: READ_FLAG };
  return new ShapedRequest(ROUTE, Command.RTR, checkMonitor(chip, "RTR"), fields, "get fixed route");
}

const ROUTE = wordShape(true, (route) => route);

function request(chip: Target, fields: { arg1: number; arg2?: number; arg3?: number }, words: string): ScpRequest<void> {
  return new ShapedRequest(EMPTY_REPEATABLE, Command.RTR, checkMonitor(chip, "RTR"), fields, words);
}
