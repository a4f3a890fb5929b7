import { byId, make, prepare, setText } from "./element.js";
import { readPalette } from "./palette.js";

/** Time, datagrams sent, datagrams repeated, mean round trip in ms: as the server samples them, each second. */
export type Sample = readonly [time: number, sent: number, resent: number, roundTripMs: number | null];

const MAX_SAMPLES = 600;
/** How much of it is drawn, s. */
const SHOWN_S = 300;

interface Chart {
  readonly title: string;
  readonly unit: string;
  readonly of: (now: Sample, before: Sample) => number | null;
  readonly colour: "running" | "crashed" | "finished";
}

/** Of a counter, so many a second; a connection that was opened anew begins at 0 again. */
const rate = (index: 1 | 2) => (now: Sample, before: Sample) =>
  now[0] <= before[0] ? 0 : Math.max(0, now[index] - before[index]) / (now[0] - before[0]);

const CHARTS: readonly Chart[] = [
  { title: "Packets sent", unit: "/s", of: rate(1), colour: "running" },
  { title: "Packets sent again", unit: "/s", of: rate(2), colour: "crashed" },
  { title: "Round trip", unit: "ms", of: (now) => now[3], colour: "finished" },
];

/** What the connection to the board has done in the last five minutes. */
export class Charts {
  readonly #samples: Sample[] = [];
  readonly #shown: readonly { readonly chart: Chart; readonly value: HTMLElement; readonly canvas: HTMLCanvasElement }[];

  constructor() {
    this.#shown = CHARTS.map((chart) => {
      const value = make("b", {}, "–");
      const canvas = make("canvas", { role: "img", "aria-label": `${chart.title} over the last five minutes` });
      byId("charts").append(make("div", { class: "chart" }, make("p", {}, chart.title, value), canvas));
      return { chart, value, canvas };
    });
    new ResizeObserver(() => this.draw()).observe(byId("charts"));
  }

  replace(samples: readonly Sample[]): void {
    this.#samples.splice(0, this.#samples.length, ...samples);
    this.draw();
  }

  add(sample: Sample): void {
    this.#samples.push(sample);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
    this.draw();
  }

  draw(): void {
    const end = this.#samples.at(-1)?.[0] ?? 0;
    const from = this.#samples.findIndex(([time]) => time >= end - SHOWN_S);
    const samples = this.#samples.slice(Math.max(0, from));
    const palette = readPalette();
    for (const { chart, value, canvas } of this.#shown) {
      const points = samples.slice(1).map((sample, i) => ({ time: sample[0], y: chart.of(sample, samples[i]!) }));
      const now = points.at(-1)?.y ?? null;
      setText(value, now === null ? "–" : `${figure(now)} ${chart.unit}`);
      const { clientWidth: wide, clientHeight: high } = canvas;
      const pen = prepare(canvas, wide, high);
      pen.clearRect(0, 0, wide, high);
      const top = niceTop(Math.max(0, ...points.map(({ y }) => y ?? 0)));
      const at = (time: number): number => wide - ((end - time) / SHOWN_S) * wide;
      const up = (y: number): number => high - 3 - (y / top) * (high - 8);
      pen.strokeStyle = palette.line;
      pen.lineWidth = 1;
      pen.beginPath();
      for (const y of [0, top / 2, top]) {
        pen.moveTo(0, Math.round(up(y)) + 0.5);
        pen.lineTo(wide, Math.round(up(y)) + 0.5);
      }
      pen.stroke();
      pen.fillStyle = palette.faint;
      pen.font = "11px system-ui, sans-serif";
      pen.textBaseline = "top";
      pen.fillText(`${figure(top)}`, 2, up(top) + 2);
      this.#line(pen, points, at, up, palette.fill[chart.colour]);
    }
  }

  #line(
    pen: CanvasRenderingContext2D,
    points: readonly { readonly time: number; readonly y: number | null }[],
    at: (time: number) => number,
    up: (y: number) => number,
    colour: string,
  ): void {
    pen.strokeStyle = colour;
    pen.fillStyle = colour;
    pen.lineWidth = 1.6;
    pen.lineJoin = "round";
    pen.beginPath();
    let [first, last] = [0, 0];
    let isDown = false;
    for (const { time, y } of points) {
      if (y === null) continue;
      if (isDown) pen.lineTo(at(time), up(y));
      else {
        pen.moveTo(at(time), up(y));
        first = at(time);
      }
      last = at(time);
      isDown = true;
    }
    pen.stroke();
    if (!isDown) return;
    pen.lineTo(last, up(0));
    pen.lineTo(first, up(0));
    pen.globalAlpha = 0.16;
    pen.fill();
    pen.globalAlpha = 1;
  }
}

/** The next of 1, 2, 5, 10 ... that is not below. */
function niceTop(most: number): number {
  if (!(most > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * ten).find((top) => top >= most)!;
}

function figure(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(0)}k`;
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
