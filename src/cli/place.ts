import { type ChipCoordinates, CORE_COUNT, type CoreCoordinates, chipKey, type Machine } from "../machine/index.js";
import { parseNumber } from "./number.js";
import { usage } from "./usage.js";

/** A chip, or one of its cores. */
export interface Place extends ChipCoordinates {
  readonly p?: number;
}

/** Places by pattern, not yet held against a machine. */
export interface Selection {
  readonly text: string;
  /** One pattern per part of the list; `undefined` stands for "all". */
  readonly patterns: readonly Pattern[];
}

interface Pattern {
  readonly x: readonly number[] | undefined;
  readonly y: readonly number[] | undefined;
  /** `undefined`: the chip is named without a core, or with `*`. */
  readonly p: readonly number[] | undefined;
}

/** Whether a word is meant as a place rather than an address. */
export function looksLikePlace(text: string): boolean {
  return text.includes(",") || text === "root" || text.startsWith("@");
}

/** One chip `1,2` or core `1,2,3`; `root` is the chip from which the machine was booted. Throws `ERR_SPINN_ARGUMENT`. */
export function parsePlace(text: string): Place {
  if (text === "root") return { x: 255, y: 255 };
  const parts = text.split(",");
  if ((parts.length !== 2 && parts.length !== 3) || parts.some((part) => part.trim() === "")) {
    throw usage(`"${text}" is no chip and no core`, "a chip is written x,y (1,2), a core x,y,p (1,2,3)");
  }
  const [x, y, p] = parts.map((part, i) => bounded(text, part, i));
  return p === undefined ? { x: x!, y: y! } : { x: x!, y: y!, p };
}

/**
 * Cores by pattern: `1,2,3`, `1,2,3-5`, `1,2,3-5+9`, `0-3,*,1-17`, a chip `1,2` for all its application cores, `@all` for those of every chip;
 * several words add up. Throws `ERR_SPINN_ARGUMENT`.
 */
export function parseSelection(words: readonly string[]): Selection {
  if (words.length === 0) throw usage("no cores are named", "name cores: 1,2,3 or 1,2,3-5, or @all");
  return { text: words.join(" "), patterns: words.map(parsePattern) };
}

/** Chips by pattern: `1,2`, `0-3,*`, `@all`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseChips(words: readonly string[]): Selection {
  const selection = parseSelection(words);
  for (const [i, pattern] of selection.patterns.entries()) {
    if (pattern.p !== undefined) throw usage(`"${words[i]}" names a core where a chip is wanted`, "a chip is written x,y, e.g. 1,2");
  }
  return selection;
}

/** Whether only coordinates that were written out are meant, so that no machine is needed to know them. */
export function isExact(selection: Selection): boolean {
  return selection.patterns.every(({ x, y, p }) => x?.length === 1 && y?.length === 1 && p !== undefined);
}

/** Whether each pattern names one chip. */
export function areExactChips(selection: Selection): boolean {
  return selection.patterns.every(({ x, y }) => x?.length === 1 && y?.length === 1);
}

/**
 * The cores that are meant. Patterns over several chips, and those without a core, take what the machine has; a core that was written out must be
 * there: it is passed on, and whoever uses it says what is wrong with it. Throws `ERR_SPINN_ARGUMENT` when nothing is left.
 */
export function selectCores(selection: Selection, machine: Machine | undefined): CoreCoordinates[] {
  const found = new Map<number, CoreCoordinates>();
  for (const pattern of selection.patterns) {
    for (const chip of chipsOf(pattern, machine)) {
      const info = machine?.chips.get(chipKey(chip.x, chip.y));
      const cores = pattern.p ?? Array.from({ length: Math.max(0, (info?.coreCount ?? CORE_COUNT) - 1) }, (_, i) => i + 1);
      for (const p of cores) {
        if (info !== undefined && p >= info.coreCount && (pattern.p?.length ?? 0) > 1) continue;
        found.set((chipKey(chip.x, chip.y) << 5) | p, { x: chip.x, y: chip.y, p });
      }
    }
  }
  return inOrder(found, selection, "cores");
}

/** The chips that are meant; rules as for {@link selectCores}. */
export function selectChips(selection: Selection, machine: Machine | undefined): ChipCoordinates[] {
  const found = new Map<number, ChipCoordinates>();
  for (const pattern of selection.patterns) {
    for (const { x, y } of chipsOf(pattern, machine)) found.set(chipKey(x, y), { x, y });
  }
  return inOrder(found, selection, "chips");
}

function chipsOf(pattern: Pattern, machine: Machine | undefined): readonly ChipCoordinates[] {
  const { x, y } = pattern;
  if (x?.length === 1 && y?.length === 1) return [{ x: x[0]!, y: y[0]! }];
  if (machine === undefined) throw usage("these places can only be told with the machine at hand");
  return [...machine.chips.values()].filter((chip) => (x?.includes(chip.x) ?? true) && (y?.includes(chip.y) ?? true));
}

function inOrder<T>(found: ReadonlyMap<number, T>, selection: Selection, what: string): T[] {
  if (found.size === 0) throw usage(`no ${what} of this machine match ${selection.text}`, "spinn map shows the chips there are");
  return [...found.keys()].sort((a, b) => a - b).map((key) => found.get(key)!);
}

function parsePattern(word: string): Pattern {
  if (word === "@all") return { x: undefined, y: undefined, p: undefined };
  const parts = word.split(",");
  if (parts.length !== 2 && parts.length !== 3) {
    throw usage(`"${word}" names no cores`, "write 1,2,3 or 1,2,3-5 or 1,2 (all cores of the chip) or @all");
  }
  const [x, y, p] = parts.map((part, i) => parseNumbers(word, part, i));
  return { x, y, p };
}

function parseNumbers(word: string, part: string, axis: number): number[] | undefined {
  if (part === "*") return undefined;
  const numbers = new Set<number>();
  for (const piece of part.split("+")) {
    const [low, high, ...rest] = piece.split("-");
    if (rest.length > 0 || low === "" || high === "")
      throw usage(`"${word}": "${piece}" is no number and no range`, "a range is written 3-5");
    const from = bounded(word, low!, axis);
    const to = high === undefined ? from : bounded(word, high, axis);
    if (to < from) throw usage(`"${word}": the range ${piece} runs backwards`);
    for (let n = from; n <= to; n += 1) numbers.add(n);
  }
  return [...numbers].sort((a, b) => a - b);
}

function bounded(word: string, part: string, axis: number): number {
  const value = parseNumber(`"${word}"`, part);
  const [name, high] = axis === 2 ? ["core", CORE_COUNT - 1] : [axis === 0 ? "chip x" : "chip y", 255];
  if (value <= Number(high)) return value;
  throw usage(`"${word}": ${name} must be from 0 to ${high}, not ${value}`);
}
