import { type ChipCoordinates, LINKS, MachineGeometry } from "../machine/index.js";
import type { DeadParts } from "./network.js";

/** What comes of booting some boards of a machine: chips count from the board that got the image. */
export interface Assembly {
  readonly geometry: MachineGeometry;
  /** The chip that got the image, as the assembly counts. */
  readonly root: ChipCoordinates;
  /** Boards that take part, each as its Ethernet chip of the whole machine. */
  readonly boards: readonly ChipCoordinates[];
  /** Position in this assembly of a chip of the whole machine; `undefined`: it has none. */
  readonly place: (chip: ChipCoordinates) => ChipCoordinates | undefined;
}

/**
 * The machine that an image makes which starts on the board of `root`: it spreads over the links to boards that wait as well, and coordinates
 * count from there (spinnaker_tools `scamp/scamp-nn.c`: a chip takes the smallest coordinates it is told that are not negative, and the least of
 * all becomes 0). A torus looks the same from each of its boards; an open machine keeps its corner, wherever its root is; a board whose
 * neighbours do not take part is a board alone.
 */
export function assemble(whole: MachineGeometry, root: ChipCoordinates, waiting: readonly ChipCoordinates[]): Assembly {
  const boards = reached(whole, root, waiting);
  if (whole.ethernetChips.length > 1 && boards.length === 1) {
    const own = (chip: ChipCoordinates): boolean => isSame(whole.nearestEthernet(chip.x, chip.y), root);
    return {
      geometry: MachineGeometry.spin5(),
      root: { x: 0, y: 0 },
      boards,
      place: (chip) => (own(chip) ? whole.positionOnBoard(chip.x, chip.y) : undefined),
    };
  }
  const { width, height } = whole;
  if (!whole.wrapX && whole.ethernetChips.length > 1) return { geometry: whole, root, boards, place: (chip) => chip };
  return {
    geometry: whole,
    root: { x: 0, y: 0 },
    boards,
    place: ({ x, y }) => ({ x: (x - root.x + width) % width, y: (y - root.y + height) % height }),
  };
}

/** Dead parts of the whole machine as an assembly counts them; chips of boards that do not take part are dead too. */
export function deadIn(whole: MachineGeometry, assembly: Assembly, parts: readonly DeadParts[]): DeadParts {
  const { place } = assembly;
  const placed = <T extends ChipCoordinates>(part: T): T[] => {
    const at = place(part);
    return at === undefined ? [] : [{ ...part, ...at }];
  };
  const absent = whole.ethernetChips.filter((ethernet) => !assembly.boards.some((board) => isSame(board, ethernet)));
  const chips = [...parts.flatMap((dead) => dead.chips ?? []), ...absent.flatMap((ethernet) => whole.chipsOnBoard(ethernet))];
  return {
    chips: chips.flatMap(placed),
    cores: parts.flatMap((dead) => dead.cores ?? []).flatMap(placed),
    // A cable between two boards is no link of a board that is alone.
    links: parts
      .flatMap((dead) => dead.links ?? [])
      .flatMap(placed)
      .filter(({ x, y, link }) => assembly.geometry.isWired(x, y, link)),
  };
}

/** `root` and the waiting boards that can be reached from it over links of such boards. */
function reached(whole: MachineGeometry, root: ChipCoordinates, waiting: readonly ChipCoordinates[]): ChipCoordinates[] {
  const found = [root];
  for (const board of found) {
    for (const chip of whole.chipsOnBoard(board)) {
      for (const link of LINKS) {
        const to = whole.neighbour(chip.x, chip.y, link);
        const beyond = to === undefined ? board : whole.nearestEthernet(to.x, to.y);
        if (!found.some((known) => isSame(known, beyond)) && waiting.some((other) => isSame(other, beyond))) found.push(beyond);
      }
    }
  }
  return found;
}

export function isSame(a: ChipCoordinates, b: ChipCoordinates): boolean {
  return a.x === b.x && a.y === b.y;
}
