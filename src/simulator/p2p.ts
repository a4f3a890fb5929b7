import { type ChipCoordinates, LINKS, type Link, NO_ROUTE, oppositeLink, ROUTE_HERE } from "../machine/index.js";
import type { MachineNetwork } from "./network.js";

/** Words of a chip's P2P table: 65536 destinations, 8 to a word. */
const WORDS = 8192;
const NOTHING = 0x00db6db6;

/** The P2P table of one chip as the router holds it: 3 bits per destination. Words are readable and writable like the hardware's. */
export class P2pTable {
  readonly words = new Uint32Array(WORDS).fill(NOTHING);

  /** 0..5 a link, 6 no route, 7 this chip. */
  route(x: number, y: number): number {
    return (this.words[(x << 5) | (y >>> 3)]! >>> (3 * (y & 7))) & 7;
  }

  set(x: number, y: number, entry: number): void {
    const index = (x << 5) | (y >>> 3);
    const shift = 3 * (y & 7);
    this.words[index] = (this.words[index]! & ~(7 << shift)) | (entry << shift);
  }
}

/** Every chip knows every chip: SC&MP up to 3.4.1. */
export function fullTable(network: MachineNetwork, chip: ChipCoordinates): P2pTable {
  const table = new P2pTable();
  table.set(chip.x, chip.y, ROUTE_HERE);
  const seen = new Set([network.index(chip.x, chip.y)]);
  const queue: { at: ChipCoordinates; first: Link | undefined }[] = [{ at: chip, first: undefined }];
  for (const { at, first } of queue) {
    for (const link of LINKS) {
      const to = network.neighbour(at.x, at.y, link);
      if (to === undefined || seen.has(network.index(to.x, to.y))) continue;
      seen.add(network.index(to.x, to.y));
      table.set(to.x, to.y, first ?? link);
      queue.push({ at: to, first: first ?? link });
    }
  }
  const towardsRoot = network.tree(network.root)[network.index(chip.x, chip.y)]!;
  table.set(network.root.x, network.root.y, towardsRoot);
  return table;
}

/**
 * SC&MP 4.0.0: every chip knows the Ethernet chips; it knows another chip only when it lies on that chip's way to the root or to its own
 * Ethernet chip, because that is how far each chip announces itself.
 */
export function sparseTable(network: MachineNetwork, chip: ChipCoordinates): P2pTable {
  const table = new P2pTable();
  for (const { x, y, entry } of sparseEntries(network, chip).values()) table.set(x, y, entry);
  return table;
}

/** How many chips the table of a chip knows, itself included. Source: spinnaker_tools `scamp/scamp-p2p.c` (sv.p2p_active), as emulated chips have it. */
export function sparseTableSize(network: MachineNetwork, chip: ChipCoordinates): number {
  return [...sparseEntries(network, chip).values()].filter(({ entry }) => entry !== NO_ROUTE).length;
}

/** By position. */
function sparseEntries(network: MachineNetwork, chip: ChipCoordinates): Map<number, ChipCoordinates & { readonly entry: number }> {
  const entries = new Map<number, ChipCoordinates & { readonly entry: number }>();
  const set = ({ x, y }: ChipCoordinates, entry: number): unknown => entries.set(network.index(x, y), { x, y, entry });
  const here = network.index(chip.x, chip.y);
  for (const destination of network.chips) {
    for (const goal of [network.root, network.geometry.nearestEthernet(destination.x, destination.y)]) {
      if (!network.hasChip(goal.x, goal.y)) continue;
      const entry = wayBack(network, network.tree(goal), destination, here);
      if (entry !== undefined) set(destination, entry);
    }
  }
  for (const ethernet of network.geometry.ethernetChips) {
    if (network.hasChip(ethernet.x, ethernet.y)) set(ethernet, network.tree(ethernet)[here]!);
  }
  set(chip, ROUTE_HERE);
  return entries;
}

/** Follows a chip's way up a tree; where it passes `here`, the link that leads back down. */
function wayBack(network: MachineNetwork, tree: Uint8Array, from: ChipCoordinates, here: number): number | undefined {
  let at = from;
  let back: number | undefined;
  for (;;) {
    const index = network.index(at.x, at.y);
    if (index === here) return back;
    const link = tree[index]!;
    if (link >= NO_ROUTE) return undefined;
    at = network.neighbour(at.x, at.y, link as Link)!;
    back = oppositeLink(link as Link);
  }
}
