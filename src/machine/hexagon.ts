import type { ChipCoordinates } from "./chip.js";
import type { Link } from "./link.js";

/** A point of the picture, x to the right and y down, in distances between neighbouring chips. */
export interface PicturePoint {
  readonly x: number;
  readonly y: number;
}

const ROW = Math.sqrt(3) / 2;
const RADIUS = 1 / Math.sqrt(3);

/** Where a chip stands when the machine is drawn as hexagons that touch: all six neighbours one distance away, north up, east right. */
export function hexagonCentre({ x, y }: ChipCoordinates): PicturePoint {
  return { x: x - y / 2, y: -ROW * y };
}

/** The chip whose hexagon holds a point, whether the machine has it or not. */
export function hexagonAt({ x, y }: PicturePoint): ChipCoordinates {
  // Rounding in the three axes of the hexagonal grid, the worst of them from the other two.
  const up = -y / ROW;
  const across = x + up / 2;
  const third = across - up;
  let [a, b] = [Math.round(across), Math.round(up)];
  const c = Math.round(third);
  const [da, db, dc] = [Math.abs(a - across), Math.abs(b - up), Math.abs(c - third)];
  if (da > db && da > dc) a = b + c;
  else if (db > dc) b = a - c;
  // Without the sign of a zero.
  return { x: a + 0, y: b + 0 };
}

/** The six corners around a centre, clockwise from the lower right; `scale` below 1 leaves a gap between neighbours. */
export function hexagonCorners(scale = 1): readonly PicturePoint[] {
  return Array.from({ length: 6 }, (_, i) => {
    const angle = (Math.PI / 3) * i + Math.PI / 6;
    return { x: scale * RADIUS * Math.cos(angle), y: scale * RADIUS * Math.sin(angle) };
  });
}

/** The side of a hexagon that a link crosses: its two ends from the centre. */
export function hexagonSide(link: Link): readonly [PicturePoint, PicturePoint] {
  const at = (turn: number): PicturePoint => ({ x: RADIUS * Math.cos(turn), y: RADIUS * Math.sin(turn) });
  const middle = (-Math.PI / 3) * link;
  return [at(middle - Math.PI / 6), at(middle + Math.PI / 6)];
}
