import { SpinnError } from "../errors.js";
import { checkSdpHeader, readSdpHeader, type SdpHeader, writeSdpHeader } from "./sdp.js";

/**
 * SCP (SpiNNaker Command Protocol): requests and replies inside SDP, spinnaker_tools `include/sark.h` (cmd_hdr_t) and `docs/scp`.
 *
 * ```
 *            10      12   14    18    22    26
 *  request   cmd     seq  arg1  arg2  arg3  data (0..256)
 *  reply     rc      seq  payload
 * ```
 * A reply has no argument block: its payload starts where a request has arg1.
 */
export interface ScpRequestPacket extends SdpHeader {
  readonly command: number;
  readonly sequence: number;
  readonly arg1: number;
  readonly arg2: number;
  readonly arg3: number;
  readonly data: Uint8Array;
}

export interface ScpReplyPacket extends SdpHeader {
  readonly returnCode: number;
  readonly sequence: number;
  /** A view of the datagram. */
  readonly payload: Uint8Array;
}

/** Offset of cmd_rc in a datagram. */
export const SCP_CODE_OFFSET = 10;
/** Offset of seq in a datagram. */
export const SCP_SEQUENCE_OFFSET = 12;
/** Offset of a reply's payload in a datagram, and size of the shortest reply. */
export const SCP_REPLY_OFFSET = 14;
/** Offset of a request's data in a datagram, and size of the shortest request. */
export const SCP_REQUEST_OFFSET = 26;
/** Largest data block: announced by VER, 256 in every firmware. */
export const SCP_MAX_DATA = 256;
/** Largest request datagram. */
export const SCP_MAX_REQUEST = SCP_REQUEST_OFFSET + SCP_MAX_DATA;

/** Writes command, sequence number and arguments behind the SDP header of `target`. */
export function writeScpFields(target: Uint8Array, command: number, sequence: number, arg1: number, arg2: number, arg3: number): void {
  target[10] = command;
  target[11] = command >>> 8;
  target[12] = sequence;
  target[13] = sequence >>> 8;
  writeWord(target, 14, arg1);
  writeWord(target, 18, arg2);
  writeWord(target, 22, arg3);
}

/** A whole request datagram. Throws `ERR_SPINN_ARGUMENT` for a header field out of range and for more than 256 bytes of data. */
export function encodeScpRequest(packet: ScpRequestPacket): Uint8Array {
  checkSdpHeader(packet);
  if (packet.data.length > SCP_MAX_DATA) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `SCP data of ${packet.data.length} bytes; at most ${SCP_MAX_DATA} fit`);
  }
  const datagram = new Uint8Array(SCP_REQUEST_OFFSET + packet.data.length);
  writeSdpHeader(datagram, packet);
  writeScpFields(datagram, packet.command, packet.sequence, packet.arg1, packet.arg2, packet.arg3);
  datagram.set(packet.data, SCP_REQUEST_OFFSET);
  return datagram;
}

/** Throws `ERR_SPINN_PROTOCOL` below 26 bytes: a request always carries its three arguments. */
export function decodeScpRequest(datagram: Uint8Array): ScpRequestPacket {
  if (datagram.length < SCP_REQUEST_OFFSET) {
    throw new SpinnError(
      "ERR_SPINN_PROTOCOL",
      `datagram of ${datagram.length} bytes is shorter than an SCP request (${SCP_REQUEST_OFFSET})`,
    );
  }
  return {
    ...readSdpHeader(datagram),
    command: readHalf(datagram, SCP_CODE_OFFSET),
    sequence: readHalf(datagram, SCP_SEQUENCE_OFFSET),
    arg1: readWord(datagram, 14),
    arg2: readWord(datagram, 18),
    arg3: readWord(datagram, 22),
    data: datagram.subarray(SCP_REQUEST_OFFSET),
  };
}

/** A whole reply datagram. Throws `ERR_SPINN_ARGUMENT` for a header field out of range and for more than 272 bytes of payload. */
export function encodeScpReply(packet: ScpReplyPacket): Uint8Array {
  checkSdpHeader(packet);
  if (packet.payload.length > SCP_MAX_DATA + 16) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `SCP reply of ${packet.payload.length} bytes; at most ${SCP_MAX_DATA + 16} fit`);
  }
  const datagram = new Uint8Array(SCP_REPLY_OFFSET + packet.payload.length);
  writeSdpHeader(datagram, packet);
  datagram[10] = packet.returnCode;
  datagram[11] = packet.returnCode >>> 8;
  datagram[12] = packet.sequence;
  datagram[13] = packet.sequence >>> 8;
  datagram.set(packet.payload, SCP_REPLY_OFFSET);
  return datagram;
}

/** Throws `ERR_SPINN_PROTOCOL` below 14 bytes. */
export function decodeScpReply(datagram: Uint8Array): ScpReplyPacket {
  if (datagram.length < SCP_REPLY_OFFSET) {
    throw new SpinnError("ERR_SPINN_PROTOCOL", `datagram of ${datagram.length} bytes is shorter than an SCP reply (${SCP_REPLY_OFFSET})`);
  }
  return {
    ...readSdpHeader(datagram),
    returnCode: readHalf(datagram, SCP_CODE_OFFSET),
    sequence: readHalf(datagram, SCP_SEQUENCE_OFFSET),
    payload: datagram.subarray(SCP_REPLY_OFFSET),
  };
}

/**
 * The optional argument block of a reply: some commands (VER, COUNT, ALLOC ...) answer with up to three words in front of their data.
 * Absent words are `undefined`; `data` is what follows the third word.
 */
export function readReplyArguments(payload: Uint8Array): {
  arg1: number | undefined;
  arg2: number | undefined;
  arg3: number | undefined;
  data: Uint8Array;
} {
  const word = (offset: number): number | undefined => (payload.length >= offset + 4 ? readWord(payload, offset) : undefined);
  return { arg1: word(0), arg2: word(4), arg3: word(8), data: payload.subarray(12) };
}

function readHalf(bytes: Uint8Array, offset: number): number {
  return bytes[offset]! | (bytes[offset + 1]! << 8);
}

function readWord(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0;
}

function writeWord(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value;
  target[offset + 1] = value >>> 8;
  target[offset + 2] = value >>> 16;
  target[offset + 3] = value >>> 24;
}
