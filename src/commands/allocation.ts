import { checkInteger, hex32, SpinnError } from "../errors.js";
import { checkAppId, SDRAM } from "../machine/index.js";
import { Command, type ScpRequest } from "../wire/index.js";
import { EMPTY_ONCE, type RequestShape, replyWord, ShapedRequest, wordShape } from "./shaped-request.js";
import { checkMonitor, type Target } from "./target.js";

const Operation = {
  ALLOC_SDRAM: 0,
  FREE_SDRAM: 1,
  FREE_SDRAM_ID: 2,
  ALLOC_RTR: 3,
  FREE_RTR: 4,
  FREE_RTR_ID: 5,
  SDRAM_SPACE: 6,
  TAG_POINTER: 7,
} as const;
const RETRY_FLAG = 4;
/** A heap's root and the first block's header come before the first block that can be handed out. */
const FIRST_BLOCK = SDRAM.base + 24;

export interface SdramOptions {
  /** 1..255: the block can be found again by application id and tag, each pair once. Default 0, none. */
  readonly tag?: number | undefined;
  /**
   * Firmware 4.0.0: when the pair of application id and tag already has a block of this size, answer that one. Makes the request
   * repeatable, and needs a tag. Older firmware ignores the flag and refuses the second time: leave it off there. Default `false`.
   */
  readonly retryFlag?: boolean | undefined;
}

/**
 * ALLOC 0: a block of SDRAM for an application; the result is its address. The size is rounded up to a multiple of 4, as SC&MP does
 * (its comparison for the retry flag only works on such sizes). A refusal ends in `ERR_SPINN_MEMORY`.
 *
 * Not repeatable without the retry flag: each execution takes another block, or with a tag refuses the second. Repeatable with it.
 * Throws `ERR_SPINN_ARGUMENT`. Source: scamp-cmd.c `cmd_alloc`, sark_alloc.c.
 */
export function allocateSdram(chip: Target, appId: number, sizeBytes: number, options: SdramOptions = {}): ScpRequest<number> {
  checkAppId(appId);
  const size = (checkInteger("size of the block", sizeBytes, 1, SDRAM.sizeBytes) + 3) & ~3;
  const tag = checkInteger("allocation tag", options.tag ?? 0, 0, 255);
  const retry = options.retryFlag ?? false;
  if (retry && tag === 0) throw new SpinnError("ERR_SPINN_ARGUMENT", "the retry flag needs an allocation tag: SC&MP finds the block by it");
  const shape = wordShape(retry, (address) => {
    if (address !== 0) return address;
    const owner = tag === 0 ? "" : ` and no other block of app ${appId} with tag ${tag}`;
    throw new SpinnError("ERR_SPINN_MEMORY", `the chip has no free block of ${size} bytes${owner === "" ? "" : ", or the tag is taken"}`, {
      hint: `see that there is one free block of ${size} bytes${owner}`,
    });
  });
  const words = `${size} bytes of SDRAM for app ${appId}${tag === 0 ? "" : `, tag ${tag}`}`;
  return request(shape, chip, Operation.ALLOC_SDRAM, appId, size, tag, words, retry ? RETRY_FLAG : 0);
}

/**
 * ALLOC 1: gives the block at `address` back. SC&MP checks nothing: a wild address kills the monitor, so only addresses in SDRAM that are
 * whole words pass. Not repeatable: freeing a free block ties the heap into a knot.
 */
export function freeSdram(chip: Target, address: number): ScpRequest<void> {
  checkInteger("address", address, 0, 0xffffffff);
  if ((address & 3) !== 0 || address < FIRST_BLOCK || address >= SDRAM.base + SDRAM.sizeBytes) {
    throw new SpinnError("ERR_SPINN_MEMORY", `${hex32(address)} is no block of SDRAM`, { hint: "free what an allocation returned" });
  }
  return request(EMPTY_ONCE, chip, Operation.FREE_SDRAM, 0, address, 0, `free ${hex32(address)}`);
}

/**
 * ALLOC 2: gives back all SDRAM of an application; the result is the number of blocks. Repeatable: a repeat finds none, so the number is a
 * lower bound.
 */
export function freeSdramOf(chip: Target, appId: number): ScpRequest<number> {
  return request(COUNT, chip, Operation.FREE_SDRAM_ID, checkAppId(appId), 0, 0, `free the SDRAM of app ${appId}`);
}

/**
 * ALLOC 3: `count` router entries in a row; the result is the first index. A refusal ends in `ERR_SPINN_MEMORY`. Not repeatable: each
 * execution takes other entries.
 */
export function allocateRouterEntries(chip: Target, appId: number, count: number): ScpRequest<number> {
  checkInteger("number of router entries", count, 1, 1023);
  const shape = wordShape(false, (index) => {
    if (index !== 0) return index;
    throw new SpinnError("ERR_SPINN_MEMORY", `the router has no ${count} free entries in a row`, {
      hint: "stop applications, or merge routes",
    });
  });
  return request(shape, chip, Operation.ALLOC_RTR, checkAppId(appId), count, 0, `${count} router entries for app ${appId}`);
}

/**
 * ALLOC 4: gives back the block of router entries that begins at `index`, with `clear` also emptying them. Not repeatable: freeing a free
 * block makes the list of free blocks point at itself (sark_alloc.c `rtr_free`).
 */
export function freeRouterEntries(chip: Target, index: number, clear = true): ScpRequest<void> {
  checkInteger("router entry", index, 1, 1023);
  return request(EMPTY_ONCE, chip, Operation.FREE_RTR, 0, index, clear ? 1 : 0, `free router entries from ${index}`);
}

/** ALLOC 5: gives back all router entries of an application; the result is the number of blocks. Repeatable as {@link freeSdramOf}. */
export function freeRouterEntriesOf(chip: Target, appId: number, clear = true): ScpRequest<number> {
  return request(COUNT, chip, Operation.FREE_RTR_ID, checkAppId(appId), clear ? 1 : 0, 0, `free the router entries of app ${appId}`);
}

export interface SdramSpace {
  /** Bytes. */
  readonly free: number;
  /** Bytes. */
  readonly largestBlock: number;
}

/** ALLOC 6: free SDRAM. Repeatable: it only reads. */
export function getSdramSpace(chip: Target): ScpRequest<SdramSpace> {
  return request(SPACE, chip, Operation.SDRAM_SPACE, 0, 0, 0, "free SDRAM");
}

/** ALLOC 7: address of the block with this application id and tag, `undefined` when there is none. Repeatable: it only reads. */
export function findSdramByTag(chip: Target, appId: number, tag: number): ScpRequest<number | undefined> {
  checkInteger("allocation tag", tag, 1, 255);
  return request(POINTER, chip, Operation.TAG_POINTER, checkAppId(appId), tag, 0, `SDRAM of app ${appId} with tag ${tag}`);
}

const COUNT = wordShape(true, (count) => count);
const POINTER = wordShape(true, (address) => (address === 0 ? undefined : address));
const SPACE: RequestShape<SdramSpace> = {
  repeatable: true,
  minReply: 8,
  maxReply: 8,
  decode: (datagram) => ({ free: replyWord(datagram, 0), largestBlock: replyWord(datagram, 4) }),
};

function request<T>(
  shape: RequestShape<T>,
  chip: Target,
  operation: number,
  appId: number,
  arg2: number,
  arg3: number,
  words: string,
  extra = 0,
): ScpRequest<T> {
  const arg1 = (extra << 16) | (appId << 8) | operation;
  return new ShapedRequest(shape, Command.ALLOC, checkMonitor(chip, "ALLOC"), { arg1, arg2, arg3 }, words);
}
