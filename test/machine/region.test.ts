import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type ChipCoordinates,
  type CoreCoordinates,
  compressRegions,
  coresOfRegions,
  decodeRegion,
  MachineGeometry,
  regionHas,
  regionOf,
} from "../../src/machine/index.js";
import { inRegion } from "../../src/simulator/flood-fill.js";

const square = (side: number, x0: number, y0: number, p: number[]): CoreCoordinates[] =>
  Array.from({ length: side * side }, (_, i) => ({ x: x0 + (i % side), y: y0 + Math.floor(i / side) })).flatMap((chip) =>
    p.map((core) => ({ ...chip, p: core })),
  );
const many = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const pairs = (cores: Iterable<CoreCoordinates>): number[][] => compressRegions(cores).map(({ region, mask }) => [region, mask]);

describe("region words", () => {
  it("are rig's for a chip at each level", () => {
    expect(([0, 1, 2, 3] as const).map((level) => regionOf({ x: 37, y: 201 }, level))).toEqual([0x1000, 0xc10004, 0x20c20200, 0x24cb0020]);
    expect(([0, 1, 2, 3] as const).map((level) => regionOf({ x: 5, y: 6 }, level))).toEqual([0x1, 0x10001, 0x20020, 0x4070200]);
    expect(decodeRegion(0x20c20200)).toEqual({ x: 0x20, y: 0xc0, level: 2, parts: 0x200 });
    expect(() => regionOf({ x: 256, y: 0 })).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
  });

  it("without parts name the whole machine", () => {
    expect(regionHas(0x20c20000, { x: 1, y: 2 })).toBe(true);
  });

  it("are read as a chip of 3.4.1 reads them", () => {
    const level = fc.integer({ min: 0, max: 3 }) as fc.Arbitrary<0 | 1 | 2 | 3>;
    const chip = fc.record({ x: fc.nat(255), y: fc.nat(255) });
    fc.assert(
      fc.property(chip, chip, level, fc.nat(0xffff), (named, asked: ChipCoordinates, at, more) => {
        const region = (regionOf(named, at) | more) >>> 0;
        expect(regionHas(region, named)).toBe(true);
        expect(regionHas(region, asked)).toBe(inRegion(asked, region));
      }),
    );
  });
});

// Expected values: rig's regions.py, run.
describe("compressRegions", () => {
  it.each([
    ["one chip", [{ x: 5, y: 6, p: 1 }], [[67568128, 2]]],
    ["a full block", square(4, 0, 0, [1, 2]), [[131073, 6]]],
    [
      "a full block and one chip",
      [...square(4, 4, 8, [3]), { x: 0, y: 0, p: 3 }, { x: 0, y: 0, p: 4 }],
      [
        [131584, 8],
        [196609, 24],
      ],
    ],
    ["a full block of blocks", square(16, 0, 0, [1]), [[65537, 2]]],
  ])("names %s as rig does", (_, cores, expected) => {
    expect(pairs(cores)).toEqual(expected);
  });

  it("names every core of a SpiNN-5 board in three selections, as rig does", () => {
    const cores = [...MachineGeometry.spin5().chips()].flatMap((chip) => many(16).map((p) => ({ ...chip, p })));
    expect(pairs(cores)).toEqual([
      [131105, 131070],
      [461006, 131070],
      [67368753, 131070],
    ]);
  });

  it("names different cores of scattered chips as rig does", () => {
    const cores = [
      ...[1, 2, 3].map((p) => ({ x: 0, y: 0, p })),
      ...[1, 2].map((p) => ({ x: 1, y: 0, p })),
      ...[
        { x: 0, y: 1, p: 1 },
        { x: 20, y: 33, p: 17 },
        { x: 63, y: 64, p: 5 },
      ],
    ];
    expect(pairs(cores)).toEqual([
      [196609, 8],
      [196611, 4],
      [196627, 2],
      [337838096, 131072],
      [1011023880, 32],
    ]);
  });

  it("gives every chip exactly its cores, in strictly ascending order", () => {
    const block = fc
      .record({ x: fc.nat(5), y: fc.nat(5), p: fc.integer({ min: 1, max: 4 }) })
      .map(({ x, y, p }) => square(4, 4 * x, 4 * y, [p]));
    const one = fc.record({ x: fc.nat(23), y: fc.nat(23), p: fc.integer({ min: 1, max: 17 }) }).map((core) => [core]);
    fc.assert(
      fc.property(fc.array(fc.oneof(one, block), { minLength: 1, maxLength: 40 }), (groups) => {
        const cores = groups.flat();
        const selections = compressRegions(cores);
        for (let x = 0; x < 24; x += 1) {
          for (let y = 0; y < 24; y += 1) {
            const own = new Set(cores.filter((core) => core.x === x && core.y === y).map((core) => core.p));
            expect(coresOfRegions(selections, { x, y })).toEqual([...own].sort((a, b) => a - b));
          }
        }
        for (let i = 1; i < selections.length; i += 1) {
          const [last, here] = [selections[i - 1]!, selections[i]!];
          expect(last.region < here.region || (last.region === here.region && last.mask < here.mask)).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("refuses what is no core", () => {
    expect(() => compressRegions([{ x: 0, y: 0, p: 18 }])).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    expect(compressRegions([])).toEqual([]);
  });
});
