import { checkInteger, SpinnError } from "../errors.js";

/** Position of a chip in the machine, each 0..255. `{ x: 255, y: 255 }` is the root chip, wherever it is. */
export interface ChipCoordinates {
  readonly x: number;
  readonly y: number;
}

/** A core: chip position and *virtual* core number, 0..17; 0 is the monitor. */
export interface CoreCoordinates extends ChipCoordinates {
  readonly p: number;
}

/** Cores of a chip, dead ones included. */
export const CORE_COUNT = 18;

/** Key of a chip in maps and on the wire: `x << 8 | y`. */
export function chipKey(x: number, y: number): number {
  return (x << 8) | y;
}

/** The chip of a key made by {@link chipKey}. */
export function chipOfKey(key: number): ChipCoordinates {
  return { x: (key >>> 8) & 0xff, y: key & 0xff };
}

/** `1,2` */
export function formatChip(chip: ChipCoordinates): string {
  return `${chip.x},${chip.y}`;
}

/** `1,2,3` */
export function formatCore(core: CoreCoordinates): string {
  return `${core.x},${core.y},${core.p}`;
}

/** Reads `1,2`. Throws `ERR_SPINN_ARGUMENT` for anything else. */
export function parseChip(text: string): ChipCoordinates {
  const [x, y] = numbers(text, 2, "a chip is written x,y, e.g. 1,2");
  return { x: checkInteger("chip x", x!, 0, 255), y: checkInteger("chip y", y!, 0, 255) };
}

/** Reads `1,2,3`. Throws `ERR_SPINN_ARGUMENT` for anything else. */
export function parseCore(text: string): CoreCoordinates {
  const [x, y, p] = numbers(text, 3, "a core is written x,y,p, e.g. 1,2,3");
  return {
    x: checkInteger("chip x", x!, 0, 255),
    y: checkInteger("chip y", y!, 0, 255),
    p: checkInteger("core", p!, 0, CORE_COUNT - 1),
  };
}

/**
 * Reads a list of cores of one chip: `1,2,3`, a range `1,2,3-5`, or several joined by `+`: `1,2,3-5+9`. Ascending, without repeats.
 * Throws `ERR_SPINN_ARGUMENT`.
 */
export function parseCores(text: string): CoreCoordinates[] {
  const match = /^\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+(?:-\d+)?(?:\+\d+(?:-\d+)?)*)\s*$/.exec(text);
  if (match === null) throw badText(text, "cores are written x,y,p with ranges, e.g. 1,2,3-5 or 1,2,3-5+9");
  const x = checkInteger("chip x", Number(match[1]), 0, 255);
  const y = checkInteger("chip y", Number(match[2]), 0, 255);
  const cores = new Set<number>();
  for (const part of match[3]!.split("+")) {
    const [low, high = low] = part.split("-").map(Number);
    checkInteger("core", low!, 0, CORE_COUNT - 1);
    checkInteger("core", high!, low!, CORE_COUNT - 1);
    for (let p = low!; p <= high!; p += 1) cores.add(p);
  }
  return [...cores].sort((a, b) => a - b).map((p) => ({ x, y, p }));
}

/** Virtual cores as a bit mask, bit p = core p: the form of route words and of start commands. */
export function coreMask(cores: Iterable<number>): number {
  let mask = 0;
  for (const p of cores) mask |= 1 << checkInteger("core", p, 0, CORE_COUNT - 1);
  return mask;
}

/** The cores of a mask, ascending. */
export function coresOfMask(mask: number): number[] {
  const cores: number[] = [];
  for (let p = 0; p < CORE_COUNT; p += 1) if ((mask >>> p) & 1) cores.push(p);
  return cores;
}

function numbers(text: string, count: number, hint: string): number[] {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.length !== count || !parts.every((part) => /^\d+$/.test(part))) throw badText(text, hint);
  return parts.map(Number);
}

function badText(text: string, hint: string): SpinnError {
  return new SpinnError("ERR_SPINN_ARGUMENT", `"${text}" is no place in a machine`, { hint });
}
