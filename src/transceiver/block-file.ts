import { constants, type FileHandle, open } from "node:fs/promises";
import { SpinnError } from "../errors.js";

/** A file whose blocks are read and written at their places, in any order; every failure is an `ERR_SPINN_FILE` in words. */
export class BlockFile {
  readonly path: string;
  readonly #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /** To `read`, to `write` anew, or to `go on` with what is there, if anything. */
  static async open(path: string, mode: "read" | "write" | "go on"): Promise<BlockFile> {
    const flags = { read: "r", write: "w", "go on": constants.O_RDWR | constants.O_CREAT }[mode];
    try {
      return new BlockFile(path, await open(path, flags));
    } catch (error) {
      throw fileError(error, path);
    }
  }

  async sizeBytes(): Promise<number> {
    try {
      return (await this.#handle.stat()).size;
    } catch (error) {
      throw fileError(error, this.path);
    }
  }

  /** Fills `into` from `offset` on; the number of bytes there were. */
  async read(into: Uint8Array, offset: number): Promise<number> {
    try {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await this.#handle.read(into, done, into.length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    } catch (error) {
      throw fileError(error, this.path);
    }
  }

  async write(bytes: Uint8Array, offset: number): Promise<void> {
    try {
      for (let done = 0; done < bytes.length; ) {
        done += (await this.#handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
      }
    } catch (error) {
      throw fileError(error, this.path);
    }
  }

  async close(): Promise<void> {
    try {
      await this.#handle.close();
    } catch (error) {
      throw fileError(error, this.path); // a network file system reports a full disk only here
    }
  }
}

const WORDS: Readonly<Record<string, readonly [message: string, hint: string]>> = {
  ENOSPC: ["the disk is full", "make room, then go on with `resume`"],
  EDQUOT: ["your share of the disk is used up", "make room, then go on with `resume`"],
  EFBIG: ["the file is larger than this disk allows", "write to another file system"],
  ENOENT: ["no such file or folder", "check the path"],
  EACCES: ["permission denied", "choose a place you may use"],
  EROFS: ["the disk can only be read", "choose a place you may use"],
  EISDIR: ["it is a folder", "name a file in it"],
};

/** What a file operation threw, as `ERR_SPINN_FILE`. */
export function fileError(cause: unknown, path: string): SpinnError {
  if (cause instanceof SpinnError) return cause;
  const { code = "", message } = cause as NodeJS.ErrnoException;
  const [words, hint] = WORDS[code] ?? [message, undefined];
  return new SpinnError("ERR_SPINN_FILE", `${path}: ${words}`, { cause, hint });
}
