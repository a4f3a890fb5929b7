import { Readable, Writable } from "node:stream";
import type { Target } from "../commands/index.js";
import { checkInteger, hex32, SpinnError } from "../errors.js";
import { formatChip } from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { readMemory, targetOf, writeMemory } from "./memory.js";
import { type ReadStreamOptions, readStream } from "./memory-stream.js";
import { wordBytes, wordOf } from "./memory-words.js";
import type { Session } from "./session.js";
import { WriteBuffer } from "./write-buffer.js";

export interface MemoryIOOptions {
  /** Bytes of neighbouring writes that are collected before they are sent; 0 sends each at once. Default 16 KiB. */
  readonly bufferBytes?: number | undefined;
}

const DEFAULT_BUFFER_BYTES = 16 * 1024;

/** What a window and its slices have in common. */
interface Block {
  readonly session: Session;
  readonly place: Target;
  readonly writes: WriteBuffer;
  /** Gives the memory back; `undefined` when it was not allocated with the window. */
  readonly release: ((options: CallOptions) => Promise<void>) | undefined;
  closed: boolean;
}

/**
 * A window on a chip's memory that is used like a file: it has an end, a position, and slices; nothing can be read or written outside.
 *
 * ```ts
 * await using io = await spinn.allocateIO({ x: 1, y: 1 }, 4096, { appId: 30 });
 * await io.write(header);
 * await io.slice(1024, 2048).write(weights);
 * await io.seek(0).read(16);
 * ```
 *
 * Calls on a window and all its slices are carried out in the order in which they were made, whether awaited or not. Small writes that follow
 * each other are collected and sent together: `flush()` and `close()` send what is left, and every read sees what was written before. A call
 * moves the position at once; one that fails leaves it where it went.
 *
 * Every method throws `ERR_SPINN_CLOSED` after `close()`, and what `readMemory` and `writeMemory` throw; a failed collected write is thrown by
 * the call that sent it.
 */
export class MemoryIO implements AsyncDisposable {
  readonly #block: Block;
  readonly #parent: MemoryIO | undefined;
  /** Address of the first byte. */
  readonly address: number;
  readonly sizeBytes: number;
  #position = 0;
  #closed = false;

  /** Made by `Transceiver.memoryIO` and `Transceiver.allocateIO`; a slice by {@link slice}. */
  constructor(block: Block, address: number, sizeBytes: number, parent?: MemoryIO) {
    this.#block = block;
    this.#parent = parent;
    this.address = address;
    this.sizeBytes = sizeBytes;
  }

  /** Chip or core. */
  get place(): Target {
    return this.#block.place;
  }

  /** Offset of the next byte that is read or written, 0 .. sizeBytes. */
  get position(): number {
    return this.#position;
  }

  get closed(): boolean {
    return this.#closed || this.#block.closed || this.#parent?.closed === true;
  }

  /**
   * Moves the position; negative offsets count back from the end. Throws `ERR_SPINN_ARGUMENT` for a place outside.
   */
  seek(offset: number): this {
    this.#check();
    this.#position = this.#offset(offset, "position");
    return this;
  }

  /** `length` bytes from the position on; without `length` the rest. Throws `ERR_SPINN_MEMORY` for more than there is, before anything is sent. */
  async read(length = this.sizeBytes - this.#position, options: CallOptions = {}): Promise<Uint8Array> {
    return this.#read(this.#take(length), length, options);
  }

  /** `length` bytes from an offset, wherever the position is, and without moving it. */
  async readAt(offset: number, length: number, options: CallOptions = {}): Promise<Uint8Array> {
    return this.#read(this.#place(offset, length), length, options);
  }

  /**
   * Writes at the position. Resolves when the bytes have been taken, so that `data` may change, or sent. Throws `ERR_SPINN_MEMORY` for more than
   * there is room for, before anything is written.
   */
  async write(data: Uint8Array, options: CallOptions = {}): Promise<void> {
    return this.#block.writes.write(this.#take(data.length), data, options);
  }

  /** Writes at an offset, wherever the position is, and without moving it. */
  async writeAt(offset: number, data: Uint8Array, options: CallOptions = {}): Promise<void> {
    return this.#block.writes.write(this.#place(offset, data.length), data, options);
  }

  /** The unsigned 32-bit word at an offset, little-endian. */
  async readWordAt(offset: number, options: CallOptions = {}): Promise<number> {
    return wordOf(await this.readAt(offset, 4, options));
  }

  /** Writes an unsigned 32-bit word at an offset, little-endian. Throws `ERR_SPINN_ARGUMENT` for what is none. */
  async writeWordAt(offset: number, value: number, options: CallOptions = {}): Promise<void> {
    return this.writeAt(offset, wordBytes(value), options);
  }

  /**
   * A window on a part of this one, from `start` up to, not including, `end`, as `Array.prototype.slice` counts; but a part that is not inside
   * throws `ERR_SPINN_ARGUMENT`. Its position is its own, at 0. It closes with this one.
   */
  slice(start = 0, end = this.sizeBytes): MemoryIO {
    this.#check();
    const from = this.#offset(start, "start");
    const to = this.#offset(end, "end");
    if (to < from) throw new SpinnError("ERR_SPINN_ARGUMENT", `a slice from ${from} to ${to} ends before it begins`);
    return new MemoryIO(this.#block, this.address + from, to - from, this);
  }

  /** Sends what has been collected, of this window and its relatives. */
  async flush(options: CallOptions = {}): Promise<void> {
    this.#check();
    return this.#block.writes.flush(options);
  }

  /** The bytes from the position to the end, in pieces; the position goes with them. Leaving the loop ends the reading. */
  async *pieces(options: ReadStreamOptions = {}): AsyncGenerator<Uint8Array, void, void> {
    this.#check();
    const { session, place, writes } = this.#block;
    const length = this.sizeBytes - this.#position;
    const range = { ...place, address: this.address + this.#position, length };
    await writes.flush(options);
    for await (const piece of readStream(session, [range], options)) {
      this.#check();
      this.#position += piece.length;
      yield piece;
    }
  }

  /** As {@link pieces}, as a stream of Node. */
  readable(options: ReadStreamOptions = {}): Readable {
    return Readable.from(this.pieces(options), { objectMode: false });
  }

  /** A stream of Node that writes from the position on. Its end sends what has been collected; the window stays open. */
  writable(options: CallOptions = {}): Writable {
    const done = (work: Promise<void>, tell: (error?: Error) => void): void => {
      work.then(() => tell(), tell);
    };
    return new Writable({
      decodeStrings: true,
      write: (piece: Uint8Array, _encoding, tell) => done(this.write(piece, options), tell),
      final: (tell) => done(this.flush(options), tell),
    });
  }

  /**
   * Gives allocated memory back; what has been collected is dropped, and the window and all slices are closed.
   * Throws `ERR_SPINN_ARGUMENT` for a slice, or memory that was not allocated with the window; `ERR_SPINN_MEMORY` when it is no longer allocated.
   */
  async free(options: CallOptions = {}): Promise<void> {
    this.#check();
    const { release } = this.#block;
    if (this.#parent !== undefined || release === undefined) {
      const what = this.#parent === undefined ? "was not allocated with this window" : "is a slice";
      throw new SpinnError("ERR_SPINN_ARGUMENT", `the memory at ${hex32(this.address)} cannot be freed here: it ${what}`, {
        hint: "free the window that allocateIO returned",
      });
    }
    await this.discard();
    await release(options);
  }

  /** Closes the window and all its relatives without sending what has been collected; resolves when nothing is under way any more. */
  async discard(): Promise<void> {
    this.#block.closed = true;
    await this.#block.writes.drop();
  }

  /** Sends what has been collected and closes this window; closing the first one closes all slices. Allocated memory stays allocated. */
  async close(options: CallOptions = {}): Promise<void> {
    if (this.closed) return;
    this.#closed = true;
    if (this.#parent === undefined) this.#block.closed = true;
    await this.#block.writes.flush(options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #read(address: number, length: number, options: CallOptions): Promise<Uint8Array> {
    const { session, place, writes } = this.#block;
    return writes.inOrder(() => readMemory(session, place, address, length, options), { address, length }, options);
  }

  /** Address of the next `length` bytes, and the position behind them. */
  #take(length: number): number {
    const address = this.#place(this.#position, length);
    this.#position += length;
    return address;
  }

  /** Address of `length` bytes at an offset, checked. */
  #place(offset: number, length: number): number {
    this.#check();
    checkInteger("length", length, 0, Number.MAX_SAFE_INTEGER);
    const from = this.#offset(offset, "offset");
    if (from + length <= this.sizeBytes) return this.address + from;
    throw new SpinnError(
      "ERR_SPINN_MEMORY",
      `${length} bytes at offset ${from} reach past the end of a window of ${this.sizeBytes} bytes at ${hex32(this.address)}`,
      { hint: `${this.sizeBytes - from} bytes are left from there` },
    );
  }

  #offset(offset: number, name: string): number {
    checkInteger(name, offset, -this.sizeBytes, this.sizeBytes);
    return offset < 0 ? this.sizeBytes + offset : offset;
  }

  #check(): void {
    if (!this.closed) return;
    throw new SpinnError("ERR_SPINN_CLOSED", `the window on ${hex32(this.address)} of chip ${formatChip(this.place)} has been closed`);
  }
}

/**
 * A window on `sizeBytes` bytes from `address` of a chip, or of the private memory of a core. Throws `ERR_SPINN_MEMORY` and
 * `ERR_SPINN_ARGUMENT` as `readMemory` does. Whether writing is allowed there shows when something is written.
 */
export function memoryIO(
  session: Session,
  place: Target,
  address: number,
  sizeBytes: number,
  options: MemoryIOOptions = {},
  release?: Block["release"],
): MemoryIO {
  const { x, y, p } = targetOf(place, address, sizeBytes);
  const target = p === undefined ? { x, y } : { x, y, p };
  const bufferBytes = checkInteger("bufferBytes", options.bufferBytes ?? DEFAULT_BUFFER_BYTES, 0, 1 << 24);
  const send = (at: number, bytes: Uint8Array, call: CallOptions): Promise<void> => writeMemory(session, target, at, bytes, call);
  const block: Block = { session, place: target, writes: new WriteBuffer(bufferBytes, send), release, closed: false };
  return new MemoryIO(block, address, sizeBytes);
}
