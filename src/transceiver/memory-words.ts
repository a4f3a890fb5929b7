import type { Target } from "../commands/index.js";
import { checkInteger } from "../errors.js";
import type { CallOptions } from "./call-options.js";
import { readMemory, writeMemory } from "./memory.js";
import type { Session } from "./session.js";

/** One word of 32 bits, unsigned, little-endian. */
export async function readWord(session: Session, place: Target, address: number, options: CallOptions = {}): Promise<number> {
  return wordOf(await readMemory(session, place, address, 4, options));
}

export async function writeWord(session: Session, place: Target, address: number, value: number, options: CallOptions = {}): Promise<void> {
  return writeMemory(session, place, address, wordBytes(value), options);
}

export function wordOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

/** Throws `ERR_SPINN_ARGUMENT` for what is no unsigned word. */
export function wordBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, checkInteger("word", value, 0, 0xffffffff), true);
  return bytes;
}
