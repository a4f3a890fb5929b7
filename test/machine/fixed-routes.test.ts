import { describe, expect, it } from "vitest";
import { chipKey, fixedRoutesTo, LINKS, Machine, MachineGeometry } from "../../src/machine/index.js";
import { machineOf } from "./whole-machine.js";

/** Hops from each chip to the target, by following the routes. */
function follow(machine: Machine, steps: ReturnType<typeof fixedRoutesTo>): Map<number, number> {
  const byKey = new Map(steps.map((step) => [chipKey(step.x, step.y), step]));
  return new Map(
    steps.map((step) => {
      let [at, hops] = [step, 0];
      while (at.links.length > 0) {
        expect(machine.hasLink(at.x, at.y, at.links[0]!)).toBe(true);
        const next = machine.geometry.neighbour(at.x, at.y, at.links[0]!)!;
        at = byKey.get(chipKey(next.x, next.y))!;
        hops += 1;
        expect(hops).toBeLessThan(steps.length);
      }
      expect(at.cores).toEqual([15]);
      return [chipKey(step.x, step.y), hops];
    }),
  );
}

describe("fixedRoutesTo", () => {
  it("leads a whole board to a core of its Ethernet chip, by shortest ways", () => {
    const machine = machineOf(MachineGeometry.spin5());
    const steps = fixedRoutesTo(machine, { x: 0, y: 0, p: 2 }, machine.chipsOfBoard({ x: 0, y: 0 }));
    expect(steps).toHaveLength(48);
    expect(follow(machine, steps).get(chipKey(7, 7))).toBe(7);
  });

  it("stays on the board in a torus, and goes round broken links and dead chips", () => {
    const machine = machineOf(MachineGeometry.triads(1, 1), ["4,8,0", "5,9,4"], ["5,8"]);
    const board = [...machine.chipsOfBoard({ x: 4, y: 8 })];
    const steps = fixedRoutesTo(machine, { x: 4, y: 8, p: 2 }, board);
    expect(new Set(steps.map((step) => chipKey(step.x, step.y)))).toEqual(new Set(board.map((chip) => chipKey(chip.x, chip.y))));
    expect(follow(machine, steps).get(chipKey(5, 9))).toBe(2);
  });

  it("names chips that are cut off, and cores that are not there", () => {
    const cut = LINKS.map((link) => `7,7,${link}`);
    const machine = machineOf(MachineGeometry.spin5(), cut);
    const chips = [...machine.chips.values()];
    expect(() => fixedRoutesTo(machine, { x: 0, y: 0, p: 2 }, chips)).toThrow(
      expect.objectContaining({ code: "ERR_SPINN_MACHINE", message: expect.stringContaining("lead from 7,7 to core 0,0,2") }),
    );
    expect(() => fixedRoutesTo(machine, { x: 0, y: 0, p: 17 }, chips)).toThrow(/no core 0,0,17/);
    const unread = new Machine(
      8,
      8,
      { x: 0, y: 0 },
      chips.map((chip) => ({ ...chip, virtualToPhysical: undefined })),
    );
    expect(() => fixedRoutesTo(unread, { x: 0, y: 0, p: 2 }, chips)).toThrow(/is not known/);
    expect(() => fixedRoutesTo(machine, { x: 0, y: 0, p: 2 }, [{ x: 1, y: 1 }])).toThrow(/not on one of the chips/);
    expect([...machine.deadLinks()].filter(({ x, y }) => x === 7 && y === 7).map(({ link }) => link)).toEqual([3, 4, 5]);
  });

  it("of a machine: what is dead is listed", () => {
    const machine = machineOf(MachineGeometry.spin3(), ["1,1,3"], ["0,1"]);
    expect([...machine.deadChips()]).toEqual([{ x: 0, y: 1 }]);
    expect([...machine.deadLinks()]).toEqual([]);
    expect([...machine.cores()]).toHaveLength(3 * 17);
    expect([...machine.cores(7)]).toEqual([0, 1, 1].map((x, i) => ({ x, y: i === 2 ? 1 : 0, p: 0 })));
    expect([...machine.links()].every(({ x, y, link }) => machine.hasLink(x, y, link))).toBe(true);
  });
});
