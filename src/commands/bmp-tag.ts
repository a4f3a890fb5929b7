import { checkInteger } from "../errors.js";
import { Command, type ScpRequest } from "../wire/index.js";
import { BmpRequest } from "./bmp-request.js";
import { addressWord, readAddress, readMac } from "./ip-address.js";
import { EMPTY_REPEATABLE, replyView, wordShape } from "./shaped-request.js";
import { TAG_POOL, type TagPool } from "./tag.js";

const Operation = { SET: 1, GET: 2, CLEAR: 3, TIMEOUT: 4 } as const;
const ENTRY_SIZE = 24;

/** A BMP's tags only send: no reverse, no strip, no "to the sender". */
export interface BmpTagEntry {
  readonly tag: number;
  readonly inUse: boolean;
  readonly transient: boolean;
  readonly resolving: boolean;
  readonly host: string | undefined;
  readonly mac: string;
  readonly port: number;
  readonly timeoutTicks: number;
  readonly packetsSent: number;
}

const TAG = wordShape(true, (tag) => tag);

/** IPTAG SET on a BMP: text output of the BMP goes to tag 0. Repeatable: the same entry is written again. Throws `ERR_SPINN_ARGUMENT`. */
export function setBmpTag(board: number, tag: number, host: string, port: number): ScpRequest<number> {
  checkInteger("tag", tag, 0, 7);
  const arg2 = checkInteger("UDP port", port, 1, 65535);
  const fields = { arg1: (Operation.SET << 16) | tag, arg2, arg3: addressWord(host) };
  return new BmpRequest(TAG, Command.IPTAG, board, fields, `set tag ${tag} to ${host}:${port}`);
}

/** IPTAG GET on a BMP: `count` tags (1..10) from `tag` on. Repeatable: it only reads. */
export function getBmpTags(board: number, tag: number, count = 1): ScpRequest<BmpTagEntry[]> {
  checkInteger("tag", tag, 0, 15);
  checkInteger("number of tags", count, 1, Math.min(10, 16 - tag));
  const size = count * ENTRY_SIZE;
  const decode = (datagram: Uint8Array) => {
    const view = replyView(datagram);
    return Array.from({ length: count }, (_, i) => decodeEntry(view, i * ENTRY_SIZE, tag + i));
  };
  const shape = { repeatable: true, minReply: size, maxReply: size, decode };
  const fields = { arg1: (Operation.GET << 16) | tag, arg2: count };
  return new BmpRequest(shape, Command.IPTAG, board, fields, `get ${count} tags from ${tag}`);
}

/** IPTAG CLR on a BMP. Repeatable: free stays free. */
export function clearBmpTag(board: number, tag: number): ScpRequest<void> {
  checkInteger("tag", tag, 0, 15);
  return new BmpRequest(EMPTY_REPEATABLE, Command.IPTAG, board, { arg1: (Operation.CLEAR << 16) | tag }, `clear tag ${tag}`);
}

/** IPTAG TTO on a BMP, asking. Repeatable: it only reads. */
export function getBmpTagPool(board: number): ScpRequest<TagPool> {
  return new BmpRequest(TAG_POOL, Command.IPTAG, board, { arg1: Operation.TIMEOUT << 16, arg2: 255 }, "get the time-out of transient tags");
}

function decodeEntry(view: DataView, at: number, tag: number): BmpTagEntry {
  const flags = view.getUint16(at + 14, true);
  return {
    tag,
    inUse: (flags & 0x8000) !== 0,
    transient: (flags & 0x4000) !== 0,
    resolving: (flags & 0x2000) !== 0,
    host: readAddress(view, at),
    mac: readMac(view, at + 4),
    port: view.getUint16(at + 10, true),
    timeoutTicks: view.getUint16(at + 12, true),
    packetsSent: view.getUint32(at + 16, true),
  };
}
