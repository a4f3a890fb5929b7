import { checkInteger, hex32 } from "../errors.js";
import { Command, SCP_MAX_DATA, type ScpRequest } from "../wire/index.js";
import { BmpRequest } from "./bmp-request.js";
import { replyBytes, wordShape } from "./shaped-request.js";

// Reading only. Erasing and writing flash, EEPROM and FPGA configuration can end a BMP for good, and are left to the vendor's own tools.

const SerialFlash = { READ: 0, CRC: 2 } as const;
const EEPROM_READ = 0;
/** Unit bytes: 8 MiB chips hold the boot ROM block and four FPGA bit files. */
const SERIAL_FLASH_SIZE = 0x800000;
// About 2 s for a bit file of 1.5 MB (bmpc).
const CRC_MS_PER_BYTE = 2000 / 1.5e6;

/** SF (53), reading: 1..256 bytes of the board's serial flash. Repeatable: it only reads. Throws `ERR_SPINN_ARGUMENT`. */
export function readSerialFlash(board: number, address: number, length: number): ScpRequest<Uint8Array> {
  checkInteger("address in the serial flash", address, 0, SERIAL_FLASH_SIZE - 1);
  checkInteger("length", length, 1, SCP_MAX_DATA);
  const shape = { repeatable: true, minReply: length, maxReply: length, decode: replyBytes };
  const fields = { arg1: address, arg2: length, arg3: SerialFlash.READ };
  return new BmpRequest(shape, Command.BMP_SF, board, fields, `read ${length} bytes at ${hex32(address)}`);
}

/**
 * SF (53), CRC: the ordinary CRC-32 (as in zlib) of any stretch of the serial flash. The BMP serves nothing else meanwhile. Repeatable:
 * it only reads. Throws `ERR_SPINN_ARGUMENT`.
 */
export function getSerialFlashCrc(board: number, address: number, length: number): ScpRequest<number> {
  checkInteger("address in the serial flash", address, 0, SERIAL_FLASH_SIZE - 1);
  checkInteger("length", length, 1, SERIAL_FLASH_SIZE - address);
  const shape = { ...wordShape(true, (crc) => crc), slowMs: 500 + Math.ceil(length * CRC_MS_PER_BYTE) };
  const fields = { arg1: address, arg2: length, arg3: SerialFlash.CRC };
  return new BmpRequest(shape, Command.BMP_SF, board, fields, `CRC of ${length} bytes at ${hex32(address)}`);
}

/**
 * EE (54), reading: 1..256 bytes of the frame's EEPROM; RC_ARG on a board that is no controller of a backplane. Repeatable: it only reads.
 * Throws `ERR_SPINN_ARGUMENT`.
 */
export function readEeprom(board: number, address: number, length: number): ScpRequest<Uint8Array> {
  checkInteger("address in the EEPROM", address, 0, 0xffff);
  checkInteger("length", length, 1, SCP_MAX_DATA);
  const shape = { repeatable: true, minReply: length, maxReply: length, decode: replyBytes };
  const fields = { arg1: address, arg2: length, arg3: EEPROM_READ };
  return new BmpRequest(shape, Command.BMP_EE, board, fields, `read ${length} bytes at ${hex32(address)}`);
}
