import { type ChipCoordinates, chipKey } from "./chip.js";
import type { Link } from "./link.js";

/** A board with 4 chips (SpiNN-2, SpiNN-3) or with 48 (SpiNN-4, SpiNN-5). */
export type BoardKind = "spin3" | "spin5";

/** Whether a board has a chip at this position, counted from its Ethernet chip at 0,0. */
export function hasPosition(kind: BoardKind, x: number, y: number): boolean {
  if (kind === "spin3") return x >= 0 && x <= 1 && y >= 0 && y <= 1;
  return x >= 0 && x <= 7 && y >= 0 && y <= 7 && x - y <= 4 && y - x <= 3;
}

/** The 4 positions of a SpiNN-3 board, column by column. */
export const SPIN3_CHIPS: readonly ChipCoordinates[] = positions("spin3");

/** The 48 positions of a SpiNN-5 board, column by column. */
export const SPIN5_CHIPS: readonly ChipCoordinates[] = positions("spin5");

function positions(kind: BoardKind): ChipCoordinates[] {
  const chips: ChipCoordinates[] = [];
  for (let x = 0; x < 8; x += 1) for (let y = 0; y < 8; y += 1) if (hasPosition(kind, x, y)) chips.push({ x, y });
  return chips;
}

/**
 * Positions with 17 working cores in the reference model of a SpiNN-5 board; the others have 18. A real board says its own numbers
 * (CMD_INFO). Source: SpiNNMachine `version/version_5.py`.
 */
export const SPIN5_17_CORE_CHIPS: readonly ChipCoordinates[] = [
  { x: 1, y: 1 },
  { x: 1, y: 3 },
  { x: 3, y: 1 },
  { x: 3, y: 3 },
  { x: 3, y: 5 },
  { x: 5, y: 2 },
  { x: 5, y: 4 },
  { x: 5, y: 6 },
];

/** Working cores of a position in the reference model: 17 or 18. */
export function defaultCoreCount(kind: BoardKind, x: number, y: number): number {
  return kind === "spin5" && SPIN5_17_CORE_CHIPS.some((chip) => chip.x === x && chip.y === y) ? 17 : 18;
}

/** A link that leaves a SpiNN-5 board, and the FPGA link that carries it. Positions are local to a board. */
export interface FpgaLink {
  readonly x: number;
  readonly y: number;
  readonly link: Link;
  /** Position reached on the neighbouring board, in any machine of several boards. */
  readonly toX: number;
  readonly toY: number;
  readonly fpga: number;
  /** Link of the FPGA, 0..15. */
  readonly number: number;
}

// chip, link, far chip, fpga, number. Source: SpiNNMachine and rig, run; in agreement with spinnaker_tools' Ethernet map.
const FPGA_TABLE = `
  00 3 74 1 1   00 4 73 1 0   00 5 47 0 15  10 4 47 0 14  10 5 57 0 13  20 4 57 0 12  20 5 67 0 11  30 4 67 0 10
  30 5 77 0 9   40 4 77 0 8   40 5 03 0 7   40 0 14 0 6   51 5 14 0 5   51 0 25 0 4   62 5 25 0 3   62 0 36 0 2
  73 5 36 0 1   73 0 47 0 0   73 1 00 2 15  74 0 00 2 14  74 1 01 2 13  75 0 01 2 12  75 1 02 2 11  76 0 02 2 10
  76 1 03 2 9   77 0 03 2 8   77 1 40 2 7   77 2 30 2 6   67 1 30 2 5   67 2 20 2 4   57 1 20 2 3   57 2 10 2 2
  47 1 10 2 1   47 2 00 2 0   47 3 73 1 15  36 2 73 1 14  36 3 62 1 13  25 2 62 1 12  25 3 51 1 11  14 2 51 1 10
  14 3 40 1 9   03 2 40 1 8   03 3 77 1 7   03 4 76 1 6   02 3 76 1 5   02 4 75 1 4   01 3 75 1 3   01 4 74 1 2`;

/** The 48 links that leave a SpiNN-5 board. */
export const FPGA_LINKS: readonly FpgaLink[] = [...FPGA_TABLE.matchAll(/(\d)(\d) (\d) (\d)(\d) (\d) (\d+)/g)].map((match) => {
  const [x, y, link, toX, toY, fpga, number] = match.slice(1).map(Number) as [number, number, Link, number, number, number, number];
  return { x, y, link, toX, toY, fpga, number };
});

const BY_LINK = new Map(FPGA_LINKS.map((entry) => [(chipKey(entry.x, entry.y) << 3) | entry.link, entry]));

/** The FPGA link behind a link of a position, `undefined` when the link stays on the board. */
export function fpgaLink(x: number, y: number, link: Link): FpgaLink | undefined {
  return BY_LINK.get((chipKey(x, y) << 3) | link);
}
