import { checkInteger, SpinnError } from "../errors.js";
import { decodeEieioData, type EieioData, encodeEieioData, isEieioCommand } from "./eieio.js";

/** Numbers of EIEIO commands (SpiNNMan `messages/eieio/command_messages`). 13..16383 are free for applications. */
export const EieioCommandNumber = {
  DATABASE: 1,
  EVENT_PADDING: 2,
  EVENT_STOP: 3,
  STOP_SENDING_REQUESTS: 4,
  START_SENDING_REQUESTS: 5,
  SPINNAKER_REQUEST_BUFFERS: 6,
  HOST_SEND_SEQUENCED_DATA: 7,
  SPINNAKER_REQUEST_READ_DATA: 8,
  HOST_DATA_READ: 9,
  STOP_PAUSE_NOTIFICATION: 10,
  START_RESUME_NOTIFICATION: 11,
  HOST_DATA_READ_ACK: 12,
} as const;

export interface EieioReadRequest {
  readonly channel: number;
  readonly region: number;
  /** Address in the board's memory. */
  readonly address: number;
  /** Bytes to read. */
  readonly length: number;
}

export interface EieioReadAck {
  readonly channel: number;
  readonly region: number;
  /** Bytes that were read. */
  readonly bytesRead: number;
}

/**
 * One EIEIO command. Numbers without members of their own (2..5, 10, 11, 13..16383) are of kind `other` and carry `body`, which is empty
 * for those the tool chain knows.
 */
export type EieioCommand =
  /** Number 1: the tool chain's database, or the answer to it. `path` is `undefined` when there is none. At most 50000 bytes of UTF-8. */
  | { readonly kind: "database"; readonly path: string | undefined }
  /** A core asks for events: `space` bytes are free in `region` (0..15). */
  | {
      readonly kind: "request-buffers";
      readonly x: number;
      readonly y: number;
      readonly p: number;
      readonly region: number;
      readonly sequence: number;
      readonly space: number;
    }
  | { readonly kind: "sequenced-data"; readonly region: number; readonly sequence: number; readonly data: EieioData }
  /** A core asks for 0..7 blocks of its memory to be read. */
  | {
      readonly kind: "request-read";
      readonly x: number;
      readonly y: number;
      readonly p: number;
      readonly sequence: number;
      readonly requests: readonly EieioReadRequest[];
    }
  | { readonly kind: "data-read"; readonly sequence: number; readonly acks: readonly EieioReadAck[] }
  | { readonly kind: "data-read-ack"; readonly sequence: number }
  | {
      readonly kind: "other";
      readonly command: number;
      readonly body: Uint8Array;
    };

const MAX_PATH_BYTES = 50000;
const COMMAND_FLAG = 0x4000;

const NUMBER = {
  database: EieioCommandNumber.DATABASE,
  "request-buffers": EieioCommandNumber.SPINNAKER_REQUEST_BUFFERS,
  "sequenced-data": EieioCommandNumber.HOST_SEND_SEQUENCED_DATA,
  "request-read": EieioCommandNumber.SPINNAKER_REQUEST_READ_DATA,
  "data-read": EieioCommandNumber.HOST_DATA_READ,
  "data-read-ack": EieioCommandNumber.HOST_DATA_READ_ACK,
} as const;

/** A command without a body, such as START_RESUME_NOTIFICATION. */
export function eieioSignal(command: 2 | 3 | 4 | 5 | 10 | 11): EieioCommand {
  return { kind: "other", command, body: new Uint8Array() };
}

/** Throws `ERR_SPINN_ARGUMENT` for a member that does not fit its field. */
export function encodeEieioCommand(message: EieioCommand): Uint8Array {
  const command = message.kind === "other" ? checkInteger("EIEIO command", message.command, 0, 0x3fff) : NUMBER[message.kind];
  const word = command | COMMAND_FLAG;
  const bytes: number[] = [word & 0xff, word >> 8];
  const byte = (name: string, value: number, most = 0xff): void => {
    bytes.push(checkInteger(name, value, 0, most));
  };
  const word32 = (name: string, value: number): void => {
    checkInteger(name, value, 0, 0xffffffff);
    bytes.push(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
  };
  const core = (value: { x: number; y: number; p: number }, low: number): void => {
    byte("y", value.y);
    byte("x", value.x);
    bytes.push((checkInteger("core", value.p, 0, 31) << 3) | low);
  };
  if (message.kind === "database") {
    const path = new TextEncoder().encode(message.path ?? "");
    if (path.length > MAX_PATH_BYTES)
      throw new SpinnError("ERR_SPINN_ARGUMENT", `database path of ${path.length} bytes; at most ${MAX_PATH_BYTES}`);
    return concat(bytes, path);
  }
  if (message.kind === "request-buffers") {
    core(message, 0);
    bytes.push(0);
    byte("region", message.region, 15);
    byte("sequence", message.sequence);
    word32("space", message.space);
  } else if (message.kind === "sequenced-data") {
    byte("region", message.region);
    byte("sequence", message.sequence);
    return concat(bytes, encodeEieioData(message.data));
  } else if (message.kind === "request-read") {
    if (message.requests.length > 7)
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${message.requests.length} read requests; at most 7 fit in one message`);
    core(message, message.requests.length);
    byte("sequence", message.sequence);
    message.requests.forEach((request, index) => {
      if (index > 0) bytes.push(0, 0);
      byte("channel", request.channel);
      byte("region", request.region);
      word32("address", request.address);
      word32("length", request.length);
    });
  } else if (message.kind === "data-read") {
    byte("number of acknowledgements", message.acks.length);
    byte("sequence", message.sequence);
    for (const ack of message.acks) {
      bytes.push(0, 0);
      byte("channel", ack.channel);
      byte("region", ack.region);
      word32("bytes read", ack.bytesRead);
    }
  } else if (message.kind === "data-read-ack") {
    byte("sequence", message.sequence);
  } else {
    return concat(bytes, message.body);
  }
  return Uint8Array.from(bytes);
}

/**
 * Bodies behind numbers without members are views. Throws `ERR_SPINN_PROTOCOL` for data messages, for bodies that are too short, and for
 * a database path that is not UTF-8 or longer than 50000 bytes. Trailing bytes are ignored.
 */
export function decodeEieioCommand(message: Uint8Array): EieioCommand {
  if (message.length < 2) throw short(message, 2);
  if (!isEieioCommand(message)) throw new SpinnError("ERR_SPINN_PROTOCOL", "EIEIO data where a command was expected");
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const command = view.getUint16(0, true) & 0x3fff;
  const need = (size: number): void => {
    if (message.length < size) throw short(message, size);
  };
  switch (command) {
    case EieioCommandNumber.DATABASE:
      return { kind: "database", path: message.length === 2 ? undefined : decodePath(message.subarray(2)) };
    case EieioCommandNumber.SPINNAKER_REQUEST_BUFFERS:
      need(12);
      return {
        kind: "request-buffers",
        y: message[2]!,
        x: message[3]!,
        p: message[4]! >> 3,
        region: message[6]! & 15,
        sequence: message[7]!,
        space: view.getUint32(8, true),
      };
    case EieioCommandNumber.HOST_SEND_SEQUENCED_DATA:
      need(4);
      return { kind: "sequenced-data", region: message[2]!, sequence: message[3]!, data: decodeEieioData(message.subarray(4)) };
    case EieioCommandNumber.SPINNAKER_REQUEST_READ_DATA: {
      need(6);
      const count = message[4]! & 7;
      need(count === 0 ? 6 : 6 + count * 12 - 2);
      const requests = Array.from({ length: count }, (_, index) => {
        const at = 6 + index * 12;
        return {
          channel: message[at]!,
          region: message[at + 1]!,
          address: view.getUint32(at + 2, true),
          length: view.getUint32(at + 6, true),
        };
      });
      return { kind: "request-read", y: message[2]!, x: message[3]!, p: message[4]! >> 3, sequence: message[5]!, requests };
    }
    case EieioCommandNumber.HOST_DATA_READ: {
      need(4);
      const count = message[2]!;
      need(4 + count * 8);
      const acks = Array.from({ length: count }, (_, index) => {
        const at = 6 + index * 8;
        return { channel: message[at]!, region: message[at + 1]!, bytesRead: view.getUint32(at + 2, true) };
      });
      return { kind: "data-read", sequence: message[3]!, acks };
    }
    case EieioCommandNumber.HOST_DATA_READ_ACK:
      need(3);
      return { kind: "data-read-ack", sequence: message[2]! };
    default:
      return { kind: "other", command, body: message.subarray(2) };
  }
}

function decodePath(bytes: Uint8Array): string {
  if (bytes.length > MAX_PATH_BYTES)
    throw new SpinnError("ERR_SPINN_PROTOCOL", `database path of ${bytes.length} bytes; at most ${MAX_PATH_BYTES}`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new SpinnError("ERR_SPINN_PROTOCOL", "the path in a database notification is not UTF-8", { cause });
  }
}

function concat(head: readonly number[], tail: Uint8Array): Uint8Array {
  const message = new Uint8Array(head.length + tail.length);
  message.set(head);
  message.set(tail, head.length);
  return message;
}

function short(message: Uint8Array, size: number): SpinnError {
  return new SpinnError("ERR_SPINN_PROTOCOL", `EIEIO command of ${message.length} bytes; it takes ${size}`);
}
