import { setTimeout as delay } from "node:timers/promises";
import { abortError, checkInteger, SpinnError, throwIfAborted } from "../../errors.js";
import {
  Command,
  decodeScpReply,
  encodeScpRequest,
  FLAGS_NO_REPLY,
  FLAGS_REPLY,
  ReturnCode,
  returnCodeInfo,
  SCP_PORT,
  SCP_REPLY_OFFSET,
  SCP_SEQUENCE_OFFSET,
  type ScpReplyPacket,
} from "../../wire/index.js";
import type { DatagramPort } from "./datagram-port.js";

export interface LiveTagOptions {
  /** Where the board listens, default 17893. */
  readonly port?: number | undefined;
  /** Wait for each answer, unit ms, default 500. (The tool chain waits 2 s.) */
  readonly replyTimeoutMs?: number | undefined;
  /** How often it is asked, default 5. (The tool chain asks for ever, and hangs on a dead board.) */
  readonly attempts?: number | undefined;
}

/** Strip the SDP header, and aim the tag at whoever sent this datagram: CMD_IPTAG flags 1 and 4 (spinnaker_tools `scamp/scamp-3.c`). */
const STRIP_AND_USE_SENDER = 5 << 28;
const SET = 1 << 16;

/** Of the last request. All tags share it: several boards may be asked from one socket, and their answers look alike otherwise. */
let sequence = 0;

/**
 * Aims an IP tag of a board at a socket of ours: the request is sent from that socket, and the board takes address and port as it sees
 * them. So it works behind address translation, and opens the firewall on the way. Repeating it is harmless.
 *
 * In a machine of several boards a request finds its chip by its coordinates, whatever board it enters by, and no coordinates mean "this one".
 * So the Ethernet chip is asked for its own first: a reply is addressed to it.
 *
 * @param tag 1..7 (0 is by custom the text window, 8..15 are the board's own)
 * @returns a function that does it once; throws `ERR_SPINN_TIMEOUT`, `ERR_SPINN_RETURN_CODE`, `ERR_SPINN_ABORTED`
 */
export function liveTag(
  port: DatagramPort,
  board: string,
  tag: number,
  options: LiveTagOptions = {},
): (signal: AbortSignal) => Promise<void> {
  checkInteger("tag", tag, 0, 7);
  const boardPort = checkInteger("port", options.port ?? SCP_PORT, 1, 65535);
  const attempts = checkInteger("attempts", options.attempts ?? 5, 1, 1000);
  const replyTimeoutMs = options.replyTimeoutMs ?? 500;
  const name = `tag ${tag}`;

  const ask = async (request: TagRequest, words: string, signal: AbortSignal): Promise<ScpReplyPacket> => {
    const mine: number[] = [];
    let answer: (reply: ScpReplyPacket) => void = () => {};
    const answered = new Promise<ScpReplyPacket>((resolve) => {
      answer = resolve;
    });
    // A live packet can have the length of a reply, so flags and the sequence number are compared as well.
    const off = port.onMessage((datagram, from) => {
      if (from.port !== boardPort || datagram.length < SCP_REPLY_OFFSET) return;
      if (datagram[0] !== 0 || datagram[1] !== 0 || datagram[2] !== FLAGS_NO_REPLY) return;
      if (!mine.includes(datagram[SCP_SEQUENCE_OFFSET]! | (datagram[SCP_SEQUENCE_OFFSET + 1]! << 8))) return;
      answer(decodeScpReply(Uint8Array.from(datagram)));
    });
    try {
      for (let attempt = 0; attempt < attempts; attempt += 1) {
        sequence = (sequence + 1) & 0xffff;
        mine.push(sequence);
        await port.send(encodeRequest(request, sequence), boardPort, board);
        const timer = new AbortController();
        const reply = await Promise.race([
          answered,
          delay(replyTimeoutMs, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).catch(() => undefined),
        ]);
        timer.abort();
        if (signal.aborted) throw abortError(signal);
        if (reply === undefined) continue;
        if (reply.returnCode === ReturnCode.OK) return reply;
        const { name: code, meaning } = returnCodeInfo(reply.returnCode);
        const why = `${board} refused ${name}: ${code}, ${meaning}`;
        throw new SpinnError("ERR_SPINN_RETURN_CODE", why, { returnCode: reply.returnCode, request: words });
      }
      throw new SpinnError("ERR_SPINN_TIMEOUT", `${board} did not answer ${attempts} requests for ${name}`, {
        request: words,
        hint: "is the board booted, and is this its Ethernet chip's address?",
      });
    } finally {
      off();
    }
  };

  return async (signal) => {
    throwIfAborted(signal);
    const words = `IPTAG set ${tag} of ${board}`;
    const { destX: x, destY: y } = await ask({ command: Command.VER, arg1: 0, x: ROOT, y: ROOT }, words, signal);
    await ask({ command: Command.IPTAG, arg1: (STRIP_AND_USE_SENDER | SET | tag) >>> 0, x, y }, words, signal);
  };
}

interface TagRequest {
  readonly command: number;
  readonly arg1: number;
  readonly x: number;
  readonly y: number;
}

/** Both coordinates of the chip that the machine was booted from, whichever it is. */
const ROOT = 255;

function encodeRequest({ command, arg1, x, y }: TagRequest, number: number): Uint8Array {
  const header = { flags: FLAGS_REPLY, tag: 0xff, destPort: 0, destCpu: 0, srcPort: 7, srcCpu: 31, destX: x, destY: y, srcX: 0, srcY: 0 };
  return encodeScpRequest({ ...header, command, sequence: number, arg1, arg2: 0, arg3: 0, data: new Uint8Array() });
}
