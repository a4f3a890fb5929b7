import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapedArray } from "../../../src/services/cluster/array-value.js";
import { blocks, chunks, joined, lengthOf } from "../../../src/services/cluster/partition.js";

describe("sequences dealt out to engines", () => {
  it("come back as they were, in blocks of nearly equal length", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer({ min: 1, max: 9 }), (items, count) => {
        const parts = blocks(items, count);
        expect(parts).toHaveLength(count);
        expect(joined(parts)).toEqual(items);
        const lengths = parts.map(({ length }) => length);
        expect(Math.max(...lengths) - Math.min(...lengths)).toBeLessThanOrEqual(1);
        expect([...lengths].sort((a, b) => b - a)).toEqual(lengths);
        const typed = Int32Array.from(items);
        expect(joined(blocks(typed, count))).toEqual(typed);
        expect(joined([...chunks(items, count), []])).toEqual(items);
      }),
    );
  });

  it("may be arrays of more dimensions, joined along the first", () => {
    const [one, two] = [new ShapedArray(new Float64Array([1, 2]), [1, 2]), new ShapedArray(new Float64Array([3, 4, 5, 6]), [2, 2])];
    expect(joined([one, two])).toEqual(new ShapedArray(new Float64Array([1, 2, 3, 4, 5, 6]), [3, 2]));
    const column = new ShapedArray(new Float64Array([3, 4]), [2, 1]);
    const widths = [2, 1, 3].map((width) => new ShapedArray(new Float64Array(width), [1, width]));
    for (const wrong of [widths, [one, column], [one, new Float64Array(2)], [new Float64Array(1), new Int8Array(1)], [[1], 2], [1]]) {
      expect(() => joined(wrong)).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    }
  });

  it("are as long as the shortest of them", () => {
    expect(lengthOf([[1, 2], new Uint8Array(5)])).toBe(2);
    expect(() => lengthOf([])).toThrow(/needs a sequence/);
  });
});
