/** Who holds a computation, and how many safe points it may still pass. */
export class PauseGate {
  /** Bounded: the newest come in, the oldest drop out at `MAX_HOLDERS`. */
  readonly #holders = new Map<string, string>();
  #credit = 0;
  #since: string | null = null;
  #wake: () => void = () => {};

  get isPaused(): boolean {
    return this.#holders.size > 0;
  }

  /** Names of who has paused. */
  get holders(): readonly string[] {
    return [...this.#holders.values()];
  }

  /** ISO time of the first pause that still holds. */
  get since(): string | null {
    return this.#since;
  }

  pause(holder: string, who: string, credit = 0): void {
    this.#since ??= new Date().toISOString();
    this.#holders.delete(holder);
    this.#holders.set(holder, who.slice(0, MAX_NAME));
    if (this.#holders.size > MAX_HOLDERS) this.#holders.delete(this.#holders.keys().next().value!);
    this.#credit = credit;
    if (credit > 0) this.#wake();
  }

  resume(): void {
    this.#holders.clear();
    this.#since = null;
    this.#credit = 0;
    this.#wake();
  }

  /** False when the holder held nothing. */
  release(holder: string): boolean {
    if (!this.#holders.delete(holder)) return false;
    if (this.#holders.size === 0) this.resume();
    return true;
  }

  /** Whether the safe point may be passed now; counts a step that was granted. */
  pass(): boolean {
    if (!this.isPaused) return true;
    if (this.#credit === 0) return false;
    this.#credit -= 1;
    return true;
  }

  /** Waits until the safe point may be passed, `ending` or the caller's signal fires, or the time is up. */
  async wait(
    ending: AbortSignal,
    options: { readonly timeoutMs?: number | undefined; readonly signal?: AbortSignal | undefined },
  ): Promise<void> {
    let over = false;
    const stop = (): void => {
      over = true;
      this.#wake();
    };
    const timer = options.timeoutMs === undefined ? undefined : setTimeout(stop, options.timeoutMs);
    ending.addEventListener("abort", stop);
    options.signal?.addEventListener("abort", stop);
    try {
      while (!over && !ending.aborted && !this.pass()) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
      ending.removeEventListener("abort", stop);
      options.signal?.removeEventListener("abort", stop);
    }
  }
}

const MAX_HOLDERS = 1000;
const MAX_NAME = 200;
