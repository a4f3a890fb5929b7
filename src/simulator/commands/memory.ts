import { isLink } from "../../machine/index.js";
import { ReturnCode, SCP_MAX_DATA, SCP_REPLY_OFFSET, SCP_REQUEST_OFFSET } from "../../wire/index.js";
import { DataAbort, type MemoryAccess } from "../memory.js";
import type { ScpAnswer, ScpCall } from "../scp-call.js";

/** READ: arg1 address, arg2 bytes, arg3 unit. */
export function read(call: ScpCall, memory: MemoryAccess): ScpAnswer {
  const [address, length, unit] = [call.arg1, call.arg2, call.arg3];
  if (length > SCP_MAX_DATA || unit > 2) return ReturnCode.ARG;
  checkAligned(address, length, unit);
  const reply = call.reply(length);
  const whole = (length >>> unit) << unit;
  memory.copyOut(address, reply, SCP_REPLY_OFFSET, whole);
  reply.fill(0, SCP_REPLY_OFFSET + whole);
  return reply;
}

/** WRITE: as READ, the bytes behind the arguments. A datagram that is too short writes what is left in the buffer: zeros here. */
export function write(call: ScpCall, memory: MemoryAccess): ScpAnswer {
  const [address, length, unit] = [call.arg1, call.arg2, call.arg3];
  if (length > SCP_MAX_DATA || unit > 2) return ReturnCode.ARG;
  checkAligned(address, length, unit);
  const whole = (length >>> unit) << unit;
  if (call.bytes.length >= SCP_REQUEST_OFFSET + whole) memory.copyIn(address, call.bytes, SCP_REQUEST_OFFSET, whole);
  else {
    const padded = new Uint8Array(whole);
    padded.set(call.data.subarray(0, whole));
    memory.copyIn(address, padded, 0, whole);
  }
  return ReturnCode.OK;
}

/** FILL: arg1 address, arg2 word, arg3 bytes. No limit is checked: past the end of memory it is a data abort. */
export function fill(call: ScpCall, memory: MemoryAccess): ScpAnswer {
  const [address, value, length] = [call.arg1, call.arg2, call.arg3];
  checkAligned(address, length & ~3, 2);
  const block = new Uint8Array(Math.min((length & ~3) >>> 0, 0x10000));
  new Uint32Array(block.buffer).fill(value);
  for (let done = 0; done < (length & ~3) >>> 0; done += block.length) {
    const here = address + done;
    if (here > 0xffffffff) throw new DataAbort(here);
    memory.copyIn(here, block, 0, Math.min(block.length, ((length & ~3) >>> 0) - done));
  }
  return ReturnCode.OK;
}

/** LINK_READ: arg1 address on the neighbour, arg2 bytes, arg3 link. */
export function linkRead(call: ScpCall): ScpAnswer {
  const [address, length, link] = [call.arg1, call.arg2, call.arg3];
  if (length > SCP_MAX_DATA || !isLink(link)) return ReturnCode.ARG;
  const neighbour = call.system.neighbour(call.chip, link);
  // The neighbour answers under the address plus one: with an odd address that is no answer the monitor would know.
  if (neighbour === undefined || (length >= 4 && (address & 1) !== 0)) return ReturnCode.TIMEOUT;
  const reply = call.reply(length);
  const whole = length & ~3;
  try {
    neighbour.memory.copyOut((address & ~3) >>> 0, reply, SCP_REPLY_OFFSET, whole);
  } catch (error) {
    // The router of the neighbour makes the access: a bad address is answered by nobody.
    if (error instanceof DataAbort) return ReturnCode.TIMEOUT;
    throw error;
  }
  reply.fill(0, SCP_REPLY_OFFSET + whole);
  return reply;
}

/** LINK_WRITE: as LINK_READ, the words behind the arguments. */
export function linkWrite(call: ScpCall): ScpAnswer {
  const [address, length, link] = [call.arg1, call.arg2, call.arg3];
  if (length > SCP_MAX_DATA || !isLink(link)) return ReturnCode.ARG;
  const neighbour = call.system.neighbour(call.chip, link);
  if (neighbour === undefined) return ReturnCode.TIMEOUT;
  const isOdd = (address & 1) !== 0;
  const whole = Math.min(length, call.data.length, isOdd ? 4 : length) & ~3;
  try {
    neighbour.memory.copyIn((address & ~3) >>> 0, call.data, 0, whole);
  } catch (error) {
    if (error instanceof DataAbort) return ReturnCode.TIMEOUT;
    throw error;
  }
  return isOdd && whole > 0 ? ReturnCode.TIMEOUT : ReturnCode.OK;
}

/** Half and word accesses to odd places, and words of nothing, abort. */
function checkAligned(address: number, length: number, unit: number): void {
  if (length > 0 && (address & ((1 << unit) - 1)) !== 0) throw new DataAbort(address);
}
