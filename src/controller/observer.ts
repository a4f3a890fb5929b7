/** Somebody who looks at the published state. */
interface Viewer {
  readonly isWatching: () => boolean;
  readonly everyMs: number;
}

/** What an observer has done, in the order of its cost. */
export interface Looks {
  /** Reads counters of this process; sends nothing. */
  readonly sample: () => void;
  /** Asks the machine; not called again before it has settled. */
  readonly refresh: () => Promise<void>;
  /** Asks the board's management processor. */
  readonly sensors: () => Promise<void>;
}

const SAMPLE_MS = 1000;
const SENSORS_MS = 10_000;
/** A machine that takes long to ask is asked as much more seldom, so that looking takes a fifth of the time at most. */
const REST_FACTOR = 4;

/** Keeps the published state up to date while somebody looks, and asks nothing when nobody does. */
export class Observer {
  readonly #looks: Looks;
  /** Bounded by the doors of the process. */
  readonly #viewers = new Set<Viewer>();
  readonly #dueAt = { refresh: 0, sensors: 0 };
  #timer: NodeJS.Timeout | undefined;
  #busy = { refresh: false, sensors: false };

  constructor(looks: Looks) {
    this.#looks = looks;
  }

  /** Looks every `everyMs` while `isWatching` says so. Returns a function that ends it. */
  add(isWatching: () => boolean, everyMs: number): () => void {
    const viewer = { isWatching, everyMs };
    this.#viewers.add(viewer);
    this.#restart();
    return () => {
      this.#viewers.delete(viewer);
      this.#restart();
    };
  }

  close(): void {
    this.#viewers.clear();
    this.#restart();
  }

  #restart(): void {
    clearInterval(this.#timer);
    const shortest = Math.min(SAMPLE_MS, ...[...this.#viewers].map(({ everyMs }) => everyMs));
    if (this.#viewers.size > 0) this.#timer = setInterval(() => this.#tick(), shortest);
  }

  #tick(): void {
    const watching = [...this.#viewers].filter(({ isWatching }) => isWatching());
    if (watching.length === 0) return;
    this.#looks.sample();
    void this.#look("refresh", Math.min(...watching.map(({ everyMs }) => everyMs)));
    void this.#look("sensors", SENSORS_MS);
  }

  async #look(what: "refresh" | "sensors", everyMs: number): Promise<void> {
    const began = performance.now();
    if (this.#busy[what] || began < this.#dueAt[what]) return;
    this.#busy[what] = true;
    // A board that does not answer shows in ping and in every method.
    await this.#looks[what]().catch(() => {});
    const now = performance.now();
    this.#dueAt[what] = Math.max(began + everyMs - 1, now + REST_FACTOR * (now - began));
    this.#busy[what] = false;
  }
}
