import { checkInteger, hex32, SpinnError } from "../errors.js";
import { Command, SCP_MAX_DATA, SCP_REPLY_OFFSET, type ScpRequest } from "../wire/index.js";
import { checkRange, checkWords, readIsRepeatable, unitFor, writeIsRepeatable } from "./address.js";
import { EMPTY_REPEATABLE, replyBytes, ShapedRequest } from "./shaped-request.js";
import { checkTarget, type Target, targetWords } from "./target.js";

/**
 * READ and WRITE are the packet path: one object per request, everything that requests share sits on the prototype. The bulk generators
 * check their range once and then make requests without further checks.
 */
abstract class MemoryRequest {
  readonly x: number;
  readonly y: number;
  readonly p: number;
  /** Address. */
  readonly arg1: number;
  /** Length in bytes, 1..256. */
  readonly arg2: number;
  /** {@link Unit} of the bus access. */
  readonly arg3: number;
  readonly repeatable: boolean;

  constructor(target: Target, address: number, length: number, repeatable: boolean) {
    this.x = target.x;
    this.y = target.y;
    this.p = target.p ?? 0;
    this.arg1 = address;
    this.arg2 = length;
    this.arg3 = unitFor(address, length);
    this.repeatable = repeatable;
  }

  protected words(command: string): string {
    return `${command} ${this.arg2} bytes at ${hex32(this.arg1)} on ${targetWords(this.x, this.y, this.p)}`;
  }
}

abstract class ReadRequest extends MemoryRequest {
  get command(): number {
    return Command.READ;
  }

  get minReply(): number {
    return this.arg2;
  }

  get maxReply(): number {
    return this.arg2;
  }

  describe(): string {
    return this.words("READ");
  }
}

class ReadBlock extends ReadRequest implements ScpRequest<Uint8Array> {
  decode(datagram: Uint8Array): Uint8Array {
    return replyBytes(datagram);
  }
}

class ReadInto extends ReadRequest implements ScpRequest<void> {
  readonly #into: Uint8Array;
  readonly #offset: number;

  constructor(target: Target, address: number, length: number, repeatable: boolean, into: Uint8Array, offset: number) {
    super(target, address, length, repeatable);
    this.#into = into;
    this.#offset = offset;
  }

  decode(datagram: Uint8Array): void {
    this.#into.set(datagram.subarray(SCP_REPLY_OFFSET, SCP_REPLY_OFFSET + this.arg2), this.#offset);
  }
}

class WriteRequest extends MemoryRequest implements ScpRequest<void> {
  readonly data: Uint8Array;

  constructor(target: Target, address: number, data: Uint8Array, repeatable: boolean) {
    super(target, address, data.length, repeatable);
    this.data = data;
  }

  get command(): number {
    return Command.WRITE;
  }

  get minReply(): number {
    return 0;
  }

  get maxReply(): number {
    return 0;
  }

  decode(): void {}

  describe(): string {
    return this.words("WRITE");
  }
}

/**
 * READ (2): 1..256 bytes at `address`, as a copy. A core's ITCM and DTCM are reached by addressing that core, everything else through the
 * monitor. The unit of access is the widest that address and length allow; registers must be read in whole words.
 *
 * Repeatable for memory and for router registers without side effect; see `readIsRepeatable`.
 * Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_MEMORY`. Source: scamp-cmd.c `cmd_read`.
 */
export function readMemory(target: Target, address: number, length: number): ScpRequest<Uint8Array> {
  checkTarget(target);
  checkInteger("length of a READ", length, 1, SCP_MAX_DATA);
  const area = checkRange(address, length);
  return new ReadBlock(target, address, length, readIsRepeatable(area, address, length));
}

/**
 * WRITE (3): 1..256 bytes to `address`. `data` is used as it is when the request is sent: leave it alone until then. Never shorter than
 * announced: SC&MP would write what an earlier datagram left in its buffer.
 *
 * Repeatable for memory (the same bytes land in the same place) and router registers; other registers act when written.
 * Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_MEMORY`. Source: scamp-cmd.c `cmd_write`.
 */
export function writeMemory(target: Target, address: number, data: Uint8Array): ScpRequest<void> {
  checkTarget(target);
  checkInteger("length of a WRITE", data.length, 1, SCP_MAX_DATA);
  const area = checkRange(address, data.length);
  return new WriteRequest(target, address, data, writeIsRepeatable(area));
}

/**
 * FILL (5): `word` into `length` bytes from `address`, both multiples of 4. SC&MP checks nothing here: a fill over the end of memory kills
 * the monitor, so the caller's range must lie in memory.
 *
 * Repeatable: the same word lands in the same place. The time grows with the length, so long fills wait longer. Throws
 * `ERR_SPINN_ARGUMENT`, `ERR_SPINN_MEMORY`. Source: scamp-cmd.c `cmd_fill`.
 */
export function fillMemory(target: Target, address: number, word: number, length: number): ScpRequest<void> {
  checkTarget(target);
  checkInteger("word to fill with", word, 0, 0xffffffff);
  const area = checkWords("FILL", address, checkInteger("length of a FILL", length, 4, 0xfffffffc));
  if (area.registers) throw new SpinnError("ERR_SPINN_MEMORY", `FILL at ${hex32(address)}: registers are not filled`);
  // 200 ns a word is slow for SDRAM; the wait only has to be longer than the work. Short fills end within an ordinary wait.
  const slowMs = length > 0x10000 ? 1000 + Math.ceil((length / 4) * 200e-6) : undefined;
  return new ShapedRequest(
    { ...EMPTY_REPEATABLE, slowMs },
    Command.FILL,
    target,
    { arg1: address, arg2: word, arg3: length },
    `${length} bytes at ${hex32(address)} with ${hex32(word)}`,
  );
}

/**
 * Requests that read `length` bytes from `address` into the first `length` bytes of `into`, made one at a time as they are asked for. Each
 * reply's payload goes straight to its place. The first block ends so that all others start on a word: an unaligned range costs no more
 * packets than an aligned one, and only its first block is read in bytes.
 *
 * Throws (before the first request) `ERR_SPINN_ARGUMENT` for a buffer too small, `ERR_SPINN_MEMORY` for an impossible range.
 */
export function readRequests(target: Target, address: number, length: number, into: Uint8Array): Generator<ScpRequest<void>, void, void> {
  checkTarget(target);
  const repeatable = readIsRepeatable(checkRange(address, length), address, length);
  if (into.length < length) throw new SpinnError("ERR_SPINN_ARGUMENT", `${length} bytes do not fit a buffer of ${into.length} bytes`);
  return readBlocks(target, address, length, into, repeatable);
}

/**
 * Requests that write `data` to `address`, made one at a time as they are asked for, in blocks as {@link readRequests} makes them. The data
 * are not copied: leave them alone until the last request has ended.
 *
 * Throws (before the first request) `ERR_SPINN_ARGUMENT` or `ERR_SPINN_MEMORY`.
 */
export function writeRequests(target: Target, address: number, data: Uint8Array): Generator<ScpRequest<void>, void, void> {
  checkTarget(target);
  return writeBlocks(target, address, data, writeIsRepeatable(checkRange(address, data.length)));
}

function* readBlocks(
  target: Target,
  address: number,
  length: number,
  into: Uint8Array,
  repeatable: boolean,
): Generator<ScpRequest<void>, void, void> {
  let size = 0;
  for (let offset = 0; offset < length; offset += size) {
    size = blockSize(address + offset, length - offset);
    yield new ReadInto(target, address + offset, size, repeatable, into, offset);
  }
}

function* writeBlocks(target: Target, address: number, data: Uint8Array, repeatable: boolean): Generator<ScpRequest<void>, void, void> {
  let size = 0;
  for (let offset = 0; offset < data.length; offset += size) {
    size = blockSize(address + offset, data.length - offset);
    yield new WriteRequest(target, address + offset, data.subarray(offset, offset + size), repeatable);
  }
}

function blockSize(address: number, left: number): number {
  return Math.min(left, SCP_MAX_DATA - (address & 3));
}
