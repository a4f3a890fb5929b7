import type { Target } from "../commands/index.js";
import { type LongCallOptions, ProgressCounter } from "./call-options.js";
import { readInto, targetOf, writeMemory } from "./memory.js";
import type { MemoryRange } from "./memory-range.js";
import type { Session } from "./session.js";

/** Bytes for `address` of a chip, or of the private memory of a core. */
export interface MemoryPiece extends Target {
  readonly address: number;
  readonly data: Uint8Array;
}

/**
 * Reads many ranges, of any chips and boards, at once; the results in the order of the ranges. The boards work side by side, each within its
 * own window, and none waits for a slower one. The first failure ends the others and is thrown. Errors as `readMemory`, ranges checked first.
 */
export async function readMany(session: Session, ranges: readonly MemoryRange[], options: LongCallOptions = {}): Promise<Uint8Array[]> {
  for (const range of ranges) targetOf(range, range.address, range.length);
  const results = ranges.map(({ length }) => new Uint8Array(length));
  const total = ranges.reduce((sum, { length }) => sum + length, 0);
  const progress = new ProgressCounter(options, "read", total, "bytes");
  const items = ranges.map((range, i) => ({ ...range, into: results[i]! }));
  await session.forEach(
    items,
    async ({ address, length, into, ...place }, { signal }) => {
      await readInto(session, place, address, length, into, { signal });
      progress.add(length);
    },
    { signal: options.signal },
  );
  return results;
}

/**
 * Writes many pieces, to any chips and boards, at once, as {@link readMany} reads. Pieces that overlap are written in no particular order.
 */
export async function writeMany(session: Session, pieces: readonly MemoryPiece[], options: LongCallOptions = {}): Promise<void> {
  for (const piece of pieces) targetOf(piece, piece.address, piece.data.length, "write");
  const total = pieces.reduce((sum, { data }) => sum + data.length, 0);
  const progress = new ProgressCounter(options, "write", total, "bytes");
  await session.forEach(
    pieces,
    async (piece, { signal }) => {
      await writeMemory(session, piece, piece.address, piece.data, { signal });
      progress.add(piece.data.length);
    },
    { signal: options.signal },
  );
}
