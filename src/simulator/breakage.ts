import { type ChipCoordinates, CoreState, type MachineGeometry, oppositeLink } from "../machine/index.js";
import type { Assembly } from "./assembly.js";
import type { Core } from "./core.js";
import type { CheckedFaults } from "./faults.js";
import { linkKey, type System } from "./system.js";

const DATA_ABORT = 5;

/** Takes from a running system what the faults say has crashed or gone. Chips and cores stay so; of the links only these are cut. */
export function breakParts(whole: MachineGeometry, system: System, place: Assembly["place"], faults: CheckedFaults): void {
  const { crashedCores, dead } = faults;
  const coresAt = (chip: ChipCoordinates): readonly Core[] => {
    const at = place(chip);
    return at === undefined ? [] : (system.chip(at.x, at.y)?.cores ?? []);
  };
  for (const { x, y, p } of crashedCores) coresAt({ x, y })[p]?.crash(DATA_ABORT);
  for (const { x, y, p } of dead.cores ?? []) {
    coresAt({ x, y })
      .find(({ physical }) => physical === p)
      ?.crash(0, CoreState.DEAD);
  }
  const chips = (dead.chips ?? []).flatMap((chip) => place(chip) ?? []).filter(({ x, y }) => system.chip(x, y)?.unpowered === false);
  if (chips.length > 0) system.lose(chips);
  const cut = new Set<number>();
  for (const { x, y, link } of dead.links ?? []) {
    const far = whole.neighbour(x, y, link);
    const [from, to] = [place({ x, y }), far === undefined ? undefined : place(far)];
    if (from !== undefined) cut.add(linkKey(from, link));
    if (to !== undefined) cut.add(linkKey(to, oppositeLink(link)));
  }
  system.cut = cut;
  if (cut.size > 0) system.isDamaged = true;
}
