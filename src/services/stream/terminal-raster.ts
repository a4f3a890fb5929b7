import { checkInteger } from "../../errors.js";

export interface TerminalRasterOptions {
  /** Size of the picture in characters, default 64 by 12. Each character holds two steps by four rows of dots. */
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** Steps in a column of dots, default 1. */
  readonly stepsPerDot?: number | undefined;
}

/** Bits of the dots of a braille character, by column and row (Unicode chapter 21, U+2800). */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

/** The last moments of a stream of spikes as text: time to the right, atoms upwards. A fixed amount of memory, whatever comes. */
export class TerminalRaster {
  readonly #columns: number;
  readonly #rows: number;
  readonly #stepsPerDot: number;
  readonly #atoms: number;
  /** Dots, a ring of columns: one byte for each dot. */
  readonly #dots: Uint8Array;
  #newest = 0;
  #started = false;
  spikes = 0;

  /** @param atoms number of rows of the raster, atoms 0 .. atoms-1; others are left out */
  constructor(atoms: number, options: TerminalRasterOptions = {}) {
    this.#atoms = checkInteger("atoms", atoms, 1, 0xffffffff);
    this.#columns = checkInteger("columns", options.columns ?? 64, 1, 1000);
    this.#rows = checkInteger("rows", options.rows ?? 12, 1, 1000);
    this.#stepsPerDot = checkInteger("stepsPerDot", options.stepsPerDot ?? 1, 1, 1_000_000);
    this.#dots = new Uint8Array(this.#width * this.#height);
  }

  get #width(): number {
    return 2 * this.#columns;
  }

  get #height(): number {
    return 4 * this.#rows;
  }

  /** A spike. Steps older than the picture are left out; newer ones push it on. */
  add(step: number, atom: number): void {
    if (!(atom >= 0 && atom < this.#atoms) || !Number.isFinite(step)) return;
    const column = Math.floor(step / this.#stepsPerDot);
    this.#advance(column);
    if (column <= this.#newest - this.#width) return;
    const row = Math.floor((atom * this.#height) / this.#atoms);
    this.#dots[this.#place(column) * this.#height + row] = 1;
    this.spikes += 1;
  }

  /** Lines of text, the highest atoms first. */
  render(): string[] {
    const lines: string[] = [];
    const left = this.#newest - this.#width + 1;
    for (let line = this.#rows - 1; line >= 0; line -= 1) {
      let text = "";
      for (let character = 0; character < this.#columns; character += 1) {
        let bits = 0;
        for (let dx = 0; dx < 2; dx += 1) {
          const column = this.#place(left + 2 * character + dx) * this.#height;
          for (let dy = 0; dy < 4; dy += 1) if (this.#dots[column + 4 * line + 3 - dy] === 1) bits |= DOTS[dx]![dy]!;
        }
        text += String.fromCharCode(0x2800 + bits);
      }
      lines.push(text);
    }
    return lines;
  }

  #advance(column: number): void {
    if (!this.#started) {
      this.#started = true;
      this.#newest = column;
      return;
    }
    // A jump over the whole width clears everything once, however far it goes.
    const steps = Math.min(this.#width, column - this.#newest);
    for (let i = 0; i < steps; i += 1) {
      const at = this.#place(column - i) * this.#height;
      this.#dots.fill(0, at, at + this.#height);
    }
    this.#newest = Math.max(this.#newest, column);
  }

  #place(column: number): number {
    return ((column % this.#width) + this.#width) % this.#width;
  }
}
