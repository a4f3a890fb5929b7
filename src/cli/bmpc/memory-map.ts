import { hex32, SpinnError } from "../../errors.js";

// The LPC1768 (user manual UM10360, memory map): flash, local RAM, boot ROM, AHB RAM, port pins, peripherals.
const AREAS: readonly (readonly [from: number, to: number])[] = [
  [0, 0x80000],
  [0x10000000, 0x10008000],
  [0x1fff0000, 0x1fff2000],
  [0x2007c000, 0x20084000],
  [0x2009c000, 0x200a0000],
  [0x40000000, 0x40100000],
  [0x50000000, 0x50200000],
  [0xe000e000, 0xe0010000],
];

/** Throws `ERR_SPINN_MEMORY` for a range that is in none of a BMP's memories: it would restart over it. */
export function checkBmpRange(address: number, length: number): void {
  if (AREAS.some(([from, to]) => address >= from && address + length <= to)) return;
  throw new SpinnError("ERR_SPINN_MEMORY", `a BMP has no memory at ${hex32(address)}, ${length} bytes`, {
    hint: "flash is at 0, RAM at 10000000 (32 KB) and 2007c000; elsewhere the BMP would crash and restart",
  });
}
