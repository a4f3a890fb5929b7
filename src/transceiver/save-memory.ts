import { crc32 } from "node:zlib";
import { throwIfAborted } from "../errors.js";
import { BlockFile } from "./block-file.js";
import { type LongCallOptions, ProgressCounter } from "./call-options.js";
import { readInto, verifyMemory } from "./memory.js";
import { BufferPool, cutIntoBlocks, type MemoryBlock, type MemoryRange } from "./memory-range.js";
import type { Session } from "./session.js";
import { type TransferIdentity, TransferJournal } from "./transfer-journal.js";

export interface TransferOptions extends LongCallOptions {
  /**
   * Keeps a journal beside the file (`<path>.save-journal`, `<path>.restore-journal`) and goes on where the journal of an earlier try ends.
   * The journal goes away when all is done. Default `false`.
   */
  readonly resume?: boolean | undefined;
  /** Reads every block of the board a second time and compares; twice the time. Default `false`. */
  readonly verify?: boolean | undefined;
  /** Bytes moved as one; two of them are in memory per board. Default 256 KiB. */
  readonly blockBytes?: number | undefined;
}

export interface TransferResult {
  /** Bytes of the whole transfer. */
  readonly totalBytes: number;
  /** Of these, bytes that an earlier try had done. */
  readonly resumedBytes: number;
}

/** Blocks of one board under way at a time: one comes over the network while the other goes to the disk. */
export const BLOCKS_AT_A_TIME = 2;

/**
 * Reads memory into a file, one range after another as listed, from all boards at once. Needs the same little memory whatever the size.
 * With `verify` a block that differs when read again ends it with `ERR_SPINN_VERIFY`: something on the machine writes there.
 * With `resume` blocks that are in the file with the right check sum are not read again; what the machine changed since is not noticed.
 *
 * Throws `ERR_SPINN_FILE` (disk full, no permission, a journal of another transfer), and as `readMemory` does.
 */
export async function saveMemory(
  session: Session,
  ranges: readonly MemoryRange[],
  path: string,
  options: TransferOptions = {},
): Promise<TransferResult> {
  const { blocks, blockBytes, totalBytes } = cutIntoBlocks(ranges, "read", options.blockBytes);
  const identity = { what: "save", board: session.remote, blockBytes, ranges } as const;
  const open = () => BlockFile.open(path, options.resume ? "go on" : "write");
  return transfer(`${path}.save-journal`, identity, open, options, async (file, journal) => {
    const buffers = new BufferPool(blockBytes);
    const left = await buffers.lend((buffer) => stillToSave(blocks, journal, file, buffer));
    const resumedBytes = totalBytes - sizeOf(left);
    const progress = new ProgressCounter(options, "save", totalBytes, "bytes");
    if (resumedBytes > 0) progress.add(resumedBytes);
    const save = (block: MemoryBlock, { signal }: { signal: AbortSignal }): Promise<void> =>
      buffers.lend(async (buffer) => {
        const bytes = buffer.subarray(0, block.length);
        await readInto(session, block, block.address, block.length, bytes, { signal });
        if (options.verify) await verifyMemory(session, block, block.address, bytes, { signal });
        await file.write(bytes, block.offset);
        await journal?.add(block.index, bytes);
        progress.add(block.length);
      });
    await session.forEach(left, save, { signal: options.signal, atATime: BLOCKS_AT_A_TIME });
    return { totalBytes, resumedBytes };
  });
}

/** Opens file and journal, does the work, closes both; the journal goes away when the work is done. */
export async function transfer<T>(
  journalPath: string,
  identity: TransferIdentity,
  open: () => Promise<BlockFile>,
  options: TransferOptions,
  work: (file: BlockFile, journal: TransferJournal | undefined) => Promise<T>,
): Promise<T> {
  throwIfAborted(options.signal);
  const journal = options.resume ? await TransferJournal.open(journalPath, identity) : undefined;
  try {
    const file = await open();
    let result: T;
    try {
      result = await work(file, journal);
    } finally {
      await file.close();
    }
    await journal?.remove();
    return result;
  } finally {
    await journal?.close();
  }
}

/** The blocks that are not in the file yet, or not as the journal has them. */
async function stillToSave(
  blocks: readonly MemoryBlock[],
  journal: TransferJournal | undefined,
  file: BlockFile,
  buffer: Uint8Array,
): Promise<MemoryBlock[]> {
  const left: MemoryBlock[] = [];
  for (const block of blocks) {
    const sum = journal?.done.get(block.index);
    const bytes = buffer.subarray(0, block.length);
    const there = sum !== undefined && (await file.read(bytes, block.offset)) === block.length && crc32(bytes) === sum;
    if (!there) left.push(block);
  }
  return left;
}

export function sizeOf(blocks: readonly MemoryBlock[]): number {
  return blocks.reduce((sum, { length }) => sum + length, 0);
}
