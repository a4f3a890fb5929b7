import { abortError, SpinnError, throwIfAborted } from "../errors.js";

interface Waiter {
  readonly tokens: number;
  readonly resolve: (granted: boolean) => void;
}

/**
 * A rate limiter: holds up to `capacity` tokens, refilled continuously at `fillRate` tokens per second of monotonic time. Starts full.
 * Waiting consumers are served first come, first served; a small request never overtakes a large one.
 */
export class TokenBucket {
  readonly capacity: number;
  readonly fillRate: number;
  #tokens: number;
  #stampMs: number;
  // Bounded by its callers: each entry is one pending consume().
  readonly #waiters: Waiter[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `capacity` in tokens, `fillRate` in tokens per second; both above 0, else `ERR_SPINN_ARGUMENT`. */
  constructor(capacity: number, fillRate: number) {
    if (!(capacity > 0 && Number.isFinite(capacity)))
      throw new SpinnError("ERR_SPINN_ARGUMENT", `bucket capacity must be above 0, not ${capacity}`);
    if (!(fillRate > 0 && Number.isFinite(fillRate)))
      throw new SpinnError("ERR_SPINN_ARGUMENT", `fill rate must be above 0, not ${fillRate}`);
    this.capacity = capacity;
    this.fillRate = fillRate;
    this.#tokens = capacity;
    this.#stampMs = performance.now();
  }

  /** Tokens there now. */
  get tokens(): number {
    this.#refill();
    return this.#tokens;
  }

  /** Consumers waiting now. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /** Takes tokens if they are there and nobody waits; never waits. */
  tryConsume(tokens: number): boolean {
    this.#check(tokens);
    if (this.#waiters.length > 0) return false;
    this.#refill();
    if (this.#tokens < tokens) return false;
    this.#tokens -= tokens;
    return true;
  }

  /**
   * Takes tokens; with `block` (default) waits for them, else answers `false` at once when they are not there.
   * Throws `ERR_SPINN_ARGUMENT` for more than the capacity (they would never be there) and `ERR_SPINN_ABORTED`.
   */
  async consume(tokens: number, options: { readonly block?: boolean; readonly signal?: AbortSignal | undefined } = {}): Promise<boolean> {
    const { block = true, signal } = options;
    throwIfAborted(signal);
    if (this.tryConsume(tokens)) return true;
    if (!block) return false;
    return new Promise<boolean>((resolve, reject) => {
      const waiter: Waiter = {
        tokens,
        resolve: (granted) => {
          signal?.removeEventListener("abort", onAbort);
          resolve(granted);
        },
      };
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        this.#serve();
        reject(abortError(signal!));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  #check(tokens: number): void {
    if (!(tokens > 0)) throw new SpinnError("ERR_SPINN_ARGUMENT", `tokens must be above 0, not ${tokens}`);
    if (tokens > this.capacity) {
      throw new SpinnError(
        "ERR_SPINN_ARGUMENT",
        `${tokens} tokens asked of a bucket that holds ${this.capacity}: they would never be there`,
      );
    }
  }

  #refill(): void {
    const now = performance.now();
    this.#tokens = Math.min(this.capacity, this.#tokens + ((now - this.#stampMs) / 1000) * this.fillRate);
    this.#stampMs = now;
  }

  #serve(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#refill();
    for (let first = this.#waiters[0]; first !== undefined; first = this.#waiters[0]) {
      // A timer may fire a fraction of a millisecond early; a millionth of a token is no reason to sleep again.
      if (this.#tokens < first.tokens - 1e-6) {
        const waitMs = ((first.tokens - this.#tokens) / this.fillRate) * 1000;
        this.#timer = setTimeout(() => this.#serve(), Math.ceil(waitMs));
        return;
      }
      this.#tokens = Math.max(0, this.#tokens - first.tokens);
      this.#waiters.shift();
      first.resolve(true);
    }
  }
}
