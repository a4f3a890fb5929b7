import { checkInteger, SpinnError } from "../errors.js";
import { Command, type ScpRequest } from "../wire/index.js";
import { addressWord, readAddress, readMac } from "./ip-address.js";
import { EMPTY_REPEATABLE, type RequestShape, replyView, ShapedRequest, wordShape } from "./shaped-request.js";
import { checkMonitor, type Target } from "./target.js";

const Operation = { NEW: 0, SET: 1, GET: 2, CLEAR: 3, TIMEOUT: 4 } as const;
const STRIP = 0x10000000;
const REVERSE = 0x20000000;
const USE_SENDER = 0x40000000;
/** Bytes of one entry in a reply to GET. */
const ENTRY_SIZE = 32;

/** Where a tag sends to. */
export interface TagDestination {
  /** IPv4 address. Absent: the sender of the request, which works only on the Ethernet chip that the host talks to. */
  readonly host?: string | undefined;
  /** UDP port. Absent (then `host` must be absent too): the port from which the request came. */
  readonly port?: number | undefined;
  /** Send the SDP payload alone, without pad and header. Default `false`. */
  readonly strip?: boolean | undefined;
  /**
   * Life time: code n is 2^(n-1) ticks of 10 ms, 0 for ever. Default 0. SC&MP ORs the ticks into the tag's flags, so codes 9, 10, 11, 14
   * and 15 would switch flags on and are refused.
   */
  readonly timeoutCode?: number | undefined;
}

/** Where a reverse tag delivers what comes in on its UDP port. */
export interface ReverseTag {
  /** UDP port that SC&MP listens to, 1..65535, not 17893. */
  readonly port: number;
  readonly x: number;
  readonly y: number;
  /** Virtual core. */
  readonly p: number;
  /** SDP port 1..7. Default 1. */
  readonly sdpPort?: number | undefined;
  /** Used outwards (to the last sender), send the SDP payload alone. Default `true`, as SpiNNMan sets it. */
  readonly strip?: boolean | undefined;
}

/** One of the 16 tags as SC&MP holds it. */
export interface TagEntry {
  readonly tag: number;
  readonly inUse: boolean;
  readonly transient: boolean;
  /** Still asking for the host's hardware address: packets sent meanwhile are lost. */
  readonly resolving: boolean;
  readonly strip: boolean;
  readonly reverse: boolean;
  readonly host: string | undefined;
  readonly mac: string;
  /** UDP port at the host. */
  readonly port: number;
  /** Ticks of 10 ms left, 0 for ever. */
  readonly timeoutTicks: number;
  readonly packetsSent: number;
  /** UDP port listened to, for a reverse tag. */
  readonly rxPort: number;
  /** Where a reverse tag delivers. */
  readonly destination: { readonly x: number; readonly y: number; readonly p: number; readonly sdpPort: number };
}

export interface TagPool {
  /** Time-out code of transient tags, see `TagDestination.timeoutCode`. */
  readonly timeoutCode: number;
  readonly poolSize: number;
  readonly fixedSize: number;
}

/**
 * IPTAG SET: tag 0..7 sends to a host. Repeatable: the same entry is written again. Throws `ERR_SPINN_ARGUMENT`. Source: scamp-3.c
 * `cmd_iptag`.
 */
export function setTag(chip: Target, tag: number, destination: TagDestination): ScpRequest<number> {
  checkInteger("tag", tag, 0, 7);
  return destinationRequest(chip, Operation.SET, tag, destination, TAG_REPEATABLE);
}

/**
 * IPTAG NEW: as {@link setTag} on the first free tag of the pool 8..15; the result is its number. The pool also serves replies, so a
 * tag taken here narrows the board's window. Not repeatable: each execution takes another tag.
 */
export function newTag(chip: Target, destination: TagDestination): ScpRequest<number> {
  return destinationRequest(chip, Operation.NEW, 0, destination, TAG_ONCE);
}

/**
 * IPTAG SET with the reverse flag: what comes in on a UDP port of the board goes to a core as SDP. Reverse look-up covers tags 0..7.
 * Repeatable: the same entry is written again.
 */
export function setReverseTag(chip: Target, tag: number, reverse: ReverseTag): ScpRequest<number> {
  checkInteger("tag", tag, 0, 7);
  const port = checkInteger("UDP port", reverse.port, 1, 65535);
  const x = checkInteger("chip x", reverse.x, 0, 255);
  const y = checkInteger("chip y", reverse.y, 0, 255);
  const core = checkInteger("core", reverse.p, 0, 17);
  const sdpPort = checkInteger("SDP port", reverse.sdpPort ?? 1, 1, 7);
  const flags = REVERSE | ((reverse.strip ?? true) ? STRIP : 0);
  const arg1 = flags | (Operation.SET << 16) | (((sdpPort << 5) | core) << 8) | tag;
  const fields = { arg1, arg2: (x << 24) | (y << 16) | port };
  const words = `set reverse tag ${tag}: UDP port ${port} to core ${x},${y},${core}`;
  return new ShapedRequest(TAG_REPEATABLE, Command.IPTAG, checkMonitor(chip, "IPTAG"), fields, words);
}

/** IPTAG GET: `count` tags (1..8) from `tag` on. Repeatable: it only reads. A range beyond tag 15 is refused: SC&MP would read on. */
export function getTags(chip: Target, tag: number, count = 1): ScpRequest<TagEntry[]> {
  checkInteger("tag", tag, 0, 15);
  checkInteger("number of tags", count, 1, Math.min(8, 16 - tag));
  const size = count * ENTRY_SIZE;
  const decode = (datagram: Uint8Array) => {
    const view = replyView(datagram);
    return Array.from({ length: count }, (_, i) => decodeEntry(view, i * ENTRY_SIZE, tag + i));
  };
  const shape = { repeatable: true, minReply: size, maxReply: size, decode };
  const fields = { arg1: (Operation.GET << 16) | tag, arg2: count };
  return new ShapedRequest(shape, Command.IPTAG, checkMonitor(chip, "IPTAG"), fields, `get ${count} tags from ${tag}`);
}

/** IPTAG CLR: the tag is free afterwards. Repeatable: free stays free. */
export function clearTag(chip: Target, tag: number): ScpRequest<void> {
  checkInteger("tag", tag, 0, 15);
  const fields = { arg1: (Operation.CLEAR << 16) | tag };
  return new ShapedRequest(EMPTY_REPEATABLE, Command.IPTAG, checkMonitor(chip, "IPTAG"), fields, `clear tag ${tag}`);
}

/** IPTAG TTO, asking: time-out of transient tags and size of the table. Repeatable: it only reads. */
export function getTagPool(chip: Target): ScpRequest<TagPool> {
  return poolRequest(chip, 255, "get the time-out of transient tags");
}

/**
 * IPTAG TTO, setting: life time of transient (reply) tags as a code 1..15; the result is what held **before**. Code 0 would make them live
 * for ever, so that eight lost replies silence the board: refused. Repeatable: the same code is set again (the result then is the new one).
 */
export function setTagTimeout(chip: Target, code: number): ScpRequest<TagPool> {
  return poolRequest(chip, checkInteger("time-out code", code, 1, 15), `set the time-out of transient tags to code ${code}`);
}

// The flag for "to the sender", arg2's port and arg3's address.
function checkDestination(destination: TagDestination): { flags: number; port: number; host: number } {
  const { host, port } = destination;
  if (port === undefined) {
    if (host !== undefined) throw new SpinnError("ERR_SPINN_ARGUMENT", `a tag to ${host} needs a UDP port`);
    return { flags: USE_SENDER, port: 0, host: 0 };
  }
  return { flags: 0, port: checkInteger("UDP port", port, 1, 65535), host: host === undefined ? 0 : addressWord(host) };
}

const READ_TAG = (word: number): number => {
  if (word < 16) return word;
  throw new SpinnError("ERR_SPINN_STATE", "the board has no free tag", { hint: "clear one, or set a tag 0..7 by its number" });
};
const TAG_REPEATABLE = wordShape(true, READ_TAG);
const TAG_ONCE = wordShape(false, READ_TAG);

/** Reply to TTO, which SC&MP and the BMP lay out alike but for the size of an entry in byte 1. */
export const TAG_POOL: RequestShape<TagPool> = {
  repeatable: true,
  minReply: 4,
  maxReply: 4,
  decode: (datagram) => ({ timeoutCode: datagram[14]!, poolSize: datagram[16]!, fixedSize: datagram[17]! }),
};

function poolRequest(chip: Target, code: number, words: string): ScpRequest<TagPool> {
  return new ShapedRequest(TAG_POOL, Command.IPTAG, checkMonitor(chip, "IPTAG"), { arg1: Operation.TIMEOUT << 16, arg2: code }, words);
}

function destinationRequest(
  chip: Target,
  operation: number,
  tag: number,
  destination: TagDestination,
  shape: RequestShape<number>,
): ScpRequest<number> {
  const { flags, port, host } = checkDestination(destination);
  const code = checkInteger("time-out code", destination.timeoutCode ?? 0, 0, 13);
  if (code >= 9 && code <= 11) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `time-out code ${code} would switch on a flag of the tag`, { hint: "use 0..8, 12 or 13" });
  }
  const arg1 = flags | (destination.strip ? STRIP : 0) | (code << 24) | (operation << 16) | tag;
  const where = `${destination.host ?? "the sender"}${destination.port === undefined ? "" : `:${destination.port}`}`;
  const words = operation === Operation.NEW ? `new tag to ${where}` : `set tag ${tag} to ${where}`;
  return new ShapedRequest(shape, Command.IPTAG, checkMonitor(chip, "IPTAG"), { arg1, arg2: port, arg3: host }, words);
}

function decodeEntry(view: DataView, at: number, tag: number): TagEntry {
  const flags = view.getUint16(at + 14, true);
  const chip = view.getUint16(at + 22, true);
  const portCpu = view.getUint8(at + 24);
  return {
    tag,
    inUse: (flags & 0x8000) !== 0,
    transient: (flags & 0x4000) !== 0,
    resolving: (flags & 0x2000) !== 0,
    reverse: (flags & 0x0200) !== 0,
    strip: (flags & 0x0100) !== 0,
    host: readAddress(view, at),
    mac: readMac(view, at + 4),
    port: view.getUint16(at + 10, true),
    timeoutTicks: view.getUint16(at + 12, true),
    packetsSent: view.getUint32(at + 16, true),
    rxPort: view.getUint16(at + 20, true),
    destination: { x: chip >> 8, y: chip & 255, p: portCpu & 31, sdpPort: portCpu >> 5 },
  };
}
