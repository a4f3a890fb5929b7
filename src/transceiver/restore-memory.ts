import { crc32 } from "node:zlib";
import { SpinnError } from "../errors.js";
import { BlockFile } from "./block-file.js";
import { ProgressCounter } from "./call-options.js";
import { readInto, verifyMemory, writeMemory } from "./memory.js";
import { BufferPool, cutIntoBlocks, type MemoryBlock, type MemoryRange } from "./memory-range.js";
import { BLOCKS_AT_A_TIME, sizeOf, type TransferOptions, type TransferResult, transfer } from "./save-memory.js";
import type { Session } from "./session.js";
import type { TransferJournal } from "./transfer-journal.js";

/**
 * Writes a file into memory, one range after another as listed, to all boards at once: the inverse of `saveMemory`. The file must be exactly
 * as long as the ranges together. With `verify` every block is read back and compared (`ERR_SPINN_VERIFY`).
 * With `resume` a range that an earlier try has begun is gone on with if the last block it had done is still in memory; else (the board was
 * switched off since) that range is written from its start.
 *
 * Throws `ERR_SPINN_FILE` (missing, too short, too long, a journal of another transfer), and as `writeMemory` does.
 */
export async function restoreMemory(
  session: Session,
  ranges: readonly MemoryRange[],
  path: string,
  options: TransferOptions = {},
): Promise<TransferResult> {
  const { blocks, blockBytes, totalBytes } = cutIntoBlocks(ranges, "write", options.blockBytes);
  const identity = { what: "restore", board: session.remote, blockBytes, ranges } as const;
  const open = () => openOfSize(path, totalBytes);
  return transfer(`${path}.restore-journal`, identity, open, options, async (file, journal) => {
    const buffers = new BufferPool(blockBytes);
    const left = await stillToRestore(session, blocks, journal, buffers, options.signal);
    const resumedBytes = totalBytes - sizeOf(left);
    const progress = new ProgressCounter(options, "restore", totalBytes, "bytes");
    if (resumedBytes > 0) progress.add(resumedBytes);
    const restore = (block: MemoryBlock, { signal }: { signal: AbortSignal }): Promise<void> =>
      buffers.lend(async (buffer) => {
        const bytes = buffer.subarray(0, block.length);
        if ((await file.read(bytes, block.offset)) < block.length) throw shortFile(path, "it became shorter while it was read");
        await writeMemory(session, block, block.address, bytes, { signal });
        if (options.verify) await verifyMemory(session, block, block.address, bytes, { signal });
        await journal?.add(block.index, bytes);
        progress.add(block.length);
      });
    await session.forEach(left, restore, { signal: options.signal, atATime: BLOCKS_AT_A_TIME });
    return { totalBytes, resumedBytes };
  });
}

async function openOfSize(path: string, sizeBytes: number): Promise<BlockFile> {
  const file = await BlockFile.open(path, "read");
  const has = await file.sizeBytes();
  if (has === sizeBytes) return file;
  await file.close();
  throw shortFile(path, `it has ${has} bytes where the ranges take ${sizeBytes}`);
}

function shortFile(path: string, what: string): SpinnError {
  return new SpinnError("ERR_SPINN_FILE", `${path}: ${what}`, { hint: "was it cut off, or are the ranges those of another file?" });
}

/** The blocks that are not in memory yet: a range counts as begun when its last block in the journal is still there. */
async function stillToRestore(
  session: Session,
  blocks: readonly MemoryBlock[],
  journal: TransferJournal | undefined,
  buffers: BufferPool,
  signal: AbortSignal | undefined,
): Promise<MemoryBlock[]> {
  if (journal === undefined || journal.done.size === 0) return [...blocks];
  const lastDone = new Map<number, MemoryBlock>();
  for (const block of blocks) if (journal.done.has(block.index)) lastDone.set(block.range, block);
  const lost = new Set<number>();
  const look = (block: MemoryBlock, options: { signal: AbortSignal }): Promise<void> =>
    buffers.lend(async (buffer) => {
      const bytes = buffer.subarray(0, block.length);
      await readInto(session, block, block.address, block.length, bytes, options);
      if (crc32(bytes) !== journal.done.get(block.index)) lost.add(block.range);
    });
  await session.forEach(lastDone.values(), look, { signal });
  return blocks.filter((block) => !journal.done.has(block.index) || lost.has(block.range));
}
