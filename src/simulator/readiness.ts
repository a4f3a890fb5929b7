/** Whether a machine is up, for those who wait for it; a machine may go down and come up again. */
export class Readiness {
  #isReady = false;
  #promise!: Promise<void>;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor() {
    this.#begin();
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Resolves when the machine is up the next time, at once when it is. */
  get promise(): Promise<void> {
    return this.#promise;
  }

  set(): void {
    this.#isReady = true;
    this.#resolve();
  }

  /** The machine has gone down: who waits from now on waits for the next time. */
  reset(): void {
    if (!this.#isReady) return;
    this.#isReady = false;
    this.#begin();
  }

  /** It will not come up; nothing happens when it is. */
  fail(error: unknown): void {
    this.#reject(error);
  }

  #begin(): void {
    this.#promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Nobody has to wait for it: a machine that never came up is no unhandled rejection.
    this.#promise.catch(() => undefined);
  }
}
