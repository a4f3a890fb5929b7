import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeRoute,
  decodeRoutingTable,
  encodeRoute,
  encodeRoutingTable,
  formatRoutingTable,
  Link,
  matches,
  parseRoutingTable,
  type RoutingEntry,
} from "../../src/machine/index.js";

const entryArbitrary: fc.Arbitrary<RoutingEntry> = fc
  .record({
    key: fc.nat(0xffffffff),
    mask: fc.nat(0xffffffff),
    links: fc.uniqueArray(fc.constantFrom(...Object.values(Link))),
    cores: fc.uniqueArray(fc.nat(17)),
  })
  .map((entry) => ({ ...entry, key: (entry.key & entry.mask) >>> 0, links: entry.links.sort(), cores: entry.cores.sort((a, b) => a - b) }));

describe("routing entries", () => {
  it("put links in bits 5:0 and core p in bit 6 + p", () => {
    expect(encodeRoute({ links: [2], cores: [1] })).toBe(0x84);
    expect(encodeRoute({ links: [0, 5], cores: [17] })).toBe(0x800021);
    expect(decodeRoute(0x84)).toEqual({ links: [2], cores: [1] });
    expect(() => encodeRoute({ links: [6], cores: [] })).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    expect(() => encodeRoute({ links: [], cores: [18] })).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
  });

  it("match under their mask, with high bits", () => {
    const entry = { key: 0xffff5554, mask: 0xfffffffe };
    expect(matches(entry, 0xffff5555)).toBe(true);
    expect(matches(entry, 0xffff5556)).toBe(false);
  });

  it("go through bytes and text unchanged", () => {
    fc.assert(
      fc.property(fc.array(entryArbitrary, { maxLength: 20 }), (entries) => {
        const loaded = decodeRoutingTable(encodeRoutingTable(entries));
        expect(loaded).toEqual(entries.map((entry, index) => ({ ...entry, index, appId: undefined })));
        expect(parseRoutingTable(formatRoutingTable(entries))).toEqual(entries);
      }),
    );
  });

  it("skip unused places of a router and name the owner of a block", () => {
    const bytes = new Uint8Array(48).fill(0xff);
    bytes.set([0, 0, 0x1e, 0x80, 0x84, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0xff, 0xff], 16);
    expect(decodeRoutingTable(bytes)).toEqual([{ index: 1, appId: 30, key: 0x10000, mask: 0xffff0000, links: [2], cores: [1] }]);
  });

  it("that can never match are refused", () => {
    expect(() => encodeRoutingTable([{ key: 1, mask: 0, links: [], cores: [] }])).toThrow(/never matches/);
  });

  it.each(["nonsense", "0x1 0x1 links 6", "0x1 0x1 cores 18", "0x1 0x1 links 1,,2x", "1 2"])(
    "in text like %j are refused with their line",
    (line) => {
      expect(() => parseRoutingTable(`# table\n${line}\n`)).toThrow(/line 2/);
    },
  );
});
