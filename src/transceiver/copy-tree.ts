import { type ChipCoordinates, chipKey, chipOfKey, LINKS, type Link, type Machine, oppositeLink } from "../machine/index.js";

/** One copy: `chip` reads the image from its neighbour over `link`. */
export interface CopyStep {
  readonly chip: ChipCoordinates;
  readonly link: Link;
}

export interface CopyTree {
  /** What is copied from each chip once it has the image, by its `chipKey`. */
  readonly steps: ReadonlyMap<number, readonly CopyStep[]>;
  /** Chips that no working link leads to. */
  readonly unreachable: readonly ChipCoordinates[];
}

/** A link into a chip, as one number: for the set of links that failed. */
export function linkKey(chip: ChipCoordinates, link: Link): number {
  return (chipKey(chip.x, chip.y) << 3) | link;
}

/**
 * How an image spreads from the chips that have it to the chips that want it, over working links, by shortest ways; where several are equal the
 * chip's own parent link (its way to the root) is taken. Chips on the way take part although they do not want the image themselves.
 */
export function copyTree(
  machine: Machine,
  have: ReadonlySet<number>,
  want: Iterable<ChipCoordinates>,
  broken: ReadonlySet<number> = new Set(),
): CopyTree {
  const distance = distances(machine, have, broken);
  const placed = new Set(have);
  const steps = new Map<number, CopyStep[]>();
  const unreachable: ChipCoordinates[] = [];
  for (const wanted of want) {
    if (!distance.has(chipKey(wanted.x, wanted.y))) unreachable.push(wanted);
    let chip = wanted;
    for (let key = chipKey(chip.x, chip.y); distance.has(key) && !placed.has(key); key = chipKey(chip.x, chip.y)) {
      placed.add(key);
      const { link, parent } = nearest(machine, chip, distance, broken);
      const parentKey = chipKey(parent.x, parent.y);
      const siblings = steps.get(parentKey);
      if (siblings === undefined) steps.set(parentKey, [{ chip, link }]);
      else siblings.push({ chip, link });
      chip = parent;
    }
  }
  return { steps, unreachable };
}

/** Copies each chip is away from one that has the image, as far as working links reach. */
function distances(machine: Machine, have: ReadonlySet<number>, broken: ReadonlySet<number>): Map<number, number> {
  const distance = new Map([...have].map((key) => [key, 0]));
  const queue = [...have];
  for (const key of queue) {
    const parent = chipOfKey(key);
    for (const link of LINKS) {
      const chip = machine.geometry.neighbour(parent.x, parent.y, link);
      if (chip === undefined || !canRead(machine, chip, oppositeLink(link), broken)) continue;
      const childKey = chipKey(chip.x, chip.y);
      if (distance.has(childKey)) continue;
      distance.set(childKey, distance.get(key)! + 1);
      queue.push(childKey);
    }
  }
  return distance;
}

/** The neighbour to copy from. */
function nearest(
  machine: Machine,
  chip: ChipCoordinates,
  distance: ReadonlyMap<number, number>,
  broken: ReadonlySet<number>,
): { readonly link: Link; readonly parent: ChipCoordinates } {
  const wanted = distance.get(chipKey(chip.x, chip.y))! - 1;
  const candidates = LINKS.flatMap((link) => {
    const parent = machine.geometry.neighbour(chip.x, chip.y, link);
    const usable = parent !== undefined && canRead(machine, chip, link, broken) && distance.get(chipKey(parent.x, parent.y)) === wanted;
    return usable ? [{ link, parent }] : [];
  });
  const own = machine.chip(chip.x, chip.y).parentLink;
  return candidates.find(({ link }) => link === own) ?? candidates[0]!;
}

/** Whether a chip can read its neighbour over a link: both say that the link between them works. */
function canRead(machine: Machine, chip: ChipCoordinates, link: Link, broken: ReadonlySet<number>): boolean {
  if (!machine.hasLink(chip.x, chip.y, link) || broken.has(linkKey(chip, link))) return false;
  const far = machine.geometry.neighbour(chip.x, chip.y, link);
  return far !== undefined && machine.hasLink(far.x, far.y, oppositeLink(link));
}
