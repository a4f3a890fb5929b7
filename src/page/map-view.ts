import { type ChipCoordinates, formatChip } from "../machine/chip.js";
import { type ChipKind, kindOfCores } from "../machine/chip-kind.js";
import { MachineGeometry } from "../machine/geometry.js";
import { hexagonAt, hexagonCentre, hexagonCorners, hexagonSide } from "../machine/hexagon.js";
import { LINKS, linkName } from "../machine/link.js";
import { ChipSprites, type Look } from "./chip-sprite.js";
import { byId, make, prepare, setText } from "./element.js";
import { drawMark, KIND_WORDS } from "./mark.js";
import type { PublishedChip, PublishedState } from "./mirror.js";
import { readPalette } from "./palette.js";

const MAX_SIZE = 170;
const MIN_SIZE = 5;
const ZOOM_STEP = 1.4;
const MAX_ZOOM = 12;
/** Largest side of a canvas, pixels of the screen. */
const MAX_CANVAS = 8192;

const STEPS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

interface Place extends ChipCoordinates {
  readonly name: string;
  /** In distances between chips, from the corner of the picture. */
  readonly left: number;
  readonly top: number;
  readonly isEthernet: boolean;
}

/** The machine as hexagons: chips on one canvas, repainted one by one as they change; links, boards and the chosen chip on another above it. */
export class MapView {
  readonly #frame = byId("map");
  readonly #sheet = byId("map-sheet");
  readonly #chipCanvas = byId<HTMLCanvasElement>("map-chips");
  readonly #markCanvas = byId<HTMLCanvasElement>("map-marks");
  readonly #onChoose: (name: string) => void;
  #geometry: MachineGeometry | undefined;
  #places: readonly Place[] = [];
  readonly #byName = new Map<string, Place>();
  #wide = 1;
  #high = 1;
  #corner = { x: 0, y: 0 };
  #chips: Readonly<Record<string, PublishedChip>> = {};
  #size = 0;
  #zoom = 1;
  #sprites: ChipSprites | undefined;
  /** How each chip looks, and its links: what has not changed is not thought about again. */
  readonly #known = new Map<string, { readonly look: Look; readonly links: number }>();
  /** Places whose picture is not that of their chip. */
  readonly #stale = new Set<Place>();
  #boards = new Path2D();
  #chosen: string | undefined;
  #hovered: string | undefined;

  constructor(onChoose: (name: string) => void) {
    this.#onChoose = onChoose;
    new ResizeObserver(() => this.layout()).observe(this.#frame);
    byId("zoom-in").addEventListener("click", () => this.#zoomBy(ZOOM_STEP));
    byId("zoom-out").addEventListener("click", () => this.#zoomBy(1 / ZOOM_STEP));
    byId("zoom-fit").addEventListener("click", () => this.#zoomBy(0));
    byId("next-crash").addEventListener("click", () => this.#nextCrash());
    this.#frame.addEventListener("scroll", () => this.#sprites && this.#paint());
    this.#frame.addEventListener("keydown", (event) => this.#key(event));
    this.#markCanvas.addEventListener("click", (event) => this.#choose(this.#nameAt(event)));
    this.#markCanvas.addEventListener("pointermove", (event) => this.#hover(this.#nameAt(event)));
    this.#markCanvas.addEventListener("pointerleave", () => this.#hover(undefined));
  }

  get chosen(): string | undefined {
    return this.#chosen;
  }

  /** A machine, another one perhaps, or none yet. */
  show({ machine, chips }: Pick<PublishedState, "machine" | "chips">): void {
    this.#chips = chips;
    byId("map-empty").hidden = machine !== null;
    this.#sheet.hidden = machine === null;
    const known = this.#geometry;
    if (machine !== null && (known?.width !== machine.width || known.height !== machine.height)) {
      this.#place(MachineGeometry.fromSize(machine.width, machine.height));
    } else if (machine === null) this.#place(undefined);
    this.layout();
  }

  /** Some chips have changed, or with `undefined` all. */
  update(names: readonly string[] | undefined): void {
    const sprites = this.#sprites;
    if (sprites === undefined) return;
    let isOtherLinks = names === undefined;
    for (const name of names ?? this.#byName.keys()) {
      const place = this.#byName.get(name);
      if (place === undefined) continue;
      const chip = this.#chips[name];
      const look = sprites.look(chip, place.isEthernet);
      const links = chip?.links ?? -1;
      isOtherLinks ||= this.#known.get(name)?.links !== links;
      this.#known.set(name, { look, links });
      this.#stale.add(place);
    }
    this.#paint();
    if (isOtherLinks) this.#paintMarks();
    this.#tally();
  }

  /** Fits the picture into its frame, with what is in the middle still there, and paints all that is in sight. */
  layout(): void {
    if (this.#geometry === undefined) return;
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.#frame;
    const before = this.#size;
    // Height leaves room for the rest of the page; a scroll bar must not change the width that is measured.
    const width = this.#frame.clientWidth - 2;
    const height = Math.max(220, 0.66 * window.innerHeight);
    const fit = Math.max(MIN_SIZE, Math.min(width / this.#wide, height / this.#high, MAX_SIZE));
    const most = MAX_CANVAS / window.devicePixelRatio / Math.max(this.#wide, this.#high);
    this.#size = Math.min(fit * this.#zoom, MAX_SIZE, most);
    const [wide, high] = [Math.ceil(this.#size * this.#wide), Math.ceil(this.#size * this.#high)];
    this.#sheet.style.width = `${wide}px`;
    this.#sheet.style.height = `${high}px`;
    for (const canvas of [this.#chipCanvas, this.#markCanvas]) {
      prepare(canvas, wide, high);
      canvas.style.width = `${wide}px`;
      canvas.style.height = `${high}px`;
    }
    const grown = before === 0 ? 1 : this.#size / before;
    this.#frame.scrollLeft = (scrollLeft + clientWidth / 2) * grown - clientWidth / 2;
    this.#frame.scrollTop = (scrollTop + clientHeight / 2) * grown - clientHeight / 2;
    this.#sprites = new ChipSprites(this.#size, window.devicePixelRatio, readPalette());
    this.#chipCanvas.getContext("2d")!.clearRect(0, 0, wide, high);
    this.#boards = this.#boardLines();
    for (const line of byId("legend").children) paintLegend(line.querySelector("canvas")!, kindOfLine(line));
    this.update(undefined);
  }

  /** A chip in words. */
  describe(name: string): string {
    const chip = this.#chips[name];
    const place = this.#byName.get(name);
    if (place === undefined) return `no chip ${name}`;
    if (chip === undefined) return `chip ${name} does not answer`;
    const { kind, cores } = kindOfCores(chip.core_states, chip.core_count);
    const dead = this.#deadLinks(place).map((link) => linkName(link));
    const links = dead.length === 0 ? "" : `, dead links ${dead.join(", ")}`;
    return `chip ${name}${place.isEthernet ? " with Ethernet" : ""}: ${chip.core_count} cores, ${cores} ${kind}${links}`;
  }

  #place(geometry: MachineGeometry | undefined): void {
    this.#geometry = geometry;
    this.#byName.clear();
    this.#known.clear();
    this.#stale.clear();
    const chips = geometry === undefined ? [] : [...geometry.chips()];
    const centres = chips.map(hexagonCentre);
    const left = Math.min(...centres.map(({ x }) => x)) - 0.55;
    const top = Math.min(...centres.map(({ y }) => y)) - 0.64;
    this.#corner = { x: left, y: top };
    this.#wide = Math.max(...centres.map(({ x }) => x)) + 0.55 - left;
    this.#high = Math.max(...centres.map(({ y }) => y)) + 0.64 - top;
    this.#places = chips.map((chip, i) => ({
      ...chip,
      name: formatChip(chip),
      left: centres[i]!.x - left,
      top: centres[i]!.y - top,
      isEthernet: geometry!.isEthernet(chip.x, chip.y),
    }));
    for (const place of this.#places) this.#byName.set(place.name, place);
    if (this.#chosen !== undefined && !this.#byName.has(this.#chosen)) this.#chosen = undefined;
  }

  /** Paints chips that have changed, as far as they are in sight; the others when they come there. */
  #paint(): void {
    const pen = this.#chipCanvas.getContext("2d")!;
    const ratio = window.devicePixelRatio;
    const scale = this.#size * ratio;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = readPaletteOnce().faint;
    pen.font = `${Math.round(scale * 0.125)}px system-ui, sans-serif`;
    pen.textAlign = "center";
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.#frame;
    const [left, right] = [scrollLeft / this.#size - 1, (scrollLeft + clientWidth) / this.#size + 1];
    const [top, bottom] = [scrollTop / this.#size - 1, (scrollTop + clientHeight) / this.#size + 1];
    const { hasNames } = this.#sprites!;
    for (const place of this.#stale) {
      if (place.left < left || place.left > right || place.top < top || place.top > bottom) continue;
      this.#stale.delete(place);
      const { kind, canvas } = this.#known.get(place.name)!.look;
      const [x, y] = [place.left * scale, place.top * scale];
      pen.drawImage(canvas, Math.round(x - canvas.width / 2), Math.round(y - canvas.height / 2));
      if (hasNames) pen.fillText(kind === "dead" ? `${place.name} ×` : place.name, x, y + (kind === "dead" ? 0.05 : 0.41) * scale);
    }
  }

  /** What lies above the chips: few lines, so all of them each time. */
  #paintMarks(): void {
    const [wide, high] = [this.#size * this.#wide, this.#size * this.#high];
    const pen = prepare(this.#markCanvas, wide, high);
    pen.clearRect(0, 0, wide, high);
    const palette = readPaletteOnce();
    pen.strokeStyle = palette.outline;
    pen.lineWidth = Math.max(1, this.#size * 0.05);
    pen.stroke(this.#boards);
    pen.lineCap = "round";
    pen.strokeStyle = palette.fill.crashed;
    pen.lineWidth = Math.min(7, Math.max(1.5, this.#size * 0.09));
    pen.beginPath();
    for (const place of this.#places) for (const link of this.#deadLinks(place)) this.#side(pen, place, link, 0.62, 0.93);
    pen.stroke();
    for (const [name, colour] of [
      [this.#hovered, palette.ink],
      [this.#chosen, palette.accent],
    ] as const) {
      const place = name === undefined ? undefined : this.#byName.get(name);
      if (place === undefined) continue;
      pen.strokeStyle = colour;
      pen.lineWidth = Math.min(5, Math.max(2, this.#size * 0.07));
      pen.beginPath();
      for (const corner of hexagonCorners(0.97)) {
        pen.lineTo((place.left + corner.x) * this.#size, (place.top + corner.y) * this.#size);
      }
      pen.closePath();
      pen.stroke();
    }
  }

  /** Lines between boards, where a machine has several. */
  #boardLines(): Path2D {
    const path = new Path2D();
    const geometry = this.#geometry;
    if (geometry === undefined || geometry.ethernetChips.length < 2) return path;
    for (const place of this.#places) {
      const own = formatChip(geometry.nearestEthernet(place.x, place.y));
      for (const link of LINKS) {
        const far = geometry.neighbour(place.x, place.y, link);
        const isNear = far !== undefined && Math.abs(far.x - place.x) <= 1 && Math.abs(far.y - place.y) <= 1;
        if (isNear && formatChip(geometry.nearestEthernet(far.x, far.y)) === own) continue;
        this.#side(path, place, link, 1, 1);
      }
    }
    return path;
  }

  /** One side of a hexagon, `part` of its length, `out` of the way from the centre. */
  #side(pen: CanvasPath, { left, top }: Place, link: (typeof LINKS)[number], part: number, out: number): void {
    const [a, b] = hexagonSide(link);
    const [mx, my] = [((a.x + b.x) / 2) * out, ((a.y + b.y) / 2) * out];
    const [dx, dy] = [((b.x - a.x) / 2) * part, ((b.y - a.y) / 2) * part];
    pen.moveTo((left + mx - dx) * this.#size, (top + my - dy) * this.#size);
    pen.lineTo((left + mx + dx) * this.#size, (top + my + dy) * this.#size);
  }

  /** Links of a chip that do not work though there is a chip behind them. */
  #deadLinks(place: Place): (typeof LINKS)[number][] {
    const chip = this.#chips[place.name];
    if (chip === undefined || chip.links === 63) return [];
    return LINKS.filter((link) => {
      if ((chip.links >>> link) & 1) return false;
      const far = this.#geometry!.neighbour(place.x, place.y, link);
      return far !== undefined && this.#chips[formatChip(far)] !== undefined;
    });
  }

  #tally(): void {
    const counts = new Map<ChipKind, number>();
    for (const { look } of this.#known.values()) counts.set(look.kind, (counts.get(look.kind) ?? 0) + 1);
    const legend = byId("legend");
    if (legend.childElementCount === 0) for (const [kind, words] of KIND_WORDS) legend.append(legendLine(kind, words));
    for (const line of legend.children) {
      const count = counts.get(kindOfLine(line)) ?? 0;
      setText(line.querySelector("b")!, String(count));
      line.toggleAttribute("data-none", count === 0);
    }
    byId("next-crash").hidden = !counts.has("crashed");
  }

  #nameAt(event: MouseEvent): string | undefined {
    const { left, top } = this.#markCanvas.getBoundingClientRect();
    const point = { x: (event.clientX - left) / this.#size + this.#corner.x, y: (event.clientY - top) / this.#size + this.#corner.y };
    const name = formatChip(hexagonAt(point));
    return this.#byName.has(name) ? name : undefined;
  }

  #hover(name: string | undefined): void {
    if (name === this.#hovered) return;
    this.#hovered = name;
    this.#markCanvas.title = name === undefined ? "" : this.describe(name);
    this.#paintMarks();
  }

  #choose(name: string | undefined): void {
    if (name === undefined) return;
    this.#chosen = name;
    this.#paintMarks();
    setText(byId("chip-words"), this.describe(name));
    const { left, top } = this.#byName.get(name)!;
    const [x, y] = [left * this.#size, top * this.#size];
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.#frame;
    if (x < scrollLeft + this.#size || x > scrollLeft + clientWidth - this.#size) this.#frame.scrollLeft = x - clientWidth / 2;
    if (y < scrollTop + this.#size || y > scrollTop + clientHeight - this.#size) this.#frame.scrollTop = y - clientHeight / 2;
    this.#onChoose(name);
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || this.#geometry === undefined) return;
    const step = STEPS[event.key];
    if (step !== undefined) this.#choose(this.#stepFrom(this.#chosen, step));
    else if (event.key === "+" || event.key === "=") this.#zoomBy(ZOOM_STEP);
    else if (event.key === "-") this.#zoomBy(1 / ZOOM_STEP);
    else if (event.key === "0") this.#zoomBy(0);
    else if (event.key.toLowerCase() === "c") this.#nextCrash();
    else if (event.key === "Home") this.#choose(this.#places[0]?.name);
    else return;
    event.preventDefault();
  }

  /** The next place in a direction; up and down go to the nearer of the two that lie there. */
  #stepFrom(name: string | undefined, [dx, dy]: readonly [number, number]): string | undefined {
    const from = name === undefined ? undefined : this.#byName.get(name);
    if (from === undefined) return this.#places.find(({ isEthernet }) => isEthernet)?.name;
    for (const candidate of [
      { x: from.x + dx, y: from.y + dy },
      { x: from.x + dx + dy, y: from.y + dy },
    ]) {
      if (this.#byName.has(formatChip(candidate))) return formatChip(candidate);
    }
    return undefined;
  }

  #nextCrash(): void {
    const crashed = this.#places.filter(({ name }) => this.#known.get(name)?.look.kind === "crashed");
    const at = crashed.findIndex(({ name }) => name === this.#chosen);
    this.#choose(crashed[(at + 1) % Math.max(1, crashed.length)]?.name);
  }

  /** 0 fits the picture into its frame. */
  #zoomBy(factor: number): void {
    this.#zoom = factor === 0 ? 1 : Math.min(MAX_ZOOM, Math.max(1, this.#zoom * factor));
    this.layout();
  }
}

let palette: { readonly theme: string | undefined; readonly colours: ReturnType<typeof readPalette> } | undefined;

/** The palette of the present theme: asking the style sheet costs too much to do it for each chip. */
function readPaletteOnce(): ReturnType<typeof readPalette> {
  const { theme } = document.documentElement.dataset;
  if (palette === undefined || palette.theme !== theme) palette = { theme, colours: readPalette() };
  return palette.colours;
}

function kindOfLine(line: Element): ChipKind {
  return (line as HTMLElement).dataset["kind"] as ChipKind;
}

function legendLine(kind: ChipKind, words: string): HTMLElement {
  const canvas = make("canvas", { "aria-hidden": "true" });
  paintLegend(canvas, kind);
  const line = make("li", { "data-kind": kind }, canvas, make("b", {}, "0"), words);
  return line;
}

function paintLegend(canvas: HTMLCanvasElement, kind: ChipKind): void {
  const pen = prepare(canvas, 20, 20);
  const { fill, on } = readPaletteOnce();
  pen.clearRect(0, 0, 20, 20);
  pen.beginPath();
  for (const { x, y } of hexagonCorners(0.9)) pen.lineTo(10 + 17 * x, 10 + 17 * y);
  pen.closePath();
  if (kind === "dead") {
    pen.setLineDash([2, 2]);
    pen.strokeStyle = fill.dead;
    pen.stroke();
    return;
  }
  pen.fillStyle = fill[kind];
  pen.fill();
  pen.fillStyle = on[kind];
  if (kind !== "free") drawMark(pen, kind, 10, 10, kind === "crashed" ? 4.5 : 3);
}
