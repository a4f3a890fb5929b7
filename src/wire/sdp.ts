import { checkInteger, SpinnError } from "../errors.js";

/**
 * SDP (SpiNNaker Datagram Protocol) as it travels in UDP: two pad bytes, eight header bytes, payload.
 * Layout: spinnaker_tools `include/spinnaker.h` (sdp_hdr_t) and `scamp/scamp-3.c`. All multi-byte fields little-endian.
 *
 * ```
 *  0    2      3    4              5              6       7       8       9       10
 *  pad  flags  tag  dest_port_cpu  srce_port_cpu  dest_y  dest_x  srce_y  srce_x  payload ...
 * ```
 */
export interface SdpHeader {
  /** 0x87 asks for a reply, 0x07 does not. */
  readonly flags: number;
  /** IP tag, 0..15; 255 from a host: "lend me a transient tag". */
  readonly tag: number;
  /** SDP port 0..7; 0 is SCP, 7 the host side of the Ethernet. */
  readonly destPort: number;
  /** Virtual core 0..31; 0 is the monitor, 31 with port 7 the host. */
  readonly destCpu: number;
  readonly srcPort: number;
  readonly srcCpu: number;
  readonly destX: number;
  readonly destY: number;
  readonly srcX: number;
  readonly srcY: number;
}

export interface SdpMessage extends SdpHeader {
  /** Everything behind the header. A view when decoded: copy it to keep it apart from the datagram. */
  readonly data: Uint8Array;
}

/** Pad bytes in front of the SDP header in a UDP datagram. */
export const SDP_PAD_SIZE = 2;
/** Pad and header: offset of the SDP payload in a UDP datagram. */
export const SDP_DATA_OFFSET = 10;
/** Largest SDP payload: SDP_BUF_SIZE 256 + 16 (spinnaker_tools `include/sark.h`). */
export const SDP_MAX_DATA = 272;
/** UDP port of SC&MP and of the BMP (0x45E5). */
export const SCP_PORT = 17893;
/** UDP port to which SC&MP's text output goes by convention (Tubotron, 0x45E4). */
export const TUBE_PORT = 17892;

export const FLAG_REPLY = 0x80;
export const FLAG_CHECKSUM = 0x40;
export const FLAG_NO_ROUTE = 0x20;
/** Flags of a message that wants a reply. */
export const FLAGS_REPLY = 0x87;
/** Flags of a message that wants none, and of the monitor's replies. */
export const FLAGS_NO_REPLY = 0x07;

/**
 * Throws `ERR_SPINN_ARGUMENT` for a field that does not fit its bits. Port and core share a byte: a core above 31 would silently become another
 * port, and the message would reach somebody else.
 */
export function checkSdpHeader(header: SdpHeader): void {
  checkInteger("SDP flags", header.flags, 0, 255);
  checkInteger("SDP tag", header.tag, 0, 255);
  checkInteger("SDP destination port", header.destPort, 0, 7);
  checkInteger("SDP destination core", header.destCpu, 0, 31);
  checkInteger("SDP source port", header.srcPort, 0, 7);
  checkInteger("SDP source core", header.srcCpu, 0, 31);
  checkInteger("SDP destination x", header.destX, 0, 255);
  checkInteger("SDP destination y", header.destY, 0, 255);
  checkInteger("SDP source x", header.srcX, 0, 255);
  checkInteger("SDP source y", header.srcY, 0, 255);
}

/** Writes pad and header at the start of `target` (at least 10 bytes). The packet path: fields are not checked. */
export function writeSdpHeader(target: Uint8Array, header: SdpHeader): void {
  target[0] = 0;
  target[1] = 0;
  target[2] = header.flags;
  target[3] = header.tag;
  target[4] = (header.destPort << 5) | header.destCpu;
  target[5] = (header.srcPort << 5) | header.srcCpu;
  target[6] = header.destY;
  target[7] = header.destX;
  target[8] = header.srcY;
  target[9] = header.srcX;
}

/** Reads the header of a datagram. Throws `ERR_SPINN_PROTOCOL` below 10 bytes. */
export function readSdpHeader(datagram: Uint8Array): SdpHeader {
  if (datagram.length < SDP_DATA_OFFSET) {
    throw new SpinnError("ERR_SPINN_PROTOCOL", `datagram of ${datagram.length} bytes is shorter than an SDP header (${SDP_DATA_OFFSET})`);
  }
  const dest = datagram[4]!;
  const source = datagram[5]!;
  return {
    flags: datagram[2]!,
    tag: datagram[3]!,
    destPort: dest >> 5,
    destCpu: dest & 31,
    srcPort: source >> 5,
    srcCpu: source & 31,
    destX: datagram[7]!,
    destY: datagram[6]!,
    srcX: datagram[9]!,
    srcY: datagram[8]!,
  };
}

/**
 * A whole UDP datagram. Throws `ERR_SPINN_ARGUMENT` for a header field out of range, and for a payload above 272 bytes: SC&MP drops such
 * datagrams without a word.
 */
export function encodeSdp(message: SdpMessage): Uint8Array {
  checkSdpHeader(message);
  if (message.data.length > SDP_MAX_DATA) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `SDP payload of ${message.data.length} bytes; at most ${SDP_MAX_DATA} fit`);
  }
  const datagram = new Uint8Array(SDP_DATA_OFFSET + message.data.length);
  writeSdpHeader(datagram, message);
  datagram.set(message.data, SDP_DATA_OFFSET);
  return datagram;
}

/** Header and payload (a view) of a UDP datagram. Throws `ERR_SPINN_PROTOCOL` below 10 bytes. */
export function decodeSdp(datagram: Uint8Array): SdpMessage {
  return { ...readSdpHeader(datagram), data: datagram.subarray(SDP_DATA_OFFSET) };
}
