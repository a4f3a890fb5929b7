import { SpinnError } from "../../errors.js";
import { writeOutputFile } from "../file.js";
import { plural } from "../format.js";
import type { ShellSession } from "./session.js";

/** A memory that keeps its content without power. */
export interface LastingMemory {
  /** In words and as a part of a file name, e.g. `serial-rom`. */
  readonly name: string;
  read(address: number, length: number): Promise<Uint8Array>;
  write(address: number, bytes: Uint8Array): Promise<void>;
}

/**
 * Changes a lasting memory: asks, saves what is there in a file of the working folder, writes, reads back. Throws `ERR_SPINN_REFUSED`,
 * `ERR_SPINN_VERIFY`.
 */
export async function rewrite(session: ShellSession, memory: LastingMemory, address: number, bytes: Uint8Array): Promise<void> {
  await session.mayRuin(`this changes ${plural(bytes.length, "byte")} of the ${memory.name} of ${session.host} for good`);
  const before = await memory.read(address, bytes.length);
  const file = await saveBackup(session, memory.name, before);
  session.job.leftBehind = `the ${memory.name} may hold a part of what was to be written; what was there before is in ${file}`;
  await memory.write(address, bytes);
  session.job.leftBehind = undefined;
  const after = await memory.read(address, bytes.length);
  const wrong = after.findIndex((byte, i) => byte !== bytes[i]);
  if (wrong < 0) return;
  throw new SpinnError(
    "ERR_SPINN_VERIFY",
    `the ${memory.name} holds something else at ${(address + wrong).toString(16)} than was written`,
    {
      hint: `what was there before is in ${file}; try again before the board is switched off`,
    },
  );
}

/** Saves what a lasting memory holds under a name of its own in the working folder, and says which. */
export async function saveBackup(session: ShellSession, name: string, bytes: Uint8Array): Promise<string> {
  // To the millisecond: a second change of the same memory must not take the place of the first one's backup.
  const time = new Date().toISOString().replace(/[-:Z]/g, "");
  const file = `spinn-${session.host.replace(/[^\w.]/g, "_")}-${name.replaceAll(" ", "-")}-${time}.bin`;
  await writeOutputFile(file, async () => bytes);
  session.job.terminal.complain(`# what was there before is in ${file}`);
  return file;
}
