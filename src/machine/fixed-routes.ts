import { SpinnError } from "../errors.js";
import { type ChipCoordinates, type CoreCoordinates, chipKey, formatChip, formatCore } from "./chip.js";
import { LINKS, type Link, oppositeLink } from "./link.js";
import type { Machine } from "./machine.js";

/** Where a chip sends fixed-route packets: over one link, or at the end of the way to a core, by its physical number as the router has it. */
export interface FixedRouteStep extends ChipCoordinates {
  readonly links: readonly Link[];
  readonly cores: readonly number[];
}

/**
 * Fixed routes that lead from every one of `chips` to one core, by shortest ways over links that work both ways, never leaving `chips`. The
 * usual choice is the chips of a board and a core of its Ethernet chip. Nearest to the core first.
 *
 * Throws `ERR_SPINN_MACHINE` for a core the machine does not have or whose physical number is not known, when the core's chip is not among
 * `chips`, and naming chips from which no way leads there.
 */
export function fixedRoutesTo(machine: Machine, target: CoreCoordinates, chips: Iterable<ChipCoordinates>): FixedRouteStep[] {
  const open = new Map([...chips].map((chip) => [chipKey(chip.x, chip.y), chip]));
  const { coreCount, virtualToPhysical } = machine.chip(target.x, target.y);
  if (target.p < 0 || target.p >= coreCount) {
    throw new SpinnError("ERR_SPINN_MACHINE", `there is no core ${formatCore(target)}`, {
      hint: `working cores of the chip are 0 (the monitor) to ${coreCount - 1}`,
    });
  }
  const physical = virtualToPhysical?.[target.p];
  if (physical === undefined || physical === 0xff) {
    throw new SpinnError("ERR_SPINN_MACHINE", `the physical number of core ${formatCore(target)} is not known`, {
      hint: "discover the machine: a description from a file may lack it",
    });
  }
  if (!open.delete(chipKey(target.x, target.y))) {
    throw new SpinnError("ERR_SPINN_MACHINE", `core ${formatCore(target)} is not on one of the chips that shall send to it`);
  }
  const steps: FixedRouteStep[] = [{ x: target.x, y: target.y, links: [], cores: [physical] }];
  for (const { x, y } of steps) {
    for (const link of LINKS) {
      const from = machine.geometry.neighbour(x, y, link);
      if (from === undefined || !open.has(chipKey(from.x, from.y))) continue;
      const back = oppositeLink(link);
      if (!machine.hasLink(x, y, link) || !machine.hasLink(from.x, from.y, back)) continue;
      open.delete(chipKey(from.x, from.y));
      steps.push({ x: from.x, y: from.y, links: [back], cores: [] });
    }
  }
  if (open.size === 0) return steps;
  const cutOff = [...open.values()].map(formatChip);
  throw new SpinnError("ERR_SPINN_MACHINE", `no working links lead from ${cutOff.slice(0, 8).join(" ")} to core ${formatCore(target)}`, {
    hint: "leave these chips out, or lead them to another core",
  });
}
