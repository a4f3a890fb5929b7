import { SpinnError } from "../errors.js";
import { type ChipCoordinates, formatChip, isLink, type Link, NO_ROUTE } from "../machine/index.js";
import { Chip, type ChipWorld } from "./chip.js";
import type { Clock } from "./clock.js";
import type { Programs } from "./core-program.js";
import type { Firmware } from "./firmware.js";
import type { FloodFill } from "./flood-fill.js";
import type { MachineNetwork } from "./network.js";
import type { Tags } from "./tags.js";

export interface SystemSetup extends ChipWorld {
  readonly programs: Programs;
  /** IPv4 address of each Ethernet chip, four numbers, in the order of `network.geometry.ethernetChips`. */
  readonly addresses: readonly (readonly number[])[];
  /** Multiplies every delay of the firmware. */
  readonly timeScale: number;
}

/** What commands about tags need of a board. */
export interface TagHolder {
  readonly tags: Tags;
  /** Opens (0: closes) the UDP port of a reverse tag. */
  listen(index: number, rxPort: number): Promise<void>;
}

/** A booted machine without its sockets: chips, their firmware, and how messages get from one to another. Thrown away at power-off. */
export class System implements ChipWorld {
  readonly network: MachineNetwork;
  readonly firmware: Firmware;
  readonly startValues: Uint8Array;
  readonly clock: Clock;
  readonly bootTime: number;
  readonly programs: Programs;
  readonly timeScale: number;
  readonly root: Chip;
  readonly chips: readonly Chip[];
  /** `false` while the network between the chips is not up yet: no routes, no positions. */
  up = false;
  /** Links that have failed since boot, `linkKey`; tables still lead over them. Bounded by the links of the machine. */
  cut: ReadonlySet<number> = new Set();
  /** Parts have gone since boot: messages have to look for their way. */
  isDamaged = false;
  /** The flood fill under way. */
  flood: FloodFill | undefined;
  /** Next number SC&MP gives to a nearest-neighbour packet. */
  lastId = 0;
  /** Chips with a COUNT under way. */
  readonly counting = new Set<Chip>();
  /** Puts a multicast packet, or a fixed-route one, into the router of a chip. Set by the machine. */
  multicast: (chip: Chip, key: number, payload: number | undefined, fixed: boolean) => void = () => undefined;
  /** Takes an SDP datagram (with pad) in at a chip. Set by the dispatcher. */
  route: (chip: Chip, bytes: Uint8Array) => void = () => undefined;
  /** Sends a message for the host out of an Ethernet chip. Set by the boards. */
  transmit: (chip: Chip, bytes: Uint8Array) => void = () => undefined;
  /** The board of an Ethernet chip: its tags. Set by the machine. */
  board: (chip: Chip) => TagHolder | undefined = () => undefined;
  readonly #index = new Map<number, Chip>();

  constructor(setup: SystemSetup) {
    this.network = setup.network;
    this.firmware = setup.firmware;
    this.startValues = setup.startValues;
    this.clock = setup.clock;
    this.bootTime = setup.bootTime;
    this.programs = setup.programs;
    this.timeScale = setup.timeScale;
    const { geometry } = this.network;
    this.chips = this.network.chips.map(({ x, y }) => {
      const board = geometry.ethernetChips.findIndex((chip) => chip.x === x && chip.y === y);
      const chip = new Chip(this, x, y, setup.addresses[board]);
      this.#index.set((x << 8) | y, chip);
      return chip;
    });
    this.root = this.#index.get((this.network.root.x << 8) | this.network.root.y)!;
  }

  /** The chip at a position, `undefined` where none works. */
  chip(x: number, y: number): Chip | undefined {
    return this.#index.get((x << 8) | y);
  }

  /** The chip at a position. Throws `ERR_SPINN_MACHINE` where none works. */
  chipAt(at: ChipCoordinates): Chip {
    const chip = this.chip(at.x, at.y);
    if (chip !== undefined) return chip;
    throw new SpinnError("ERR_SPINN_MACHINE", `the simulated machine has no working chip ${formatChip(at)}`);
  }

  /** The chip at the other end of a working link. */
  neighbour(chip: Chip, link: Link): Chip | undefined {
    if (((chip.links >>> link) & 1) === 0) return undefined;
    const to = this.network.neighbour(chip.x, chip.y, link);
    const neighbour = to === undefined ? undefined : this.chip(to.x, to.y);
    if (this.cut.size > 0 && this.cut.has(linkKey(chip, link))) return undefined;
    return neighbour?.unpowered === true ? undefined : neighbour;
  }

  /** Whether a message finds its way from chip to chip, as their P2P tables lead it, which know nothing of what went since boot. */
  reaches(from: Chip, to: Chip): boolean {
    if (!this.isDamaged) return true;
    let at: Chip | undefined = from;
    // Tables that lead in circles are possible: anybody can write them.
    for (let hops = 0; at !== undefined && hops <= this.chips.length; hops += 1) {
      if (at === to) return true;
      const link = at.router.p2p.route(to.x, to.y);
      at = isLink(link) ? this.neighbour(at, link) : undefined;
    }
    return false;
  }

  nearestEthernet(chip: Chip): ChipCoordinates {
    return this.network.geometry.nearestEthernet(chip.x, chip.y);
  }

  /** Link towards the root: 7 on the root itself, 6 without a way. */
  parentLink(chip: Chip): number {
    return this.network.tree(this.network.root)[this.network.index(chip.x, chip.y)] ?? NO_ROUTE;
  }

  /** Chips lose their supply while the others run on. */
  lose(chips: readonly ChipCoordinates[]): void {
    this.isDamaged = true;
    for (const { x, y } of chips) this.chip(x, y)?.die();
  }

  /** Ends every program. */
  close(): void {
    for (const chip of this.chips) if (chip.touched) for (const core of chip.cores) core.endProgram();
  }
}

/** A number for one direction of a link. */
export function linkKey({ x, y }: ChipCoordinates, link: Link): number {
  return (((x << 8) | y) << 3) | link;
}
