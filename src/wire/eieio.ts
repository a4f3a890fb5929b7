import { checkInteger, SpinnError } from "../errors.js";

/**
 * EIEIO data messages: events (a key, perhaps a payload) between a host and application cores.
 * Sources: SpiNNMan `messages/eieio`, SpiNNFrontEndCommon `live_packet_gather.c` and `reverse_iptag_multicast_source.c`. Little-endian.
 *
 * ```
 *  0      1                                2         + 2           + 0, 2 or 4
 *  count  P F D T type(2) tag(2)  (flags)  prefix?   payload base? elements: key, payload?
 * ```
 * No length, no padding, no sequence number. A word with P = 0 and F = 1 is a command, see `eieio-command.ts`.
 */
export const EieioType = { KEY_16: 0, KEY_PAYLOAD_16: 1, KEY_32: 2, KEY_PAYLOAD_32: 3 } as const;

export type EieioType = (typeof EieioType)[keyof typeof EieioType];

export interface EieioHeader {
  readonly type: EieioType;
  /** Elements behind the header, 0..255. */
  readonly count: number;
  /** Two bits free for the user, 0..3. */
  readonly tag: number;
  /** 16 bits that are ORed into every key. */
  readonly prefix: number | undefined;
  /** The prefix goes to the upper half of the key, otherwise to the lower. */
  readonly prefixUpper: boolean;
  /** ORed into every payload, or the payload of every element when the type has none. 16 bits for types 0 and 1, 32 for 2 and 3. */
  readonly payloadBase: number | undefined;
  /** Payloads are times in steps of the simulation, not values. */
  readonly payloadIsTime: boolean;
}

/** A data message as it travels: keys and payloads before prefix and base are applied. */
export interface EieioData extends EieioHeader {
  readonly keys: Uint32Array;
  /** As many as keys for types 1 and 3, `undefined` otherwise. */
  readonly payloads: Uint32Array | undefined;
}

/** What {@link encodeEieioData} needs; everything left out is 0, absent or false. */
export interface EieioDataInput {
  readonly type: EieioType;
  readonly keys: ArrayLike<number>;
  readonly payloads?: ArrayLike<number> | undefined;
  readonly tag?: number | undefined;
  readonly prefix?: number | undefined;
  readonly prefixUpper?: boolean | undefined;
  readonly payloadBase?: number | undefined;
  readonly payloadIsTime?: boolean | undefined;
}

/** Most elements in one message: the count is a byte. */
export const EIEIO_MAX_COUNT = 255;
/** Bytes a host may put into one message (SpiNNMan `constants.py`). A board sends up to {@link EIEIO_MAX_FROM_BOARD}. */
export const EIEIO_MAX_FROM_HOST = 256;
/** The gatherer fills 256 bytes with events and puts up to 8 bytes of header on top (`live_packet_gather.c`). */
export const EIEIO_MAX_FROM_BOARD = 264;

const IS_PREFIX = 0x80;
const IS_UPPER = 0x40;
const HAS_BASE = 0x20;
const IS_TIME = 0x10;

/** Bytes of one element. */
export function eieioElementSize(type: EieioType): number {
  return type === EieioType.KEY_16 ? 2 : type === EieioType.KEY_PAYLOAD_32 ? 8 : 4;
}

/** Bytes in front of the elements. */
export function eieioHeaderSize(header: Pick<EieioHeader, "type" | "prefix" | "payloadBase">): number {
  return 2 + (header.prefix === undefined ? 0 : 2) + (header.payloadBase === undefined ? 0 : header.type >= EieioType.KEY_32 ? 4 : 2);
}

/** Elements that fit into one message made by a host: 127, 63, 63 or 31, less with a prefix or a base. */
export function eieioMaxElements(header: Pick<EieioHeader, "type" | "prefix" | "payloadBase">): number {
  return Math.min(EIEIO_MAX_COUNT, Math.floor((EIEIO_MAX_FROM_HOST - eieioHeaderSize(header)) / eieioElementSize(header.type)));
}

/** Whether the first word of a message is a command. `false` for fewer than two bytes. */
export function isEieioCommand(message: Uint8Array): boolean {
  return message.length >= 2 && (message[1]! & 0xc0) === 0x40;
}

/**
 * Throws `ERR_SPINN_ARGUMENT` for a number that does not fit its field, for payloads where the type has none (or none where it has),
 * for an upper prefix without prefix, and for a message above 264 bytes.
 */
export function encodeEieioData(input: EieioDataInput): Uint8Array {
  const { type, keys, payloads, prefix, payloadBase } = input;
  checkInteger("EIEIO type", type, 0, 3);
  const withPayload = (type & 1) === 1;
  const wide = type >= EieioType.KEY_32;
  const most = wide ? 0xffffffff : 0xffff;
  if (withPayload !== (payloads !== undefined) || (payloads !== undefined && payloads.length !== keys.length)) {
    throw new SpinnError(
      "ERR_SPINN_ARGUMENT",
      `EIEIO type ${type} takes ${withPayload ? `${keys.length} payloads, one for each key` : "no payloads"}, not ${payloads?.length ?? "none"}`,
    );
  }
  if (input.prefixUpper === true && prefix === undefined) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", "an upper prefix needs a prefix: the flag alone would make the message a command");
  }
  const start = eieioHeaderSize({ type, prefix, payloadBase });
  const size = start + keys.length * eieioElementSize(type);
  if (keys.length > EIEIO_MAX_COUNT || size > EIEIO_MAX_FROM_BOARD) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${keys.length} EIEIO elements of type ${type} do not fit into one message`, {
      hint: `a host sends at most ${eieioMaxElements({ type, prefix, payloadBase })} of these in one message`,
    });
  }
  const message = new Uint8Array(size);
  const view = new DataView(message.buffer);
  message[0] = keys.length;
  message[1] =
    (prefix === undefined ? 0 : IS_PREFIX) |
    (input.prefixUpper === true ? IS_UPPER : 0) |
    (payloadBase === undefined ? 0 : HAS_BASE) |
    (input.payloadIsTime === true ? IS_TIME : 0) |
    (type << 2) |
    checkInteger("EIEIO tag", input.tag ?? 0, 0, 3);
  if (prefix !== undefined) view.setUint16(2, checkInteger("EIEIO prefix", prefix, 0, 0xffff), true);
  let offset = start;
  const put = (name: string, value: number): void => {
    checkInteger(name, value, 0, most);
    if (wide) view.setUint32(offset, value, true);
    else view.setUint16(offset, value, true);
    offset += wide ? 4 : 2;
  };
  if (payloadBase !== undefined) {
    offset = start - (wide ? 4 : 2);
    put("EIEIO payload base", payloadBase);
  }
  for (let i = 0; i < keys.length; i += 1) {
    put("EIEIO key", keys[i]!);
    if (payloads !== undefined) put("EIEIO payload", payloads[i]!);
  }
  return message;
}

/** Throws `ERR_SPINN_PROTOCOL` for a command and for a message shorter than its header. */
export function decodeEieioHeader(message: Uint8Array): EieioHeader {
  if (message.length < 2) throw tooShort(message, 2);
  if (isEieioCommand(message)) throw new SpinnError("ERR_SPINN_PROTOCOL", "an EIEIO command where data were expected");
  const flags = message[1]!;
  const type = ((flags >> 2) & 3) as EieioType;
  const hasPrefix = (flags & IS_PREFIX) !== 0;
  const hasBase = (flags & HAS_BASE) !== 0;
  const wide = type >= EieioType.KEY_32;
  const size = 2 + (hasPrefix ? 2 : 0) + (hasBase ? (wide ? 4 : 2) : 0);
  if (message.length < size) throw tooShort(message, size);
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const baseAt = hasPrefix ? 4 : 2;
  return {
    type,
    count: message[0]!,
    tag: flags & 3,
    prefix: hasPrefix ? view.getUint16(2, true) : undefined,
    prefixUpper: (flags & IS_UPPER) !== 0,
    payloadBase: hasBase ? (wide ? view.getUint32(baseAt, true) : view.getUint16(baseAt, true)) : undefined,
    payloadIsTime: (flags & IS_TIME) !== 0,
  };
}

/** Trailing bytes are ignored. Throws `ERR_SPINN_PROTOCOL` for a command and for a message shorter than its count says. */
export function decodeEieioData(message: Uint8Array): EieioData {
  const header = decodeEieioHeader(message);
  const start = eieioHeaderSize(header);
  const size = start + header.count * eieioElementSize(header.type);
  if (message.length < size) throw tooShort(message, size);
  const keys = new Uint32Array(header.count);
  const payloads = (header.type & 1) === 1 ? new Uint32Array(header.count) : undefined;
  readElements(message, start, header.type, header.count, keys, payloads);
  return { ...header, keys, payloads };
}

/** Bytes that a data message must have according to its first word; 0 for a command and for fewer than two bytes. Allocates nothing. */
export function eieioDataSize(message: Uint8Array): number {
  if (message.length < 2 || isEieioCommand(message)) return 0;
  const flags = message[1]!;
  const type = ((flags >> 2) & 3) as EieioType;
  const baseSize = (flags & HAS_BASE) === 0 ? 0 : type >= EieioType.KEY_32 ? 4 : 2;
  return 2 + ((flags & IS_PREFIX) === 0 ? 0 : 2) + baseSize + message[0]! * eieioElementSize(type);
}

/** A place for the events of one message, made once and filled again and again. */
export interface EieioEvents {
  /** Events in the message. */
  count: number;
  /** 255 full keys, of which `count` are valid. */
  readonly keys: Uint32Array;
  /** 255 full payloads; 0 where there are none. */
  readonly payloads: Uint32Array;
  hasPayloads: boolean;
  payloadIsTime: boolean;
}

export function createEieioEvents(): EieioEvents {
  return {
    count: 0,
    keys: new Uint32Array(EIEIO_MAX_COUNT),
    payloads: new Uint32Array(EIEIO_MAX_COUNT),
    hasPayloads: false,
    payloadIsTime: false,
  };
}

/**
 * The events of a message as a receiver on the host means them: prefix and base are ORed in (not added), a base without payloads is the
 * payload of every element (SpiNNMan's decoder). The injector on a board reads some messages differently: see the protocol sheet of
 * `reverse_iptag_multicast_source.c`. Throws as {@link decodeEieioData}; `into` is then unspecified.
 */
export function readEieioEvents(message: Uint8Array, into: EieioEvents): EieioEvents {
  if (message.length < 2) throw tooShort(message, 2);
  const flags = message[1]!;
  if ((flags & 0xc0) === IS_UPPER) throw new SpinnError("ERR_SPINN_PROTOCOL", "an EIEIO command where data were expected");
  const count = message[0]!;
  const type = ((flags >> 2) & 3) as EieioType;
  const wide = type >= EieioType.KEY_32;
  let start = 2;
  let prefix = 0;
  let base = 0;
  if ((flags & IS_PREFIX) !== 0) {
    prefix = (message[2] ?? 0) | ((message[3] ?? 0) << 8);
    if ((flags & IS_UPPER) !== 0) prefix <<= 16;
    start = 4;
  }
  if ((flags & HAS_BASE) !== 0) {
    base = (message[start] ?? 0) | ((message[start + 1] ?? 0) << 8);
    if (wide) base |= ((message[start + 2] ?? 0) << 16) | ((message[start + 3] ?? 0) << 24);
    start += wide ? 4 : 2;
  }
  const size = eieioDataSize(message);
  if (message.length < size) throw tooShort(message, size);
  const { keys, payloads } = into;
  const withPayload = (type & 1) === 1;
  readElements(message, start, type, count, keys, withPayload ? payloads : undefined);
  for (let i = 0; i < count; i += 1) {
    keys[i]! |= prefix;
    payloads[i] = withPayload ? payloads[i]! | base : base;
  }
  into.count = count;
  into.hasPayloads = withPayload || (flags & HAS_BASE) !== 0;
  into.payloadIsTime = (flags & IS_TIME) !== 0;
  return into;
}

function readElements(
  message: Uint8Array,
  start: number,
  type: EieioType,
  count: number,
  keys: Uint32Array,
  payloads: Uint32Array | undefined,
): void {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const wide = type >= EieioType.KEY_32;
  let offset = start;
  for (let i = 0; i < count; i += 1) {
    keys[i] = wide ? view.getUint32(offset, true) : view.getUint16(offset, true);
    offset += wide ? 4 : 2;
    if (payloads !== undefined) {
      payloads[i] = wide ? view.getUint32(offset, true) : view.getUint16(offset, true);
      offset += wide ? 4 : 2;
    }
  }
}

function tooShort(message: Uint8Array, size: number): SpinnError {
  return new SpinnError("ERR_SPINN_PROTOCOL", `EIEIO message of ${message.length} bytes; its header says ${size}`);
}
