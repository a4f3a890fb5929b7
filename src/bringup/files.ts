import { createHash } from "node:crypto";
import { access, constants, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { SpinnError } from "../errors.js";
import { parseRoutingTable, readAplx, SDRAM } from "../machine/index.js";
import { checkBootImage } from "../transceiver/index.js";
import { Problems } from "./problems.js";
import type { Script } from "./script.js";
import type { FileUse } from "./step.js";

/** A file as it was when the script was checked. The run uses these bytes, whatever happens to the file meanwhile. */
export interface CheckedFile {
  readonly bytes: Uint8Array;
  /** SHA-256, hex. */
  readonly hash: string;
}

/** Files by path, for the runs of a fleet: read once. Bounded by the files that their scripts name. */
export type FileShelf = Map<string, Promise<CheckedFile>>;

/**
 * Reads every file that a script's steps need and looks whether each is what it should be. By name as written in the script. Held until the
 * run ends; bounded by what the chips they go to can hold, per file.
 * Throws `ERR_SPINN_SCRIPT` with everything that is missing or wrong.
 */
export async function readFiles(script: Script, shelf: FileShelf = new Map()): Promise<ReadonlyMap<string, CheckedFile>> {
  const files = new Map<string, CheckedFile>();
  const problems = new Problems(script.path ?? script.name);
  for (const step of script.steps) {
    for (const use of step.files) {
      const name = use.file.input;
      try {
        const file = files.get(name) ?? (await fromShelf(shelf, resolve(script.folder, name)));
        checkContent(use, file.bytes);
        files.set(name, file);
      } catch (error) {
        if (!(error instanceof SpinnError)) throw error;
        problems.add(step.place, `${name}: ${error.message}${error.hint === undefined ? "" : ` (${error.hint})`}`);
      }
    }
  }
  problems.throwIfAny();
  return files;
}

/** Writes a file whole or not at all: under another name first. Makes its folder. Throws `ERR_SPINN_FILE`. Resolves with the path. */
export async function writeWhole(folder: string, name: string, bytes: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  const temporary = `${path}.${process.pid}.part`;
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(temporary, bytes);
    await rename(temporary, path);
    return path;
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw new SpinnError("ERR_SPINN_FILE", `${path} cannot be written: ${(error as Error).message}`, {
      hint: "see that the folder may be written to and has room",
      cause: error,
    });
  }
}

function fromShelf(shelf: FileShelf, path: string): Promise<CheckedFile> {
  const held = shelf.get(path) ?? readOne(path);
  shelf.set(path, held);
  return held;
}

/** Sees before a run that its reports can be written after it; makes their folders. Throws `ERR_SPINN_FILE`. */
export async function checkWritable(paths: readonly (string | undefined)[]): Promise<void> {
  for (const path of paths) {
    if (path === undefined) continue;
    try {
      await mkdir(dirname(path), { recursive: true });
      await access(dirname(path), constants.W_OK);
      const there = await stat(path).catch(() => undefined);
      if (there !== undefined && !there.isFile()) throw new Error("it is no file");
    } catch (cause) {
      throw new SpinnError("ERR_SPINN_FILE", `the report ${path} cannot be written: ${(cause as Error).message}`, {
        hint: "nothing was sent; name another place for the report",
        cause,
      });
    }
  }
}

async function readOne(path: string): Promise<CheckedFile> {
  try {
    const { size } = await stat(path);
    if (size > SDRAM.sizeBytes) throw new Error(`${size} bytes are more than a chip's memory`);
    const bytes = new Uint8Array(await readFile(path));
    return { bytes, hash: createHash("sha256").update(bytes).digest("hex") };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new SpinnError("ERR_SPINN_FILE", missing ? `there is no file ${path}` : `${path} cannot be read: ${(error as Error).message}`);
  }
}

function checkContent(use: FileUse, bytes: Uint8Array): void {
  if (use.as === "application") readAplx(bytes);
  else if (use.as === "boot image") checkBootImage(bytes);
  else if (use.as === "routes") parseRoutingTable(new TextDecoder().decode(bytes));
  else if (bytes.length === 0) throw new SpinnError("ERR_SPINN_FILE", "the file is empty");
}
