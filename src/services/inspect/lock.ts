import { AsyncLocalStorage } from "node:async_hooks";
import { abortError, SpinnError, throwIfAborted } from "../../errors.js";

export interface LockOptions {
  /** Who it is, for the errors of those who wait in vain. Default `somebody`. */
  readonly owner?: string | undefined;
  /** How long to wait for the lock, ms. Default 10 000. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A lock that is held. Give it back with `release()` (idempotent), or by `using`. */
export interface HeldLock extends Disposable {
  readonly owner: string;
  release(): void;
}

interface Waiter {
  readonly take: () => void;
}

/**
 * Lets one task at a time change the values, first come, first served. Waiting for oneself is an error at once, waiting for somebody who never
 * gives it back is one after `timeoutMs`; both name the holder.
 */
export class Lock {
  readonly #context = new AsyncLocalStorage<string>();
  /** Bounded by the tasks that wait, each for `timeoutMs` at most. */
  readonly #waiters = new Set<Waiter>();
  #held: { readonly owner: string; readonly since: number } | undefined;
  #running = 0;

  /** Who holds the lock. */
  get holder(): string | undefined {
    return this.#held?.owner;
  }

  /** The holder, when this code runs inside its `run`. */
  get own(): string | undefined {
    return this.#context.getStore();
  }

  /** Whether the holder is a `run`. */
  get isRunning(): boolean {
    return this.#running > 0;
  }

  /** In words, for errors: `soak (for 12.3 s)`. */
  describeHolder(): string {
    if (this.#held === undefined) return "nobody";
    return `${this.#held.owner} (for ${((performance.now() - this.#held.since) / 1000).toFixed(1)} s)`;
  }

  /** Throws `ERR_SPINN_STATE` (would wait for itself), `ERR_SPINN_TIMEOUT` naming the holder, `ERR_SPINN_ABORTED`. */
  async acquire(options: LockOptions = {}): Promise<HeldLock> {
    const { owner = "somebody", timeoutMs = 10_000, signal } = options;
    throwIfAborted(signal);
    if (this.own !== undefined) {
      throw new SpinnError("ERR_SPINN_STATE", `${owner} asks for the lock inside the update of ${this.own}: it would wait for itself`, {
        hint: "change the values through the update that is under way",
      });
    }
    if (this.#held === undefined) return this.#take(owner);
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
        this.#waiters.delete(waiter);
      };
      const waiter: Waiter = {
        take: () => {
          end();
          resolve(this.#take(owner));
        },
      };
      const abort = (): void => {
        end();
        reject(abortError(signal!));
      };
      const timer = setTimeout(() => {
        end();
        const words = `${owner} did not get the lock within ${timeoutMs} ms: it is held by ${this.describeHolder()}`;
        reject(new SpinnError("ERR_SPINN_TIMEOUT", words, { hint: "release it in a finally block, or by using" }));
      }, timeoutMs);
      signal?.addEventListener("abort", abort);
      this.#waiters.add(waiter);
    });
  }

  /** Runs `work` while holding the lock; what `work` calls knows that it is inside. */
  async run<T>(work: () => T | Promise<T>, options: LockOptions = {}): Promise<T> {
    using held = await this.acquire(options);
    this.#running += 1;
    try {
      return await this.#context.run(held.owner, async () => work());
    } finally {
      this.#running -= 1;
    }
  }

  #take(owner: string): HeldLock {
    const mine = { owner, since: performance.now() };
    this.#held = mine;
    const release = (): void => {
      if (this.#held !== mine) return;
      this.#held = undefined;
      const [next] = this.#waiters;
      next?.take();
    };
    return { owner, release, [Symbol.dispose]: release };
  }
}
