import type { Target } from "../commands/index.js";
import { checkInteger } from "../errors.js";
import { targetOf } from "./memory.js";

/** `length` bytes from `address` of a chip, or of the private memory of a core. */
export interface MemoryRange extends Target {
  readonly address: number;
  readonly length: number;
}

/** A piece of a range that is moved as one. */
export interface MemoryBlock extends MemoryRange {
  /** Number among the blocks of the transfer. */
  readonly index: number;
  /** Number of the range it comes from. */
  readonly range: number;
  /** Where it is in the file: the ranges lie there one after another. */
  readonly offset: number;
}

/**
 * Size of a block, bytes: large against the bytes on the way (a window of 8 times 256), so that starting one costs nothing, and small enough
 * that 64 boards at once with two each take 32 MiB.
 */
const DEFAULT_BLOCK_BYTES = 256 * 1024;

/**
 * Cuts ranges into blocks. Throws `ERR_SPINN_MEMORY` for a range that is no memory and `ERR_SPINN_ARGUMENT` as reading and writing do, all
 * before anything is sent.
 */
export function cutIntoBlocks(
  ranges: readonly MemoryRange[],
  access: "read" | "write",
  blockBytes = DEFAULT_BLOCK_BYTES,
): { readonly blocks: MemoryBlock[]; readonly blockBytes: number; readonly totalBytes: number } {
  checkInteger("blockBytes", blockBytes, 4, 1 << 30);
  const blocks: MemoryBlock[] = [];
  let offset = 0;
  for (const [range, { x, y, p, address, length }] of ranges.entries()) {
    targetOf({ x, y, p }, address, length, access);
    for (let done = 0; done < length; done += blockBytes) {
      const size = Math.min(blockBytes, length - done);
      blocks.push({ x, y, p, address: address + done, length: size, index: blocks.length, range, offset: offset + done });
    }
    offset += length;
  }
  return { blocks, blockBytes, totalBytes: offset };
}

/** Buffers of one size, used again and again: as many as are taken at one time. */
export class BufferPool {
  readonly #sizeBytes: number;
  /** Bounded by the most buffers ever taken at one time. */
  readonly #idle: Uint8Array[] = [];

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** Lends a buffer to `work`. */
  async lend<T>(work: (buffer: Uint8Array) => Promise<T>): Promise<T> {
    const buffer = this.#idle.pop() ?? new Uint8Array(this.#sizeBytes);
    try {
      return await work(buffer);
    } finally {
      this.#idle.push(buffer);
    }
  }
}
