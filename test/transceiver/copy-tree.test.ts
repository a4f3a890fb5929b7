import { describe, expect, it } from "vitest";
import { type ChipCoordinates, type ChipInfo, chipKey, LINKS, Machine, MachineGeometry } from "../../src/machine/index.js";
import { copyTree, linkKey } from "../../src/transceiver/copy-tree.js";

function machine(geometry: MachineGeometry, alive: (chip: ChipCoordinates) => boolean = () => true): Machine {
  const chips = [...geometry.chips()].filter(alive).map((chip): ChipInfo => {
    const links = LINKS.filter((link) => {
      const far = geometry.neighbour(chip.x, chip.y, link);
      return far !== undefined && alive(far);
    }).reduce<number>((bits, link) => bits | (1 << link), 0);
    return {
      ...{ ...chip, coreCount: 18, coreStates: [], links, ethernet: undefined, nearestEthernet: geometry.nearestEthernet(chip.x, chip.y) },
      ...{ largestSdramBlock: 0, largestSysramBlock: 0, freeRouterEntries: 1023, virtualToPhysical: undefined },
      parentLink: geometry.linkTowards(chip, { x: 0, y: 0 }),
    };
  });
  return new Machine(geometry.width, geometry.height, { x: 0, y: 0 }, chips);
}

/** Order in which chips get the image when everything works; throws when one would copy from a chip that does not have it. */
function play(tree: ReturnType<typeof copyTree>, start: number): number[] {
  const order = [start];
  for (const key of order) for (const step of tree.steps.get(key) ?? []) order.push(chipKey(step.chip.x, step.chip.y));
  return order;
}

describe("copyTree", () => {
  it.each([
    ["spin3", MachineGeometry.spin3()],
    ["spin5", MachineGeometry.spin5()],
    ["triad", MachineGeometry.triads(1, 1)],
  ])("reaches every chip of %s once, each over a working link from its neighbour", (_name, geometry) => {
    const whole = machine(geometry);
    const tree = copyTree(whole, new Set([0]), whole.chips.values());
    const order = play(tree, 0);
    expect(tree.unreachable).toEqual([]);
    expect(order).toHaveLength(whole.chips.size);
    expect(new Set(order).size).toBe(order.length);
    for (const [parentKey, steps] of tree.steps) {
      for (const { chip, link } of steps) {
        const from = geometry.neighbour(chip.x, chip.y, link)!;
        expect(chipKey(from.x, from.y)).toBe(parentKey);
      }
    }
  });

  it("takes along only the chips on the way, by the parent link where that is as short", () => {
    const whole = machine(MachineGeometry.spin5());
    const tree = copyTree(whole, new Set([0]), [{ x: 3, y: 3 }]);
    expect(play(tree, 0)).toEqual([0, chipKey(1, 1), chipKey(2, 2), chipKey(3, 3)]);
    expect(tree.steps.get(0)).toEqual([{ chip: { x: 1, y: 1 }, link: 4 }]);
  });

  it("goes round dead chips and failed links, and says what cannot be reached", () => {
    const broken = machine(MachineGeometry.spin5(), (chip) => !(chip.x === 1 && chip.y === 1));
    expect(play(copyTree(broken, new Set([0]), [{ x: 2, y: 2 }]), 0)).toHaveLength(4);
    const whole = machine(MachineGeometry.spin5());
    const around = copyTree(whole, new Set([0]), [{ x: 1, y: 1 }], new Set([linkKey({ x: 1, y: 1 }, 4)]));
    expect(play(around, 0)).toHaveLength(3);
    const walls = new Set(LINKS.map((link) => linkKey({ x: 7, y: 7 }, link)));
    const cut = copyTree(
      whole,
      new Set([0]),
      [
        { x: 7, y: 7 },
        { x: 1, y: 0 },
      ],
      walls,
    );
    expect(cut.unreachable).toEqual([{ x: 7, y: 7 }]);
    expect(play(cut, 0)).toEqual([0, chipKey(1, 0)]);
  });

  it("starts from whoever has the image already", () => {
    const whole = machine(MachineGeometry.spin5());
    const tree = copyTree(whole, new Set([0, chipKey(2, 2)]), [{ x: 3, y: 3 }]);
    expect([...tree.steps.keys()]).toEqual([chipKey(2, 2)]);
  });
});
