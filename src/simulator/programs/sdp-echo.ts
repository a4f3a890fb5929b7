import type { SdpMessage } from "../../wire/index.js";
import type { CoreContext, CoreProgram } from "../core-program.js";

/** Sends every message back to where it came from, with the same tag and bytes. */
export function sdpEcho(): CoreProgram {
  let core: CoreContext | undefined;
  return {
    name: "sdp-echo",
    start(context: CoreContext): void {
      core = context;
    },
    onSdp(message: SdpMessage): void {
      core?.sendSdp({
        flags: 0x07,
        tag: message.tag,
        destPort: message.srcPort,
        destCpu: message.srcCpu,
        destX: message.srcX,
        destY: message.srcY,
        srcPort: message.destPort,
        data: message.data,
      });
    },
  };
}
