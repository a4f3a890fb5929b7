import { checkInteger, SpinnError } from "../errors.js";
import { type BoardKind, hasPosition, SPIN3_CHIPS, SPIN5_CHIPS } from "./board-shape.js";
import { type ChipCoordinates, formatChip } from "./chip.js";
import { LINKS, type Link, linkVector, oppositeLink } from "./link.js";

/** Ethernet chips of the three boards of a triad, relative to its corner. */
const TRIAD = [
  { x: 0, y: 0 },
  { x: 4, y: 8 },
  { x: 8, y: 4 },
];

/** Value in a table of {@link MachineGeometry.linksTowards} for a place without a way. The P2P table of the router uses the same number. */
export const NO_ROUTE = 6;
/** Value for the target itself. */
export const ROUTE_HERE = 7;

/**
 * Which chips and wires a machine of this size has when nothing is broken. Boards of 48 chips come in triads that tile the plane:
 *
 * ```
 *   y                 Ethernet chips at 0,0  4,8  8,4  + 12 (i, j)
 *   12 . . . #        a dimension that is a multiple of 12 wraps round, one of 12k + 4 does not
 *    8 . #            8 x 8 is one board, 2 x 2 a board of 4 chips
 *    4 . . #
 *    0 #   4   8  12 x
 * ```
 * Source: SpiNNMachine `spinnaker_triad_geometry.py`, `version/*.py`; spinnaker_tools `scamp/scamp-3.c` (eth_map).
 */
export class MachineGeometry {
  readonly width: number;
  readonly height: number;
  /** Whether the right edge is joined to the left one. */
  readonly wrapX: boolean;
  /** Whether the top edge is joined to the bottom one. */
  readonly wrapY: boolean;
  readonly board: BoardKind;
  /** One per board, ascending by x then y. */
  readonly ethernetChips: readonly ChipCoordinates[];
  readonly #ethernet: ReadonlySet<number>;
  #route: { readonly target: number; readonly links: Uint8Array } | undefined;

  private constructor(board: BoardKind, width: number, height: number, wrapX: boolean, wrapY: boolean) {
    this.board = board;
    this.width = width;
    this.height = height;
    this.wrapX = wrapX;
    this.wrapY = wrapY;
    const chips: ChipCoordinates[] = [];
    if (board === "spin3" || (width === 8 && height === 8)) chips.push({ x: 0, y: 0 });
    else {
      const right = wrapX ? width : width - 7;
      const top = wrapY ? height : height - 7;
      for (let x = 0; x < right; x += 4) for (let y = 0; y < top; y += 4) if ((x + y) % 12 === 0) chips.push({ x, y });
    }
    this.ethernetChips = chips;
    this.#ethernet = new Set(chips.map((chip) => this.#index(chip.x, chip.y)));
  }

  /** One board of 4 chips. It wraps north to south only: both vertical links of a chip go to the same neighbour. */
  static spin3(): MachineGeometry {
    return new MachineGeometry("spin3", 2, 2, false, true);
  }

  /** One board of 48 chips. */
  static spin5(): MachineGeometry {
    return new MachineGeometry("spin5", 8, 8, false, false);
  }

  /** A torus of `wide` x `high` triads, three boards each: 12 wide x 12 high chips. */
  static triads(wide: number, high: number): MachineGeometry {
    checkInteger("triads across", wide, 1, 21);
    checkInteger("triads up", high, 1, 21);
    return new MachineGeometry("spin5", 12 * wide, 12 * high, true, true);
  }

  /** From the size a machine reports. Throws `ERR_SPINN_MACHINE` for a size no machine has. */
  static fromSize(width: number, height: number): MachineGeometry {
    if (width === 2 && height === 2) return MachineGeometry.spin3();
    if (width === 8 && height === 8) return MachineGeometry.spin5();
    const form = (size: number): "wrap" | "open" | undefined =>
      !Number.isInteger(size) || size < 12 || size > 256 ? undefined : size % 12 === 0 ? "wrap" : size % 12 === 4 ? "open" : undefined;
    const [x, y] = [form(width), form(height)];
    if (x === undefined || y === undefined) {
      throw new SpinnError("ERR_SPINN_MACHINE", `no machine is ${width} x ${height} chips`, {
        hint: "sizes are 2 x 2, 8 x 8, and multiples of 12 (joined at the edge) or 12k + 4 (open) in each direction",
      });
    }
    return new MachineGeometry("spin5", width, height, x === "wrap", y === "wrap");
  }

  /** From `spin3`, `spin5` or `triads:WxH`. Throws `ERR_SPINN_ARGUMENT`. */
  static fromName(name: string): MachineGeometry {
    if (name === "spin3") return MachineGeometry.spin3();
    if (name === "spin5") return MachineGeometry.spin5();
    const match = /^triads:(\d+)x(\d+)$/.exec(name);
    if (match !== null) return MachineGeometry.triads(Number(match[1]), Number(match[2]));
    throw new SpinnError("ERR_SPINN_ARGUMENT", `"${name}" is no machine`, {
      hint: "known are spin3, spin5 and triads:WxH, e.g. triads:1x1",
    });
  }

  /** Every chip, column by column. */
  *chips(): IterableIterator<ChipCoordinates> {
    for (let x = 0; x < this.width; x += 1) for (let y = 0; y < this.height; y += 1) if (this.hasChip(x, y)) yield { x, y };
  }

  hasChip(x: number, y: number): boolean {
    return this.#board(x, y) !== undefined;
  }

  /** The Ethernet chip of the board on which a chip sits. Throws `ERR_SPINN_MACHINE` where there is no chip. */
  nearestEthernet(x: number, y: number): ChipCoordinates {
    return this.#boardOf(x, y).ethernet;
  }

  /** Position on its board, counted from the Ethernet chip. Throws `ERR_SPINN_MACHINE` where there is no chip. */
  positionOnBoard(x: number, y: number): ChipCoordinates {
    return this.#boardOf(x, y).position;
  }

  /** The chips of the board of an Ethernet chip, column by column of the board. */
  chipsOnBoard(ethernet: ChipCoordinates): ChipCoordinates[] {
    if (!this.isEthernet(ethernet.x, ethernet.y)) {
      throw new SpinnError("ERR_SPINN_MACHINE", `chip ${formatChip(ethernet)} has no Ethernet`, {
        hint: `Ethernet chips are ${this.ethernetChips.map(formatChip).join(" ")}`,
      });
    }
    const positions = this.board === "spin3" ? SPIN3_CHIPS : SPIN5_CHIPS;
    return positions.map((at) => ({ x: (ethernet.x + at.x) % this.width, y: (ethernet.y + at.y) % this.height }));
  }

  isEthernet(x: number, y: number): boolean {
    return this.#inside(x, y) && this.#ethernet.has(this.#index(x, y));
  }

  /** The chip at the other end of a link; `undefined` where no wire is, or no chip. */
  neighbour(x: number, y: number, link: Link): ChipCoordinates | undefined {
    if (!this.hasChip(x, y)) return undefined;
    const { dx, dy } = linkVector(link);
    const to = {
      x: this.wrapX ? (x + dx + this.width) % this.width : x + dx,
      y: this.wrapY ? (y + dy + this.height) % this.height : y + dy,
    };
    return this.hasChip(to.x, to.y) ? to : undefined;
  }

  isWired(x: number, y: number, link: Link): boolean {
    return this.neighbour(x, y, link) !== undefined;
  }

  /** First link of a shortest way from one chip to another; `undefined` when they are the same or there is no way. */
  linkTowards(from: ChipCoordinates, to: ChipCoordinates): Link | undefined {
    const link = this.#inside(from.x, from.y) ? this.linksTowards(to)[this.#index(from.x, from.y)]! : NO_ROUTE;
    return link < NO_ROUTE ? (link as Link) : undefined;
  }

  /**
   * For every place (index `x * height + y`) the link of a shortest way to `target`, {@link NO_ROUTE} where there is none or no chip,
   * {@link ROUTE_HERE} at the target. Read backwards it is the tree along which news spreads from the target.
   * Costs one walk over the machine; the last table is kept.
   */
  linksTowards(target: ChipCoordinates): Uint8Array {
    const links = new Uint8Array(this.width * this.height).fill(NO_ROUTE);
    if (!this.hasChip(target.x, target.y)) return links;
    const start = this.#index(target.x, target.y);
    if (this.#route?.target === start) return this.#route.links;
    links[start] = ROUTE_HERE;
    const queue = [target];
    for (const chip of queue) {
      for (const link of LINKS) {
        const next = this.neighbour(chip.x, chip.y, link);
        if (next === undefined || links[this.#index(next.x, next.y)] !== NO_ROUTE) continue;
        links[this.#index(next.x, next.y)] = oppositeLink(link);
        queue.push(next);
      }
    }
    this.#route = { target: start, links };
    return links;
  }

  #index(x: number, y: number): number {
    return x * this.height + y;
  }

  #inside(x: number, y: number): boolean {
    return Number.isInteger(x) && Number.isInteger(y) && x >= 0 && y >= 0 && x < this.width && y < this.height;
  }

  #board(x: number, y: number): { ethernet: ChipCoordinates; position: ChipCoordinates } | undefined {
    if (!this.#inside(x, y)) return undefined;
    if (this.ethernetChips.length === 1) {
      return hasPosition(this.board, x, y) ? { ethernet: { x: 0, y: 0 }, position: { x, y } } : undefined;
    }
    for (const corner of TRIAD) {
      const position = { x: (x - corner.x + 12) % 12, y: (y - corner.y + 12) % 12 };
      if (!hasPosition(this.board, position.x, position.y)) continue;
      const ethernet = { x: (x - position.x + this.width) % this.width, y: (y - position.y + this.height) % this.height };
      return this.isEthernet(ethernet.x, ethernet.y) && (this.wrapX || x >= position.x) && (this.wrapY || y >= position.y)
        ? { ethernet, position }
        : undefined;
    }
    return undefined;
  }

  #boardOf(x: number, y: number): { ethernet: ChipCoordinates; position: ChipCoordinates } {
    const board = this.#board(x, y);
    if (board !== undefined) return board;
    throw new SpinnError("ERR_SPINN_MACHINE", `a machine of ${this.width} x ${this.height} chips has no chip ${x},${y}`);
  }
}
