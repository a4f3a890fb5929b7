import { describe, expect, it } from "vitest";
import { SV } from "../../src/machine/index.js";
import { bootImageVersion, checkBootImage, patchBootImage } from "../../src/transceiver/boot-image.js";

function image(version = "4.0.0", size = 4096): Uint8Array {
  const bytes = new Uint8Array(size);
  bytes.set(new TextEncoder().encode(`SC&MP/SpiNNaker\0${version}\0`), 1000);
  const sv = bytes.subarray(384, 512);
  SV.write(sv, "soft_wdog", 3);
  SV.write(sv, "led0", 1);
  return bytes;
}

describe("boot images", () => {
  it("get board version, LEDs, time and root written in, and keep the rest", () => {
    const original = image();
    const patched = patchBootImage(original, 3, { soft_wdog: 0, sdram_heap: 0 }, 1_700_000_000);
    const sv = patched.subarray(384, 512);
    const values = ["hw_ver", "led0", "unix_time", "boot_sig", "root_chip", "soft_wdog", "sdram_heap"].map((name) => SV.read(sv, name));
    expect(values).toEqual([3, 0x502, 1_700_000_000, 1_700_000_000, 1, 0, 0]);
    expect(patched.subarray(512)).toEqual(original.subarray(512));
    expect(SV.read(original.subarray(384, 512), "soft_wdog")).toBe(3);
  });

  it("keep their own LED word when the board version is left to the board", () => {
    expect(SV.read(patchBootImage(image(), 0, {}).subarray(384, 512), "led0")).toBe(1);
  });

  it("refuse what booting cannot set", () => {
    expect(() => patchBootImage(image(), 5, { sdram_sys: 1 })).toThrow(/cannot be set by booting/);
    expect(() => patchBootImage(image(), 5, { no_such: 1 })).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    expect(() => patchBootImage(image(), 5, { soft_wdog: 256 })).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    expect(() => patchBootImage(image(), 6, {})).toThrow(/no SpiNNaker board of version 6/);
  });

  it.each([
    ["empty", new Uint8Array(), /empty/],
    ["ELF", Uint8Array.of(0x7f, 0x45, 0x4c, 0x46), /ELF/],
    ["short", new Uint8Array(508), /no boot image/],
    ["odd", image("4.0.0", 4098), /no boot image/],
    ["too large", image("4.0.0", 32 * 1024 + 4), /does not fit/],
    ["not SC&MP", new Uint8Array(4096), /no SC&MP/],
  ])("are refused when they are %s", (_name, bytes, message) => {
    expect(() => checkBootImage(bytes)).toThrow(message);
    expect(() => checkBootImage(bytes)).toThrow(expect.objectContaining({ code: "ERR_SPINN_FILE" }));
  });

  it("tell their version", () => {
    expect(bootImageVersion(image("3.4.1"))).toBe("3.4.1");
    expect(bootImageVersion(image("4.0.0-dev"))).toBe("4.0.0-dev");
    expect(bootImageVersion(image("what"))).toBeUndefined();
    expect(bootImageVersion(new Uint8Array(100))).toBeUndefined();
  });
});
