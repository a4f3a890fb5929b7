import { open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { SpinnError } from "../errors.js";

/** Reads a file that a person named. Throws `ERR_SPINN_FILE` saying what it was wanted for. */
export async function readInputFile(path: string, what: string): Promise<Uint8Array> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "there is no such file" : code === "EISDIR" ? "it is a directory" : message;
    throw new SpinnError("ERR_SPINN_FILE", `the ${what} ${path} cannot be read: ${why}`, { hint: "check the path", cause });
  }
}

/**
 * Writes a file whole or not at all: under a temporary name beside it, renamed when everything is in it and on the disk. `produce` makes the
 * bytes while nothing but the temporary file exists; when it throws, that one is taken away. What is no regular file (a device, a pipe) is
 * written directly. Throws `ERR_SPINN_FILE`.
 */
export async function writeOutputFile(path: string, produce: () => Promise<Uint8Array>): Promise<number> {
  const special = await isSpecial(path);
  const temporary = special ? path : join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  let done = false;
  try {
    // Opened first: a folder that cannot be written to shows before the work, not after it.
    const file = await open(temporary, special ? "w" : "wx");
    let bytes: Uint8Array;
    try {
      bytes = await produce();
      await file.writeFile(bytes);
      if (!special) await file.sync();
    } finally {
      await file.close();
    }
    if (!special) await rename(temporary, path);
    done = true;
    return bytes.length;
  } catch (cause) {
    if (cause instanceof SpinnError) throw cause;
    throw writeError(path, cause as NodeJS.ErrnoException);
  } finally {
    if (!special && !done) await rm(temporary, { force: true });
  }
}

function writeError(path: string, cause: NodeJS.ErrnoException): SpinnError {
  const why = cause.code === "ENOSPC" ? "the disk is full" : cause.code === "ENOENT" ? "there is no such folder" : cause.message;
  return new SpinnError("ERR_SPINN_FILE", `${path} cannot be written: ${why}`, {
    hint: "nothing was left behind; choose another place, or make room",
    cause,
  });
}

async function isSpecial(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new SpinnError("ERR_SPINN_FILE", `${path} is a directory`, { hint: "name a file in it" });
    return !found.isFile();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
