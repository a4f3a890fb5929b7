import type { ChipCoordinates } from "../../machine/index.js";
import { usage } from "../usage.js";

/** Which chips a command means. `.` is the chip that `sp` has selected when the command runs. */
export type Region = (chip: ChipCoordinates, current: ChipCoordinates) => boolean;

const WORDS = "a region is . for the current chip, @x,y, all, or blocks such as 0-15, 0,2 or 0.1.5";

/**
 * A region: `.`, `@x,y`, `all`, or levels of blocks with dots between them. Each level cuts its square into 4 x 4 blocks numbered by rows,
 * the first the whole 256 x 256 places; the last level may name several blocks. Source: spinnaker_tools `tools/SpiNN/Util.pm`.
 * Throws `ERR_SPINN_ARGUMENT`.
 */
export function parseRegion(text: string): Region {
  if (text === ".") return (chip, current) => chip.x === current.x && chip.y === current.y;
  const one = /^@(\d{1,3}),(\d{1,3})$/.exec(text);
  if (one !== null) {
    const [x, y] = [Number(one[1]), Number(one[2])];
    if (x > 255 || y > 255) throw usage(`"${text}" is no chip`, "chips are @0,0 to @255,255");
    return (chip) => chip.x === x && chip.y === y;
  }
  if (text.toLowerCase() === "all") return () => true;
  const levels = text.split(".");
  if (levels.length > 4) throw usage(`region "${text}" has more than four levels`, WORDS);
  const blocks = levels.map((level) => new Set(parseNumbers(level, 0, 15, `region "${text}"`, WORDS)));
  if (blocks.slice(0, -1).some((set) => set.size !== 1))
    throw usage(`region "${text}": only the last level may name several blocks`, WORDS);
  return ({ x, y }) =>
    blocks.every((set, level) => {
      const shift = 6 - 2 * level;
      return set.has(((x >> shift) & 3) + 4 * ((y >> shift) & 3));
    });
}

/** Cores of a chip: `1`, `1-16`, `1,3,5-7`, `all` (1 to 17). Throws `ERR_SPINN_ARGUMENT`. */
export function parseCoreList(text: string): number[] {
  if (text.toLowerCase() === "all") return Array.from({ length: 17 }, (_, i) => i + 1);
  return parseNumbers(text, 1, 17, `cores "${text}"`, "cores are 1 to 17: 1, 1-16, 1,3,5-7 or all");
}

/** Application ids that one packet can name: an id, or a range of 2, 4, 8 ... ids that begins at a multiple of its length. */
export interface AppRange {
  readonly appId: number;
  /** Bits of the id that are compared. */
  readonly appMask: number;
}

/** `16` or `16-31`. Throws `ERR_SPINN_ARGUMENT`, also for a range whose length is no power of two: its mask would hit other applications. */
export function parseApps(text: string, low: number): AppRange {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text);
  const first = Number(match?.[1] ?? Number.NaN);
  const last = Number(match?.[2] ?? first);
  if (match === null || first < low || last > 255 || last < first) {
    throw usage(`"${text}" is no application id and no range of ids`, `ids are ${low} to 255: 16, or 16-31`);
  }
  const length = last - first + 1;
  if ((length & (length - 1)) !== 0 || first % length !== 0) {
    throw usage(
      `the ids ${text} cannot be named in one signal`,
      "a range holds 2, 4, 8 ... ids and begins at a multiple of that, e.g. 16-31",
    );
  }
  return { appId: first, appMask: 255 & ~(length - 1) };
}

function parseNumbers(text: string, low: number, high: number, what: string, hint: string): number[] {
  const numbers = new Set<number>();
  for (const part of text.split(",")) {
    const match = /^(\d{1,2})(?:-(\d{1,2}))?$/.exec(part);
    const from = Number(match?.[1] ?? Number.NaN);
    const to = Number(match?.[2] ?? from);
    if (match === null || from < low || to > high || to < from) throw usage(`${what}: "${part}" is none of it`, hint);
    for (let n = from; n <= to; n += 1) numbers.add(n);
  }
  return [...numbers].sort((a, b) => a - b);
}
