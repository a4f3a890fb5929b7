import { abortError, type SpinnError } from "../../errors.js";

/**
 * `promise`, unless the time is over first: then what `late` gives, thrown if it is an error. A signal ends the wait with
 * `ERR_SPINN_ABORTED`. Leaves nothing behind.
 */
export function orLater<T>(
  promise: Promise<T>,
  { timeoutMs, signal }: { readonly timeoutMs?: number | undefined; readonly signal?: AbortSignal | undefined },
  late: () => T | SpinnError,
): Promise<T> {
  if (timeoutMs === undefined && signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const onAbort = (): void => {
      end();
      reject(abortError(signal!));
    };
    const onLate = (): void => {
      end();
      const value = late();
      if (value instanceof Error) reject(value);
      else resolve(value);
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(onLate, timeoutMs);
    promise.finally(end).then(resolve, reject);
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
  });
}
