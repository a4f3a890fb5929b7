import { ReturnCode, SCP_MAX_DATA, SCP_PORT, SCP_REPLY_OFFSET } from "../../wire/index.js";
import type { Chip } from "../chip.js";
import type { ScpAnswer, ScpCall } from "../scp-call.js";

const SIZE = 0x8000;
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

/** Boot block with the network settings at 0, no list of dead parts at 0x100. Words are stored high byte first, as the boot ROM reads them. */
function contentOf(chip: Chip): Uint8Array {
  const known = contents.get(chip);
  if (known !== undefined) return known;
  const memory = new Uint8Array(SIZE);
  if (chip.ip !== undefined) {
    const settings = new Uint8Array(32);
    const view = new DataView(settings.buffer);
    const [a, b, c] = chip.ip as [number, number, number, number];
    view.setUint16(0, 0x8000 | (chip.sv("hw_ver") << 4) | 1, true);
    settings.set([0, 0, 0xa4, b, c, chip.ip[3]!], 2);
    settings.set(chip.ip, 8);
    settings.set([a, b, c, 254], 12);
    settings.set([255, 255, 255, 0], 16);
    view.setUint16(20, SCP_PORT, true);
    const stored = new DataView(memory.buffer);
    stored.setUint32(0, 0x553a0008);
    stored.setUint32(4, 0xf5007fe0);
    for (let i = 0; i < 32; i += 4) stored.setUint32(8 + i, view.getUint32(i, true));
    stored.setUint32(40, 0xaaaaaaaa);
  }
  contents.set(chip, memory);
  return memory;
}
