import { checkInteger, hex32, SpinnError } from "../errors.js";
import { coreMask, coresOfMask } from "./chip.js";
import { LINK_COUNT, type Link } from "./link.js";

/** A multicast route: packets whose key, under the mask, equals `key` go to these links and cores. */
export interface RoutingEntry {
  readonly key: number;
  readonly mask: number;
  readonly links: readonly Link[];
  /** Virtual cores. */
  readonly cores: readonly number[];
}

/** Bytes of an entry in the form CMD_RTR loads: u16 offset, u16 ignored, u32 route, u32 key, u32 mask. */
export const ROUTING_ENTRY_SIZE = 16;

/** Routes from here on mean an unused place of the router. */
export const UNUSED_ROUTE = 0xff000000;

/** Route word: links in bits 5:0, virtual core p in bit 6 + p. Throws `ERR_SPINN_ARGUMENT`. */
export function encodeRoute(route: { readonly links: readonly number[]; readonly cores: readonly number[] }): number {
  let word = coreMask(route.cores) << LINK_COUNT;
  for (const link of route.links) word |= 1 << checkInteger("link", link, 0, LINK_COUNT - 1);
  return word >>> 0;
}

/** The links and cores of a route word, ascending. */
export function decodeRoute(word: number): { links: Link[]; cores: number[] } {
  const links: Link[] = [];
  for (let link = 0; link < LINK_COUNT; link += 1) if ((word >>> link) & 1) links.push(link as Link);
  return { links, cores: coresOfMask(word >>> LINK_COUNT) };
}

/** Whether a packet with this key takes the route. */
export function matches(entry: Pick<RoutingEntry, "key" | "mask">, key: number): boolean {
  return (key & entry.mask) >>> 0 === entry.key >>> 0;
}

/**
 * The entries in the form CMD_RTR loads, offsets counting from 0. Throws `ERR_SPINN_ARGUMENT` for an entry that can never match
 * (bits in the key that the mask does not look at).
 */
export function encodeRoutingTable(entries: readonly RoutingEntry[]): Uint8Array {
  const bytes = new Uint8Array(ROUTING_ENTRY_SIZE * entries.length);
  const view = new DataView(bytes.buffer);
  entries.forEach((entry, index) => {
    checkInteger("routing key", entry.key, 0, 0xffffffff);
    checkInteger("routing mask", entry.mask, 0, 0xffffffff);
    if (!matches(entry, entry.key)) {
      throw new SpinnError(
        "ERR_SPINN_ARGUMENT",
        `routing entry ${index} never matches: key ${hex32(entry.key)} has bits outside mask ${hex32(entry.mask)}`,
      );
    }
    view.setUint16(index * ROUTING_ENTRY_SIZE, index, true);
    view.setUint32(index * ROUTING_ENTRY_SIZE + 4, encodeRoute(entry), true);
    view.setUint32(index * ROUTING_ENTRY_SIZE + 8, entry.key, true);
    view.setUint32(index * ROUTING_ENTRY_SIZE + 12, entry.mask, true);
  });
  return bytes;
}

/** An entry of the chip's copy of its table, with where it is and whose it is. */
export interface LoadedRoutingEntry extends RoutingEntry {
  /** Place in the router, 0..1023; lower places win. */
  readonly index: number;
  /** Owner. SC&MP marks every entry it loads (sark_hw.c `rtr_mc_set`); `undefined` for an entry nobody marked. */
  readonly appId: number | undefined;
}

/** The used entries of a copy of a routing table (sv.rtr_copy), 16 bytes each; a rest below 16 bytes is ignored. */
export function decodeRoutingTable(bytes: Uint8Array): LoadedRoutingEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: LoadedRoutingEntry[] = [];
  for (let at = 0; at + ROUTING_ENTRY_SIZE <= bytes.length; at += ROUTING_ENTRY_SIZE) {
    const route = view.getUint32(at + 4, true);
    if (route >= UNUSED_ROUTE) continue;
    const owner = view.getUint16(at + 2, true);
    entries.push({
      index: at / ROUTING_ENTRY_SIZE,
      appId: owner & 0x8000 ? owner & 0xff : undefined,
      key: view.getUint32(at + 8, true),
      mask: view.getUint32(at + 12, true),
      ...decodeRoute(route),
    });
  }
  return entries;
}

/** A table as text, one entry per line: `0x00010000 0xffff0000 links 0,2 cores 1,5`. */
export function formatRoutingTable(entries: readonly RoutingEntry[]): string {
  const line = (entry: RoutingEntry): string => {
    const links = entry.links.length === 0 ? "" : ` links ${entry.links.join(",")}`;
    const cores = entry.cores.length === 0 ? "" : ` cores ${entry.cores.join(",")}`;
    return `${hex32(entry.key)} ${hex32(entry.mask)}${links}${cores}\n`;
  };
  return entries.map(line).join("");
}

/** Reads {@link formatRoutingTable}'s text; `#` begins a comment. Throws `ERR_SPINN_FILE` with the line. */
export function parseRoutingTable(text: string): RoutingEntry[] {
  const entries: RoutingEntry[] = [];
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/#.*/, "").trim();
    if (line === "") continue;
    const match = /^(0x[0-9a-f]{1,8})\s+(0x[0-9a-f]{1,8})(?:\s+links\s+([\d,]+))?(?:\s+cores\s+([\d,]+))?$/i.exec(line);
    try {
      if (match === null) throw new SpinnError("ERR_SPINN_FILE", "expected key, mask, links and cores");
      const list = (part: string | undefined): number[] => (part === undefined ? [] : part.split(",").map(Number));
      const entry = { key: Number(match[1]), mask: Number(match[2]), links: list(match[3]), cores: list(match[4]) };
      entries.push({ ...entry, ...decodeRoute(encodeRoute(entry)) });
    } catch (error) {
      throw new SpinnError("ERR_SPINN_FILE", `line ${index + 1} of the routing table: ${(error as Error).message}`, {
        hint: "a line reads: 0x00010000 0xffff0000 links 0,2 cores 1,5",
        cause: error,
      });
    }
  }
  return entries;
}
