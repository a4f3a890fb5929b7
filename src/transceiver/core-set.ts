import { checkInteger, SpinnError } from "../errors.js";
import { type ChipCoordinates, CORE_COUNT, type CoreCoordinates, chipKey, chipOfKey, coresOfMask, type Machine } from "../machine/index.js";

/** Application cores, chip by chip: what a load or a wait is about. */
export class CoreSet {
  /** Mask of virtual cores by `chipKey`; no chip with an empty mask. */
  readonly #masks = new Map<number, number>();

  /** Throws `ERR_SPINN_ARGUMENT` for the monitor or a number that is no core. */
  constructor(cores: Iterable<CoreCoordinates> = []) {
    for (const core of cores) {
      checkInteger("application core", core.p, 1, CORE_COUNT - 1);
      this.add(core, 1 << core.p);
    }
  }

  add(chip: ChipCoordinates, mask: number): void {
    if (mask === 0) return;
    const key = chipKey(checkInteger("chip x", chip.x, 0, 255), checkInteger("chip y", chip.y, 0, 255));
    this.#masks.set(key, (this.#masks.get(key) ?? 0) | mask);
  }

  get chipCount(): number {
    return this.#masks.size;
  }

  /** Cores in all. */
  get size(): number {
    let count = 0;
    for (const mask of this.#masks.values()) count += coresOfMask(mask).length;
    return count;
  }

  /** Mask of a chip's cores, 0 for none. */
  maskOf(chip: ChipCoordinates): number {
    return this.#masks.get(chipKey(chip.x, chip.y)) ?? 0;
  }

  /** Chips, ascending. */
  get chips(): ChipCoordinates[] {
    return [...this.#masks.keys()].sort((a, b) => a - b).map(chipOfKey);
  }

  /** Cores, ascending by chip. */
  get cores(): CoreCoordinates[] {
    return this.chips.flatMap((chip) => coresOfMask(this.maskOf(chip)).map((p) => ({ ...chip, p })));
  }

  /** Throws `ERR_SPINN_MACHINE` for a chip or core the machine does not have. */
  checkAgainst(machine: Machine): void {
    for (const chip of this.chips) {
      const { coreCount } = machine.chip(chip.x, chip.y);
      const beyond = coresOfMask(this.maskOf(chip)).find((p) => p >= coreCount);
      if (beyond === undefined) continue;
      throw new SpinnError("ERR_SPINN_MACHINE", `chip ${chip.x},${chip.y} has no core ${beyond}`, {
        hint: `its working cores are 0 (the monitor) to ${coreCount - 1}`,
      });
    }
  }
}
