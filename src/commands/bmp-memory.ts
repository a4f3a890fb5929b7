import { checkInteger, hex32, SpinnError } from "../errors.js";
import { Command, SCP_MAX_DATA, type ScpRequest } from "../wire/index.js";
import { unitFor } from "./address.js";
import { BmpRequest } from "./bmp-request.js";
import { EMPTY_ONCE, EMPTY_REPEATABLE, replyBytes } from "./shaped-request.js";

// The LPC1768's memories (user manual UM10360, memory map): flash, local RAM, boot ROM, the two AHB RAM banks.
const MEMORIES: readonly (readonly [from: number, to: number])[] = [
  [0, 0x80000],
  [0x10000000, 0x10008000],
  [0x1fff0000, 0x1fff2000],
  [0x2007c000, 0x20084000],
];
// Port pins can be read as often as one likes.
const GPIO: readonly [from: number, to: number] = [0x2009c000, 0x200a0000];

/**
 * READ (2) on a BMP: 1..256 bytes of the microcontroller's memory. A wrong address is a processor fault, after which its watchdog
 * restarts the BMP; registers must be read in whole words. Repeatable in memory and port pins, not in other registers.
 * Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_MEMORY`.
 */
export function readBmpMemory(board: number, address: number, length: number): ScpRequest<Uint8Array> {
  checkAccess("READ", address, length);
  const repeatable = isMemory(address, length) || (address >= GPIO[0] && address + length <= GPIO[1]);
  const shape = { repeatable, minReply: length, maxReply: length, decode: replyBytes };
  const fields = { arg1: address, arg2: length, arg3: unitFor(address, length) };
  return new BmpRequest(shape, Command.READ, board, fields, `${length} bytes at ${hex32(address)}`);
}

/** WRITE (3) on a BMP: 1..256 bytes. Repeatable in memory, not in registers. Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_MEMORY`. */
export function writeBmpMemory(board: number, address: number, data: Uint8Array): ScpRequest<void> {
  checkAccess("WRITE", address, data.length);
  const shape = isMemory(address, data.length) ? EMPTY_REPEATABLE : EMPTY_ONCE;
  const fields = { arg1: address, arg2: data.length, arg3: unitFor(address, data.length), data };
  return new BmpRequest(shape, Command.WRITE, board, fields, `${data.length} bytes at ${hex32(address)}`);
}

/**
 * FILL (5) on a BMP. The firmware checks nothing at all, so only whole words inside one memory pass. Repeatable: the same lands there
 * again.
 */
export function fillBmpMemory(board: number, address: number, word: number, length: number): ScpRequest<void> {
  checkInteger("word to fill with", word, 0, 0xffffffff);
  if (length === 0 || ((address | length) & 3) !== 0 || !isMemory(address, length)) {
    throw new SpinnError(
      "ERR_SPINN_MEMORY",
      `FILL of ${length} bytes at ${hex32(address)} is not whole words inside one memory of the BMP`,
    );
  }
  const fields = { arg1: address, arg2: word, arg3: length };
  return new BmpRequest(EMPTY_REPEATABLE, Command.FILL, board, fields, `${length} bytes at ${hex32(address)} with ${hex32(word)}`);
}

function isMemory(address: number, length: number): boolean {
  return MEMORIES.some(([from, to]) => address >= from && address + length <= to);
}

function checkAccess(command: string, address: number, length: number): void {
  checkInteger("address", address, 0, 0xffffffff);
  checkInteger(`length of a ${command}`, length, 1, SCP_MAX_DATA);
  if (isMemory(address, length)) return;
  if (address + length > 0x1_0000_0000 || ((address | length) & 3) !== 0) {
    throw new SpinnError(
      "ERR_SPINN_MEMORY",
      `${command} of ${length} bytes at ${hex32(address)}: registers of the BMP are accessed in whole words`,
    );
  }
}
