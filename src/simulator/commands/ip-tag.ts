import { ReturnCode, SCP_MAX_DATA, SCP_REPLY_OFFSET } from "../../wire/index.js";
import type { ScpAnswer, ScpCall } from "../scp-call.js";
import type { TagHolder } from "../system.js";
import { FIXED_TAGS, TAG_COUNT, TAG_ENTRY_SIZE, TagFlag, Tags } from "../tags.js";

/** IPTAG: arg1 = flags[31:28], timeout[27:24], op[23:16], dest_port_cpu[15:8], tag[7:0]. */
export function ipTag(call: ScpCall): ScpAnswer {
  const tag = call.arg1 & 0xff;
  // A chip without Ethernet answers too, and to no effect.
  const holder: TagHolder = call.system.board(call.chip) ?? { tags: new Tags(call.system.clock), listen: async () => undefined };
  const { tags } = holder;
  if (tag >= TAG_COUNT) return ReturnCode.ARG;
  switch ((call.arg1 >>> 16) & 0xff) {
    case 0: {
      const free = tags.firstFree();
      if (free === undefined) return call.words(0xff);
      set(call, holder, free);
      return call.words(free);
    }
    case 1:
      set(call, holder, tag);
      return call.words(tag);
    case 2:
      return get(call, tags, tag);
    case 3:
      tags.clear(tag);
      void holder.listen(tag, 0);
      return ReturnCode.OK;
    case 4: {
      const reply = call.reply(4);
      reply.set([tags.transientCode, TAG_ENTRY_SIZE, TAG_COUNT - FIXED_TAGS, FIXED_TAGS], SCP_REPLY_OFFSET);
      if (call.arg2 < 16) tags.transientCode = call.arg2;
      return reply;
    }
    default:
      return ReturnCode.ARG;
  }
}

function set(call: ScpCall, holder: TagHolder, index: number): void {
  const { arg1, arg2, arg3, bytes, chip } = call;
  const flags = ((arg1 >>> 28) & 7) << 8;
  const reverse = (flags & TagFlag.REVERSE) !== 0;
  // A request that came over P2P through another Ethernet chip has no sender here.
  const sender = bytes[9] === chip.x && bytes[8] === chip.y ? holder.tags.find(bytes[3]!) : undefined;
  let ip = "0.0.0.0";
  let port = reverse ? 0 : arg2 & 0xffff;
  if (arg3 !== 0) ip = `${arg3 & 0xff}.${(arg3 >>> 8) & 0xff}.${(arg3 >>> 16) & 0xff}.${arg3 >>> 24}`;
  else if (!reverse && sender !== undefined) {
    ip = sender.ip;
    if (flags & TagFlag.USE_SENDER) port = sender.port;
  }
  const rxPort = reverse && index < FIXED_TAGS ? arg2 & 0xffff : 0;
  const values = { flags, ip, port, rxPort, destination: arg2 >>> 16, destinationPort: (arg1 >>> 8) & 0xff };
  holder.tags.set(index, values, (arg1 >>> 24) & 15);
  void holder.listen(index, rxPort);
}

function get(call: ScpCall, tags: Tags, first: number): ScpAnswer {
  const count = call.arg2;
  if (count * TAG_ENTRY_SIZE > SCP_MAX_DATA) return ReturnCode.ARG;
  const reply = call.reply(count * TAG_ENTRY_SIZE);
  reply.fill(0, SCP_REPLY_OFFSET);
  for (let i = 0; i < count && first + i < TAG_COUNT; i += 1) tags.write(first + i, reply, SCP_REPLY_OFFSET + i * TAG_ENTRY_SIZE);
  return reply;
}
