/** Events of one moment: what a live stream brought. */
export interface EventBatch {
  /** How many of `keys` are valid. */
  readonly count: number;
  readonly keys: ArrayLike<number>;
  /** When they came, ms since 1970. */
  readonly receivedAtMs: number;
}

/** Most events that go to pages at once; the others are counted. */
const MAX_SHOWN = 4000;

/** Live events on their way to pages: collected between two sendings, never more than a screen can show. */
export class EventFeed {
  #keys: number[] = [];
  /** Time of each of `#keys`, ms after the first sending. */
  #times: number[] = [];
  #total = 0;
  #unsent = 0;
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
    this.#unsent += count;
    for (let i = 0; i < count && this.#keys.length < MAX_SHOWN; i += 1) {
      this.#keys.push(keys[i]!);
      this.#times.push(receivedAtMs);
    }
  }

  /** What has come since the last time; `undefined` when nothing has. */
  take(): Readonly<Record<string, unknown>> | undefined {
    if (this.#unsent === 0) return undefined;
    const taken = { label: this.#label ?? null, keys: this.#keys, times: this.#times, new: this.#unsent, total: this.#total };
    this.#keys = [];
    this.#times = [];
    this.#unsent = 0;
    return taken;
  }
}
