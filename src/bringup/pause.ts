import { setTimeout as sleep } from "node:timers/promises";
import { abortError } from "../errors.js";

/** Waits, ms. Throws `ERR_SPINN_ABORTED` as soon as the signal fires. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal });
  } catch (error) {
    throw signal.aborted ? abortError(signal) : error;
  }
}
