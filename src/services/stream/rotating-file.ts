import { type FileHandle, open, readdir, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { checkInteger, SpinnError } from "../../errors.js";

export interface RotatingFileOptions {
  /** A new file is begun when this one would grow beyond, unit bytes. Default: one file, whatever its size. */
  readonly rotateBytes?: number | undefined;
  /** With rotation: so many files are kept, the oldest go. Default: all. */
  readonly keepFiles?: number | undefined;
  /** Written when so much waits, unit bytes, default 64 KiB: the most that a crash of this process can lose, together with `flushMs`. */
  readonly flushBytes?: number | undefined;
  /** Written at the latest after this, unit ms, default 1000. */
  readonly flushMs?: number | undefined;
  /** Each write is followed by fsync, so that a power cut loses no more than a crash. Default `false`. */
  readonly sync?: boolean | undefined;
  /** Existing files are replaced. Default `false`: `ERR_SPINN_FILE`. */
  readonly overwrite?: boolean | undefined;
}

/**
 * Records appended to a file, or to a row of files `name.0000.ext`, `name.0001.ext` ... A record is never split. What has been flushed is
 * with the operating system and outlives this process.
 */
export class RotatingFile implements AsyncDisposable {
  readonly #path: string;
  readonly #header: Uint8Array;
  readonly #options: RotatingFileOptions;
  readonly #flushBytes: number;
  readonly #flushMs: number;
  #handle: FileHandle | undefined;
  #index = 0;
  #fileBytes = 0;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Writes under way, one after the other. */
  #tail: Promise<void> = Promise.resolve();
  #failed: SpinnError | undefined;
  #closed: Promise<void> | undefined;
  bytesWritten = 0;

  private constructor(path: string, header: Uint8Array, options: RotatingFileOptions) {
    this.#path = path;
    this.#header = header;
    this.#options = options;
    this.#flushBytes = checkInteger("flushBytes", options.flushBytes ?? 64 * 1024, 1, 1 << 30);
    this.#flushMs = checkInteger("flushMs", options.flushMs ?? 1000, 1, 0x7fffffff);
    if (options.rotateBytes !== undefined) checkInteger("rotateBytes", options.rotateBytes, 1, Number.MAX_SAFE_INTEGER);
    if (options.keepFiles !== undefined) checkInteger("keepFiles", options.keepFiles, 1, 1_000_000);
  }

  /** Creates the first file and writes `header`, which begins every file. Throws `ERR_SPINN_FILE`, `ERR_SPINN_ARGUMENT`. */
  static async open(path: string, header: Uint8Array, options: RotatingFileOptions = {}): Promise<RotatingFile> {
    const file = new RotatingFile(path, header, options);
    await file.#openNext();
    return file;
  }

  /** Path of the file that is being written. */
  get path(): string {
    return this.#options.rotateBytes === undefined ? this.#path : rotatedPath(this.#path, this.#index);
  }

  /**
   * Adds a record, which is copied. Resolves at once unless it is time to write; await it, and a slow disk holds the source back instead
   * of filling memory. Throws `ERR_SPINN_FILE` when an earlier write failed, `ERR_SPINN_CLOSED`.
   */
  async append(record: Uint8Array): Promise<void> {
    if (this.#closed !== undefined) throw new SpinnError("ERR_SPINN_CLOSED", `${this.#path} is closed`);
    if (this.#failed !== undefined) throw this.#failed;
    this.#waiting.push(record.slice());
    this.#waitingBytes += record.length;
    if (this.#waitingBytes >= this.#flushBytes) await this.flush();
    else
      this.#timer ??= setTimeout(() => {
        // A failure is kept and thrown by the next append, or by close.
        this.flush().catch(() => {});
      }, this.#flushMs);
  }

  /** Writes what waits. Throws `ERR_SPINN_FILE`. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const records = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#tail = this.#tail.then(() => this.#write(records));
    await this.#tail;
    if (this.#failed !== undefined) throw this.#failed;
  }

  /** Writes what waits and closes. Idempotent. Throws `ERR_SPINN_FILE` when anything could not be written. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      try {
        await this.flush();
      } finally {
        await this.#handle?.close();
        this.#handle = undefined;
      }
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #write(records: readonly Uint8Array[]): Promise<void> {
    if (this.#failed !== undefined || records.length === 0) return;
    try {
      const { rotateBytes } = this.#options;
      let from = 0;
      let size = 0;
      for (let i = 0; i < records.length; i += 1) {
        const length = records[i]!.length;
        const full = rotateBytes !== undefined && this.#fileBytes + size + length > rotateBytes;
        if (full && this.#fileBytes + size > this.#header.length) {
          await this.#writeAll(records.slice(from, i));
          from = i;
          size = 0;
          await this.#handle!.close();
          this.#index += 1;
          await this.#openNext();
          await this.#removeOld();
        }
        size += length;
      }
      await this.#writeAll(records.slice(from));
      if (this.#options.sync === true) await this.#handle!.datasync();
    } catch (cause) {
      this.#failed = fileError(this.path, "written", cause);
    }
  }

  async #writeAll(records: readonly Uint8Array[]): Promise<void> {
    if (records.length === 0) return;
    const bytes = records.length === 1 ? records[0]! : Buffer.concat(records);
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#handle!.write(bytes, at);
      at += bytesWritten;
    }
    this.#fileBytes += bytes.length;
    this.bytesWritten += bytes.length;
  }

  async #openNext(): Promise<void> {
    try {
      this.#handle = await open(this.path, this.#options.overwrite === true ? "w" : "wx");
    } catch (cause) {
      throw fileError(this.path, "created", cause);
    }
    this.#fileBytes = 0;
    try {
      await this.#writeAll([this.#header]);
    } catch (cause) {
      // Nobody gets this object when the first file fails: nobody else would close it.
      await this.#handle.close();
      this.#handle = undefined;
      throw fileError(this.path, "written", cause);
    }
  }

  async #removeOld(): Promise<void> {
    const { keepFiles } = this.#options;
    if (keepFiles !== undefined && this.#index >= keepFiles) await rm(rotatedPath(this.#path, this.#index - keepFiles), { force: true });
  }
}

function rotatedPath(path: string, index: number): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}.${String(index).padStart(4, "0")}${extension}`;
}

/** The files that were written under `path`, in order: the row of a rotation, or `path` itself. Throws `ERR_SPINN_FILE` for none. */
export async function rotatedFiles(path: string): Promise<string[]> {
  const extension = extname(path);
  const stem = basename(path, extension);
  const folder = dirname(path);
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw fileError(path, "found", cause);
  }
  if (names.includes(basename(path))) return [path];
  const isMember = (name: string): boolean =>
    name.startsWith(`${stem}.`) && name.endsWith(extension) && /^\d{4,}$/.test(name.slice(stem.length + 1, name.length - extension.length));
  const indexOf = (name: string): number => Number(name.slice(stem.length + 1, name.length - extension.length));
  const members = names.filter(isMember).sort((a, b) => indexOf(a) - indexOf(b));
  if (members.length === 0) throw new SpinnError("ERR_SPINN_FILE", `${path} does not exist, and no part of it`);
  return members.map((name) => join(folder, name));
}

export function fileError(path: string, what: string, cause: unknown): SpinnError {
  if (cause instanceof SpinnError) return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const exists = (cause as { code?: string } | null)?.code === "EEXIST";
  return new SpinnError("ERR_SPINN_FILE", `${path} could not be ${what}: ${reason}`, {
    cause,
    hint: exists ? "take another name, or allow overwriting" : undefined,
  });
}
