import { ReturnCode, SCP_MAX_DATA, SCP_REPLY_OFFSET } from "../../wire/index.js";
import type { Chip } from "../chip.js";
import type { ScpAnswer, ScpCall } from "../scp-call.js";
import { SERIAL_ROM_SIZE as SIZE, serialRomContent } from "../serial-rom.js";

const WRITE = 0x100;
// Commands of the memory chip (25AA1024 and its kin).
const READ_BYTES = 3;
const WRITE_BYTES = 2;
const ERASE_ALL = 0xc7;

const contents = new WeakMap<Chip, Uint8Array>();

/** SROM: arg1 = length[31:16], WRITE 0x100, bits[5:0]; arg2 = command << 24 | address, left aligned. */
export function serialRom(call: ScpCall): ScpAnswer {
  const length = call.arg1 >>> 16;
  const command = call.arg2 >>> 24;
  const address = call.arg2 & (SIZE - 1);
  const memory = contentOf(call.chip);
  if (call.arg1 & WRITE) {
    if (command === WRITE_BYTES) memory.set(call.data.subarray(0, Math.min(length, SIZE - address)), address);
    return ReturnCode.OK;
  }
  if (command === ERASE_ALL) memory.fill(0xff);
  // The firmware overruns its buffer and never answers.
  if (length > SCP_MAX_DATA) return undefined;
  const reply = call.reply(length);
  reply.fill(0, SCP_REPLY_OFFSET);
  if (command === READ_BYTES) reply.set(memory.subarray(address, Math.min(address + length, SIZE)), SCP_REPLY_OFFSET);
  return reply;
}

function contentOf(chip: Chip): Uint8Array {
  let memory = contents.get(chip);
  if (memory === undefined) {
    memory = serialRomContent(chip.ip === undefined ? undefined : { ip: chip.ip, hardwareVersion: chip.sv("hw_ver") });
    contents.set(chip, memory);
  }
  return memory;
}
