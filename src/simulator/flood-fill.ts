import { startApplication } from "./applications.js";
import type { Chip } from "./chip.js";
import type { System } from "./system.js";

/** FFCS words are kept at most so many: more distinct ones than chips make no sense. */
const MAX_SELECTIONS = 65536;

/** State of a flood fill: every working chip hears the same packets, so one record stands for all. */
export class FloodFill {
  /** Even number that all packets of this fill carry. */
  readonly id: number;
  readonly #blocks: number;
  readonly #region: number;
  readonly #received = new Set<number>();
  readonly #selections: { readonly region: number; readonly mask: number }[] = [];
  #last = -1;

  /** FFS: flood id[23:16], blocks[15:8]; data: region. */
  constructor(key: number, region: number) {
    this.id = (key >>> 16) & 0xfe;
    this.#blocks = (key >>> 8) & 0xff;
    this.#region = region;
  }

  /** FFCS: cores of a region. Only words in ascending order are taken. */
  select(mask: number, region: number): void {
    const order = region * 2 ** 18 + mask;
    if (order <= this.#last || this.#selections.length >= MAX_SELECTIONS) return;
    this.#last = order;
    this.#selections.push({ region, mask });
  }

  /** A data block: goes into the memory of every chip, selected or not. */
  block(system: System, number: number, address: number, data: Uint8Array): void {
    this.#received.add(number);
    for (const chip of system.chips) if (!chip.dead) chip.memory.copyIn(address, data, 0, data.length);
  }

  /** FFE: starts the application on the chips that were selected, if every block has come. */
  end(system: System, order: number): void {
    if (this.#received.size < this.#blocks) return;
    for (const chip of system.chips) {
      const mask = system.firmware.honoursRegions ? this.#maskByRegion(chip, order) : this.#maskOfAll(order);
      if (mask !== 0 && !chip.dead) startApplication(system, chip, ((order & ~0x3ffff) | mask) >>> 0, chip.sv("sdram_sys"));
    }
  }

  /** Up to 3.4.1: FFS selects by region, and each FFCS adds its cores in its region. */
  #maskByRegion(chip: Chip, order: number): number {
    const own = this.#selections.filter((selection) => inRegion(chip, selection.region));
    if (own.length === 0 && !inRegion(chip, this.#region)) return 0;
    return own.reduce((mask, selection) => mask | selection.mask, order & 0x3ffff);
  }

  /** 4.0.0: regions are not looked at. Without FFCS no chip is selected; with it, all are, with all masks. */
  #maskOfAll(order: number): number {
    return this.#selections.length === 0 ? 0 : this.#selections.reduce((mask, selection) => mask | selection.mask, order & 0x3ffff);
  }
}

/**
 * Whether a chip lies in a region word: x[31:24], y[23:16], level[17:16], one bit for each of 4 x 4 parts. A word without bits is the whole
 * machine.
 */
export function inRegion(chip: { readonly x: number; readonly y: number }, word: number): boolean {
  const bits = word & 0xffff;
  if (bits === 0) return true;
  const level = (word >>> 16) & 3;
  const shift = 6 - 2 * level;
  const block = 0xff & ~((1 << (shift + 2)) - 1);
  const [x, y] = [(word >>> 24) & block, (word >>> 16) & 0xfc & block];
  if ((chip.x & block) !== x || (chip.y & block) !== y) return false;
  return ((bits >>> (((chip.y >>> shift) & 3) * 4 + ((chip.x >>> shift) & 3))) & 1) === 1;
}
