import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HEAP_BLOCK, IPTAG_ENTRY, parseStructs, ROUTER_ENTRY, SV, VCPU } from "../../src/machine/index.js";

describe("SC&MP's structures", () => {
  it("have their documented sizes and places", () => {
    expect([SV.size, VCPU.size, ROUTER_ENTRY.size, IPTAG_ENTRY.size, HEAP_BLOCK.size]).toEqual([256, 128, 16, 32, 8]);
    const place = (name: string): number => SV.base + SV.field(name).offset;
    expect(place("p2p_dims")).toBe(0xf5007f02);
    expect(place("iobuf_size")).toBe(0xf5007f50);
    expect(place("p2v_map")).toBe(0xf5007f94);
    expect(place("sdram_sys")).toBe(0xf5007fc8);
    expect(place("rtr_copy")).toBe(0xf5007fd4);
    expect(place("ip_addr")).toBe(0xf5007ff0);
    expect(VCPU.field("user0").offset).toBe(112);
    expect(VCPU.field("cpu_state").offset).toBe(46);
  });

  it("leave no byte undescribed and describe none twice", () => {
    for (const layout of [SV, VCPU, ROUTER_ENTRY, HEAP_BLOCK]) {
      const covered = new Uint8Array(layout.size);
      for (const field of layout.fields) for (let i = 0; i < field.sizeBytes; i += 1) covered[field.offset + i]! += 1;
      expect([...covered].every((count) => count === 1)).toBe(true);
    }
  });

  it("read and write numbers, 64 bits, text and arrays", () => {
    const bytes = new Uint8Array(256);
    SV.write(bytes, "clock_ms", 0x1_0000_0002n);
    SV.write(bytes, "clock_drift", -3);
    SV.write(bytes, "ip_addr", [192, 168, 240, 1]);
    SV.write(bytes, "sdram_sys", 0xf7800000);
    expect(SV.read(bytes, "clock_ms")).toBe(0x1_0000_0002n);
    expect(SV.read(bytes, "clock_drift")).toBe(-3);
    expect(SV.read(bytes, "ip_addr")).toEqual([192, 168, 240, 1]);
    expect([...bytes.subarray(0x10, 0x18)]).toEqual([2, 0, 0, 0, 1, 0, 0, 0]);
    expect([...bytes.subarray(0xc8, 0xcc)]).toEqual([0, 0, 0x80, 0xf7]);
    const core = new Uint8Array(128);
    VCPU.write(core, "app_name", "sixteen letters!");
    expect(VCPU.read(core, "app_name")).toBe("sixteen letters!");
    VCPU.write(core, "app_name", "short");
    expect(VCPU.readAll(core)["app_name"]).toBe("short");
  });

  it("refuse names and values they do not have", () => {
    const bytes = new Uint8Array(256);
    expect(() => SV.read(bytes, "nonsense")).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    for (const value of [256, -1, 1.5, "x", [1, 2]] as const) expect(() => SV.write(bytes, "hw_ver", value as never)).toThrow();
    expect(() => VCPU.write(bytes, "app_name", "seventeen letters")).toThrow();
    expect(() => SV.number(bytes, "clock_ms")).toThrow();
    expect(() => SV.read(bytes.subarray(0, 100), "sw_ver")).toThrow(expect.objectContaining({ code: "ERR_SPINN_PROTOCOL" }));
  });

  it("keep every 32-bit value through a round trip", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SV.fields.filter((field) => field.type === "u32").map((field) => field.name)),
        fc.nat(0xffffffff),
        (name, value) => {
          const bytes = new Uint8Array(256);
          SV.write(bytes, name, value);
          expect(SV.read(bytes, name)).toBe(value);
        },
      ),
    );
  });
});

describe("parseStructs", () => {
  it("reads the customary form with Perl's letters, formats, start values and repeated pads", () => {
    const text = `
# a comment line
name = sv
size = 16
base = 0xf5007f00

p2p_addr             v  0x00  %04x  0           # own place
__PAD4               v  0x02  %d    0
map[4]               C  0x04  %02x  0           # a map
__PAD4               V  0x08  %08x  0
name = vcpu
size = 128
base = 0
app_name[16]         A16 0x48  %s   0           # name
`;
    const structs = parseStructs(text);
    expect([...structs.keys()]).toEqual(["sv", "vcpu"]);
    expect(structs.get("sv")).toMatchObject({ size: 16, base: 0xf5007f00 });
    expect(structs.get("sv")!.field("p2p_addr")).toMatchObject({ type: "u16", offset: 0, count: 1, meaning: "own place" });
    expect(structs.get("sv")!.field("map")).toMatchObject({ type: "u8", offset: 4, count: 4, sizeBytes: 4 });
    expect(structs.get("vcpu")!.field("app_name")).toMatchObject({ type: "char", offset: 0x48, sizeBytes: 16 });
  });

  it.each([
    ["", /no structure/],
    ["field u8 0", /before "name/],
    ["name = a\nsize = 4\nf q99 0", /line 3.*unknown type/],
    ["name = a\nsize = 4\nf u8", /line 3.*not a field line/],
    ["name = a\nsize = lots", /line 2.*number/],
    ["name = a\nsize = 4\nf u32 2", /past the 4 bytes/],
    ["name = a\nsize = 4\nf[0] u8 0", /no elements/],
  ])("refuses %j", (text, message) => {
    expect(() => parseStructs(text)).toThrow(message);
    expect(() => parseStructs(text)).toThrow(expect.objectContaining({ code: "ERR_SPINN_FILE" }));
  });

  it("never throws anything but SpinnError on garbage", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        try {
          parseStructs(`name = x\nsize = 9\n${text}`);
        } catch (error) {
          expect((error as { code: string }).code).toBe("ERR_SPINN_FILE");
        }
      }),
    );
  });
});
