import { SpinnError } from "../../errors.js";

/** What waits for one reply. */
export interface ReplyWaiter {
  readonly resolve: (line: string) => void;
  readonly reject: (error: SpinnError) => void;
  /** What was asked, for errors. */
  readonly request: string;
  /** The caller has given up; the reply still comes, is counted and thrown away. */
  abandoned: boolean;
}

/**
 * The waiters of one connection in the order of their requests. pc_rpc's replies carry no number: only their order says whose they are,
 * so a call that was given up keeps its place until its reply has come. Bounded by `limit`.
 */
export class ReplyQueue {
  readonly #limit: number;
  readonly #waiters: (ReplyWaiter | undefined)[] = [];
  #head = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#waiters.length - this.#head;
  }

  /** Throws `ERR_SPINN_REFUSED` when `limit` calls are waiting already. */
  add(waiter: ReplyWaiter): void {
    if (this.size >= this.#limit) {
      throw new SpinnError("ERR_SPINN_REFUSED", `${this.size} calls wait for replies already; ${waiter.request} was not sent`, {
        hint: "await some of them, or raise maxPending",
      });
    }
    this.#waiters.push(waiter);
  }

  /** The waiter of the next reply. */
  shift(): ReplyWaiter | undefined {
    const waiter = this.#waiters[this.#head];
    if (waiter === undefined) return undefined;
    this.#waiters[this.#head] = undefined;
    this.#head += 1;
    if (this.#head === this.#waiters.length || this.#head > 1024) {
      this.#waiters.splice(0, this.#head);
      this.#head = 0;
    }
    return waiter;
  }
}
