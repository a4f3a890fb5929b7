import { describe, expect, it } from "vitest";
import { type ChipInfo, LINKS, Machine, MachineGeometry } from "../../src/machine/index.js";

function chipsOf(geometry: MachineGeometry): ChipInfo[] {
  return [...geometry.chips()].map((chip) => ({
    ...chip,
    coreCount: 18,
    coreStates: [7, ...Array(17).fill(15)],
    links: LINKS.reduce<number>((bits, link) => bits | (geometry.isWired(chip.x, chip.y, link) ? 1 << link : 0), 0),
    ethernet: geometry.isEthernet(chip.x, chip.y) ? { ip: "127.0.0.2" } : undefined,
    nearestEthernet: geometry.nearestEthernet(chip.x, chip.y),
    parentLink: geometry.linkTowards(chip, { x: 0, y: 0 }),
    largestSdramBlock: 119275488,
    largestSysramBlock: 22236,
    freeRouterEntries: 1023,
    virtualToPhysical: undefined,
  }));
}

const triad = MachineGeometry.triads(1, 1);
const machine = new Machine(12, 12, { x: 0, y: 0 }, chipsOf(triad));

describe("Machine", () => {
  it("answers what a whole triad has", () => {
    expect(machine.chips.size).toBe(144);
    expect([...machine.ethernetChips()].map((chip) => [chip.x, chip.y])).toEqual([
      [0, 0],
      [4, 8],
      [8, 4],
    ]);
    expect([...machine.chipsOfBoard({ x: 4, y: 8 })]).toHaveLength(48);
    expect(machine.coreCount).toBe(144 * 18);
    expect(machine.idleCores(3, 3)).toEqual(Array.from({ length: 17 }, (_, i) => i + 1));
    expect(machine.hasLink(0, 0, 4)).toBe(true);
    expect(machine.validate()).toEqual([]);
  });

  it("says whether a missing chip is dead or never was", () => {
    const part = new Machine(
      8,
      8,
      { x: 0, y: 0 },
      chipsOf(MachineGeometry.spin5()).filter((chip) => chip.x !== 2),
    );
    expect(() => part.chip(2, 2)).toThrow(expect.objectContaining({ code: "ERR_SPINN_MACHINE", hint: expect.stringContaining("dead") }));
    expect(() => part.chip(7, 0)).toThrow(expect.objectContaining({ hint: expect.stringContaining("no machine of this size") }));
    expect(part.hasChip(3, 3)).toBe(true);
  });

  it("names what is odd", () => {
    const chips = chipsOf(MachineGeometry.spin5()).filter((chip) => !(chip.x === 4 && chip.y === 4));
    const odd = chips.map((chip) => {
      if (chip.x === 1 && chip.y === 0) return { ...chip, links: chip.links & ~1, ethernet: { ip: "10.0.0.1" } };
      if (chip.x === 2 && chip.y === 2) return { ...chip, coreCount: 3, nearestEthernet: { x: 9, y: 9 } };
      return chip;
    });
    const problems = new Machine(8, 8, { x: 0, y: 0 }, odd).validate().join("\n");
    expect(problems).toMatch(/chip 2,0 link 3 \(west\) works one way only: 1,0/);
    expect(problems).toMatch(/chip 1,0 reports an Ethernet where no board has one/);
    expect(problems).toMatch(/chip 2,2 has only 3 working cores/);
    expect(problems).toMatch(/chip 2,2 names 9,9 as its Ethernet chip/);
    expect(problems).toMatch(/chip 5,5 names link 4 as the way to the root/);
    expect(new Machine(8, 8, { x: 0, y: 0 }, []).validate()).toEqual(["root chip 0,0 is missing"]);
  });

  it("goes through JSON unchanged and refuses what is no machine", () => {
    const copy = Machine.fromJSON(JSON.parse(JSON.stringify(machine)));
    expect(copy).toEqual(machine);
    const chip = chipsOf(MachineGeometry.spin3())[0]!;
    const bad = [
      null,
      7,
      {},
      { width: 2, height: 2, root: { x: 0, y: 0 }, chips: 3 },
      { width: 2, height: 2, root: { x: 0 }, chips: [] },
      { width: 2, height: 2, root: { x: 0, y: 0 }, chips: [null] },
      { width: 2, height: 2, root: { x: 0, y: 0 }, chips: [{ ...chip, links: 64 }] },
      { width: 2, height: 2, root: { x: 0, y: 0 }, chips: [{ ...chip, parentLink: 7 }] },
      { width: 2, height: 2, root: { x: 0, y: 0 }, chips: [{ ...chip, coreStates: "none" }] },
    ];
    for (const value of bad) expect(() => Machine.fromJSON(value)).toThrow(expect.objectContaining({ code: "ERR_SPINN_FILE" }));
  });
});
