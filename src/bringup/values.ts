import { checkInteger, SpinnError } from "../errors.js";
import {
  type ChipCoordinates,
  CORE_COUNT,
  type CoreCoordinates,
  checkAppId,
  parseChip,
  parseCore,
  parseCoreState,
  parseCores,
  parseSignal,
  type Signal,
} from "../machine/index.js";
import { type Kind, notA, scalar } from "./kind.js";
import { unknownWord } from "./problems.js";
import { type Source, sourceWords } from "./source.js";

/** Kinds of values that steps are made of. */

export const text: Kind<string, string> = scalar("text", { type: "string" }, (value) => {
  if (typeof value === "string" && value !== "") return value;
  if (typeof value === "number") return String(value);
  throw notA("text", value);
});

export const flag: Kind<boolean, boolean> = scalar("true or false", { type: "boolean" }, (value) => {
  if (typeof value === "boolean") return value;
  throw notA("true or false", value);
});

/** A whole number, decimal or 0x…; texts are taken too, so that variables can be used. */
export function integer(name: string, low: number, high: number): Kind<number, number> {
  const expects = `${name} (whole number from ${low} to ${high})`;
  return scalar(expects, { type: "integer", minimum: low, maximum: high }, (value) => {
    const number = typeof value === "string" && /^(0x[0-9a-f]+|-?\d+)$/i.test(value) ? Number(value) : value;
    if (typeof number !== "number") throw notA(expects, value);
    return checkInteger(name, number, low, high);
  });
}

export function oneOf<const W extends string>(what: string, words: readonly W[]): Kind<W, W> {
  return scalar(`${what} (${words.join(", ")})`, { enum: words }, (value) => {
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return word;
    throw new SpinnError("ERR_SPINN_ARGUMENT", unknownWord(what, String(value), words));
  });
}

export const appId: Kind<number, number> = scalar("an application id, 1 to 255", { type: "integer", minimum: 1, maximum: 255 }, (value) => {
  const number = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  if (typeof number !== "number") throw notA("an application id, 1 to 255", value);
  return checkAppId(number);
});

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** Bytes: `4096`, `4K`, `2M`, `0x1000`; K, M and G are powers of 1024. */
export const size: Kind<number, number | string> = scalar("a size, e.g. 4096, 4K or 2M", { type: ["integer", "string"] }, (value) => {
  const match = typeof value === "string" ? /^(0x[0-9a-f]+|\d+)\s*(?:([KMG])(?:i?B)?|B)?$/i.exec(value.trim()) : undefined;
  if (match === null || typeof value === "boolean") throw notA("a size, e.g. 4096, 4K or 2M", value);
  const bytes = match === undefined ? value : Number(match[1]) * UNITS[(match[2] ?? "").toUpperCase()]!;
  return checkInteger("size", Number(bytes), 1, 0x8000000);
});

const MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };
/** Timers of the host count up to this; three weeks are enough. */
const MAX_MS = 2 ** 31 - 1;

/** A time with its unit, as milliseconds: `500ms`, `2s`, `1.5min`, `1h`. */
export const time: Kind<number, string> = scalar("a time with its unit, e.g. 500ms, 2s or 1min", { type: "string" }, (value) => {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|min|h)$/.exec(String(value).trim());
  if (match === null) throw notA("a time with its unit, e.g. 500ms, 2s or 1min", value);
  const ms = Math.round(Number(match[1]) * MS[match[2]!]!);
  if (ms > MAX_MS) throw notA("a time below three weeks", value);
  return ms;
});

/** Where an address comes from: written down, or left by a program in user0..3 of its core. */
export type AddressSource = { readonly address: number } | { readonly user: number };

/**
 * `0x60240000`, or `user0` to `user3`: what the core named in the step left there. Digits without 0x are refused in YAML: they are nearly
 * always meant to be hexadecimal.
 */
export const address: Kind<AddressSource, number | string> = scalar(
  "an address in hex, e.g. 0x60240000, or user0 to user3",
  { type: ["integer", "string"] },
  (value, written) => {
    const user = /^user([0-3])$/.exec(String(value));
    if (user !== null) return { user: Number(user[1]) };
    const words = written ?? String(value);
    if (typeof value === "number" && (written === undefined || /^0x/i.test(words))) return { address: checkAddress(value) };
    if (/^0x[0-9a-f]+$/i.test(words)) return { address: checkAddress(Number(words)) };
    const hint = /^[0-9a-f]+$/i.test(words) ? `did you mean 0x${words}?` : "addresses are written 0x60240000, or user0 to user3";
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${JSON.stringify(value)} is not an address`, { hint });
  },
);

export const chip: Kind<ChipCoordinates, string | ChipCoordinates> = place("a chip, e.g. 1,2", parseChip, ["x", "y"], (x, y) => ({
  x: x!,
  y: y!,
}));

export const core: Kind<CoreCoordinates, string | CoreCoordinates> = place("a core, e.g. 1,2,3", parseCore, ["x", "y", "p"], (x, y, p) => ({
  x: x!,
  y: y!,
  p: p!,
}));

/** A chip or a core: `1,2` or `1,2,3`. */
export type ChipOrCore = ChipCoordinates & { readonly p?: number };

export const chipOrCore: Kind<ChipOrCore, string | ChipOrCore> = {
  expects: "a chip or a core, e.g. 1,2 or 1,2,3",
  schema: { type: ["string", "object"] },
  read(source, problems) {
    const isCore = source.type === "map" ? source.members.some(({ key }) => key === "p") : /^[^,]*,[^,]*,/.test(String(scalarOf(source)));
    return isCore ? core.read(source, problems) : chip.read(source, problems);
  },
};

/** Application cores: `all`, or written out. */
export type CoreSelection = "all" | readonly CoreCoordinates[];

/**
 * `@all` for every application core of the machine, or cores: `0,0,1`, `0,0,1-17`, `0,0,1-3+9`, several in a list.
 * The monitor (core 0) is no application core.
 */
export const cores: Kind<CoreSelection, "@all" | string | CoreCoordinates | readonly (string | CoreCoordinates)[]> = {
  expects: "cores, e.g. 0,0,1-17, a list of such, or @all",
  schema: { anyOf: [{ type: "string" }, { type: "array", items: { type: ["string", "object"] } }] },
  read(source, problems) {
    if (scalarOf(source) === "@all") return "all";
    const items = source.type === "list" ? source.items : [source];
    if (items.length === 0) return problems.add(source, "no cores");
    const read = items.map((item) =>
      item.type === "map"
        ? core.read(item, problems)
        : problems.catch(item, () => {
            const words = scalarOf(item);
            if (typeof words !== "string") throw notA("cores, e.g. 0,0,1-17", words ?? sourceWords(item));
            return parseCores(words);
          }),
    );
    if (!read.every((some) => some !== undefined)) return undefined;
    const all = read.flat() as CoreCoordinates[];
    const monitor = all.find(({ p }) => p === 0);
    return monitor === undefined ? all : problems.add(source, `core ${monitor.x},${monitor.y},0 is the monitor and runs no application`);
  },
};

export const signal: Kind<Signal, string> = scalar("a signal, e.g. START or USR0", { type: "string" }, (value) =>
  parseSignal(String(value)),
);

export const coreState: Kind<number, string> = scalar("a state of a core, e.g. RUN or EXIT", { type: "string" }, (value) =>
  parseCoreState(String(value)),
);

/** `>=3.4`, `4`, `4.0.0`: a comparison and as many numbers as matter. */
export interface VersionDemand {
  readonly comparison: ">=" | "=";
  readonly numbers: readonly number[];
}

export const version: Kind<VersionDemand, string | number> = scalar(
  "a version, e.g. >=3.4 or 4.0.0",
  { type: ["string", "number"] },
  (value, written) => {
    const match = /^(>=|=)?\s*(\d+(?:\.\d+){0,2})$/.exec(written ?? String(value));
    if (match === null) throw notA("a version, e.g. >=3.4 or 4.0.0", value);
    return { comparison: match[1] === ">=" ? ">=" : "=", numbers: match[2]!.split(".").map(Number) };
  },
);

/** A file that must be there when the script is checked. */
export interface InputFile {
  readonly input: string;
}

/** A path, relative to the script's folder. */
export const inputFile: Kind<InputFile, string> = scalar("the name of a file", { type: "string" }, (value) => {
  if (typeof value === "string" && value !== "") return { input: value };
  throw notA("the name of a file", value);
});

/** A path to write to, relative to the output folder. */
export const outputFile: Kind<string, string> = scalar("the name of a file", { type: "string" }, (value) => {
  if (typeof value === "string" && value !== "") return value;
  throw notA("the name of a file", value);
});

export const ipPort: Kind<number, number> = integer("UDP port", 1, 65535);
export const virtualCore: Kind<number, number> = integer("core", 0, CORE_COUNT - 1);
export const board: Kind<number, number> = integer("board", 0, 23);
export const word: Kind<number, number> = integer("32-bit word", 0, 0xffffffff);

function checkAddress(value: number): number {
  return checkInteger("address", value, 0, 0xffffffff);
}

function scalarOf(source: Source): string | number | boolean | null | undefined {
  return source.type === "scalar" ? source.value : undefined;
}

// A place as text, or as an object of its coordinates.
function place<T extends ChipCoordinates>(
  expects: string,
  parse: (words: string) => T,
  names: readonly string[],
  make: (...numbers: number[]) => T,
): Kind<T, string | T> {
  const written = scalar<T, string>(expects, { type: "string" }, (value) => {
    if (typeof value === "string") return parse(value);
    throw notA(expects, value);
  });
  return {
    expects,
    schema: { type: ["string", "object"] },
    read(source, problems) {
      if (source.type !== "map") return written.read(source, problems);
      const numbers = names.map((name) => source.members.find(({ key }) => key === name)?.value);
      if (source.members.length !== names.length || numbers.some((number) => number === undefined)) {
        return problems.add(source, `${expects} expected: an object needs ${names.join(", ")} and nothing else`);
      }
      const read = numbers.map((number, i) => integer(names[i]!, 0, 255).read(number!, problems));
      if (!read.every((number) => number !== undefined)) return undefined;
      return problems.catch(source, () => parse(read.join(","))) === undefined ? undefined : make(...read);
    },
  };
}
