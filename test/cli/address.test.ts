import { describe, expect, it } from "vitest";
import { formatValue, isOrdinaryMemory, parseAddress } from "../../src/cli/address.js";
import { parseLength, parseMemoryWords } from "../../src/cli/memory-range.js";
import { SV, VCPU } from "../../src/machine/index.js";

describe("addresses", () => {
  it.each([
    ["0x60240000", 0x60240000],
    ["1612972032", 0x60240000],
    ["sdram", 0x60000000],
    ["SDRAM+0x40", 0x60000040],
    ["sysram+4K", 0xe5001000],
    ["sdram+8-", undefined],
    ["boot-rom", 0xf6000000],
    ["sv", 0xf5007f00],
    ["sv.clock_ms", 0xf5007f10],
    ["sv.clock_ms+4", 0xf5007f14],
    ["vcpu[3]", 0xe5007180],
    ["vcpu[3].app_name", 0xe50071c8],
    ["vcpu[0x11].cpu_state", 0xe50078ae],
  ])("%s", (text, address) => {
    if (address === undefined) expect(() => parseAddress(text)).toThrow();
    else expect(parseAddress(text).address).toBe(address);
  });

  it("a name knows its size and its field, an offset from it does not", () => {
    expect(parseAddress("sv.clock_ms")).toMatchObject({ sizeBytes: 8, field: { layout: SV } });
    expect(parseAddress("vcpu", 5)).toMatchObject({ address: 0xe5007280, sizeBytes: 128, field: undefined });
    expect(parseAddress("vcpu.app_name", 5)).toMatchObject({ sizeBytes: 16, field: { layout: VCPU } });
    expect(parseAddress("sv.clock_ms+1")).toMatchObject({ sizeBytes: undefined, field: undefined });
  });

  it.each([
    ["zz", /no known name/],
    ["sdarm", /no known name/],
    ["sv.nothing_like_it_at_all", /has no field/],
    ["vcpu.app_name", /names no core/],
    ["vcpu[18]", /there is no core 18/],
    ["vcpu[a]", /is no number/],
    ["sdram[1]", /no known name/],
    ["deadbeef", /is no number/],
    ["0x100000000", /more than 32 bits/],
    ["itcm-1", /outside 32 bits/],
    ["60240000", /nothing is at 60240000/],
    ["", /is no number/],
  ])("%j is refused", (text, message) => {
    expect(() => parseAddress(text)).toThrow(message);
  });

  it("registers and ROM are no ordinary memory", () => {
    expect([0x60000000, 0x70000000, 0xe5000000, 0xf5007f00].map(isOrdinaryMemory)).toEqual([true, true, true, true]);
    expect([0xe1000000, 0xe2000000, 0xf6000000, 0x90000000].map(isOrdinaryMemory)).toEqual([false, false, false, false]);
  });

  it("values are told in decimal and hex", () => {
    expect(formatValue(3, SV.field("led_period"))).toBe("3");
    expect(formatValue(255, SV.field("led_period"))).toBe("255 (0xff)");
    expect(formatValue(-2, SV.field("clock_drift"))).toBe("-2 (0xfffffffe)");
    expect(formatValue(2n ** 40n, SV.field("clock_ms"))).toBe("1099511627776 (0x10000000000)");
    expect(formatValue([127, 0, 0, 1], SV.field("ip_addr"))).toBe("[127 0 0 1]");
    expect(formatValue("sark", VCPU.field("app_name"))).toBe('"sark"');
  });
});

describe("place, address and the rest", () => {
  it("the place may be left out", () => {
    expect(parseMemoryWords(["sv.clock_ms"])).toMatchObject({ place: { x: 255, y: 255 }, rest: [] });
    expect(parseMemoryWords(["1,2", "sdram", "4K"])).toMatchObject({ place: { x: 1, y: 2 }, rest: ["4K"] });
    expect(parseMemoryWords(["1,2,3", "vcpu.user0"])).toMatchObject({ place: { x: 1, y: 2, p: 3 }, address: { address: 0xe50071f0 } });
    expect(() => parseMemoryWords([])).toThrow(/no address is named/);
    expect(() => parseMemoryWords(["1,2"])).toThrow(/no address behind 1,2/);
  });

  it("the length is that of what is named, unless it is given; the range must be memory", () => {
    expect(parseLength(parseAddress("sv.clock_ms"), undefined, 256)).toBe(8);
    expect(parseLength(parseAddress("sdram"), undefined, 256)).toBe(256);
    expect(parseLength(parseAddress("sdram"), "128M", 256)).toBe(128 << 20);
    expect(() => parseLength(parseAddress("sdram+1"), "128M", 256)).toThrow(/reach past the end/);
    expect(() => parseLength(parseAddress("sdram"), "0", 256)).toThrow(/0 bytes/);
  });
});
