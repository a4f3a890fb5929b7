/** Events of one moment: what a live stream brought. */
export interface EventBatch {
  /** How many of `keys` are valid. */
  readonly count: number;
  readonly keys: ArrayLike<number>;
  /** When they came, ms since 1970. */
  readonly receivedAtMs: number;
}

/** Most events that go to pages at once: with ten messages a second, 20,000 in the ten seconds that a page draws. */
const MAX_SHOWN = 200;

/** Live events on their way to pages: all are counted, and of those between two sendings a fair sample is shown, each as likely as any other. */
export class EventFeed {
  #keys: number[] = [];
  /** When each of `#keys` came, ms since 1970. */
  #times: number[] = [];
  #total = 0;
  /** Since the last sending. */
  #seen = 0;
  #label: string | undefined;

  /** Whether a stream runs. */
  get isRunning(): boolean {
    return this.#label !== undefined;
  }

  begin(label: string): void {
    this.#label = label;
  }

  end(): void {
    this.#label = undefined;
  }

  add({ count, keys, receivedAtMs }: EventBatch): void {
    this.#total += count;
    for (let i = 0; i < count; i += 1) {
      this.#seen += 1;
      const at = this.#seen <= MAX_SHOWN ? this.#seen - 1 : Math.floor(Math.random() * this.#seen);
      if (at >= MAX_SHOWN) continue;
      this.#keys[at] = keys[i]!;
      this.#times[at] = receivedAtMs;
    }
  }

  /** What has come since the last time; `undefined` when nothing has. */
  take(): Readonly<Record<string, unknown>> | undefined {
    if (this.#seen === 0) return undefined;
    const taken = { label: this.#label ?? null, keys: this.#keys, times: this.#times, new: this.#seen, total: this.#total };
    this.#keys = [];
    this.#times = [];
    this.#seen = 0;
    return taken;
  }
}
