/** What every method that talks to a machine takes. */
export interface CallOptions {
  /** Ends the work with `ERR_SPINN_ABORTED`. Default: none. */
  readonly signal?: AbortSignal | undefined;
}

/** How far a long piece of work is. */
export interface Progress {
  /** What is being done: `read`, `write`, `discover`, `load` ... */
  readonly what: string;
  readonly done: number;
  readonly total: number;
  readonly unit: "bytes" | "chips" | "cores" | "blocks" | "packets" | "entries";
}

export interface LongCallOptions extends CallOptions {
  /** Called as the work goes on, at the end with `done === total`. What it throws ends the work. Default: none. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** Counts as work is done, and tells. */
export class ProgressCounter {
  readonly #tell: ((progress: Progress) => void) | undefined;
  readonly #what: string;
  readonly #unit: Progress["unit"];
  readonly #total: number;
  #done = 0;

  constructor(options: LongCallOptions, what: string, total: number, unit: Progress["unit"]) {
    this.#tell = options.onProgress;
    this.#what = what;
    this.#total = total;
    this.#unit = unit;
  }

  add(count: number): void {
    this.#done += count;
    this.#tell?.({ what: this.#what, done: this.#done, total: this.#total, unit: this.#unit });
  }
}
