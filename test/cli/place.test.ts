import { describe, expect, it } from "vitest";
import { parseSlots } from "../../src/cli/bmp.js";
import {
  areExactChips,
  isExact,
  looksLikePlace,
  parseChips,
  parsePlace,
  parseSelection,
  selectChips,
  selectCores,
} from "../../src/cli/place.js";
import { type ChipInfo, Machine, MachineGeometry } from "../../src/machine/index.js";

/** A board of four chips without chip 1,1; chip 1,0 has 3 cores. */
function smallMachine(): Machine {
  const chip = (x: number, y: number, coreCount: number): ChipInfo => ({
    x,
    y,
    coreCount,
    coreStates: new Array(18).fill(15),
    links: 63,
    ethernet: x === 0 && y === 0 ? { ip: "127.0.0.1" } : undefined,
    nearestEthernet: { x: 0, y: 0 },
    parentLink: undefined,
    largestSdramBlock: 0,
    largestSysramBlock: 0,
    freeRouterEntries: 0,
    virtualToPhysical: undefined,
  });
  return new Machine(2, 2, { x: 0, y: 0 }, [chip(0, 0, 18), chip(0, 1, 17), chip(1, 0, 3)]);
}

const cores = (...words: string[]): string[] => selectCores(parseSelection(words), smallMachine()).map(({ x, y, p }) => `${x},${y},${p}`);

describe("one place", () => {
  it("chip, core, root", () => {
    expect(parsePlace("1,2")).toEqual({ x: 1, y: 2 });
    expect(parsePlace("1,2,17")).toEqual({ x: 1, y: 2, p: 17 });
    expect(parsePlace("root")).toEqual({ x: 255, y: 255 });
  });

  it.each(["1", "1,", ",1", "1,2,18", "256,0", "1,2,3,4", "a,b", "1;2", "-1,0"])("%j is refused", (text) => {
    expect(() => parsePlace(text)).toThrow();
  });

  it("is told from an address", () => {
    expect(["1,2", "1,2,3", "root", "@all"].every(looksLikePlace)).toBe(true);
    expect(["sdram", "0x60000000", "sv.clock_ms", "vcpu[3].app_name", "4096"].some(looksLikePlace)).toBe(false);
  });
});

describe("many places", () => {
  it.each([
    [["0,0,3"], ["0,0,3"]],
    [["0,0,3-5"], ["0,0,3", "0,0,4", "0,0,5"]],
    [["0,0,3-4+9"], ["0,0,3", "0,0,4", "0,0,9"]],
    [
      ["0,0,5", "0,0,1", "0,0,5"],
      ["0,0,1", "0,0,5"],
    ],
    [["1,0"], ["1,0,1", "1,0,2"]],
    [["1,0,*"], ["1,0,1", "1,0,2"]],
    [["*,*,1"], ["0,0,1", "0,1,1", "1,0,1"]],
    [["0-5,0,2"], ["0,0,2", "1,0,2"]],
    [["1,0,1-9"], ["1,0,1", "1,0,2"]],
  ])("%j", (words, expected) => {
    expect(cores(...words)).toEqual(expected);
  });

  it("@all is every application core, never a monitor", () => {
    expect(cores("@all")).toHaveLength(17 + 16 + 2);
    expect(cores("@all").some((core) => core.endsWith(",0"))).toBe(false);
  });

  it("a core that was written out is passed on, whether or not it is there", () => {
    expect(cores("1,0,9")).toEqual(["1,0,9"]);
    expect(cores("1,1,1")).toEqual(["1,1,1"]);
  });

  it("patterns that hit nothing are refused", () => {
    expect(() => cores("4-7,*,1")).toThrow(/no cores of this machine match 4-7,\*,1/);
    expect(() => selectChips(parseChips(["5-6,0"]), smallMachine())).toThrow(/no chips/);
  });

  it.each(["1", "1,2,5-3", "1,2,3-", "1,2,-3", "1,2,3--4", "1,2,18", "1-2-3,0,1", "@some", "1,2,3,4", "x,0,1"])("%j is refused", (word) => {
    expect(() => parseSelection([word])).toThrow();
  });

  it("knows when no machine is needed", () => {
    expect(isExact(parseSelection(["1,2,3-5"]))).toBe(true);
    expect(isExact(parseSelection(["1,2"]))).toBe(false);
    expect(areExactChips(parseSelection(["1,2"]))).toBe(true);
    expect(areExactChips(parseSelection(["@all"]))).toBe(false);
    expect(() => selectChips(parseSelection(["@all"]), undefined)).toThrow(/machine/);
    expect(() => parseChips(["1,2,3"])).toThrow(/names a core where a chip is wanted/);
    expect(MachineGeometry.spin3().hasChip(1, 1)).toBe(true);
  });
});

describe("slots of a frame", () => {
  it.each([
    ["0", [0]],
    ["0-2", [0, 1, 2]],
    ["0-1+8", [0, 1, 8]],
    ["3,1", [1, 3]],
    ["23", [23]],
  ])("%s", (text, slots) => {
    expect(parseSlots(text)).toEqual(slots);
  });

  it.each(["", "24", "5-3", "a", "1-", "-1", "0-24", "1..3"])("%j is refused", (text) => {
    expect(() => parseSlots(text)).toThrow();
  });
});
