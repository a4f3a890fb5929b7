import { AsyncLocalStorage } from "node:async_hooks";
import PQueue from "p-queue";
import { checkInteger, SpinnError } from "../errors.js";

/** Anything that hands out messages one by one. */
export interface Listenable<T> {
  /** Adds a receiver; the function returned takes it out again. */
  onMessage(receiver: (message: T) => void): () => void;
}

export interface ConnectionListenerOptions {
  /** Callbacks that run at the same time. Default 4, as in SpiNNMan. */
  readonly nProcesses?: number;
  /** A callback that has not settled after so long is counted as stalled, ms; it keeps its place. Default 1000. */
  readonly timeoutMs?: number;
  /** Callback runs that may wait for a place. Default 1024. */
  readonly queueLimit?: number;
  /** What goes when the queue is full: the `oldest` waiting run (default: a live view wants the newest) or the `newest`. */
  readonly overflow?: "oldest" | "newest";
  /** Called when a callback throws or rejects. Default: a process warning, the first time for each callback. */
  readonly onError?: (error: unknown) => void;
}

export interface ListenerCounters {
  readonly received: number;
  readonly handled: number;
  readonly dropped: number;
  readonly failed: number;
  readonly stalled: number;
  readonly waiting: number;
  readonly running: number;
}

export type ListenerCallback<T> = (message: T) => unknown;

interface Waiting<T> {
  readonly message: T;
  readonly callback: ListenerCallback<T>;
}

/**
 * Calls every callback with every message of a connection, on a pool of `nProcesses` places: a slow callback does not hold up the others
 * until the pool is full. Runs start in the order of arrival; with more than one place they may end in another. A promise that a callback
 * returns occupies its place until it settles. A callback that throws is reported and hurts nobody else.
 */
export class ConnectionListener<T> {
  readonly #connection: Listenable<T>;
  readonly #pool: PQueue;
  readonly #timeoutMs: number;
  readonly #queueLimit: number;
  readonly #overflow: "oldest" | "newest";
  readonly #onError: (error: unknown) => void;
  readonly #callbacks = new Set<ListenerCallback<T>>();
  /** Bounded by `queueLimit`; the pool holds one job per entry. */
  readonly #waiting: Waiting<T>[] = [];
  readonly #inside = new AsyncLocalStorage<true>();
  #stop: (() => void) | undefined;
  #closed = false;
  #received = 0;
  #handled = 0;
  #dropped = 0;
  #failed = 0;
  #stalled = 0;

  constructor(connection: Listenable<T>, options: ConnectionListenerOptions = {}) {
    this.#connection = connection;
    this.#pool = new PQueue({ concurrency: checkInteger("nProcesses", options.nProcesses ?? 4, 1, 1024) });
    this.#timeoutMs = checkInteger("timeoutMs", options.timeoutMs ?? 1000, 1, 3_600_000);
    this.#queueLimit = checkInteger("queueLimit", options.queueLimit ?? 1024, 1, 1_000_000);
    this.#overflow = options.overflow ?? "oldest";
    this.#onError = options.onError ?? warn;
  }

  /** Adds a callback; the function returned removes it. Messages that come before the first callback are dropped and counted. */
  addCallback(callback: ListenerCallback<T>): () => void {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  /** Begins to listen. Starting twice is harmless; after `close()` it throws `ERR_SPINN_CLOSED`. */
  start(): void {
    if (this.#closed) throw new SpinnError("ERR_SPINN_CLOSED", "this listener has been closed; make a new one");
    this.#stop ??= this.#connection.onMessage((message) => this.#accept(message));
  }

  get counters(): ListenerCounters {
    return {
      received: this.#received,
      handled: this.#handled,
      dropped: this.#dropped,
      failed: this.#failed,
      stalled: this.#stalled,
      waiting: this.#waiting.length,
      running: this.#pool.pending,
    };
  }

  /**
   * Stops listening, drops (and counts) what waits, and resolves when the callbacks under way have settled; called from inside a callback,
   * it does not wait for them. The connection stays open.
   */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop?.();
    this.#stop = undefined;
    this.#dropped += this.#waiting.length;
    this.#waiting.length = 0;
    if (this.#inside.getStore() !== true) await this.#pool.onIdle();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(message: T): void {
    this.#received += 1;
    if (this.#callbacks.size === 0) this.#dropped += 1;
    for (const callback of this.#callbacks) {
      if (this.#waiting.length >= this.#queueLimit) {
        this.#dropped += 1;
        if (this.#overflow === "newest") continue;
        // The job that was to run the oldest entry finds this one instead.
        this.#waiting.shift();
        this.#waiting.push({ message, callback });
        continue;
      }
      this.#waiting.push({ message, callback });
      void this.#pool.add(() => this.#runNext());
    }
  }

  async #runNext(): Promise<void> {
    const entry = this.#waiting.shift();
    if (entry === undefined) return;
    const watch = setTimeout(() => {
      this.#stalled += 1;
    }, this.#timeoutMs);
    try {
      await this.#inside.run(true, () => entry.callback(entry.message));
      this.#handled += 1;
    } catch (error) {
      this.#failed += 1;
      this.#onError(error);
    } finally {
      clearTimeout(watch);
    }
  }
}

function warn(error: unknown): void {
  process.emitWarning(`a listener's callback failed: ${error instanceof Error ? error.message : String(error)}`, {
    code: "SPINN_CALLBACK_ERROR",
  });
}
