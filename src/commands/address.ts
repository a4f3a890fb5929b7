import { hex32, SpinnError } from "../errors.js";
import { checkAddressRange, type MemoryArea, ROUTER } from "../machine/index.js";

/** How a bus access is made; the number travels as arg3 of READ and WRITE. */
export const Unit = { BYTE: 0, HALF: 1, WORD: 2 } as const;
export type Unit = (typeof Unit)[keyof typeof Unit];

/** The widest unit that address and length allow. SC&MP does not check alignment: an unaligned access aborts the core. */
export function unitFor(address: number, length: number): Unit {
  const bits = address | length;
  if ((bits & 3) === 0) return Unit.WORD;
  return (bits & 1) === 0 ? Unit.HALF : Unit.BYTE;
}

// Behind the router's control register: status, and the registers of the last bad and the last dropped packet.
const ROUTER_STATUS_END = 0x2c;

/**
 * Reading twice must give the same and change nothing. True for memory and for the router's configuration, counters and tables. Not for
 * the router's error and dump status (0x04..0x2B; reading the dump status is how SpiNNFrontEndCommon's extra monitor clears it), nor for
 * the system controller (its test-and-set registers change when read) and the Ethernet controller (FIFOs).
 */
export function readIsRepeatable(area: MemoryArea, address: number, length: number): boolean {
  if (!area.registers) return true;
  const offset = address & 0xffffff;
  return area === ROUTER && (offset >= ROUTER_STATUS_END || offset + length <= 4);
}

/**
 * Writing the same twice must leave the same. True for memory and for the router's registers and tables; other registers start
 * something when written (reset, interrupt, packet), so a second write starts it again.
 */
export function writeIsRepeatable(area: MemoryArea): boolean {
  return !area.registers || area === ROUTER;
}

/**
 * The area of a range. Throws `ERR_SPINN_MEMORY` where nothing answers, and for registers touched with anything but whole words: the bus
 * ends a narrower access with an abort, and the monitor dies.
 */
export function checkRange(address: number, length: number): MemoryArea {
  const area = checkAddressRange(address, length);
  if (!area.registers || ((address | length) & 3) === 0) return area;
  throw new SpinnError("ERR_SPINN_MEMORY", `${length} bytes at ${hex32(address)}: registers (${area.name}) are accessed in whole words`, {
    hint: "make address and length multiples of 4",
  });
}

/** As {@link checkRange}, for what is only ever moved in whole, aligned words. */
export function checkWords(what: string, address: number, length: number): MemoryArea {
  const area = checkRange(address, length);
  if (((address | length) & 3) === 0) return area;
  throw new SpinnError("ERR_SPINN_MEMORY", `${what} of ${length} bytes at ${hex32(address)}: whole, aligned words only`, {
    hint: "make address and length multiples of 4",
  });
}
