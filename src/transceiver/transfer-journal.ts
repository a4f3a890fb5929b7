import { type FileHandle, open, readFile, rm } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { SpinnError } from "../errors.js";
import { fileError } from "./block-file.js";
import type { MemoryRange } from "./memory-range.js";

/** What a journal belongs to: a transfer is gone on with only if all of this is the same. */
export interface TransferIdentity {
  readonly what: "save" | "restore";
  readonly board: string;
  readonly blockBytes: number;
  readonly ranges: readonly MemoryRange[];
}

/**
 * Which blocks of a transfer are done, in a small text file beside the data: a line that says what the transfer is, then one line per block,
 * number and CRC-32. Lines are only ever added, each when its block is in place, so a break at any moment leaves a journal that is true; a
 * last line without its end is ignored. 1 GiB takes 4,096 lines, some 60 KB.
 */
export class TransferJournal {
  readonly #path: string;
  readonly #handle: FileHandle;
  /** CRC-32 of each block an earlier try has done, by number. Bounded by the blocks of the transfer. */
  readonly done: ReadonlyMap<number, number>;

  private constructor(path: string, handle: FileHandle, done: ReadonlyMap<number, number>) {
    this.#path = path;
    this.#handle = handle;
    this.done = done;
  }

  /** Opens or begins the journal at `path`. Throws `ERR_SPINN_FILE` when it belongs to another transfer. */
  static async open(path: string, identity: TransferIdentity): Promise<TransferJournal> {
    const { ranges, ...rest } = identity;
    const head = JSON.stringify({
      journal: 1,
      ...rest,
      ranges: ranges.map(({ x, y, p, address, length }) => [x, y, p ?? 0, address, length]),
    });
    try {
      const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return "";
        throw error;
      });
      const lines = text.split("\n").slice(0, -1);
      if (lines.length > 0 && lines[0] !== head) {
        throw new SpinnError("ERR_SPINN_FILE", `${path} is the journal of another transfer`, {
          hint: "go on with that one, or delete its journal",
        });
      }
      const handle = await open(path, "a");
      if (lines.length === 0) {
        await handle.truncate(0);
        await handle.appendFile(`${head}\n`);
      } else if (!text.endsWith("\n")) await handle.appendFile("\n");
      return new TransferJournal(path, handle, parse(lines.slice(1)));
    } catch (error) {
      throw fileError(error, path);
    }
  }

  async add(index: number, bytes: Uint8Array): Promise<void> {
    try {
      await this.#handle.write(`${index} ${crc32(bytes)}\n`);
    } catch (error) {
      throw fileError(error, this.#path);
    }
  }

  /** All is done: the journal is not needed any more. */
  async remove(): Promise<void> {
    await this.close();
    await rm(this.#path, { force: true }).catch((error) => {
      throw fileError(error, this.#path);
    });
  }

  async close(): Promise<void> {
    if (this.#handle.fd >= 0) await this.#handle.close();
  }
}

function parse(lines: readonly string[]): Map<number, number> {
  const done = new Map<number, number>();
  for (const line of lines) {
    const [, index, sum] = /^(\d{1,15}) (\d{1,10})$/.exec(line) ?? [];
    if (index !== undefined) done.set(Number(index), Number(sum));
  }
  return done;
}
