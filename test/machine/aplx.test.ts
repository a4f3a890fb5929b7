import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { AplxOpcode, readAplx } from "../../src/machine/index.js";

function words(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(index * 4, value, true);
  });
  return bytes;
}

const image = words(2, 0, 0x40, 8, 3, 0x400000, 0x140, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0xe1a00000, 0xe12fff1e);

describe("readAplx", () => {
  it("gives the load table of an image", () => {
    expect(readAplx(image)).toEqual({
      sizeBytes: 72,
      entries: [
        { opcode: AplxOpcode.RELATIVE_COPY, address: 0, sizeBytes: 8, source: 0x40 },
        { opcode: AplxOpcode.FILL, address: 0x400000, sizeBytes: 0x140, source: 0 },
        { opcode: AplxOpcode.EXECUTE, address: 0, sizeBytes: 0, source: 0 },
      ],
    });
  });

  it.each(["hello", "echo", "work"])("reads %s.aplx as its tool made it", (name) => {
    const file = readFileSync(new URL(`../../fixtures/apps/${name}.aplx`, import.meta.url));
    const { entries, sizeBytes } = readAplx(file);
    expect(sizeBytes).toBe(file.length);
    expect(entries[0]).toMatchObject({ opcode: AplxOpcode.RELATIVE_COPY, address: 0 });
    expect(entries.at(-1)).toMatchObject({ opcode: AplxOpcode.EXECUTE, address: 0 });
  });

  it("knows a linked program before mkaplx by its first bytes", () => {
    const elf = new Uint8Array(256);
    elf.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]);
    expect(() => readAplx(elf)).toThrow(/ELF/);
  });

  it("counts a relative copy from its own entry", () => {
    const second = words(3, 0x400000, 32, 0, 2, 0, 0x30, 4, 4, 0, 0, 0, 0xff, 0, 0, 0, 7);
    expect(readAplx(second).entries[1]).toMatchObject({ source: 0x40, sizeBytes: 4 });
  });

  it.each([
    ["empty", new Uint8Array(), /empty/],
    ["ELF", Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0), /ELF/],
    ["text", new TextEncoder().encode("hello, this is no image."), /no APLX image/],
    ["odd length", image.subarray(0, 71), /whole words/],
    ["cut off", image.subarray(0, 68), /truncated/],
    ["cut in the table", words(3, 0x400000, 32, 0, 4), /cut off/],
    ["nothing started", words(3, 0, 32, 0, 0xff, 0, 0, 0), /starts nothing/],
    ["too large", new Uint8Array(256 * 1024 + 4), /do not fit/],
    ["endless table", words(...Array.from({ length: 65 }, () => [3, 0, 32, 0]).flat()), /does not end/],
  ])("says what is wrong with a file that is %s", (_name, bytes, message) => {
    expect(() => readAplx(bytes)).toThrow(message);
    expect(() => readAplx(bytes)).toThrow(expect.objectContaining({ code: "ERR_SPINN_FILE" }));
  });
});
