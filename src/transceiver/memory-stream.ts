import type { Target } from "../commands/index.js";
import { abortError, throwIfAborted } from "../errors.js";
import { checkAddressRange } from "../machine/index.js";
import { type CallOptions, type LongCallOptions, ProgressCounter } from "./call-options.js";
import { readMemory, targetOf, writeMemory } from "./memory.js";
import { cutIntoBlocks, type MemoryBlock, type MemoryRange } from "./memory-range.js";
import type { Session } from "./session.js";

export interface ReadStreamOptions extends LongCallOptions {
  /** Bytes of a piece. Default 256 KiB. */
  readonly blockBytes?: number | undefined;
}

export interface WriteStreamOptions extends CallOptions {
  /** Told how many bytes have been written; there is no total, the source says when it ends. Default: none. */
  readonly onWritten?: ((bytes: number) => void) | undefined;
}

/**
 * Memory as a sequence of pieces, in order: for `for await`, and for `Readable.from`. While the consumer works on a piece the next one is being
 * read, none beyond that. Each piece is the consumer's own. Throws as `readMemory`; leaving the loop ends the reading.
 */
export async function* readStream(
  session: Session,
  ranges: readonly MemoryRange[],
  options: ReadStreamOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  const { blocks, totalBytes } = cutIntoBlocks(ranges, "read", options.blockBytes);
  const progress = new ProgressCounter(options, "read", totalBytes, "bytes");
  const leave = new AbortController();
  const signal = options.signal === undefined ? leave.signal : AbortSignal.any([options.signal, leave.signal]);
  const start = (block: MemoryBlock | undefined): Promise<Uint8Array> | undefined => {
    if (block === undefined) return undefined;
    const reading = readMemory(session, block, block.address, block.length, { signal });
    reading.catch(() => undefined); // it may fail while the consumer is busy; the await below takes the failure up
    return reading;
  };
  let ahead = start(blocks[0]);
  try {
    for (const block of blocks) {
      const bytes = await ahead!;
      ahead = start(blocks[block.index + 1]);
      progress.add(bytes.length);
      yield bytes;
    }
  } finally {
    leave.abort();
  }
}

/**
 * Writes what `source` gives (a `Readable`, a web stream, an array of pieces) from `address` on until it ends; the number of bytes. While a
 * piece is written the next one is taken from the source, none beyond that: a source must not change a piece it has given.
 *
 * Throws as `writeMemory`; what has been written by then stays written. What the source throws comes through unchanged. A piece that would
 * reach past the end of memory is not begun.
 */
export async function writeStream(
  session: Session,
  place: Target,
  address: number,
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: WriteStreamOptions = {},
): Promise<number> {
  const { signal } = options;
  throwIfAborted(signal);
  targetOf(place, address, 0, "write");
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  let accepted = 0;
  let writing: Promise<void> = Promise.resolve();
  let ended = false;
  try {
    for (;;) {
      const next = await untilAborted(Promise.resolve(iterator.next()), signal);
      await writing;
      if (next.done) {
        ended = true;
        return accepted;
      }
      const piece = next.value;
      checkAddressRange(address, accepted + piece.length);
      const at = address + accepted;
      accepted += piece.length;
      const written = accepted;
      writing = piece.length === 0 ? writing : writeMemory(session, place, at, piece, options).then(() => options.onWritten?.(written));
      writing.catch(() => undefined); // it may fail while the source is slow; `await writing` takes the failure up
    }
  } finally {
    if (!ended) {
      await writing.catch(() => undefined);
      // A source that waits for ever must not hold up the error.
      void Promise.resolve(iterator.return?.()).catch(() => undefined);
    }
  }
}

/** `promise`, or `ERR_SPINN_ABORTED` as soon as the signal fires. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortError(signal));
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    if (signal.aborted) onAbort();
  });
}
