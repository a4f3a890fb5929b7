/** One call at a time, first come, first served. Waiters are bounded by the connections of the server: each waits for one call. */
export class CallLock {
  readonly #waiters: (() => void)[] = [];
  #held = false;

  /** Undefined when the lock is taken at once, else a promise for it. */
  acquire(): Promise<void> | undefined {
    if (!this.#held) {
      this.#held = true;
      return undefined;
    }
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  release(): void {
    const next = this.#waiters.shift();
    if (next === undefined) this.#held = false;
    else next();
  }
}
