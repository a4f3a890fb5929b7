import { SpinnError } from "../errors.js";
import {
  type ChipCoordinates,
  CORE_COUNT,
  type CoreCoordinates,
  defaultCoreCount,
  formatChip,
  LINKS,
  type Link,
  linkVector,
  type MachineGeometry,
  NO_ROUTE,
  oppositeLink,
  ROUTE_HERE,
} from "../machine/index.js";

/** Parts of the machine that do not work. */
export interface DeadParts {
  /** Chips that are not there: P2P entry 6, all links to them dead. */
  readonly chips?: readonly ChipCoordinates[];
  /** *Physical* cores 0..17, as blacklists count them. The virtual numbers of the others close up. */
  readonly cores?: readonly CoreCoordinates[];
  /** Links; the other direction of each is dead too. */
  readonly links?: readonly (ChipCoordinates & { readonly link: Link })[];
}

/** Links that SC&MP 4.0.0 switches off by position on the board, and the way back of each (spinnaker_tools `scamp/scamp-3.c`). */
const SWITCHED_OFF: readonly (readonly [number, number, Link])[] = [
  [4, 7, 2],
  [7, 7, 2],
  [1, 0, 4],
  [0, 0, 5],
  [3, 0, 5],
  [4, 7, 1],
];

/** Throws `ERR_SPINN_ARGUMENT` for dead parts that the machine does not have. */
export function checkDeadParts(geometry: MachineGeometry, dead: DeadParts): void {
  for (const place of [...(dead.chips ?? []), ...(dead.cores ?? []), ...(dead.links ?? [])]) {
    if (geometry.hasChip(place.x, place.y)) continue;
    throw new SpinnError("ERR_SPINN_ARGUMENT", `dead parts name chip ${formatChip(place)}, which the machine does not have`, {
      hint: `it is ${geometry.width} x ${geometry.height} chips`,
    });
  }
  for (const { x, y, link } of dead.links ?? []) {
    if (!geometry.isWired(x, y, link))
      throw new SpinnError("ERR_SPINN_ARGUMENT", `dead parts name link ${link} of chip ${x},${y}, which has no wire`);
  }
}

/** The working chips and links of a simulated machine, and shortest ways over them. Positions are indexed `x * height + y`. */
export class MachineNetwork {
  readonly geometry: MachineGeometry;
  /** The chip from which the machine was booted. */
  readonly root: ChipCoordinates;
  readonly chips: readonly ChipCoordinates[];
  /** Working links of each position, bit n = link n. */
  readonly #links: Uint8Array;
  readonly #alive: Uint8Array;
  readonly #trees = new Map<number, Uint8Array>();
  readonly #deadCores: readonly CoreCoordinates[];

  /**
   * `switchOff`: switch off the links that 4.0.0 does not use. Throws `ERR_SPINN_ARGUMENT` for dead parts that the machine does not have, and
   * for a dead root chip.
   */
  constructor(geometry: MachineGeometry, dead: DeadParts = {}, switchOff = false, root: ChipCoordinates = { x: 0, y: 0 }) {
    this.geometry = geometry;
    this.root = root;
    this.#alive = new Uint8Array(geometry.width * geometry.height);
    this.#links = new Uint8Array(geometry.width * geometry.height);
    this.#deadCores = dead.cores ?? [];
    checkDeadParts(geometry, dead);
    for (const { x, y } of geometry.chips()) this.#alive[this.index(x, y)] = 1;
    for (const { x, y } of dead.chips ?? []) this.#alive[this.index(x, y)] = 0;
    if (!this.hasChip(root.x, root.y))
      throw new SpinnError("ERR_SPINN_ARGUMENT", `the root chip ${formatChip(root)} cannot be dead: nothing would answer`);
    this.chips = [...geometry.chips()].filter(({ x, y }) => this.hasChip(x, y));
    for (const chip of this.chips) {
      let mask = 0;
      for (const link of LINKS) {
        const to = geometry.neighbour(chip.x, chip.y, link);
        if (to !== undefined && this.hasChip(to.x, to.y) && !(switchOff && this.#isSwitchedOff(chip, link))) mask |= 1 << link;
      }
      this.#links[this.index(chip.x, chip.y)] = mask;
    }
    for (const { x, y, link } of dead.links ?? []) {
      const to = geometry.neighbour(x, y, link);
      this.#links[this.index(x, y)]! &= ~(1 << link);
      if (to !== undefined) this.#links[this.index(to.x, to.y)]! &= ~(1 << oppositeLink(link));
    }
  }

  index(x: number, y: number): number {
    return x * this.geometry.height + y;
  }

  hasChip(x: number, y: number): boolean {
    return x < this.geometry.width && y < this.geometry.height && this.#alive[this.index(x, y)] === 1;
  }

  /** Working links of a chip, bit n = link n. */
  links(x: number, y: number): number {
    return this.#links[this.index(x, y)]!;
  }

  /** The chip at the other end of a working link. */
  neighbour(x: number, y: number, link: Link): ChipCoordinates | undefined {
    return (this.links(x, y) >>> link) & 1 ? this.#at(x, y, link) : undefined;
  }

  /** Dead physical cores of a chip, ascending. */
  deadCores(x: number, y: number): number[] {
    return this.#deadCores
      .filter((core) => core.x === x && core.y === y && core.p < CORE_COUNT)
      .map((core) => core.p)
      .sort((a, b) => a - b);
  }

  /** Working physical cores of a chip, the monitor's first. On a chip with 17 the missing one depends on its place. */
  workingCores(x: number, y: number): number[] {
    const position = this.geometry.positionOnBoard(x, y);
    const missing = new Set(this.deadCores(x, y));
    if (defaultCoreCount(this.geometry.board, position.x, position.y) === 17) missing.add(1 + ((7 * position.x + 3 * position.y) % 17));
    return Array.from({ length: CORE_COUNT }, (_, core) => core).filter((core) => !missing.has(core));
  }

  /** For every position the link of a shortest way to `target`, 6 where there is none, 7 at the target. Kept: one table per target. */
  tree(target: ChipCoordinates): Uint8Array {
    const start = this.index(target.x, target.y);
    const known = this.#trees.get(start);
    if (known !== undefined) return known;
    const tree = new Uint8Array(this.#alive.length).fill(NO_ROUTE);
    tree[start] = ROUTE_HERE;
    // Among ways of one length the news that comes first wins; chips pass it on in the order of their positions, as emulated ones do.
    for (let wave = [target]; wave.length > 0; ) {
      const next: ChipCoordinates[] = [];
      for (const chip of wave) {
        for (const link of LINKS) {
          const to = this.neighbour(chip.x, chip.y, link);
          if (to === undefined || tree[this.index(to.x, to.y)] !== NO_ROUTE) continue;
          tree[this.index(to.x, to.y)] = oppositeLink(link);
          next.push(to);
        }
      }
      wave = next.sort((a, b) => this.index(a.x, a.y) - this.index(b.x, b.y));
    }
    this.#trees.set(start, tree);
    return tree;
  }

  #at(x: number, y: number, link: Link): ChipCoordinates {
    const { dx, dy } = linkVector(link);
    const { width, height } = this.geometry;
    return { x: (x + dx + width) % width, y: (y + dy + height) % height };
  }

  #isSwitchedOff(chip: ChipCoordinates, link: Link): boolean {
    if (this.geometry.board !== "spin5") return false;
    const at = this.geometry.positionOnBoard(chip.x, chip.y);
    return SWITCHED_OFF.some(([x, y, off]) => at.x === x && at.y === y && link === off);
  }
}
