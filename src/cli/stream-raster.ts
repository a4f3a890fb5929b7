import { type EventFrame, type KeyMap, TerminalRaster } from "../services/stream/index.js";
import type { Terminal } from "./terminal.js";

const COLUMNS = 64;
const ESC = "\u001b";

/** Spikes of known keys as a picture that is drawn over again on a terminal, and once at the end elsewhere. */
export class RasterScreen {
  readonly #terminal: Terminal;
  readonly #keyMap: KeyMap;
  readonly #raster: TerminalRaster;
  /** Row of the first key of each range of the map, one above the other. */
  readonly #rows: readonly number[];
  #drawn = false;

  constructor(terminal: Terminal, keyMap: KeyMap) {
    this.#terminal = terminal;
    this.#keyMap = keyMap;
    const rows: number[] = [];
    let total = 0;
    for (const { count } of keyMap.ranges) {
      rows.push(total);
      total += count;
    }
    this.#rows = rows;
    this.#raster = new TerminalRaster(total, { columns: Math.min(COLUMNS, terminal.columns) });
  }

  add(frame: EventFrame): void {
    const { count, keys, payloads, payloadIsTime, receivedAtMs } = frame;
    for (let i = 0; i < count; i += 1) {
      const range = this.#keyMap.indexOf(keys[i]!);
      if (range < 0) continue;
      const row = this.#rows[range]! + keys[i]! - this.#keyMap.ranges[range]!.firstKey;
      this.#raster.add((payloadIsTime ? payloads?.[i] : undefined) ?? receivedAtMs, row);
    }
  }

  /** Draws again what a terminal shows. */
  update(): void {
    if (Number.isFinite(this.#terminal.columns)) this.finish();
  }

  /** Draws for the last time. */
  finish(): void {
    const lines = this.#raster.render();
    this.#terminal.out(`${this.#drawn ? `${ESC}[${lines.length}A` : ""}${lines.join("\n")}\n`);
    this.#drawn = true;
  }
}
