import { SpinnError } from "../errors.js";
import { type ChipCoordinates, parseChip } from "./chip.js";

/**
 * The six links of a chip and the step each takes. Source: spinnaker_tools `include/spinnaker.h`; the opposite of link n is (n + 3) mod 6.
 *
 * ```
 *      N  NE
 *      | /
 *  W --+-- E
 *    / |
 *  SW  S
 * ```
 */
export const Link = { EAST: 0, NORTH_EAST: 1, NORTH: 2, WEST: 3, SOUTH_WEST: 4, SOUTH: 5 } as const;

export type Link = (typeof Link)[keyof typeof Link];

export const LINK_COUNT = 6;

/** All six, ascending. */
export const LINKS: readonly Link[] = [0, 1, 2, 3, 4, 5];

const NAMES = ["east", "north-east", "north", "west", "south-west", "south"];
const VECTORS = [
  { dx: 1, dy: 0 },
  { dx: 1, dy: 1 },
  { dx: 0, dy: 1 },
  { dx: -1, dy: 0 },
  { dx: -1, dy: -1 },
  { dx: 0, dy: -1 },
];

/** `north-east`; `link 9` for a number that is none. */
export function linkName(link: number): string {
  return NAMES[link] ?? `link ${link}`;
}

/** Step in x and y. */
export function linkVector(link: Link): { readonly dx: number; readonly dy: number } {
  return VECTORS[link]!;
}

/** The link by which the neighbour sends back. */
export function oppositeLink(link: Link): Link {
  return ((link + 3) % LINK_COUNT) as Link;
}

/** Whether a number is a link. */
export function isLink(value: number): value is Link {
  return Number.isInteger(value) && value >= 0 && value < LINK_COUNT;
}

/** Reads a link with its chip, `1,2:east`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseLink(text: string): ChipCoordinates & { readonly link: Link } {
  const [where = "", direction] = text.split(":", 2);
  const link = LINKS.find((candidate) => linkName(candidate) === direction);
  if (link !== undefined) return { ...parseChip(where), link };
  throw new SpinnError("ERR_SPINN_ARGUMENT", `"${text}" is no link`, {
    hint: `links are ${LINKS.map((candidate) => `x,y:${linkName(candidate)}`).join(" ")}`,
  });
}
