import { checkInteger } from "../errors.js";
import { type ChipCoordinates, CORE_COUNT, type CoreCoordinates, coresOfMask } from "./chip.js";

/**
 * Regions: how nearest-neighbour packets and counts name many chips in one word. The plane of 256 x 256 chips is cut into 4 x 4 blocks, each
 * of these again, four levels deep; a region word names one block of a level and any of its 16 parts.
 *
 * ```
 *  31     24 23     16 . . 17 16 15                       0
 *  x of block  y of block   level  part i = 4 * (y part) + (x part)
 * ```
 * The low two bits of x and y are free, and the level lies in those of y. Source: spinnaker_tools `scamp/scamp-nn.c`, `scamp/scamp-3.c`.
 */
export type RegionLevel = 0 | 1 | 2 | 3;

/** What a region word says. */
export interface Region extends ChipCoordinates {
  /** Parts are 64, 16, 4 or 1 chips a side. */
  readonly level: RegionLevel;
  /** Chosen parts, bit i = part i; 0 means the whole machine, whatever the rest says. */
  readonly parts: number;
}

/** Cores of the chips of a region: what one core selection of a flood says. */
export interface RegionSelection {
  readonly region: number;
  /** Virtual cores, bit p = core p. */
  readonly mask: number;
}

/**
 * The region word of the part of `level` in which a chip lies; of the chip alone at level 3, the default. Words that agree above bit 15 can be
 * joined with `|`. Throws `ERR_SPINN_ARGUMENT`.
 */
export function regionOf(chip: ChipCoordinates, level: RegionLevel = 3): number {
  const x = checkInteger("chip x", chip.x, 0, 255);
  const y = checkInteger("chip y", chip.y, 0, 255);
  checkInteger("level of a region", level, 0, 3);
  const shift = 6 - 2 * level;
  const block = ~((4 << shift) - 1) & 0xff;
  const part = 4 * ((y >>> shift) & 3) + ((x >>> shift) & 3);
  return (((x & block) << 24) | ((y & block) << 16) | (level << 16) | (1 << part)) >>> 0;
}

/** The fields of a region word. */
export function decodeRegion(region: number): Region {
  const level = ((region >>> 16) & 3) as RegionLevel;
  return { x: (region >>> 24) & 0xfc, y: (region >>> 16) & 0xfc, level, parts: region & 0xffff };
}

/** Whether a region word names a chip: the firmware's own test (`nn_cmd_ffcs` of 3.4.1). */
export function regionHas(region: number, chip: ChipCoordinates): boolean {
  const { level, parts } = decodeRegion(region);
  const own = regionOf(chip, level);
  return parts === 0 || (own >>> 16 === region >>> 16 && (own & parts) !== 0);
}

/**
 * The fewest selections that name exactly these cores: parts all of whose 16 parts are chosen for a core become one part of the level above.
 * In strictly ascending order of region and mask, as chips ask for; a selection out of order is dropped by them. For firmware up to 3.4.1:
 * 4.0.0 does not look at the region. Throws `ERR_SPINN_ARGUMENT` for what is no core.
 */
export function compressRegions(cores: Iterable<CoreCoordinates>): RegionSelection[] {
  const masks = new Map<number, number>();
  for (const [p, chips] of byCore(cores)) {
    for (const region of compressChips(chips)) masks.set(region, (masks.get(region) ?? 0) | (1 << p));
  }
  return [...masks].map(([region, mask]) => ({ region, mask })).sort((a, b) => a.region - b.region || a.mask - b.mask);
}

/** The cores that selections name on one chip, ascending: what a chip of 3.4.1 would start. */
export function coresOfRegions(selections: Iterable<RegionSelection>, chip: ChipCoordinates): number[] {
  let mask = 0;
  for (const selection of selections) if (regionHas(selection.region, chip)) mask |= selection.mask;
  return coresOfMask(mask);
}

function byCore(cores: Iterable<CoreCoordinates>): Map<number, ChipCoordinates[]> {
  const chips = new Map<number, ChipCoordinates[]>();
  for (const core of cores) {
    checkInteger("core", core.p, 0, CORE_COUNT - 1);
    const known = chips.get(core.p);
    if (known === undefined) chips.set(core.p, [core]);
    else known.push(core);
  }
  return chips;
}

/** Region words for a set of chips: from the finest level up, full blocks go into the level above. */
function compressChips(chips: readonly ChipCoordinates[]): number[] {
  const words: number[] = [];
  let members = chips;
  for (const level of [3, 2, 1, 0] as const) {
    const blocks = new Map<number, number>();
    for (const member of members) {
      const word = regionOf(member, level);
      blocks.set(word >>> 16, (blocks.get(word >>> 16) ?? 0) | (word & 0xffff));
    }
    const full: ChipCoordinates[] = [];
    for (const [block, parts] of blocks) {
      if (parts === 0xffff && level > 0) full.push({ x: (block >>> 8) & 0xfc, y: block & 0xfc });
      else words.push(((block << 16) | parts) >>> 0);
    }
    members = full;
  }
  return words;
}
