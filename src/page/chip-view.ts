import { type ChipKind, kindOfState } from "../machine/chip-kind.js";
import { CoreState, coreStateName } from "../machine/core-state.js";
import { byId, make, prepare, setText } from "./element.js";
import type { Follower } from "./follower.js";
import { drawMark } from "./mark.js";
import type { PublishedChip } from "./mirror.js";
import { readPalette } from "./palette.js";

interface CoreLine {
  readonly p: number;
  readonly state: number;
  readonly app_id: number;
  readonly app_name: string;
  readonly run_time_error: { readonly name: string; readonly meaning: string } | null;
}

interface ChipSight {
  readonly cores: readonly CoreLine[];
  readonly counters: Readonly<Record<string, number>>;
  readonly texts: Readonly<Record<string, string>>;
}

const EVERY_MS = 3000;

/** One chip: its cores, the end of what they have written, what its router has counted. Asked again every 3 s while it is shown. */
export class ChipView {
  readonly #follower: Follower;
  readonly #body = byId("chip-body");
  #name: string | undefined;
  #timer: number | undefined;
  #asking: AbortController | undefined;
  /** What is shown, as text: it is built anew only when that differs. */
  #shown = "";

  constructor(follower: Follower) {
    this.#follower = follower;
  }

  show(name: string): void {
    this.#name = name;
    this.#shown = "";
    setText(byId("chip-title"), `Chip ${name}`);
    void this.refresh();
  }

  /** What is published of the chip, without asking it. */
  tell(chip: PublishedChip | undefined): void {
    if (this.#name === undefined) return;
    const words =
      chip === undefined
        ? "does not answer"
        : [
            ...(chip.ethernet === null ? [] : [`Ethernet ${chip.ethernet}`]),
            `${chip.core_count} cores`,
            `${(chip.largest_sdram_block / 1048576).toFixed(1)} MiB of SDRAM free in one piece`,
            `${chip.free_router_entries} free routes`,
          ].join(" · ");
    setText(byId("chip-faint"), words);
  }

  async refresh(): Promise<void> {
    const name = this.#name;
    if (name === undefined) return;
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    try {
      const sight = (await this.#follower.lookAtChip(name, signal)) as ChipSight;
      if (!signal.aborted) this.#draw(sight);
    } catch (error) {
      if (signal.aborted) return;
      this.#shown = "";
      this.#body.replaceChildren(make("p", { class: "faint" }, (error as Error).message));
    }
    this.#timer = window.setTimeout(() => void this.refresh(), EVERY_MS);
  }

  #draw(sight: ChipSight): void {
    const text = JSON.stringify(sight);
    if (text === this.#shown) return;
    this.#shown = text;
    const scrolls = new Map(
      [...this.#body.querySelectorAll("[data-scroll]")].map((one) => [one.getAttribute("data-scroll"), one.scrollTop]),
    );
    const texts = Object.entries(sight.texts).filter(([, own]) => own !== "");
    this.#body.replaceChildren(
      make("div", { class: "cores", "data-scroll": "cores", tabindex: "0", role: "group", "aria-label": "cores" }, coreTable(sight.cores)),
      idleCores(sight.cores),
      ...texts.flatMap(([core, own]) => [make("h3", {}, `text of core ${core}`), make("pre", { "data-scroll": core, tabindex: "0" }, own)]),
      make("h3", {}, "router"),
      counterList(sight.counters),
    );
    for (const one of this.#body.querySelectorAll("[data-scroll]"))
      one.scrollTop = scrolls.get(one.getAttribute("data-scroll")) ?? one.scrollHeight * Number(one.tagName === "PRE");
  }
}

function coreTable(cores: readonly CoreLine[]): HTMLElement {
  const head = make("tr", {}, make("th", {}, "core"), make("th", {}, "state"), make("th", {}, "app"), make("th", {}, "name"));
  const rows = cores
    .filter(({ state }) => state !== CoreState.IDLE)
    .map(({ p, state, app_id: appId, app_name: name, run_time_error: why }) => {
      const words = why === null ? coreStateName(state) : `${coreStateName(state)}: ${why.name}`;
      const shown = make("span", { class: "core-state", title: why?.meaning ?? "" }, mark(p === 0 ? "running" : kindOfState(state)), words);
      return make(
        "tr",
        {},
        make("td", {}, String(p)),
        make("td", {}, shown),
        make("td", {}, p === 0 ? "–" : String(appId)),
        make("td", {}, p === 0 ? "monitor" : name),
      );
    });
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
}

function idleCores(cores: readonly CoreLine[]): HTMLElement {
  const idle = cores.filter(({ state }) => state === CoreState.IDLE).map(({ p }) => p);
  const ranges: [number, number][] = [];
  for (const p of idle) {
    const last = ranges.at(-1);
    if (last?.[1] === p - 1) last[1] = p;
    else ranges.push([p, p]);
  }
  const words = ranges.map(([from, to]) => (from === to ? String(from) : `${from}–${to}`)).join(", ");
  return make("p", { class: "faint" }, idle.length === 0 ? "no core is free" : `free: ${words}`);
}

function counterList(counters: Readonly<Record<string, number>>): HTMLElement {
  const counted = Object.entries(counters).filter(([, count]) => count > 0);
  if (counted.length === 0) return make("p", { class: "faint" }, "its router has counted nothing");
  const facts = counted.flatMap(([name, count]) => [make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, count.toLocaleString("en"))]);
  return make("dl", { class: "facts" }, ...facts);
}

function mark(kind: ChipKind): HTMLCanvasElement {
  const canvas = make("canvas", { "aria-hidden": "true" });
  const pen = prepare(canvas, 14, 14);
  const palette = readPalette();
  pen.fillStyle = kind === "free" ? palette.faint : palette.fill[kind];
  drawMark(pen, kind, 7, 7, 4.5);
  return canvas;
}
