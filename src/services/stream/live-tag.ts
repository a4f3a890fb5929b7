import { setTimeout as delay } from "node:timers/promises";
import { abortError, checkInteger, SpinnError, throwIfAborted } from "../../errors.js";
import {
  Command,
  encodeScpRequest,
  FLAGS_NO_REPLY,
  FLAGS_REPLY,
  ReturnCode,
  returnCodeInfo,
  SCP_CODE_OFFSET,
  SCP_PORT,
  SCP_REPLY_OFFSET,
  SCP_SEQUENCE_OFFSET,
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

/**
 * Aims an IP tag of a board at a socket of ours: the request is sent from that socket, and the board takes address and port as it sees
 * them. So it works behind address translation, and opens the firewall on the way. Repeating it is harmless.
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
  let sequence = 0;
  return async (signal) => {
    throwIfAborted(signal);
    const mine: number[] = [];
    let answer: ((code: number) => void) | undefined;
    const code = new Promise<number>((resolve) => {
      answer = resolve;
    });
    // A live packet can have the length of a reply, so flags and the sequence number are compared as well.
    const off = port.onMessage((datagram, from) => {
      if (from.port !== boardPort || datagram.length < SCP_REPLY_OFFSET) return;
      if (datagram[0] !== 0 || datagram[1] !== 0 || datagram[2] !== FLAGS_NO_REPLY) return;
      if (mine.includes(datagram[SCP_SEQUENCE_OFFSET]! | (datagram[SCP_SEQUENCE_OFFSET + 1]! << 8))) answer!(datagram[SCP_CODE_OFFSET]!);
    });
    const request = `IPTAG set ${tag} of ${board}`;
    try {
      for (let attempt = 0; attempt < attempts; attempt += 1) {
        sequence = (sequence + 1) & 0xffff;
        mine.push(sequence);
        await port.send(encodeTagRequest(tag, sequence), boardPort, board);
        const timer = new AbortController();
        const reply = await Promise.race([
          code,
          delay(replyTimeoutMs, undefined, { signal: AbortSignal.any([signal, timer.signal]) }).catch(() => undefined),
        ]);
        timer.abort();
        if (signal.aborted) throw abortError(signal);
        if (reply === undefined) continue;
        if (reply === ReturnCode.OK) return;
        const { name, meaning } = returnCodeInfo(reply);
        throw new SpinnError("ERR_SPINN_RETURN_CODE", `${board} refused tag ${tag}: ${name}, ${meaning}`, { returnCode: reply, request });
      }
      throw new SpinnError("ERR_SPINN_TIMEOUT", `${board} did not answer ${attempts} requests for tag ${tag}`, {
        request,
        hint: "is the board booted, and is this its Ethernet chip's address?",
      });
    } finally {
      off();
    }
  };
}

function encodeTagRequest(tag: number, sequence: number): Uint8Array {
  return encodeScpRequest({
    flags: FLAGS_REPLY,
    tag: 0xff,
    destPort: 0,
    destCpu: 0,
    srcPort: 7,
    srcCpu: 31,
    destX: 0,
    destY: 0,
    srcX: 0,
    srcY: 0,
    command: Command.IPTAG,
    sequence,
    arg1: (STRIP_AND_USE_SENDER | SET | tag) >>> 0,
    arg2: 0,
    arg3: 0,
    data: new Uint8Array(),
  });
}
