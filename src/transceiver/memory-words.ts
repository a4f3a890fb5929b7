import type { Target } from "../commands/index.js";
import { checkInteger } from "../errors.js";
import type { CallOptions } from "./call-options.js";
import { readMemory, writeMemory } from "./memory.js";
import type { Session } from "./session.js";

/** One word of 32 bits, unsigned. */
export async function readWord(session: Session, place: Target, address: number, options: CallOptions = {}): Promise<number> {
  const bytes = await readMemory(session, place, address, 4, options);
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
}

export async function writeWord(session: Session, place: Target, address: number, value: number, options: CallOptions = {}): Promise<void> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, checkInteger("word", value, 0, 0xffffffff), true);
  return writeMemory(session, place, address, bytes, options);
}
