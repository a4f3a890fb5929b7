import { SpinnError } from "../errors.js";
import { hasPosition } from "./board-shape.js";
import { type ChipCoordinates, CORE_COUNT, type CoreCoordinates, chipKey, formatChip } from "./chip.js";
import { CoreState } from "./core-state.js";
import { MachineGeometry } from "./geometry.js";
import { isLink, LINKS, type Link, linkName, oppositeLink } from "./link.js";

/** What a chip said about itself when the machine was discovered. */
export interface ChipInfo extends ChipCoordinates {
  /** Working cores, the monitor included: virtual cores 0 .. coreCount - 1. */
  readonly coreCount: number;
  /** State of each virtual core 0..17 at discovery, see `CoreState`. */
  readonly coreStates: readonly number[];
  /** Usable links, bit n = link n. */
  readonly links: number;
  /** IPv4 address, when the chip's Ethernet is up. */
  readonly ethernet: { readonly ip: string } | undefined;
  readonly nearestEthernet: ChipCoordinates;
  /** Link on the way to the root; `undefined` on the root, where there is no route, or when the firmware does not tell (below 3.4). */
  readonly parentLink: Link | undefined;
  readonly largestSdramBlock: number;
  readonly largestSysramBlock: number;
  readonly freeRouterEntries: number;
  /** Physical core of each virtual core 0..17, 255 for none; `undefined` when it was not read. */
  readonly virtualToPhysical: readonly number[] | undefined;
}

/** The plain form of a {@link Machine}, for JSON. */
export interface MachineJson {
  readonly width: number;
  readonly height: number;
  readonly root: ChipCoordinates;
  readonly chips: readonly ChipInfo[];
}

/** A machine as it was discovered: a value that never changes. */
export class Machine {
  readonly width: number;
  readonly height: number;
  /** The chip from which the machine was booted. */
  readonly root: ChipCoordinates;
  /** By `chipKey(x, y)`. */
  readonly chips: ReadonlyMap<number, ChipInfo>;
  /** What a machine of this size has when nothing is broken. */
  readonly geometry: MachineGeometry;

  /** Throws `ERR_SPINN_MACHINE` for a size no machine has. */
  constructor(width: number, height: number, root: ChipCoordinates, chips: Iterable<ChipInfo>) {
    this.width = width;
    this.height = height;
    this.root = root;
    this.geometry = MachineGeometry.fromSize(width, height);
    this.chips = new Map([...chips].map((chip) => [chipKey(chip.x, chip.y), chip]));
  }

  hasChip(x: number, y: number): boolean {
    return this.chips.has(chipKey(x, y));
  }

  /** Throws `ERR_SPINN_MACHINE` for a chip the machine does not have. */
  chip(x: number, y: number): ChipInfo {
    const chip = this.chips.get(chipKey(x, y));
    if (chip !== undefined) return chip;
    throw new SpinnError(
      "ERR_SPINN_MACHINE",
      `the machine (${this.width} x ${this.height}, ${this.chips.size} chips) has no chip ${x},${y}`,
      {
        hint: this.geometry.hasChip(x, y)
          ? "a whole machine of this size has it: it is dead or switched off"
          : "no machine of this size has it",
      },
    );
  }

  /** Chips whose Ethernet is up. */
  *ethernetChips(): IterableIterator<ChipInfo> {
    for (const chip of this.chips.values()) if (chip.ethernet !== undefined) yield chip;
  }

  /** Chips whose nearest Ethernet is this one. */
  *chipsOfBoard(ethernet: ChipCoordinates): IterableIterator<ChipInfo> {
    for (const chip of this.chips.values()) {
      if (chip.nearestEthernet.x === ethernet.x && chip.nearestEthernet.y === ethernet.y) yield chip;
    }
  }

  /** Whether a chip says that a link works. */
  hasLink(x: number, y: number, link: Link): boolean {
    return (((this.chips.get(chipKey(x, y))?.links ?? 0) >>> link) & 1) === 1;
  }

  /** Working cores of all chips, monitors included. */
  get coreCount(): number {
    let count = 0;
    for (const chip of this.chips.values()) count += chip.coreCount;
    return count;
  }

  /** Virtual cores of a chip that are free for use: IDLE at discovery, never the monitor. */
  idleCores(x: number, y: number): number[] {
    const states = this.chip(x, y).coreStates;
    return [...states.keys()].filter((p) => p > 0 && states[p] === CoreState.IDLE);
  }

  /** Every working core, monitors included; with `state` only those that were in it at discovery, see `CoreState`. */
  *cores(state?: number): IterableIterator<CoreCoordinates> {
    for (const { x, y, coreCount, coreStates } of this.chips.values()) {
      for (let p = 0; p < coreCount; p += 1) if (state === undefined || coreStates[p] === state) yield { x, y, p };
    }
  }

  /** Every link a chip says works, once for each end. */
  *links(): IterableIterator<ChipCoordinates & { readonly link: Link }> {
    for (const { x, y } of this.chips.values()) for (const link of LINKS) if (this.hasLink(x, y, link)) yield { x, y, link };
  }

  /** Chips that a whole machine of this size has and this one does not, column by column. */
  *deadChips(): IterableIterator<ChipCoordinates> {
    for (const { x, y } of this.geometry.chips()) if (!this.hasChip(x, y)) yield { x, y };
  }

  /** Links that are wired to a chip that is there, and do not work, once for each end. Links to dead chips are not listed. */
  *deadLinks(): IterableIterator<ChipCoordinates & { readonly link: Link }> {
    for (const { x, y } of this.chips.values()) {
      for (const link of LINKS) {
        const far = this.geometry.neighbour(x, y, link);
        if (far !== undefined && this.hasChip(far.x, far.y) && !this.hasLink(x, y, link)) yield { x, y, link };
      }
    }
  }

  /** What is odd about this machine, in words; empty when nothing is. Missing chips and cores are no oddity: boards have those. */
  validate(): string[] {
    const problems: string[] = [];
    const root = this.chips.get(chipKey(this.root.x, this.root.y));
    if (root === undefined) problems.push(`root chip ${formatChip(this.root)} is missing`);
    else if (root.ethernet === undefined) problems.push(`root chip ${formatChip(this.root)} reports no Ethernet`);
    for (const chip of this.chips.values()) {
      const name = `chip ${formatChip(chip)}`;
      if (!this.geometry.hasChip(chip.x, chip.y))
        problems.push(`${name} lies outside every board of a ${this.width} x ${this.height} machine`);
      if (chip.coreCount < 5) problems.push(`${name} has only ${chip.coreCount} working cores`);
      problems.push(...this.#ethernetProblems(chip, name), ...this.#linkProblems(chip, name));
    }
    return problems;
  }

  #ethernetProblems(chip: ChipInfo, name: string): string[] {
    const problems: string[] = [];
    const near = chip.nearestEthernet;
    if (!this.hasChip(near.x, near.y)) problems.push(`${name} names ${formatChip(near)} as its Ethernet chip, which does not exist`);
    const across = (chip.x - near.x + this.width) % this.width;
    const up = (chip.y - near.y + this.height) % this.height;
    if (!hasPosition(this.geometry.board, across, up))
      problems.push(`${name} is not on the board of its Ethernet chip ${formatChip(near)}`);
    if (chip.ethernet !== undefined && !this.geometry.isEthernet(chip.x, chip.y))
      problems.push(`${name} reports an Ethernet where no board has one`);
    return problems;
  }

  #linkProblems(chip: ChipInfo, name: string): string[] {
    const problems: string[] = [];
    for (const link of LINKS) {
      if (!this.hasLink(chip.x, chip.y, link)) continue;
      const far = this.geometry.neighbour(chip.x, chip.y, link);
      if (far === undefined) continue;
      if (!this.hasChip(far.x, far.y))
        problems.push(`${name} link ${link} (${linkName(link)}) leads to ${formatChip(far)}, which does not exist`);
      else if (!this.hasLink(far.x, far.y, oppositeLink(link))) {
        problems.push(`${name} link ${link} (${linkName(link)}) works one way only: ${formatChip(far)} does not send back`);
      }
    }
    if (chip.parentLink !== undefined) {
      const parent = this.geometry.neighbour(chip.x, chip.y, chip.parentLink);
      if (parent === undefined || !this.hasChip(parent.x, parent.y))
        problems.push(`${name} names link ${chip.parentLink} as the way to the root, where no chip is`);
    }
    return problems;
  }

  toJSON(): MachineJson {
    return { width: this.width, height: this.height, root: this.root, chips: [...this.chips.values()] };
  }

  /** From {@link toJSON}'s form, checked. Throws `ERR_SPINN_FILE` when it is something else. */
  static fromJSON(value: unknown): Machine {
    const machine = value as Partial<MachineJson> | null;
    const fail = (why: string): SpinnError => new SpinnError("ERR_SPINN_FILE", `not a machine description: ${why}`);
    if (typeof machine !== "object" || machine === null) throw fail("not an object");
    if (!isByte(machine.width, 256) || !isByte(machine.height, 256)) throw fail("width and height must be whole numbers");
    if (!isChip(machine.root)) throw fail("root must be a chip");
    if (!Array.isArray(machine.chips)) throw fail("chips must be a list");
    for (const chip of machine.chips as readonly Partial<ChipInfo>[]) {
      if (!isChip(chip)) throw fail("a chip without position");
      const bad = (member: string): SpinnError => fail(`chip ${formatChip(chip)} has no usable ${member}`);
      if (!isByte(chip.coreCount, CORE_COUNT)) throw bad("coreCount");
      if (!isNumbers(chip.coreStates)) throw bad("coreStates");
      if (!isByte(chip.links, 63)) throw bad("links");
      if (chip.ethernet != null && typeof chip.ethernet.ip !== "string") throw bad("ethernet");
      if (!isChip(chip.nearestEthernet)) throw bad("nearestEthernet");
      if (chip.parentLink != null && !isLink(chip.parentLink)) throw bad("parentLink");
      if (chip.virtualToPhysical != null && !isNumbers(chip.virtualToPhysical)) throw bad("virtualToPhysical");
      for (const member of ["largestSdramBlock", "largestSysramBlock", "freeRouterEntries"] as const) {
        if (!isByte(chip[member], 0xffffffff)) throw bad(member);
      }
    }
    const chips = (machine.chips as readonly ChipInfo[]).map((chip) => ({
      ...chip,
      ethernet: chip.ethernet ?? undefined,
      parentLink: chip.parentLink ?? undefined,
      virtualToPhysical: chip.virtualToPhysical ?? undefined,
    }));
    return new Machine(machine.width, machine.height, machine.root, chips);
  }
}

function isByte(value: unknown, high: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= high;
}

function isChip<T>(value: T): value is T & ChipCoordinates {
  const chip = value as Partial<ChipCoordinates> | null | undefined;
  return typeof chip === "object" && chip !== null && isByte(chip.x, 255) && isByte(chip.y, 255);
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.length <= CORE_COUNT + 2 && value.every((state) => isByte(state, 255));
}
