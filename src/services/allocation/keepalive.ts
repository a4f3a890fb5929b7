import { Worker } from "node:worker_threads";
import { KEEPALIVE_SOURCE } from "./keepalive-source.js";
import { releaseAtExit } from "./release-at-exit.js";
import type { LogIn } from "./web-session.js";

/** How to reach the server from a thread that shares nothing with this one. */
export type KeepalivePlan =
  | { readonly kind: "classic"; readonly host: string; readonly port: number; readonly jobId: number; readonly timeoutMs: number }
  | {
      readonly kind: "web";
      /** Where to log in. */
      readonly rootUrl: string;
      readonly jobUrl: string;
      readonly logIn: LogIn;
      readonly timeoutMs: number;
    };

/**
 * Signs of life for one job from a thread of its own, twice in each keepalive time, whatever the event loop here is busy with. Also ends the
 * job when this process goes down in any way that leaves it a last word: end of the program, `process.exit`, an uncaught error, a signal
 * that nobody else handles. After a kill -9 or a power cut the server's own timer ends the job.
 */
export class Keepalive {
  readonly #worker: Worker;
  readonly #released: Int32Array;
  readonly #touched: BigInt64Array;
  readonly #forget: () => void;
  readonly #startedAt = process.hrtime.bigint();

  /** `keepaliveMs` null: no signs of life are needed, the thread is only there to end the job. */
  constructor(plan: KeepalivePlan, keepaliveMs: number | null) {
    const shared = new SharedArrayBuffer(16);
    this.#released = new Int32Array(shared, 0, 1);
    this.#touched = new BigInt64Array(shared, 8, 1);
    const intervalMs = keepaliveMs === null ? 0 : Math.ceil(keepaliveMs / 2);
    this.#worker = new Worker(KEEPALIVE_SOURCE, {
      eval: true,
      execArgv: [],
      name: "spinnkit keepalive",
      workerData: { plan, intervalMs, retryMs: Math.min(5000, Math.ceil(intervalMs / 8)), shared },
      resourceLimits: { maxOldGenerationSizeMb: 64 },
    });
    // A thread that failed sends no more signs of life: the silence shows in silentMs.
    this.#worker.on("error", () => {});
    this.#worker.unref();
    this.#forget = releaseAtExit(this);
  }

  /** Milliseconds since the server last took a sign of life from here. */
  get silentMs(): number {
    const last = Atomics.load(this.#touched, 0) || this.#startedAt;
    return Number((process.hrtime.bigint() - last) / 1_000_000n);
  }

  /** Lets the thread end the job. For {@link waitReleased} to wait for. */
  beginRelease(reason: string): void {
    this.#worker.postMessage({ reason });
  }

  /** Blocks this thread until the job is ended, for `timeoutMs` at most. */
  waitReleased(timeoutMs: number): void {
    Atomics.wait(this.#released, 0, 0, timeoutMs);
  }

  /** Ends the thread; the job stays as it is. Idempotent. */
  async stop(): Promise<void> {
    this.#forget();
    await this.#worker.terminate();
  }
}
