/** Something that wants to run as time passes. */
export interface Ticking {
  /** `elapsedMs` since the last call. `true`: there is more to do at once, call again without waiting. */
  tick(elapsedMs: number): boolean;
}

/** Milliseconds between two rounds of ticks when nobody is in a hurry. */
const TICK_MS = 1;

/**
 * The machine's clock: real time, timers that all end with the machine, and the rounds in which programs run.
 * Timers in flight are bounded by what is pending: replies held back, boots, power sequences.
 */
export class Clock {
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #ticking = new Set<Ticking>();
  #round: NodeJS.Timeout | NodeJS.Immediate | undefined;
  #last = 0;
  #closed = false;

  /** Monotonic, in ms. */
  now(): number {
    return performance.now();
  }

  /** Calls back once after `delayMs`, unless the clock is closed before. Gives a function that takes it back. */
  after(delayMs: number, callback: () => void): () => void {
    if (this.#closed) return () => undefined;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      callback();
    }, delayMs);
    this.#timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.#timers.delete(timer);
    };
  }

  add(ticking: Ticking): void {
    this.#ticking.add(ticking);
    this.#schedule(false);
  }

  remove(ticking: Ticking): void {
    this.#ticking.delete(ticking);
  }

  close(): void {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#ticking.clear();
    clearTimeout(this.#round as NodeJS.Timeout | undefined);
    clearImmediate(this.#round as NodeJS.Immediate | undefined);
    this.#round = undefined;
  }

  #schedule(hurry: boolean): void {
    if (this.#closed || this.#round !== undefined || this.#ticking.size === 0) return;
    if (this.#last === 0) this.#last = this.now();
    this.#round = hurry ? setImmediate(() => this.#run()) : setTimeout(() => this.#run(), TICK_MS);
  }

  #run(): void {
    this.#round = undefined;
    const now = this.now();
    const elapsed = now - this.#last;
    this.#last = now;
    let hurry = false;
    for (const ticking of this.#ticking) hurry = ticking.tick(elapsed) || hurry;
    if (this.#ticking.size === 0) this.#last = 0;
    this.#schedule(hurry);
  }
}
