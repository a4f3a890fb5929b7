import { byId, prepare, setText } from "./element.js";
import { readPalette } from "./palette.js";

/** Live events as the server sends them: a sample of keys and when they came, ms since 1970; how many came since the last time, and in all. */
export interface EventMessage {
  readonly label: string | null;
  readonly keys: readonly number[];
  readonly times: readonly number[];
  readonly new: number;
  readonly total: number;
}

const SHOWN_MS = 10_000;
/** Most points drawn; the oldest go. */
const MAX_POINTS = 20_000;
/** Most rows: keys beyond these share the last row. */
const MAX_ROWS = 4096;

/** Live events of the last ten seconds: a row for each key that has been seen, the lowest at the bottom. */
export class Raster {
  readonly #canvas = byId<HTMLCanvasElement>("raster");
  /** Rings of `MAX_POINTS`. */
  readonly #keys = new Uint32Array(MAX_POINTS);
  readonly #times = new Float64Array(MAX_POINTS);
  #next = 0;
  #count = 0;
  readonly #rows = new Map<number, number>();
  #newest = 0;
  #rate = 0;
  #drawnShare = 1;

  add({ label, keys, times, new: brought, total }: EventMessage): void {
    byId("events").hidden = false;
    const before = this.#rows.size;
    keys.forEach((key, i) => {
      this.#keys[this.#next] = key;
      this.#times[this.#next] = times[i]!;
      this.#next = (this.#next + 1) % MAX_POINTS;
      if (!this.#rows.has(key) && this.#rows.size < MAX_ROWS) this.#rows.set(key, 0);
    });
    this.#count = Math.min(MAX_POINTS, this.#count + keys.length);
    this.#drawnShare = 0.9 * this.#drawnShare + (0.1 * keys.length) / Math.max(1, brought);
    if (this.#rows.size !== before) [...this.#rows.keys()].sort((a, b) => a - b).forEach((key, row) => void this.#rows.set(key, row));
    const last = Math.max(this.#newest, ...times);
    if (last > this.#newest) {
      const now = (1000 * brought) / Math.max(50, this.#newest === 0 ? 100 : last - this.#newest);
      this.#rate = this.#rate === 0 ? now : 0.8 * this.#rate + 0.2 * now;
    }
    this.#newest = Math.max(this.#newest, last);
    const more = this.#drawnShare > 0.99 ? "" : `, one in ${Math.round(1 / this.#drawnShare)} drawn`;
    const words = `${label ?? "stream"}: ${total.toLocaleString("en")} events, about ${Math.round(this.#rate).toLocaleString("en")}/s, ${this.#rows.size} keys${more}`;
    setText(byId("events-words"), words);
  }

  draw(): void {
    const { clientWidth: wide, clientHeight: high } = this.#canvas;
    const pen = prepare(this.#canvas, wide, high);
    const palette = readPalette();
    pen.clearRect(0, 0, wide, high);
    pen.strokeStyle = palette.line;
    pen.beginPath();
    for (let s = 0; s <= 10; s += 1) {
      pen.moveTo((wide * s) / 10, 0);
      pen.lineTo((wide * s) / 10, high);
    }
    pen.stroke();
    pen.fillStyle = palette.accent;
    const pitch = (high - 4) / Math.max(1, this.#rows.size);
    const dot = Math.max(1.5, Math.min(4, pitch));
    for (let i = 0; i < this.#count; i += 1) {
      const x = wide - ((this.#newest - this.#times[i]!) / SHOWN_MS) * wide;
      if (x < 0) continue;
      const row = this.#rows.get(this.#keys[i]!) ?? this.#rows.size - 1;
      pen.fillRect(x - dot, high - 2 - (row + 0.5) * pitch - dot / 2, dot, dot);
    }
  }
}
