import { checkInteger, hex32, SpinnError } from "../errors.js";
import { Command, SCP_MAX_DATA, type ScpRequest } from "../wire/index.js";
import { EMPTY_ONCE, replyBytes, ShapedRequest } from "./shaped-request.js";
import { checkMonitor, type Target } from "./target.js";

const WRITE = 0x100;
const WRITE_ENABLE = 0x80;
const WAIT = 0x40;
/** Bits of instruction and address that are clocked out first. */
const COMMAND_BITS = 32;
const READ_INSTRUCTION = 0x03000000;
const PROGRAM_INSTRUCTION = 0x02000000;
/** The instruction leaves 24 bits of address. */
const MAX_ADDRESS = 0xffffff;

/**
 * SROM (27), reading: 1..256 bytes of the serial ROM beside an Ethernet chip (MAC, IP, blacklist). SC&MP never
 * answers a longer read, and loses a buffer over it. Repeatable: it only reads. Throws `ERR_SPINN_ARGUMENT`. Source: scamp-cmd.c
 * `cmd_srom`.
 */
export function readSrom(chip: Target, address: number, length: number): ScpRequest<Uint8Array> {
  checkMonitor(chip, "SROM");
  checkRom(address, length);
  const shape = { repeatable: true, minReply: length, maxReply: length, slowMs: 50, decode: replyBytes };
  const fields = { arg1: (length << 16) | COMMAND_BITS, arg2: READ_INSTRUCTION | address };
  return new ShapedRequest(shape, Command.SROM, chip, fields, `read ${length} bytes at ${hex32(address)}`);
}

/**
 * SROM (27), writing: up to 256 bytes inside one page of 256, with write-enable before and waiting for the chip after. The serial ROM holds
 * what the boot ROM starts the board with: a wrong byte can keep a board from booting.
 *
 * Not repeatable: the repeat would program cells again while the first programming may still run, and the chip drops or mixes it; read
 * back instead. Throws `ERR_SPINN_ARGUMENT`.
 */
export function writeSrom(chip: Target, address: number, data: Uint8Array): ScpRequest<void> {
  checkMonitor(chip, "SROM");
  checkRom(address, data.length);
  if ((address & 0xff) + data.length > 256) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${data.length} bytes at ${hex32(address)} cross a page: the ROM would wrap inside it`, {
      hint: "split the data at multiples of 256",
    });
  }
  const arg1 = (data.length << 16) | WRITE | WRITE_ENABLE | WAIT | COMMAND_BITS;
  const fields = { arg1, arg2: PROGRAM_INSTRUCTION | address, data };
  return new ShapedRequest({ ...EMPTY_ONCE, slowMs: 100 }, Command.SROM, chip, fields, `write ${data.length} bytes at ${hex32(address)}`);
}

function checkRom(address: number, length: number): void {
  checkInteger("address in the serial ROM", address, 0, MAX_ADDRESS);
  checkInteger("length", length, 1, SCP_MAX_DATA);
}
