import type { ChipKind } from "../machine/chip-kind.js";

/** Every kind in the order in which it is listed, with its words. */
export const KIND_WORDS: readonly (readonly [ChipKind, string])[] = [
  ["running", "running"],
  ["waiting", "waiting or paused"],
  ["finished", "ended"],
  ["crashed", "crashed"],
  ["free", "free"],
  ["dead", "no answer"],
];

/**
 * The sign of a kind, around a point: each kind has a shape of its own, so that colours need not be told apart.
 * Running is a disc, waiting two bars, ended a square, crashed a cross, free a dot, dead nothing.
 */
export function drawMark(pen: CanvasRenderingContext2D, kind: ChipKind, x: number, y: number, radius: number): void {
  pen.beginPath();
  switch (kind) {
    case "running":
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      break;
    case "waiting":
      pen.rect(x - radius * 0.85, y - radius, radius * 0.6, 2 * radius);
      pen.rect(x + radius * 0.25, y - radius, radius * 0.6, 2 * radius);
      break;
    case "finished":
      pen.rect(x - radius * 0.85, y - radius * 0.85, 1.7 * radius, 1.7 * radius);
      break;
    case "crashed":
      cross(pen, x, y, radius * 1.15, radius * 0.42);
      break;
    case "free":
      pen.arc(x, y, radius * 0.45, 0, 2 * Math.PI);
      break;
    case "dead":
      return;
  }
  pen.fill();
}

/** A cross of two bars as one outline. */
function cross(pen: CanvasRenderingContext2D, x: number, y: number, radius: number, half: number): void {
  const arm = radius * Math.SQRT1_2;
  const side = half * Math.SQRT1_2;
  const points = [
    [-arm - side, -arm + side],
    [-arm + side, -arm - side],
    [0, -2 * side],
    [arm - side, -arm - side],
    [arm + side, -arm + side],
    [2 * side, 0],
    [arm + side, arm - side],
    [arm - side, arm + side],
    [0, 2 * side],
    [-arm + side, arm + side],
    [-arm - side, arm - side],
    [-2 * side, 0],
  ] as const;
  pen.moveTo(x + points[0][0], y + points[0][1]);
  for (const [dx, dy] of points.slice(1)) pen.lineTo(x + dx, y + dy);
  pen.closePath();
}
