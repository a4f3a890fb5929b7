import { readSrom } from "../commands/index.js";
import { checkInteger } from "../errors.js";
import type { ChipCoordinates } from "../machine/index.js";
import { SCP_MAX_DATA } from "../wire/index.js";
import type { CallOptions } from "./call-options.js";
import type { Session } from "./session.js";

/**
 * Reads the serial ROM beside an Ethernet chip, which holds the board's addresses and its list of dead parts. Piece by piece: the monitor
 * clocks every bit out itself and serves nothing else meanwhile.
 */
export async function readSerialRom(
  session: Session,
  ethernet: ChipCoordinates,
  address: number,
  length: number,
  options: CallOptions = {},
): Promise<Uint8Array> {
  checkInteger("length", length, 0, 0x1000000 - address);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += SCP_MAX_DATA) {
    const size = Math.min(SCP_MAX_DATA, length - at);
    bytes.set(await session.call(readSrom(ethernet, address + at, size), options), at);
  }
  return bytes;
}
