import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CoreSet } from "../../src/transceiver/core-set.js";
import { floodRegions } from "../../src/transceiver/flood-fill.js";

/** The firmware's own test of a level 3 region (scamp-nn.c): same block of 4 x 4, and the chip's bit is set. */
function selects(region: number, x: number, y: number): boolean {
  return region >>> 24 === (x & 0xfc) && ((region >>> 16) & 0xfc) === (y & 0xfc) && ((region >>> ((y & 3) * 4 + (x & 3))) & 1) === 1;
}

describe("floodRegions", () => {
  it("names one chip as the golden packet does", () => {
    expect(floodRegions(new CoreSet([{ x: 5, y: 6, p: 1 }]))).toEqual([{ region: 0x04070200, mask: 2 }]);
  });

  it("gives every chip exactly its cores, in strictly ascending order", () => {
    const core = fc.record({ x: fc.nat(20), y: fc.nat(20), p: fc.integer({ min: 1, max: 17 }) });
    fc.assert(
      fc.property(fc.array(core, { minLength: 1, maxLength: 60 }), (cores) => {
        const set = new CoreSet(cores);
        const regions = floodRegions(set);
        for (let x = 0; x <= 20; x += 1) {
          for (let y = 0; y <= 20; y += 1) {
            const mask = regions.filter(({ region }) => selects(region, x, y)).reduce((bits, { mask: more }) => bits | more, 0);
            expect(mask).toBe(set.maskOf({ x, y }));
          }
        }
        for (let i = 1; i < regions.length; i += 1) {
          const [last, here] = [regions[i - 1]!, regions[i]!];
          expect(last.region < here.region || (last.region === here.region && last.mask < here.mask)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("refuses the monitor", () => {
    expect(() => new CoreSet([{ x: 0, y: 0, p: 0 }])).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
  });
});
