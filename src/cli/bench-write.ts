import { SpinnError } from "../errors.js";
import type { ChipCoordinates } from "../machine/index.js";
import type { Transceiver } from "../transceiver/index.js";
import { formatBytes } from "./format.js";
import type { Job } from "./job.js";

/** The memory it writes to belongs to this id while it runs. */
const APP_ID = 254;

export interface WriteResult {
  readonly bytes: number;
  readonly seconds: number;
  readonly bytesPerSecond: number;
}

/** Writes into a block of its own, reads it back, compares, and frees it. Throws `ERR_SPINN_VERIFY` when a byte differs. */
export async function measureWrite(
  job: Job,
  calls: Job["calls"],
  board: Transceiver,
  chip: ChipCoordinates,
  bytes: number,
): Promise<WriteResult> {
  const address = await board.allocate(chip, bytes, { appId: APP_ID, tag: 1, signal: calls.signal });
  job.leftBehind = `a block of ${formatBytes(bytes)} of app ${APP_ID} on chip ${chip.x},${chip.y}: spinn stop --app-id ${APP_ID} frees it`;
  try {
    const data = pattern(bytes);
    const startedAt = performance.now();
    await board.writeMemory(chip, address, data, calls);
    const seconds = (performance.now() - startedAt) / 1000;
    const back = await board.readMemory(chip, address, bytes, calls);
    if (!data.every((byte, i) => byte === back[i])) {
      throw new SpinnError("ERR_SPINN_VERIFY", "what was read back is not what was written", {
        hint: "the way to this board changes data: do not trust it",
      });
    }
    return { bytes, seconds, bytesPerSecond: bytes / seconds };
  } finally {
    await board.free(chip, address);
    job.leftBehind = undefined;
  }
}

/** Bytes without a period that memory or packets have (a linear congruential generator), so that a misplaced piece shows. */
function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
