import { type CoreCoordinates, parseChip, parseCore, parseLink } from "../machine/index.js";
import { ReturnCode } from "../wire/index.js";
import type { DeadParts } from "./network.js";
import { bad, members } from "./plain-data.js";
import { TRANSIENT_TAGS } from "./tags.js";

/** What happens to datagrams on their way in one direction. Everything is off when absent. */
export interface PathFaults {
  /** Probability 0..1 that a datagram is lost. */
  readonly loss?: number;
  /** Loses every n-th datagram of a board, n >= 2: losses that are the same in every run, whatever the seed. */
  readonly loseEvery?: number;
  /** Probability that a datagram arrives twice. */
  readonly duplicate?: number;
  /** Probability that a datagram is overtaken by the next one (or comes 20 ms late when there is none). */
  readonly reorder?: number;
  /** Added to the way of every datagram, ms. */
  readonly delayMs?: number;
  /** Added at random between 0 and this, ms. Datagrams may overtake each other. */
  readonly jitterMs?: number;
  /** Probability that one byte is changed. */
  readonly corrupt?: number;
  /** Probability that the end is cut off. */
  readonly truncate?: number;
}

/** An answer that the monitor did not give. */
export interface CodeFault {
  /** Code, or its name: `TIMEOUT`, `RC_P2P_BUSY` ... */
  readonly code: number | string;
  /** Probability 0..1 per request. */
  readonly probability: number;
  /** Only requests with these command numbers. Default: all. */
  readonly commands?: readonly number[];
}

/** Parts that have gone, as text; Chips are counted from the first board. */
export interface DeadPartNames {
  /** Chips that lose their supply, `x,y`. */
  readonly chips?: readonly string[];
  /** *Physical* cores, `x,y,p`: in a running machine they stop, at the next boot they are left out. */
  readonly cores?: readonly string[];
  /** Links, `x,y:east`: both directions. */
  readonly links?: readonly string[];
}

/** Faults of a simulated machine, as plain data: the same data and seed give the same faults. Everything is off when absent. */
export interface Faults {
  /** On the way from hosts to boards. */
  readonly toBoard?: PathFaults;
  /** On the way from boards to hosts. */
  readonly toHost?: PathFaults;
  /** Requests answered with an error and not executed. */
  readonly codes?: readonly CodeFault[];
  /** Probability that a reply is followed by a datagram nobody asked for: another sequence number, or garbage. */
  readonly foreign?: number;
  /** Cores that have crashed: `x,y,p`. They stay so until the application is stopped or the machine booted. */
  readonly crashedCores?: readonly string[];
  /** Parts that go. Links come back when the fault is lifted; chips and cores when the machine is booted after that. */
  readonly dead?: DeadPartNames;
  /** Requests that may wait for their answer on one board, 0..8; further ones are dropped. Default 8, the transient tags of SC&MP. */
  readonly transientTags?: number;
  /** After this many requests to its boards the board that took the last one loses its power for a moment, once: it is unbooted then. */
  readonly rebootAfter?: number;
  /** Added to every answer of a BMP, ms. */
  readonly bmpDelayMs?: number;
}

const PATH_MEMBERS = ["loss", "loseEvery", "duplicate", "reorder", "delayMs", "jitterMs", "corrupt", "truncate"];
const DEAD_MEMBERS = ["chips", "cores", "links"];
const MEMBERS = ["toBoard", "toHost", "codes", "foreign", "crashedCores", "dead", "transientTags", "rebootAfter", "bmpDelayMs"];

/** Faults people ask for by name; `checkFaults` takes a name wherever it takes data. */
export const FAULT_PRESETS = {
  none: {},
  lossy: { toBoard: { loss: 0.05 }, toHost: { loss: 0.05 } },
  "every-tenth": { toHost: { loseEvery: 10 } },
  jittery: { toBoard: { jitterMs: 10 }, toHost: { jitterMs: 10 } },
  slow: { toHost: { delayMs: 100 } },
  doubled: { toBoard: { duplicate: 0.2 }, toHost: { duplicate: 0.2 } },
  shuffled: { toBoard: { reorder: 0.2 }, toHost: { reorder: 0.2 } },
  corrupt: { toHost: { corrupt: 0.1 } },
  truncated: { toHost: { truncate: 0.1 } },
  foreign: { foreign: 0.1 },
  garbled: { toHost: { corrupt: 0.05, truncate: 0.05 }, foreign: 0.05 },
  busy: { codes: [{ code: "P2P_BUSY", probability: 0.1 }] },
  sticky: { codes: [{ code: "TIMEOUT", probability: 0.1 }] },
  cramped: { transientTags: 1 },
  rebooting: { rebootAfter: 100 },
  "slow-bmp": { bmpDelayMs: 2000 },
} as const satisfies Record<string, Faults>;

/** Faults after the check: every code a number, every core a place. */
export interface CheckedFaults {
  readonly toBoard: PathFaults;
  readonly toHost: PathFaults;
  readonly codes: readonly { readonly code: number; readonly probability: number; readonly commands: readonly number[] | undefined }[];
  readonly foreign: number;
  readonly crashedCores: readonly CoreCoordinates[];
  readonly dead: DeadParts;
  readonly transientTags: number;
  readonly rebootAfter: number | undefined;
  readonly bmpDelayMs: number;
}

/** Checks faults that came from a file or a user. Throws `ERR_SPINN_ARGUMENT` naming the member that is wrong. */
export function checkFaults(value: unknown): CheckedFaults {
  if (typeof value === "string") {
    if (!Object.hasOwn(FAULT_PRESETS, value))
      throw bad(`"${value}" is no named fault`, `named are ${Object.keys(FAULT_PRESETS).join(", ")}`);
    return checkFaults(FAULT_PRESETS[value as keyof typeof FAULT_PRESETS]);
  }
  const faults = members("faults", value ?? {}, MEMBERS);
  return {
    toBoard: path("toBoard", faults["toBoard"]),
    toHost: path("toHost", faults["toHost"]),
    codes: list("codes", faults["codes"]).map((entry, i) => codeFault(`codes[${i}]`, entry)),
    foreign: number("foreign", faults["foreign"] ?? 0, 0, 1),
    crashedCores: texts("crashedCores", faults["crashedCores"], "1,2,3").map(parseCore),
    dead: deadParts(faults["dead"]),
    transientTags: whole("transientTags", faults["transientTags"] ?? TRANSIENT_TAGS, 0, TRANSIENT_TAGS),
    rebootAfter: faults["rebootAfter"] === undefined ? undefined : whole("rebootAfter", faults["rebootAfter"], 1, 1e9),
    bmpDelayMs: number("bmpDelayMs", faults["bmpDelayMs"] ?? 0, 0, 600_000),
  };
}

function path(name: string, value: unknown): PathFaults {
  const faults = members(`faults.${name}`, value ?? {}, PATH_MEMBERS);
  for (const [member, setting] of Object.entries(faults)) {
    if (member === "loseEvery") whole(`${name}.${member}`, setting, 2, 1e9);
    else number(`${name}.${member}`, setting, 0, member.endsWith("Ms") ? 600_000 : 1);
  }
  return faults as PathFaults;
}

function deadParts(value: unknown): DeadParts {
  const dead = members("faults.dead", value ?? {}, DEAD_MEMBERS);
  return {
    chips: texts("dead.chips", dead["chips"], "1,2").map(parseChip),
    cores: texts("dead.cores", dead["cores"], "1,2,3").map(parseCore),
    links: texts("dead.links", dead["links"], "1,2:east").map(parseLink),
  };
}

function texts(name: string, value: unknown, example: string): string[] {
  return list(name, value).map((entry, i) => {
    if (typeof entry === "string") return entry;
    throw bad(`faults.${name}[${i}] must be text like "${example}"`);
  });
}

function codeFault(name: string, value: unknown): CheckedFaults["codes"][number] {
  const fault = members(`faults.${name}`, value, ["code", "probability", "commands"]);
  const code = typeof fault["code"] === "string" ? namedCode(fault["code"]) : fault["code"];
  return {
    code: number(`${name}.code`, code, 0x80, 0xff),
    probability: number(`${name}.probability`, fault["probability"], 0, 1),
    commands:
      fault["commands"] === undefined
        ? undefined
        : list(`${name}.commands`, fault["commands"]).map((command) => number(`${name}.commands`, command, 0, 0xffff)),
  };
}

function namedCode(text: string): number {
  const name = text.toUpperCase().replace(/^RC_/, "");
  if (Object.hasOwn(ReturnCode, name)) return ReturnCode[name as keyof typeof ReturnCode];
  throw bad(`"${text}" is no return code`, `codes are ${Object.keys(ReturnCode).join(" ")}`);
}

function list(name: string, value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw bad(`faults.${name} must be a list`);
}

function number(name: string, value: unknown, low: number, high: number): number {
  if (typeof value === "number" && value >= low && value <= high) return value;
  throw bad(`faults.${name} must be a number from ${low} to ${high}, not ${JSON.stringify(value)}`);
}

function whole(name: string, value: unknown, low: number, high: number): number {
  if (Number.isInteger(number(name, value, low, high))) return value as number;
  throw bad(`faults.${name} must be a whole number, not ${JSON.stringify(value)}`);
}
