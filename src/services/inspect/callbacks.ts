/** One update, as callbacks get it. `values` are frozen copies; do not change the arrays of numbers among them. */
export interface Update<V = Readonly<Record<string, unknown>>> {
  readonly seq: number;
  /** Keys that are new, different or gone since the update before. */
  readonly changed: readonly string[];
  readonly final: boolean;
  readonly values: Readonly<V>;
}

export type UpdateCallback<V> = (update: Update<V>) => unknown;

/** What went wrong in a callback. */
export interface CallbackTrouble {
  readonly callback: string;
  readonly count: number;
  readonly message: string;
  /** After three failures in a row it is not called any more. */
  readonly removed: boolean;
}

interface State<V> {
  readonly name: string;
  newest: Update<V> | undefined;
  running: Promise<void> | undefined;
  timer: NodeJS.Timeout | undefined;
  inARow: number;
}

const FAILURES_IN_A_ROW = 3;
/** A callback rests this many times as long as it has blocked the process, so that all it can cost is some 5 percent; ms at most. */
const REST_FACTOR = 20;
const MAX_REST_MS = 5000;
const MAX_TROUBLES = 100;

/**
 * Calls callbacks with the newest update, each on its own pace and outside the computation: at most one call of each under way, what comes
 * meanwhile is merged away, what throws is counted.
 */
export class CallbackPool<V> {
  readonly callbacks = new Set<UpdateCallback<V>>();
  readonly #states = new WeakMap<UpdateCallback<V>, State<V>>();
  readonly #troubles = new Map<string, CallbackTrouble>();
  readonly #onTrouble: () => void;
  #unnamed = 0;

  constructor(onTrouble: () => void) {
    this.#onTrouble = onTrouble;
  }

  get troubles(): readonly CallbackTrouble[] {
    return [...this.#troubles.values()];
  }

  add(callback: UpdateCallback<V>, name?: string): void {
    this.callbacks.add(callback);
    this.#stateOf(callback, name);
  }

  deliver(update: Update<V>): void {
    for (const callback of this.callbacks) {
      const state = this.#stateOf(callback);
      state.newest = update;
      if (state.running === undefined) state.timer ??= setTimeout(() => this.#start(callback, state), 0);
    }
  }

  /** Calls each once more, with the last update, after the call of it that is under way; gives up waiting after `budgetMs`. */
  async finish(update: Update<V>, budgetMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const timeUp = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, budgetMs);
    });
    const last = async (callback: UpdateCallback<V>): Promise<void> => {
      const state = this.#stateOf(callback);
      clearTimeout(state.timer);
      state.newest = undefined;
      await state.running;
      clearTimeout(state.timer);
      state.newest = update;
      this.#start(callback, state);
      await state.running;
    };
    await Promise.race([timeUp, Promise.all([...this.callbacks].map(last))]);
    clearTimeout(timer);
  }

  #stateOf(callback: UpdateCallback<V>, name?: string): State<V> {
    let state = this.#states.get(callback);
    if (state === undefined) {
      const own = name ?? (callback.name === "" ? `callback ${++this.#unnamed}` : callback.name);
      state = { name: own, newest: undefined, running: undefined, timer: undefined, inARow: 0 };
      this.#states.set(callback, state);
    }
    return state;
  }

  #start(callback: UpdateCallback<V>, state: State<V>): void {
    state.timer = undefined;
    const update = state.newest;
    state.newest = undefined;
    if (update === undefined || !this.callbacks.has(callback)) return;
    const began = performance.now();
    const call = (async () => callback(update))();
    const blockedMs = performance.now() - began;
    state.running = call.then(
      () => {
        state.inARow = 0;
      },
      (error: unknown) => this.#fail(callback, state, error),
    );
    void state.running.then(() => {
      state.running = undefined;
      const restMs = Math.min(MAX_REST_MS, blockedMs * REST_FACTOR);
      if (state.newest !== undefined) state.timer = setTimeout(() => this.#start(callback, state), restMs);
    });
  }

  #fail(callback: UpdateCallback<V>, state: State<V>, error: unknown): void {
    state.inARow += 1;
    const removed = state.inARow >= FAILURES_IN_A_ROW;
    if (removed) this.callbacks.delete(callback);
    if (!this.#troubles.has(state.name) && this.#troubles.size >= MAX_TROUBLES) return;
    const count = (this.#troubles.get(state.name)?.count ?? 0) + 1;
    const message = (error instanceof Error ? error.message : String(error)).slice(0, 500);
    this.#troubles.set(state.name, { callback: state.name, count, message, removed });
    this.#onTrouble();
  }
}
