import {
  CHIP_KINDS,
  type ChipCoordinates,
  type ChipKind,
  chipKey,
  coreStateName,
  formatChip,
  hexagonCentre,
  hexagonCorners,
  isCrashed,
  kindOfCores,
  LINKS,
  linkName,
  type Machine,
} from "../machine/index.js";
import { plural } from "./format.js";
import type { Meaning } from "./terminal.js";

/** What is shown of a chip. */
export interface ChipView {
  readonly kind: ChipKind;
  /** Cores that make it what it is: free ones of a free chip, crashed ones of a crashed chip ... */
  readonly cores: number;
  readonly isEthernet: boolean;
}

const LETTER: Readonly<Record<ChipKind, string>> = {
  dead: "x",
  free: " ",
  running: "r",
  waiting: "w",
  finished: "e",
  crashed: "!",
};
const MEANING: Readonly<Record<ChipKind, Meaning | undefined>> = {
  dead: "faint",
  free: undefined,
  running: "good",
  waiting: "odd",
  finished: "good",
  crashed: "bad",
};
const FILL: Readonly<Record<ChipKind, string>> = {
  dead: "#3a3a3a",
  free: "#dfe8f2",
  running: "#7cc47c",
  waiting: "#f2d06b",
  finished: "#9cc7e8",
  crashed: "#e0645c",
};

/** The view of a chip of the geometry, present or not. The monitor is left out: it always runs. */
export function viewOf(machine: Machine, { x, y }: ChipCoordinates): ChipView {
  const chip = machine.chips.get(chipKey(x, y));
  const isEthernet = machine.geometry.isEthernet(x, y);
  if (chip === undefined) return { kind: "dead", cores: 0, isEthernet };
  return { ...kindOfCores(chip.coreStates, chip.coreCount), isEthernet };
}

type Paint = (meaning: Meaning, text: string) => string;

/**
 * The machine as hexagons in rows: each row of chips is half a chip to the left of the one below, so that north, north-east and east are
 * neighbours as on the board. A place is `[r16]`: brackets for an Ethernet chip, a letter for what its cores do, and how many do. Where the
 * terminal is too narrow for that, one letter per chip.
 */
export function hexagonText(machine: Machine, columns: number, paint: Paint): string {
  const chips = [...machine.geometry.chips()];
  const shift = (chip: ChipCoordinates): number => 2 * chip.x - chip.y;
  const left = Math.min(...chips.map(shift));
  const right = Math.max(...chips.map(shift));
  const label = 5;
  const pitch = [3, 2, 1].find((half) => label + (right - left + 2) * half <= columns) ?? 1;
  const rows: string[] = [];
  for (let y = machine.height - 1; y >= 0; y -= 1) {
    let row = `y ${String(y).padStart(2)} `;
    let column = 0;
    for (const chip of chips.filter((candidate) => candidate.y === y)) {
      const at = (shift(chip) - left) * pitch;
      const words = cell(viewOf(machine, chip), 2 * pitch);
      row += `${" ".repeat(Math.max(0, at - column))}${colour(viewOf(machine, chip), words, paint)}`;
      column = Math.max(column, at) + words.length;
    }
    const xs = chips.filter((candidate) => candidate.y === y).map((candidate) => candidate.x);
    const end = (right - left + 2) * pitch + label;
    const range = `  x ${Math.min(...xs)}-${Math.max(...xs)}`;
    rows.push(
      end + range.length <= columns ? `${row}${" ".repeat(Math.max(0, end - label - column))}${paint("faint", range)}` : row.trimEnd(),
    );
  }
  return rows.map((row) => `${row}\n`).join("");
}

/** What the signs of {@link hexagonText} mean, and the links that do not work. */
export function legend(machine: Machine, paint: Paint): string {
  const kinds = new Map<ChipKind, number>();
  for (const chip of machine.geometry.chips()) {
    const { kind } = viewOf(machine, chip);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  const words: Readonly<Record<ChipKind, string>> = {
    free: "17    so many cores are free",
    running: "r16   16 cores run",
    waiting: "w16   16 cores wait or pause",
    finished: "e16   16 cores have ended",
    crashed: "!2    2 cores have crashed",
    dead: "x     no chip answers there",
  };
  const shown = (Object.keys(words) as ChipKind[]).filter((kind) => kinds.has(kind) || kind === "free");
  const lines = shown.map(
    (kind) =>
      `  ${colour({ kind, cores: 0, isEthernet: false }, words[kind], paint)}${kinds.has(kind) ? `: ${plural(kinds.get(kind)!, "chip")}` : ""}`,
  );
  return `${[...lines, "  [ ]   Ethernet chip", ...deadLinks(machine).map((link) => `  dead link ${link}`)].join("\n")}\n`;
}

/** Links between living chips that do not work, each side told by itself: `1,2 east to 2,2`. */
export function deadLinks(machine: Machine): string[] {
  const found: string[] = [];
  for (const chip of machine.chips.values()) {
    for (const link of LINKS) {
      const far = machine.geometry.neighbour(chip.x, chip.y, link);
      if (far === undefined || !machine.hasChip(far.x, far.y) || machine.hasLink(chip.x, chip.y, link)) continue;
      found.push(`${formatChip(chip)} ${linkName(link)} to ${formatChip(far)}`);
    }
  }
  return found;
}

/** Distance between neighbours in the picture, px. */
const SIZE = 52;

/**
 * The machine as a picture: hexagons coloured by what their cores do, links as lines, dead ones dashed red. One self-contained SVG document.
 * `notes` are words for chips, by `chipKey`, e.g. the temperature of a board at its Ethernet chip.
 */
export function hexagonSvg(machine: Machine, title: string, notes: ReadonlyMap<number, string> = new Map()): string {
  const chips = [...machine.geometry.chips()];
  const point = (chip: ChipCoordinates): readonly [number, number] => {
    const { x, y } = hexagonCentre(chip);
    return [SIZE * x, SIZE * y];
  };
  const xs = chips.map((chip) => point(chip)[0]);
  const ys = chips.map((chip) => point(chip)[1]);
  const [left, top] = [Math.min(...xs) - SIZE, Math.min(...ys) - SIZE];
  const [wide, high] = [Math.max(...xs) + SIZE - left, Math.max(...ys) + SIZE - top + 34];
  const lines: string[] = [];
  const cells: string[] = [];
  for (const chip of chips) {
    const [cx, cy] = point(chip);
    const view = viewOf(machine, chip);
    lines.push(...linkLines(machine, chip, point));
    cells.push(hexagon(chip, view, cx, cy, machine, notes.get(chipKey(chip.x, chip.y))));
  }
  const size = `width="${wide.toFixed(0)}" height="${high.toFixed(0)}" viewBox="${left.toFixed(1)} ${top.toFixed(1)} ${wide.toFixed(1)} ${high.toFixed(1)}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} font-family="sans-serif" text-anchor="middle">
<title>${escapeXml(title)}</title>
<rect x="${left.toFixed(1)}" y="${top.toFixed(1)}" width="100%" height="100%" fill="#ffffff"/>
${lines.join("\n")}
${cells.join("\n")}
${svgLegend(left + 14, top + high - 16)}
</svg>
`;
}

function hexagon(chip: ChipCoordinates, view: ChipView, cx: number, cy: number, machine: Machine, note: string | undefined): string {
  const corners = hexagonCorners(0.87).map((corner) => `${(cx + SIZE * corner.x).toFixed(1)},${(cy + SIZE * corner.y).toFixed(1)}`);
  const edge = view.isEthernet ? 'stroke="#1b4f8a" stroke-width="3"' : 'stroke="#7a8794" stroke-width="1"';
  const ink = view.kind === "dead" ? "#bbbbbb" : "#1c2733";
  const info = machine.chips.get(chipKey(chip.x, chip.y));
  const states = info === undefined ? "no answer" : `${info.coreCount} cores: ${stateCounts(info.coreStates.slice(0, info.coreCount))}`;
  const ip = info?.ethernet === undefined ? "" : `, Ethernet ${info.ethernet.ip}`;
  const words =
    note === undefined
      ? ""
      : `<text x="${cx.toFixed(1)}" y="${(cy + 22).toFixed(1)}" font-size="8" fill="${ink}">${escapeXml(note)}</text>`;
  return `<g><title>${escapeXml(`chip ${formatChip(chip)}, ${states}${ip}${note === undefined ? "" : `, ${note}`}`)}</title><polygon points="${corners.join(" ")}" fill="${FILL[view.kind]}" ${edge}/><text x="${cx.toFixed(1)}" y="${(cy - 1).toFixed(1)}" font-size="12" fill="${ink}">${formatChip(chip)}</text><text x="${cx.toFixed(1)}" y="${(cy + 12).toFixed(1)}" font-size="10" fill="${ink}">${view.kind === "dead" ? "dead" : `${LETTER[view.kind]}${view.cores}`.trim()}</text>${words}</g>`;
}

/** Each pair once: the three links east, north-east and north. A wire round the edge of a torus is left out. */
function linkLines(machine: Machine, chip: ChipCoordinates, point: (chip: ChipCoordinates) => readonly [number, number]): string[] {
  const lines: string[] = [];
  for (const link of [0, 1, 2] as const) {
    const far = machine.geometry.neighbour(chip.x, chip.y, link);
    if (far === undefined || Math.abs(far.x - chip.x) > 1 || Math.abs(far.y - chip.y) > 1) continue;
    if (!machine.hasChip(chip.x, chip.y) || !machine.hasChip(far.x, far.y)) continue;
    const [x1, y1] = point(chip);
    const [x2, y2] = point(far);
    const works = machine.hasLink(chip.x, chip.y, link);
    const style = works ? 'stroke="#9aa7b5" stroke-width="2"' : 'stroke="#d9362e" stroke-width="4" stroke-dasharray="4 3"';
    lines.push(`<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" ${style}/>`);
  }
  return lines;
}

function svgLegend(x: number, y: number): string {
  return [...CHIP_KINDS, "dead" as const]
    .map((kind, i) => {
      const at = x + 74 * i;
      return `<rect x="${at.toFixed(1)}" y="${(y - 9).toFixed(1)}" width="10" height="10" fill="${FILL[kind]}" stroke="#7a8794"/><text x="${(at + 14).toFixed(1)}" y="${y.toFixed(1)}" font-size="11" text-anchor="start" fill="#1c2733">${kind}</text>`;
    })
    .join("\n");
}

function cell(view: ChipView, width: number): string {
  if (width < 4) return (view.isEthernet && view.kind === "free" ? "#" : view.kind === "free" ? "." : LETTER[view.kind]).padEnd(width);
  const inner = view.kind === "dead" ? "x" : `${LETTER[view.kind]}${view.cores}`.trim();
  // Four columns leave no room between neighbours that use all of it: the bracket stands alone then.
  return (view.isEthernet ? (inner.length + 2 < width ? `[${inner}]` : `[${inner}`) : ` ${inner}`).padEnd(width);
}

function colour(view: ChipView, words: string, paint: Paint): string {
  const meaning = MEANING[view.kind];
  return meaning === undefined ? words : paint(meaning, words);
}

function stateCounts(states: readonly number[]): string {
  const counts = new Map<number, number>();
  for (const state of states) counts.set(state, (counts.get(state) ?? 0) + 1);
  return [...counts].map(([state, count]) => `${count} ${coreStateName(state)}${isCrashed(state) ? " (crashed)" : ""}`).join(", ");
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
