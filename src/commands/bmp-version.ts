import { Command, type ScpRequest } from "../wire/index.js";
import { BmpRequest } from "./bmp-request.js";
import { type RequestShape, replyView } from "./shaped-request.js";
import { decodeVersionText, VERSION_MAX_REPLY, VERSION_MIN_REPLY, type VersionText } from "./version.js";

export interface BmpVersion extends VersionText {
  /** Flash block that runs, in units of 64 KiB; 1 is the primary one. */
  readonly codeBlock: number;
  readonly frame: number;
  readonly canId: number;
  readonly board: number;
}

const SHAPE: RequestShape<BmpVersion> = {
  repeatable: true,
  minReply: VERSION_MIN_REPLY,
  maxReply: VERSION_MAX_REPLY,
  decode(datagram) {
    const view = replyView(datagram);
    const place = { codeBlock: view.getUint8(3), frame: view.getUint8(2), canId: view.getUint8(1), board: view.getUint8(0) };
    return { ...place, ...decodeVersionText(view) };
  },
};

/** VER (0) to a BMP. A board that was never heard on the frame's bus ends in RC_ROUTE. Repeatable: it only reads. Source: bmp_cmd.c. */
export function getBmpVersion(board: number): ScpRequest<BmpVersion> {
  return new BmpRequest(SHAPE, Command.VER, board, {}, "");
}
