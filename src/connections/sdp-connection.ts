import { decodeSdp, encodeSdp, FLAGS_NO_REPLY, SDP_DATA_OFFSET, type SdpMessage } from "../wire/sdp.js";
import type { Listenable } from "./connection-listener.js";
import type { DatagramChannel } from "./datagram-channel.js";

/** What a host has to say to send an SDP message; the rest of the header has only one right value. */
export interface OutgoingSdp {
  readonly x: number;
  readonly y: number;
  /** Virtual core, 0..17. */
  readonly p: number;
  /** SDP port, 1..6 for applications. */
  readonly port: number;
  /** At most 272 bytes. */
  readonly data: Uint8Array;
  /** Default 0x07: no reply wanted (a reply that is wanted occupies one of the board's 8 transient tags until it comes). */
  readonly flags?: number;
  /** Default 255. */
  readonly tag?: number;
}

/** SDP messages over a channel: what cores send to the host, and back. SCP replies and malformed datagrams are not handed on. */
export class SDPConnection implements Listenable<SdpMessage> {
  readonly channel: DatagramChannel;
  #malformed = 0;

  constructor(channel: DatagramChannel) {
    this.channel = channel;
  }

  /** Datagrams too short for a header. */
  get malformed(): number {
    return this.#malformed;
  }

  /** Throws `ERR_SPINN_ARGUMENT` above 272 bytes. */
  send(message: OutgoingSdp): void {
    this.channel.send(
      encodeSdp({
        flags: message.flags ?? FLAGS_NO_REPLY,
        tag: message.tag ?? 0xff,
        destPort: message.port,
        destCpu: message.p,
        srcPort: 7,
        srcCpu: 31,
        destX: message.x,
        destY: message.y,
        srcX: 0,
        srcY: 0,
        data: message.data,
      }),
    );
  }

  onMessage(receiver: (message: SdpMessage) => void): () => void {
    return this.channel.subscribe({
      onDatagram: (datagram) => {
        if (datagram.length < SDP_DATA_OFFSET) this.#malformed += 1;
        else if (!isScpReply(datagram)) receiver(decodeSdp(datagram));
      },
    });
  }
}

/** From SCP's port 0, and with a return code where text (CMD_TUBE) would have its command number 64. */
function isScpReply(datagram: Uint8Array): boolean {
  return datagram[5]! >> 5 === 0 && datagram.length >= 14 && datagram[10]! >= 0x80 && datagram[11] === 0;
}
