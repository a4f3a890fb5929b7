import { hex32, SpinnError } from "../errors.js";
import { areaOf, type CoreCoordinates, canonical } from "../machine/index.js";
import type { BringupMachine } from "./devices.js";
import type { AddressSource, ChipOrCore } from "./values.js";

/** `0x60240000 on chip 1,2`, `user0 of core 1,2,3`. */
export function placeWords(at: ChipOrCore, address: AddressSource): string {
  const where = at.p === undefined ? `chip ${at.x},${at.y}` : `core ${at.x},${at.y},${at.p}`;
  return "user" in address ? `what user${address.user} of ${where} points at` : `${hex32(address.address)} on ${where}`;
}

/**
 * Where that is: a pointer in user0..3 is read first, and must point into memory. Shared memory is reached through the monitor, a core's
 * own through the core. Throws `ERR_SPINN_MEMORY` for a pointer that points nowhere.
 */
export async function locate(
  machine: BringupMachine,
  at: ChipOrCore,
  source: AddressSource,
  signal: AbortSignal,
): Promise<{ readonly target: ChipOrCore; readonly address: number }> {
  if ("address" in source) return { target: placeOf(at, source.address), address: source.address };
  const address = Number(await machine.readCoreField(at as CoreCoordinates, `user${source.user}`, { signal }));
  const area = areaOf(canonical(address));
  if (area === undefined || area.registers || area.perCore) {
    throw new SpinnError(
      "ERR_SPINN_MEMORY",
      `user${source.user} of core ${at.x},${at.y},${at.p} is ${hex32(address)}, which is no shared memory`,
      {
        hint: "has the program on that core run to where it leaves its pointer?",
      },
    );
  }
  return { target: { x: at.x, y: at.y }, address };
}

function placeOf(at: ChipOrCore, address: number): ChipOrCore {
  return areaOf(address)?.perCore === true ? at : { x: at.x, y: at.y };
}
