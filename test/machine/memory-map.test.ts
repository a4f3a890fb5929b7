import { describe, expect, it } from "vitest";
import {
  areaOf,
  canonical,
  checkAddressRange,
  decodeP2pColumn,
  encodeP2pColumn,
  P2P_COLUMN_SIZE,
  P2P_TABLE,
  p2pColumnBytes,
  ROUTER_COUNTERS,
  SDRAM_SYSTEM_BUFFER,
  SV_BASE,
  unbuffered,
  vcpuAddress,
} from "../../src/machine/index.js";

describe("memory map", () => {
  it("gives both aliases of a byte one canonical address", () => {
    expect(canonical(SV_BASE)).toBe(0xe5007f00);
    expect(unbuffered(0xe5007f00)).toBe(SV_BASE);
    expect(canonical(0x70000010)).toBe(0x60000010);
    expect(canonical(0xf1010000)).toBe(P2P_TABLE);
    expect(canonical(0x00400004)).toBe(0x00400004);
    expect(unbuffered(0x60240000)).toBe(0x70240000);
    expect(canonical(0xf6000000)).toBe(0xf6000000);
  });

  it("knows where the blocks of cores are", () => {
    expect(vcpuAddress(1) + 88).toBe(0xe50070d8);
    expect(vcpuAddress(17)).toBe(0xe5007880);
  });

  it("lets ranges inside an area pass, through either alias", () => {
    expect(checkAddressRange(SDRAM_SYSTEM_BUFFER, 0x800000).name).toBe("SDRAM");
    expect(checkAddressRange(0x7ffffffc - 0x8000000, 4).name).toBe("SDRAM");
    expect(checkAddressRange(SV_BASE, 256).name).toBe("SysRAM");
    expect(checkAddressRange(ROUTER_COUNTERS, 64).registers).toBe(true);
    expect(checkAddressRange(0x00400000, 65536)).toMatchObject({ name: "DTCM", perCore: true });
    expect(P2P_TABLE + 255 * P2P_COLUMN_SIZE + 127).toBeLessThan(0xe1020000);
  });

  it("refuses ranges that would kill the core, in words", () => {
    expect(() => checkAddressRange(0x67fffffc, 8)).toThrow(/past the end of SDRAM at 0x67ffffff/);
    expect(() => checkAddressRange(0x50000000, 4)).toThrow(/nothing is at 0x50000000/);
    expect(() => checkAddressRange(0x00008000, 4)).toThrow(/nothing is at/);
    expect(() => checkAddressRange(-4, 4)).toThrow(expect.objectContaining({ code: "ERR_SPINN_MEMORY" }));
    expect(() => checkAddressRange(0x60000000, -1)).toThrow(expect.objectContaining({ code: "ERR_SPINN_MEMORY" }));
    expect(areaOf(0x68000000)).toBeUndefined();
  });
});

describe("P2P table", () => {
  it("packs eight entries of three bits in a word, as on the root of a board", () => {
    const column = encodeP2pColumn([7, 2, 2, 2, 6, 6, 6, 6]);
    expect(new DataView(column.buffer).getUint32(0, true)).toBe(0x00db6497);
    expect([...decodeP2pColumn(column)]).toEqual([7, 2, 2, 2, 6, 6, 6, 6]);
    expect([...decodeP2pColumn(Uint8Array.of(0xb6, 0x6d, 0xdb, 0))]).toEqual(Array(8).fill(6));
  });

  it("reads whole words for any height", () => {
    expect([1, 2, 8, 9, 12, 16, 17, 256].map(p2pColumnBytes)).toEqual([4, 4, 4, 8, 8, 8, 12, 128]);
    expect([...decodeP2pColumn(encodeP2pColumn([0, 1, 2, 3, 4, 5, 6, 7, 0, 5]))].slice(0, 12)).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 0, 5, 6, 6,
    ]);
  });
});
