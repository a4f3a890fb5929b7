import { type EventFrame, type KeyMap, RasterPlot, TerminalRaster } from "../services/stream/index.js";
import type { Terminal } from "./terminal.js";

const COLUMNS = 64;

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
    this.#terminal.out(`${lines.join("\n")}\n`, this.#drawn ? lines.length : 0);
    this.#drawn = true;
  }
}

/** The pictures that are drawn of a stream of events, in the terminal and as SVG. With another map of the keys they begin anew. */
export class EventPictures {
  readonly #terminal: Terminal;
  readonly #wanted: { readonly raster?: boolean; readonly svg?: string };
  #screen: RasterScreen | undefined;
  #plot: RasterPlot | undefined;
  #keyMap: KeyMap | undefined;

  constructor(terminal: Terminal, wanted: { readonly raster?: boolean; readonly svg?: string }) {
    this.#terminal = terminal;
    this.#wanted = wanted;
  }

  get keyMap(): KeyMap | undefined {
    return this.#keyMap;
  }

  /** Which populations there are, and how long a step is. */
  show(keyMap: KeyMap | undefined, title: string, stepMs = 1): void {
    this.#keyMap = keyMap;
    if (this.#wanted.svg !== undefined) this.#plot = new RasterPlot(keyMap, { title, stepMs });
    this.#screen =
      this.#wanted.raster && keyMap !== undefined && keyMap.ranges.length > 0 ? new RasterScreen(this.#terminal, keyMap) : undefined;
  }

  add(frame: EventFrame): void {
    this.#plot?.add(frame);
    this.#screen?.add(frame);
  }

  update(): void {
    this.#screen?.update();
  }

  finish(): void {
    this.#screen?.finish();
  }

  toSVG(): string {
    return this.#plot?.toSVG() ?? "";
  }
}
