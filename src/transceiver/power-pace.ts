import Bottleneck from "bottleneck";
import { abortError, throwIfAborted } from "../errors.js";

/**
 * Rest between two power or reset commands to one BMP, ms. A BMP serves one command at a time and nothing else meanwhile (bmp_net.c), and the
 * boards of a frame share a supply: a tenth of a second keeps their inrush apart, ten times the stagger a BMP itself uses at its start.
 */
const REST_MS = 100;

/** One limiter per BMP of this process, dropped after a minute without use. Bounded by the frames a program talks to in that minute. */
const frames = new Bottleneck.Group({ maxConcurrent: 1, minTime: REST_MS, timeout: 60_000 });

/** Does `work` when no other power or reset command of this process is under way at `bmp`. Throws `ERR_SPINN_ABORTED` while it waits. */
export function paced<T>(bmp: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  throwIfAborted(signal);
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => reject(abortError(signal!));
    signal?.addEventListener("abort", onAbort, { once: true });
    const job = async (): Promise<void> => {
      signal?.removeEventListener("abort", onAbort);
      // Aborted while it waited: the promise has been rejected already, and nothing must be sent.
      if (signal?.aborted) return;
      await work().then(resolve, reject);
    };
    frames.key(bmp).schedule(job).catch(reject);
  });
}
