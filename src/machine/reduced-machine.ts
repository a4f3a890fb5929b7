import { type ChipCoordinates, type CoreCoordinates, chipKey } from "./chip.js";
import { CoreState } from "./core-state.js";
import { LINKS, type Link, oppositeLink } from "./link.js";
import { type ChipInfo, Machine } from "./machine.js";

/** Parts of a machine that are not to be used. */
export interface UnusedParts {
  readonly chips?: Iterable<ChipCoordinates> | undefined;
  /** Links, named from either end. */
  readonly links?: Iterable<ChipCoordinates & { readonly link: Link }> | undefined;
  /** Cores; they stay in the count of the chip, whose numbers have no gaps, and are DEAD. */
  readonly cores?: Iterable<CoreCoordinates> | undefined;
}

/**
 * The machine without some parts, and without links that cannot be used both ways: to chips that are not there, or reported from one end
 * only. For placing and routing round what is known to be bad; nothing changes on the board. Parts the machine does not have are let pass:
 * a list of bad parts may be older than the machine.
 */
export function withoutParts(machine: Machine, parts: UnusedParts = {}): Machine {
  const chips = new Set([...(parts.chips ?? [])].map((chip) => chipKey(chip.x, chip.y)));
  const left = new Machine(
    machine.width,
    machine.height,
    machine.root,
    [...machine.chips.values()].filter((chip) => !chips.has(chipKey(chip.x, chip.y))),
  );
  const dead = new Map<number, number>();
  for (const { x, y, p } of parts.cores ?? []) dead.set(chipKey(x, y), (dead.get(chipKey(x, y)) ?? 0) | (1 << p));
  const unused = new Set<string>();
  for (const { x, y, link } of parts.links ?? []) {
    unused.add(`${x},${y},${link}`);
    const far = machine.geometry.neighbour(x, y, link);
    if (far !== undefined) unused.add(`${far.x},${far.y},${oppositeLink(link)}`);
  }
  const usable = ({ x, y }: ChipCoordinates, link: Link): boolean => {
    const far = left.geometry.neighbour(x, y, link);
    return (
      far !== undefined && left.hasLink(x, y, link) && left.hasLink(far.x, far.y, oppositeLink(link)) && !unused.has(`${x},${y},${link}`)
    );
  };
  const reduced = [...left.chips.values()].map((chip): ChipInfo => {
    const mask = dead.get(chipKey(chip.x, chip.y)) ?? 0;
    const links = LINKS.reduce<number>((bits, link) => bits | (usable(chip, link) ? 1 << link : 0), 0);
    const coreStates = chip.coreStates.map((state, p) => ((mask >>> p) & 1 ? CoreState.DEAD : state));
    return { ...chip, links, coreStates };
  });
  return new Machine(machine.width, machine.height, machine.root, reduced);
}
