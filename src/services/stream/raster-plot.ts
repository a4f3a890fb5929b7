import { checkInteger, SpinnError } from "../../errors.js";
import type { KeyMap } from "./key-map.js";
import type { EventFrame } from "./live-events.js";

export interface RasterPlotOptions {
  /** Unit px, default 960 by 480. */
  readonly width?: number | undefined;
  readonly height?: number | undefined;
  readonly title?: string | undefined;
  /** Length of a step, unit ms, default 1: what the time axis shows. */
  readonly stepMs?: number | undefined;
  /** Dots that are kept, default 200000. What comes after is counted and not drawn, and the picture says so. */
  readonly maxDots?: number | undefined;
}

const MARGIN = { left: 96, right: 16, top: 32, bottom: 40 };
const COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2"];

/** Collects spikes and draws them as SVG: time to the right, atoms upwards, populations in bands. */
export class RasterPlot {
  readonly #options: RasterPlotOptions;
  readonly #keyMap: KeyMap | undefined;
  readonly #steps: Float64Array;
  readonly #keys: Uint32Array;
  #count = 0;
  /** Events that found no place. */
  omitted = 0;

  /** Without a key map all keys are drawn in one band, in their own numbers; with one, keys that it does not know are left out. */
  constructor(keyMap?: KeyMap, options: RasterPlotOptions = {}) {
    this.#keyMap = keyMap;
    this.#options = options;
    for (const name of ["width", "height", "stepMs"] as const) {
      const value = options[name];
      if (value !== undefined && !(value > 0 && value < 1e9)) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", `${name} must be a number above 0, not ${String(value)}`);
      }
    }
    const maxDots = checkInteger("maxDots", options.maxDots ?? 200_000, 1, 10_000_000);
    this.#steps = new Float64Array(maxDots);
    this.#keys = new Uint32Array(maxDots);
  }

  get dots(): number {
    return this.#count;
  }

  /** Adds the events of a frame. Those without time are put at `fallbackStep`, default: milliseconds of arrival. */
  add(frame: EventFrame, fallbackStep: number = frame.receivedAtMs): void {
    const { count, keys, payloads, payloadIsTime } = frame;
    for (let i = 0; i < count; i += 1) this.addSpike((payloadIsTime ? payloads?.[i] : undefined) ?? fallbackStep, keys[i]!);
  }

  /** A step that is not a finite number is counted as omitted. */
  addSpike(step: number, key: number): void {
    if (this.#count === this.#steps.length || !Number.isFinite(step)) {
      this.omitted += 1;
      return;
    }
    this.#steps[this.#count] = step;
    this.#keys[this.#count] = key;
    this.#count += 1;
  }

  toSVG(): string {
    const width = this.#options.width ?? 960;
    const height = this.#options.height ?? 480;
    const stepMs = this.#options.stepMs ?? 1;
    const plotWidth = width - MARGIN.left - MARGIN.right;
    const plotHeight = height - MARGIN.top - MARGIN.bottom;
    const steps = this.#steps.subarray(0, this.#count);
    let first = Number.POSITIVE_INFINITY;
    let last = Number.NEGATIVE_INFINITY;
    for (const step of steps) {
      first = Math.min(first, step);
      last = Math.max(last, step);
    }
    if (this.#count === 0) [first, last] = [0, 1];
    const span = Math.max(1, last - first + 1);
    const bands = this.#bands();
    const rows = Math.max(1, bands.at(-1)!.row + bands.at(-1)!.count);
    const dotWidth = Math.max(1, plotWidth / span);
    const dotHeight = Math.max(1, plotHeight / rows);
    const xOf = (step: number): number => MARGIN.left + ((step - first) * plotWidth) / span;
    const yOf = (row: number): number => MARGIN.top + plotHeight - ((row + 0.5) * plotHeight) / rows;
    const paths = bands.map(() => [] as string[]);
    for (let i = 0; i < this.#count; i += 1) {
      const key = this.#keys[i]!;
      const index = this.#keyMap === undefined ? 0 : this.#keyMap.indexOf(key);
      const band = bands[index];
      if (band === undefined) continue;
      paths[index]!.push(`M${number(xOf(steps[i]!))} ${number(yOf(band.row + key - band.firstKey))}h${number(dotWidth)}`);
    }
    const lines = [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
      `<rect width="100%" height="100%" fill="#fff"/>`,
      `<text x="${MARGIN.left}" y="20" font-size="14">${escapeXML(this.#options.title ?? "Spikes")}</text>`,
    ];
    // A population whose keys lie in several places has one colour.
    const colours = new Map<string, string>();
    for (const { label } of bands) if (!colours.has(label)) colours.set(label, COLOURS[colours.size % COLOURS.length]!);
    bands.forEach((band, index) => {
      const top = MARGIN.top + plotHeight - ((band.row + band.count) * plotHeight) / rows;
      const bandHeight = (band.count * plotHeight) / rows;
      if (index % 2 === 1) {
        lines.push(`<rect x="${MARGIN.left}" y="${number(top)}" width="${plotWidth}" height="${number(bandHeight)}" fill="#f4f4f4"/>`);
      }
      lines.push(
        `<text x="${MARGIN.left - 6}" y="${number(top + bandHeight / 2 + 4)}" text-anchor="end">${escapeXML(shorten(band.label))}</text>`,
      );
      lines.push(
        `<path d="${paths[index]!.join("")}" stroke="${colours.get(band.label)}" stroke-width="${number(dotHeight)}" fill="none"/>`,
      );
    });
    lines.push(`<path d="M${MARGIN.left} ${MARGIN.top}v${plotHeight}h${plotWidth}" stroke="#444" fill="none"/>`);
    for (const tick of ticks(first * stepMs, (first + span) * stepMs)) {
      const x = number(xOf(tick / stepMs));
      lines.push(`<path d="M${x} ${MARGIN.top + plotHeight}v4" stroke="#444"/>`);
      lines.push(`<text x="${x}" y="${height - 22}" text-anchor="middle">${tick}</text>`);
    }
    const note = this.omitted === 0 ? "" : `, ${this.omitted} more not drawn`;
    lines.push(`<text x="${width / 2}" y="${height - 6}" text-anchor="middle">time / ms (${this.#count} spikes${note})</text>`);
    lines.push("</svg>", "");
    return lines.join("\n");
  }

  /** One band for each range of the map, from the bottom. */
  #bands(): { label: string; firstKey: number; row: number; count: number }[] {
    if (this.#keyMap !== undefined && this.#keyMap.ranges.length > 0) {
      let row = 0;
      return this.#keyMap.ranges.map(({ label, firstKey, count }) => {
        const band = { label, firstKey, row, count };
        row += count;
        return band;
      });
    }
    let low = 0xffffffff;
    let high = 0;
    for (const key of this.#keys.subarray(0, this.#count)) {
      low = Math.min(low, key);
      high = Math.max(high, key);
    }
    if (this.#count === 0) low = 0;
    return [{ label: "key", firstKey: low, row: 0, count: high - low + 1 }];
  }
}

/** Round numbers for an axis, some six of them. */
function ticks(from: number, to: number): number[] {
  const rough = (to - from) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough) ?? rough;
  const list: number[] = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) list.push(Number(tick.toPrecision(12)));
  return list;
}

function number(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function shorten(label: string): string {
  return label.length <= 14 ? label : `${label.slice(0, 13)}\u2026`;
}

function escapeXML(text: string): string {
  // Control characters have no place in XML at all.
  const printable = Array.from(text, (char) => (char < " " ? " " : char)).join("");
  return printable.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
