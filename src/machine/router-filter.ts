import { checkInteger, SpinnError } from "../errors.js";

/**
 * What one of a router's 16 diagnostic counters counts, in names. A packet counts when each member has a value that fits it; a member left
 * out fits every packet.
 *
 * ```
 *  31 30 29 28    25 24           16 15 14 13 12 11 10  9  8 7     4 3    0
 *   I  E  C  (none)  link5..0 M L D  non loc - pl  n  d  -  M emerg.  FR NN P2P MC
 * ```
 * Source: SpiNNaker datasheet (router, r[N+128]); SpiNNMan `diagnostic_filter.py`; spinnaker_tools `sark/sark_hw.c` (`dgf_init`).
 */
export interface RouterFilter {
  readonly packetTypes?: readonly RouterFilterType[];
  /** Emergency-routing states, see {@link emergencyOf}. */
  readonly emergency?: readonly RouterFilterEmergency[];
  /** Whether {@link emergency} is about packets as they come in or as they leave. Default `incoming`: what SC&MP's own filters say (bit 8 is 0). */
  readonly emergencyOf?: "incoming" | "outgoing";
  /** Whether no routing entry matched and the packet went straight on. */
  readonly defaultRouted?: readonly RouterFilterDefault[];
  readonly payload?: readonly RouterFilterPayload[];
  /** Where the packet came from: a core of this chip, or a link. */
  readonly sources?: readonly RouterFilterSource[];
  readonly destinations?: readonly RouterFilterDestination[];
  /** Interrupt (source 15) when the counter counts. Default `false`. */
  readonly interrupt?: boolean;
}

export type RouterFilterType = "multicast" | "p2p" | "nearestNeighbour" | "fixedRoute";
/** Stages of emergency routing; in the first the packet goes to a neighbour of the blocked link, `firstStageCombined` when it belongs there too. */
export type RouterFilterEmergency = "normal" | "firstStageCombined" | "firstStage" | "secondStage";
export type RouterFilterDefault = "defaultRouted" | "routed";
export type RouterFilterPayload = "with" | "without";
export type RouterFilterSource = "local" | "external";
/** `core`: one of this chip's, but not the monitor. */
export type RouterFilterDestination = "dropped" | "core" | "monitor" | "link0" | "link1" | "link2" | "link3" | "link4" | "link5";

// In the order of their bits.
const TYPES: readonly RouterFilterType[] = ["multicast", "p2p", "nearestNeighbour", "fixedRoute"];
const EMERGENCY: readonly RouterFilterEmergency[] = ["normal", "firstStageCombined", "firstStage", "secondStage"];
const DEFAULT: readonly RouterFilterDefault[] = ["defaultRouted", "routed"];
const PAYLOAD: readonly RouterFilterPayload[] = ["with", "without"];
const SOURCES: readonly RouterFilterSource[] = ["local", "external"];
const DESTINATIONS: readonly RouterFilterDestination[] = [
  ...(["dropped", "core", "monitor"] as const),
  ...(["link0", "link1", "link2", "link3", "link4", "link5"] as const),
];

const FIELDS = [
  ["packetTypes", TYPES, 0],
  ["emergency", EMERGENCY, 4],
  ["defaultRouted", DEFAULT, 10],
  ["payload", PAYLOAD, 12],
  ["sources", SOURCES, 14],
  ["destinations", DESTINATIONS, 16],
] as const;

const OUTGOING = 1 << 8;
const INTERRUPT = 1 << 30;

/** The word of a filter. Throws `ERR_SPINN_ARGUMENT` for a name that is none, or an empty list, which would count nothing. */
export function encodeRouterFilter(filter: RouterFilter): number {
  let word = 0;
  for (const [member, names, shift] of FIELDS) {
    const chosen: readonly string[] = filter[member] ?? names;
    if (chosen.length === 0) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `a router filter with an empty list of ${member} never counts`, {
        hint: `leave ${member} out to count packets whatever it is`,
      });
    }
    for (const name of chosen) {
      const bit = (names as readonly string[]).indexOf(name);
      if (bit < 0) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", `"${name}" is none of the ${member} of a router filter`, {
          hint: `they are ${names.join(" ")}`,
        });
      }
      word |= 1 << (bit + shift);
    }
  }
  if (filter.emergencyOf === "outgoing") word |= OUTGOING;
  if (filter.interrupt) word |= INTERRUPT;
  return word >>> 0;
}

/** A filter with every member filled in. */
export type CompleteRouterFilter = Required<RouterFilter>;

/** What a filter word says. A list comes back empty when the filter can never count (SC&MP leaves those of the user's counters 0). */
export function decodeRouterFilter(word: number): CompleteRouterFilter {
  checkInteger("router filter", word, 0, 0xffffffff);
  const of = <T extends string>(names: readonly T[], shift: number): T[] => names.filter((_, bit) => (word >>> (bit + shift)) & 1);
  return {
    packetTypes: of(TYPES, 0),
    emergency: of(EMERGENCY, 4),
    emergencyOf: (word & OUTGOING) === 0 ? "incoming" : "outgoing",
    defaultRouted: of(DEFAULT, 10),
    payload: of(PAYLOAD, 12),
    sources: of(SOURCES, 14),
    destinations: of(DESTINATIONS, 16),
    interrupt: (word & INTERRUPT) !== 0,
  };
}

/** What a router's error status (r5) says. */
export interface RouterErrors {
  /** Error packets, counted up to 255. */
  readonly count: number;
  /** `overflow`: more than one before the status was read. */
  readonly kinds: readonly ("error" | "overflow" | "parity" | "framing" | "timestamp")[];
}

const ERROR_BITS = { error: 31, overflow: 30, parity: 29, framing: 28, timestamp: 27 } as const;

/** Reads the error status register: count 7:0, flags 31:27. Source: SpiNNMan `router_error.py`; SpiNNaker datasheet (router, r5). */
export function decodeRouterErrors(status: number): RouterErrors {
  const kinds = (Object.keys(ERROR_BITS) as (keyof typeof ERROR_BITS)[]).filter((name) => (status >>> ERROR_BITS[name]) & 1);
  return { count: status & 0xff, kinds };
}
