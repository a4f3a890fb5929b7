import { describe, expect, it } from "vitest";
import { CoreState, LINKS, Link, MachineGeometry, withoutParts } from "../../src/machine/index.js";
import { machineOf } from "./whole-machine.js";

const geometry = MachineGeometry.spin5();

describe("withoutParts", () => {
  it("takes out chips with every link to them", () => {
    const less = withoutParts(machineOf(geometry), {
      chips: [
        { x: 3, y: 3 },
        { x: 200, y: 1 },
      ],
    });
    expect([...less.deadChips()]).toEqual([{ x: 3, y: 3 }]);
    expect([less.hasLink(2, 3, Link.EAST), less.hasLink(4, 4, Link.SOUTH_WEST), less.hasLink(2, 3, Link.WEST)]).toEqual([
      false,
      false,
      true,
    ]);
    expect([...less.links()]).toHaveLength([...machineOf(geometry).links()].length - 12);
    expect(less.validate()).toEqual([]);
  });

  it("takes out links at both ends, and those that work one way only", () => {
    const machine = machineOf(geometry, ["1,0,3"]);
    expect(machine.validate()).toHaveLength(1);
    const less = withoutParts(machine, { links: [{ x: 5, y: 5, link: Link.NORTH }] });
    for (const [x, y, link] of [
      [5, 5, 2],
      [5, 6, 5],
      [0, 0, 0],
      [1, 0, 3],
    ] as const)
      expect(less.hasLink(x, y, link)).toBe(false);
    expect([...less.deadLinks()]).toHaveLength(4);
    expect(less.validate()).toEqual([]);
    expect(LINKS.filter((link) => less.hasLink(4, 4, link))).toEqual(LINKS);
  });

  it("marks cores, and leaves the machine it was given alone", () => {
    const machine = machineOf(geometry);
    const less = withoutParts(machine, {
      cores: [
        { x: 1, y: 1, p: 5 },
        { x: 1, y: 1, p: 9 },
      ],
    });
    expect(less.chip(1, 1).coreStates[5]).toBe(CoreState.DEAD);
    expect(less.idleCores(1, 1)).toEqual(machine.idleCores(1, 1).filter((p) => p !== 5 && p !== 9));
    expect(machine.idleCores(1, 1)).toContain(5);
    expect(withoutParts(machine).toJSON()).toEqual(machine.toJSON());
  });
});
