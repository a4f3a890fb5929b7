import { checkInteger, hex32, SpinnError } from "../errors.js";

/** How a bus access is made; the number travels as arg3 of READ and WRITE. */
export const Unit = { BYTE: 0, HALF: 1, WORD: 2 } as const;
export type Unit = (typeof Unit)[keyof typeof Unit];

/** The widest unit that address and length allow. SC&MP does not check alignment: an unaligned access aborts the core. */
export function unitFor(address: number, length: number): Unit {
  const bits = address | length;
  if ((bits & 3) === 0) return Unit.WORD;
  return (bits & 1) === 0 ? Unit.HALF : Unit.BYTE;
}

// Top bytes of what is plain memory: ITCM and DTCM, SDRAM (buffered, unbuffered), SysRAM (both), boot ROM.
function isMemory(address: number): boolean {
  const area = address >>> 24;
  return area === 0 || (area & 0xe8) === 0x60 || area === 0xe5 || area === 0xf5 || area === 0xf6;
}

function isRouter(address: number): boolean {
  const area = address >>> 24;
  return area === 0xe1 || area === 0xf1;
}

/**
 * Reading twice must give the same and change nothing. True for memory and for the router's configuration, counters and tables. Not for
 * the router's error and dump status (0x04..0x2B), which clear when read, nor for the system controller (its test-and-set registers
 * change when read), the Ethernet controller and a core's own peripherals (FIFOs).
 */
export function readIsRepeatable(address: number, length: number): boolean {
  if (isMemory(address)) return true;
  const offset = address & 0xffffff;
  return isRouter(address) && (offset >= 0x2c || offset + length <= 4);
}

/**
 * Writing the same twice must leave the same. True for memory and for the router's registers and tables; other registers start
 * something when written (reset, DMA, packet), so a second write starts it again.
 */
export function writeIsRepeatable(address: number): boolean {
  return isMemory(address) || isRouter(address);
}

/**
 * Throws `ERR_SPINN_ARGUMENT` for an address or a length that is no whole number, `ERR_SPINN_MEMORY` for a range that leaves the 32-bit
 * address space, or that touches registers with anything but whole words: the bus answers a narrower access with an abort, and the
 * monitor dies.
 */
export function checkRange(address: number, length: number): void {
  checkInteger("address", address, 0, 0xffffffff);
  checkInteger("length", length, 0, 0x1_0000_0000);
  if (address + length > 0x1_0000_0000) {
    throw new SpinnError("ERR_SPINN_MEMORY", `${length} bytes at ${hex32(address)} end beyond the address space`);
  }
  if (!isMemory(address) && ((address | length) & 3) !== 0) {
    throw new SpinnError("ERR_SPINN_MEMORY", `${length} bytes at ${hex32(address)}: registers are accessed in whole, aligned words`, {
      hint: "make address and length multiples of 4",
    });
  }
}
