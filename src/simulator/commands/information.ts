import { CORE_COUNT } from "../../machine/index.js";
import { ReturnCode, SCP_REPLY_OFFSET } from "../../wire/index.js";
import type { ScpAnswer, ScpCall } from "../scp-call.js";

/** Largest data block, told in every VER. */
const BUFFER_SIZE = 256;
/** Version × 100 in old firmware; this says: read the text. */
const VERSION_IS_TEXT = 0xffff;

/** VER of the monitor or of an application core. Position 255,255 until the machine is up. */
export function version(call: ScpCall, p: number, physical: number, known: boolean): ScpAnswer {
  const { firmware } = call.system;
  const name = p === 0 ? "SC&MP/SpiNNaker" : "SARK/SpiNNaker";
  const text = new TextEncoder().encode(`${name}\0${firmware.version}\0`);
  const reply = call.reply(12 + text.length);
  const view = new DataView(reply.buffer, reply.byteOffset + SCP_REPLY_OFFSET, 12);
  view.setUint8(0, p);
  view.setUint8(1, physical);
  view.setUint8(2, known ? call.chip.y : 255);
  view.setUint8(3, known ? call.chip.x : 255);
  view.setUint16(4, BUFFER_SIZE, true);
  view.setUint16(6, VERSION_IS_TEXT, true);
  view.setUint32(8, firmware.buildTime, true);
  reply.set(text, SCP_REPLY_OFFSET + 12);
  return reply;
}

/** INFO: the summary of a chip. Arguments are ignored. */
export function information(call: ScpCall): ScpAnswer {
  const { system, chip } = call;
  const size = system.firmware.infoBytes;
  const payload = new Uint8Array(38);
  const view = new DataView(payload.buffer);
  const ethernet = chip.ip === undefined ? 0 : 1 << 25;
  const entries = Math.min(chip.routes.largest(), 1023);
  view.setUint32(0, (chip.coreCount | (chip.links << 8) | (entries << 14) | ethernet) >>> 0, true);
  view.setUint32(4, chip.sdramHeap.largest(), true);
  view.setUint32(8, chip.sysramHeap.largest(), true);
  for (let p = 0; p < CORE_COUNT; p += 1) payload[12 + p] = chip.cores[p]?.state ?? 0;
  const nearest = system.nearestEthernet(chip);
  payload[30] = nearest.y;
  payload[31] = nearest.x;
  payload.set(chip.ip ?? [0, 0, 0, 0], 32);
  view.setUint16(36, system.parentLink(chip), true);
  const reply = call.reply(size);
  reply.set(payload.subarray(0, size), SCP_REPLY_OFFSET);
  return reply;
}

/** LED: two bits per LED, 0 leave, 1 invert, 2 off, 3 on. */
export function leds(call: ScpCall): ScpAnswer {
  let lit = call.chip.leds;
  for (let led = 0; led < 16; led += 1) {
    const order = (call.arg1 >>> (2 * led)) & 3;
    if (order === 1) lit ^= 1 << led;
    else if (order === 2) lit &= ~(1 << led);
    else if (order === 3) lit |= 1 << led;
  }
  call.chip.leds = lit;
  return ReturnCode.OK;
}

/** REMAP: arg1 core, arg2 bit 0: 1 = physical number. */
export function remap(call: ScpCall): ScpAnswer {
  const core = call.arg1;
  if (core > CORE_COUNT) return ReturnCode.ARG;
  const virtual = call.arg2 & 1 ? call.chip.v2p.indexOf(core) : core;
  if (virtual <= 0 || virtual >= call.chip.coreCount) return ReturnCode.ARG;
  call.chip.remap(call.chip.v2p[virtual]!);
  return ReturnCode.OK;
}
