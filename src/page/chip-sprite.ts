import { type ChipKind, kindOfCores, kindOfState } from "../machine/chip-kind.js";
import { hexagonCorners } from "../machine/hexagon.js";
import { drawMark } from "./mark.js";
import type { PublishedChip } from "./mirror.js";
import type { Palette } from "./palette.js";

/** From this distance between chips on, CSS pixels, every core is drawn; below, one sign for the chip. */
const CORES_FROM = 36;
/** From here on a chip has its coordinates written in it. */
const NAME_FROM = 46;
/** Below this, a sign for ordinary chips would be noise: colour for those, and signs for what is wrong. */
const MARKS_FROM = 13;
const MAX_SPRITES = 2000;

/** Places of cores in a hexagon, in distances between cores: the monitor in the middle, two rings around it. */
const CORE_PLACES: readonly (readonly [number, number])[] = [[0, 0] as const, ...ring(1), ...ring(2)];

function ring(radius: number): [number, number][] {
  const found: [number, number][] = [];
  for (let side = 0; side < 6; side += 1) {
    const [a, b] = [(Math.PI / 3) * side - Math.PI / 2, (Math.PI / 3) * (side + 1) - Math.PI / 2];
    for (let step = 0; step < radius; step += 1) {
      const part = step / radius;
      found.push([radius * (Math.cos(a) * (1 - part) + Math.cos(b) * part), radius * (Math.sin(a) * (1 - part) + Math.sin(b) * part)]);
    }
  }
  return found;
}

/** How a chip looks. */
export interface Look {
  readonly kind: ChipKind;
  readonly canvas: HTMLCanvasElement;
}

/** Pictures of chips at one size and in one palette. Chips that look alike share one: a machine of 1,152 has a handful of looks. */
export class ChipSprites {
  readonly #size: number;
  readonly #ratio: number;
  readonly #palette: Palette;
  /** Bounded by `MAX_SPRITES`. */
  readonly #looks = new Map<string, Look>();

  constructor(size: number, ratio: number, palette: Palette) {
    this.#size = size;
    this.#ratio = ratio;
    this.#palette = palette;
  }

  /** The look of a chip, or of the place of one that does not answer. It covers all that was there, and nothing of the neighbours. */
  look(chip: PublishedChip | undefined, isEthernet: boolean): Look {
    const key = chip === undefined ? `${isEthernet}` : `${isEthernet}${chip.core_count}:${chip.core_states.join(" ")}`;
    const known = this.#looks.get(key);
    if (known !== undefined) return known;
    if (this.#looks.size >= MAX_SPRITES) this.#looks.clear();
    const kind = chip === undefined ? "dead" : kindOfCores(chip.core_states, chip.core_count).kind;
    const look = { kind, canvas: this.#make(kind, chip, isEthernet) };
    this.#looks.set(key, look);
    return look;
  }

  /** Whether there is room for coordinates. */
  get hasNames(): boolean {
    return this.#size >= NAME_FROM;
  }

  #make(kind: ChipKind, chip: PublishedChip | undefined, isEthernet: boolean): HTMLCanvasElement {
    const size = this.#size * this.#ratio;
    const canvas = document.createElement("canvas");
    canvas.width = Math.ceil(size) + 2;
    canvas.height = Math.ceil(1.155 * size) + 2;
    const pen = canvas.getContext("2d")!;
    pen.translate(canvas.width / 2, canvas.height / 2);
    const { fill, on, card, outline } = this.#palette;
    const isLarge = this.#size >= CORES_FROM;
    pen.fillStyle = card;
    pen.fill(hexagon(size * 0.99));
    const path = hexagon(size * 0.92);
    if (kind === "dead") {
      pen.setLineDash([size / 12, size / 12]);
      pen.strokeStyle = fill.dead;
      pen.lineWidth = Math.max(1, size / 40);
      pen.stroke(hexagon(size * 0.86));
      return canvas;
    }
    pen.fillStyle = fill[kind];
    pen.fill(path);
    if (isLarge) {
      // A wide frame in the chip's colour, and inside it the cores each in its own.
      pen.fillStyle = card;
      pen.fill(hexagon(size * (kind === "free" ? 0.89 : 0.82)));
      this.#drawCores(pen, chip!, size);
    } else if (this.#size >= MARKS_FROM || kind === "crashed") {
      pen.fillStyle = on[kind];
      if (kind !== "free") drawMark(pen, kind, 0, 0, size * (kind === "crashed" ? 0.28 : 0.17));
    }
    if (isEthernet) {
      pen.strokeStyle = outline;
      pen.lineWidth = Math.max(1.5 * this.#ratio, size / 34);
      pen.stroke(hexagon(size * (isLarge ? 0.97 : 0.84)));
    }
    return canvas;
  }

  #drawCores(pen: CanvasRenderingContext2D, chip: PublishedChip, size: number): void {
    const pitch = size * (this.hasNames ? 0.148 : 0.158);
    const up = this.hasNames ? size * 0.08 : 0;
    chip.core_states.slice(0, chip.core_count).forEach((state, p) => {
      const [x, y] = CORE_PLACES[p]!;
      const kind = kindOfState(state);
      pen.fillStyle = p === 0 ? this.#palette.outline : kind === "free" ? this.#palette.faint : this.#palette.fill[kind];
      if (p === 0) drawMark(pen, "running", x * pitch, y * pitch - up, pitch * 0.22);
      else drawMark(pen, kind, x * pitch, y * pitch - up, pitch * 0.4);
    });
  }
}

/** A hexagon around 0,0 whose neighbours of the same size would stand `size` away. */
function hexagon(size: number): Path2D {
  const path = new Path2D();
  for (const { x, y } of hexagonCorners()) path.lineTo(size * x, size * y);
  path.closePath();
  return path;
}
