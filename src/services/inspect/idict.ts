import { abortError, SpinnError, throwIfAborted } from "../../errors.js";
import { Notifier } from "../publish/index.js";
import { CallbackPool, type CallbackTrouble, type Update, type UpdateCallback } from "./callbacks.js";
import { checkKnob, type Knob, type KnobValue } from "./knob.js";
import { Lock, type LockOptions } from "./lock.js";
import { PauseGate } from "./pause-gate.js";
import { snapshot } from "./snapshot.js";

/** Where a computation is. The last three are for good. */
export type RunState = "queued" | "running" | "paused" | "stopping" | "done" | "failed" | "aborted";

export interface IDictOptions<K extends Readonly<Record<string, Knob>>> {
  /** Settings that watchers may change. Default none. */
  readonly knobs?: K | undefined;
  /** Least time between two published updates; what comes sooner is merged. Default 50 ms, so 20 updates a second. */
  readonly minIntervalMs?: number | undefined;
  /** Entries beyond this are not published but announced, and fetched with `get`. Default 1 MiB. */
  readonly maxValueBytes?: number | undefined;
  /** How long callbacks may take for the final update. Default 5000 ms. */
  readonly finalBudgetMs?: number | undefined;
  /** State at the start. Default running. */
  readonly state?: RunState | undefined;
}

/** How the computation ended: its state, and what it failed with. */
export interface FinalOptions {
  readonly final?: boolean | undefined;
  /** Default: done, aborted after `terminate()`, failed with `error`. */
  readonly state?: "done" | "failed" | "aborted" | undefined;
  readonly error?: unknown;
}

/** What `wait` came back with. */
export interface SafePoint {
  /** How long the computation was paused here, ms. */
  readonly pausedMs: number;
  /** Knobs with a new value. */
  readonly changed: readonly string[];
  readonly terminated: boolean;
}

/** What everybody sees of the run itself, besides the values: the dict `run` of the published structure. */
export interface RunInfo {
  readonly state: RunState;
  readonly seq: number;
  readonly step: number;
  readonly skipped: number;
  readonly final: boolean;
  readonly error: { readonly name: string; readonly message: string; readonly code: string | null } | null;
  readonly errors: readonly CallbackTrouble[];
  readonly paused_by: readonly string[];
  readonly since: string | null;
  readonly stop_reason: string | null;
  readonly knobs: Readonly<Record<string, Knob & { readonly pending: KnobValue | null }>>;
  readonly started: string;
  readonly updated: string;
}

type KnobType<K> = K extends { readonly type: "bool" } ? boolean : K extends { readonly type: "str" } ? string : number;
type Key<V> = keyof V & string;

/** `wait` lets sockets and timers have a turn when this long has passed since the last one, ms. */
const TURN_MS = 5;

/**
 * A dictionary through which a running computation is watched and steered.
 *
 * ```ts
 * const idict = new IDict({ energy: 0 }, { knobs: { gain: { type: "float", value: 1, min: 0, max: 10 } } });
 * await using server = await runServer(idict);
 * while (!idict.terminated) {
 *   await idict.wait(); // paused and steered here, and only here
 *   idict.set("energy", step(idict.knob("gain")));
 *   idict.notifyUpdate();
 * }
 * idict.notifyUpdate({ final: true });
 * await server.waitThenClose({ timeoutMs: 10_000 });
 * ```
 *
 * Watchers see published snapshots, never the values themselves, and never slow the computation: updates are merged, the newest wins.
 */
export class IDict<V extends object = Record<string, unknown>, K extends Readonly<Record<string, Knob>> = Readonly<Record<string, Knob>>> {
  /** Keeps writers apart that change values over several awaits. `notifyUpdate` while it is held is an error that names the holder. */
  readonly lock = new Lock();
  /** What is published: `{ values, run }`. */
  readonly notifier: Notifier;
  readonly #values: Record<string, unknown>;
  readonly #published: Record<string, unknown> = {};
  readonly #pool: CallbackPool<V>;
  readonly #gate = new PauseGate();
  readonly #ending = new AbortController();
  readonly #options: IDictOptions<K>;
  readonly #knobs: Map<string, { spec: Knob; value: KnobValue; pending: KnobValue | undefined }>;
  readonly #dirty = new Set<string>();
  readonly #run: Notifier;
  /** Members of the run that are not published yet. */
  readonly #runDirty = new Map<string, unknown>();
  #state: RunState;
  #seq = 0;
  #step = 0;
  #skipped = 0;
  #isFinal = false;
  #lastPublished = Number.NEGATIVE_INFINITY;
  #lastTurn = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #updateDue = false;
  #onFinal: () => void = () => {};
  /** Settles when the final update has been published and the callbacks have had it. */
  readonly finished: Promise<void>;

  /** Throws `ERR_SPINN_ARGUMENT` for knobs whose start value is out of their range. */
  constructor(initial: V, options: IDictOptions<K> = {}) {
    this.#options = options;
    this.#values = { ...initial } as Record<string, unknown>;
    this.#state = options.state ?? "running";
    const knobs = Object.entries<Knob>(options.knobs ?? {});
    for (const [name, knob] of knobs) checkKnob(name, knob, knob.value);
    this.#knobs = new Map(knobs.map(([name, spec]) => [name, { spec, value: spec.value, pending: undefined }]));
    this.#pool = new CallbackPool(() => this.#runChanged({ errors: this.#pool.troubles }));
    for (const key of Object.keys(this.#values)) this.#published[key] = this.#presentable(key);
    const now = new Date().toISOString();
    const run: RunInfo = {
      state: this.#state,
      seq: 0,
      step: 0,
      skipped: 0,
      final: false,
      error: null,
      errors: [],
      paused_by: [],
      since: null,
      stop_reason: null,
      knobs: Object.fromEntries(knobs.map(([name, knob]) => [name, { ...knob, pending: null }])),
      started: now,
      updated: now,
    };
    this.notifier = new Notifier({ values: this.#published, run: { ...run } });
    this.#run = this.notifier.at("run");
    this.finished = new Promise((resolve) => {
      this.#onFinal = resolve;
    });
  }

  /** The values as the computation has set them, published or not. */
  get values(): Readonly<V> {
    return this.#values as V;
  }

  /** What was published last: a frozen copy. */
  get snapshot(): Readonly<V> {
    return Object.freeze({ ...this.#published }) as V;
  }

  get run(): RunInfo {
    return this.#run.rawView as RunInfo;
  }

  get state(): RunState {
    return this.#state;
  }

  get isFinal(): boolean {
    return this.#isFinal;
  }

  /** True when the computation should end: read it once per step. */
  get terminated(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Fires with `terminate`: hand it to what takes long inside a step. */
  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  get isPaused(): boolean {
    return this.#gate.isPaused;
  }

  /** The functions told of updates. */
  get callbacks(): Set<UpdateCallback<V>> {
    return this.#pool.callbacks;
  }

  /** Adds a callback under a name, which errors show. Returns a function that takes it out again. */
  addCallback(callback: UpdateCallback<V>, options: { readonly name?: string } = {}): () => void {
    this.#pool.add(callback, options.name);
    return () => void this.#pool.callbacks.delete(callback);
  }

  get<N extends Key<V>>(key: N): V[N] {
    return this.#values[key] as V[N];
  }

  /** Changes an entry; others see it with the next update. After a change inside a value, set it again. */
  set<N extends Key<V>>(key: N, value: V[N]): void {
    this.#checkOpen();
    this.#values[key] = value;
    this.#dirty.add(key);
  }

  delete(key: Key<V>): void {
    this.#checkOpen();
    delete this.#values[key];
    this.#dirty.add(key);
  }

  /**
   * Several changes as one, over any awaits: `work` changes a draft, which takes effect when `work` is done. What it throws leaves the values
   * as they were. Replace values that hold others, do not change them inside: the draft is one level deep. One at a time; see {@link Lock} for the errors of waiting.
   */
  async update<T>(work: (draft: V) => T | Promise<T>, options: LockOptions = {}): Promise<T> {
    return this.lock.run(async () => {
      const draft = { ...this.#values } as V;
      const result = await work(draft);
      const after = draft as Record<string, unknown>;
      for (const [key, value] of Object.entries(after)) {
        if (!Object.is(value, this.#values[key]) || typeof value === "object") this.set(key as Key<V>, value as V[Key<V>]);
      }
      for (const key of Object.keys(this.#values)) if (!Object.hasOwn(after, key)) this.delete(key as Key<V>);
      return result;
    }, options);
  }

  /**
   * Publishes what was changed, at most once per `minIntervalMs`; the final update at once, and nothing after it. Returns the number of the
   * update that carries it. Throws `ERR_SPINN_STATE` while the lock is held (naming the holder), `ERR_SPINN_CLOSED` after the final one.
   */
  notifyUpdate(options: FinalOptions = {}): number {
    this.#checkOpen();
    if (this.lock.own !== undefined) {
      throw new SpinnError("ERR_SPINN_STATE", `notifyUpdate inside the update of ${this.lock.own}: its changes have not been made yet`, {
        hint: "call it behind the update",
      });
    }
    // A lock taken by `acquire` guards changes in place; an `update` has a draft, so that what is published meanwhile is whole.
    if (this.lock.holder !== undefined && !this.lock.isRunning) {
      throw new SpinnError("ERR_SPINN_STATE", `notifyUpdate while the lock is held by ${this.lock.describeHolder()}`, {
        hint: "release the lock first: what is published under it may be half a change",
      });
    }
    if (options.final) return this.#publishFinal(options);
    if (this.#updateDue) {
      this.#skipped += 1;
      return this.#seq + 1;
    }
    this.#updateDue = true;
    this.#schedule();
    return this.#updateDue ? this.#seq + 1 : this.#seq;
  }

  /**
   * The safe point, once per step: applies knobs that were set, and waits while somebody has paused the computation, but not longer than
   * `timeoutMs`. Ends at once after `terminate`. Throws `ERR_SPINN_ABORTED` for `signal`.
   */
  async wait(options: { readonly timeoutMs?: number | undefined; readonly signal?: AbortSignal | undefined } = {}): Promise<SafePoint> {
    throwIfAborted(options.signal);
    if (performance.now() - this.#lastTurn > TURN_MS) {
      await new Promise((resolve) => setImmediate(resolve));
      this.#lastTurn = performance.now();
    }
    let pausedMs = 0;
    if (!this.terminated && !this.#gate.pass()) {
      const began = performance.now();
      this.#enter("paused");
      await this.#gate.wait(this.#ending.signal, options);
      if (options.signal?.aborted) throw abortError(options.signal);
      pausedMs = performance.now() - began;
      this.#lastTurn = performance.now();
    }
    if (!this.terminated && !this.#isFinal) this.#enter("running");
    this.#step += 1;
    return { pausedMs, changed: this.#applyKnobs(), terminated: this.terminated };
  }

  /** Holds the computation at its next safe point. `holder` tells apart who holds it: it goes on when all have let go, or one resumes. */
  pause(who = "local", holder = "local"): void {
    if (this.#isFinal) return;
    this.#gate.pause(holder, who);
    this.#tellPause();
  }

  /** Lets the computation go on, whoever has paused it. */
  resume(): void {
    this.#gate.resume();
    this.#tellPause();
  }

  /** Takes back one holder's pause; the computation goes on when it was the only one. */
  release(holder: string): void {
    if (this.#gate.release(holder)) this.#tellPause();
  }

  /** Passes `count` safe points, then pauses. */
  step(count = 1, who = "local", holder = "local"): void {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `the number of steps must be a whole number from 1, not ${String(count)}`);
    }
    if (this.#isFinal) return;
    this.#gate.pause(holder, who, count);
    this.#tellPause();
  }

  /** Asks the computation to end. Stronger than a pause. Idempotent: the first reason stands. */
  terminate(reason = "asked to end"): void {
    if (this.terminated || this.#isFinal) return;
    this.#ending.abort(new SpinnError("ERR_SPINN_ABORTED", reason));
    this.#gate.resume();
    this.#runChanged({ stop_reason: reason.slice(0, 500) });
    this.#enter("stopping");
  }

  /** Marks what waited in a queue as begun. */
  begin(): void {
    if (this.#state !== "queued") return;
    this.#enter("running");
  }

  /** What a knob is set to. Changes only at a safe point. */
  knob<N extends keyof K & string>(name: N): KnobType<K[N]> {
    return this.#knobOf(name).value as KnobType<K[N]>;
  }

  /** Sets a knob; the computation sees it behind its next safe point. Throws `ERR_SPINN_ARGUMENT` (no such knob, type, range). */
  setKnob(name: string, value: unknown): void {
    const knob = this.#knobOf(name);
    knob.pending = checkKnob(name, knob.spec, value);
    this.#tellKnobs();
  }

  /** Copies of entries, large ones too. Throws `ERR_SPINN_ARGUMENT`: no such entry, or it cannot be sent (with the path). */
  async fetch(keys?: readonly string[]): Promise<Record<string, unknown>> {
    using _ = await this.lock.acquire({ owner: "a reader", timeoutMs: 1000 });
    const wanted = keys ?? Object.keys(this.#values);
    return Object.fromEntries(
      wanted.map((key) => {
        if (!Object.hasOwn(this.#values, key)) throw new SpinnError("ERR_SPINN_ARGUMENT", `there is no entry ${JSON.stringify(key)}`);
        return [key, snapshot(this.#values[key], key).value];
      }),
    );
  }

  #knobOf(name: string): { spec: Knob; value: KnobValue; pending: KnobValue | undefined } {
    const knob = this.#knobs.get(name);
    if (knob !== undefined) return knob;
    const names = [...this.#knobs.keys()].join(", ");
    throw new SpinnError("ERR_SPINN_ARGUMENT", `there is no knob ${JSON.stringify(name.slice(0, 100))}`, {
      hint: names === "" ? "this computation has none" : `knobs are ${names}`,
    });
  }

  #applyKnobs(): string[] {
    const changed: string[] = [];
    for (const [name, knob] of this.#knobs) {
      if (knob.pending === undefined) continue;
      if (knob.pending !== knob.value) changed.push(name);
      knob.value = knob.pending;
      knob.pending = undefined;
    }
    if (changed.length > 0) this.#tellKnobs();
    return changed;
  }

  #tellKnobs(): void {
    const told = [...this.#knobs].map(([name, { spec, value, pending }]) => [name, { ...spec, value, pending: pending ?? null }]);
    this.#runChanged({ knobs: Object.fromEntries(told) as RunInfo["knobs"] });
  }

  #tellPause(): void {
    const { holders, since } = this.#gate;
    this.#runChanged({ paused_by: holders, since });
  }

  #enter(state: RunState): void {
    if (this.#state === state || this.#isFinal) return;
    this.#state = state;
    this.#runChanged({ state });
  }

  #runChanged(members: Partial<RunInfo>): void {
    if (this.#isFinal) return;
    for (const [key, value] of Object.entries(members)) this.#runDirty.set(key, value);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#timer !== undefined) return;
    const restMs = this.#lastPublished + (this.#options.minIntervalMs ?? 50) - performance.now();
    if (restMs <= 0) this.#publish();
    else this.#timer = setTimeout(() => this.#publish(), restMs);
  }

  #publish(): Update<V> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#lastPublished = performance.now();
    // A change of the run alone must not show values that nobody has said are whole.
    const changed = this.#updateDue ? this.#publishValues() : [];
    this.#updateDue = false;
    this.#runDirty.set("step", this.#step).set("skipped", this.#skipped).set("updated", new Date().toISOString());
    for (const [key, value] of this.#runDirty) this.#run.setItem(key, value);
    this.#runDirty.clear();
    this.#seq += 1;
    this.#run.setItem("seq", this.#seq);
    const update = { seq: this.#seq, changed, final: this.#isFinal, values: this.snapshot };
    if (!this.#isFinal && this.#pool.callbacks.size > 0) this.#pool.deliver(update);
    return update;
  }

  #publishValues(): string[] {
    const changed: string[] = [];
    const values = this.notifier.at("values");
    for (const key of this.#dirty) {
      if (Object.hasOwn(this.#values, key)) {
        const value = this.#presentable(key);
        if (Object.hasOwn(this.#published, key) && typeof value !== "object" && Object.is(value, this.#published[key])) continue;
        values.setItem(key, value);
      } else if (Object.hasOwn(this.#published, key)) values.delItem(key);
      else continue;
      changed.push(key);
    }
    this.#dirty.clear();
    return changed;
  }

  /** A copy to publish, or why there is none: one bad entry must not keep the others back. */
  #presentable(key: string): unknown {
    try {
      const { value, sizeBytes } = snapshot(this.#values[key], key);
      if (sizeBytes <= (this.#options.maxValueBytes ?? 1024 * 1024)) return value;
      return Object.freeze({ $large: sizeBytes, summary: `about ${sizeBytes} bytes; fetch it with get` });
    } catch (error) {
      return Object.freeze({ $unavailable: (error as Error).message });
    }
  }

  #publishFinal({ state, error }: FinalOptions): number {
    this.#isFinal = true;
    this.#gate.resume();
    this.#state = state ?? (error !== undefined ? "failed" : this.terminated ? "aborted" : "done");
    this.#runDirty.set("state", this.#state).set("final", true).set("error", errorValue(error)).set("paused_by", []).set("since", null);
    this.#updateDue = true;
    const update = this.#publish();
    void this.#pool.finish(update, this.#options.finalBudgetMs ?? 5000).then(this.#onFinal);
    return update.seq;
  }

  #checkOpen(): void {
    if (this.#isFinal) throw new SpinnError("ERR_SPINN_CLOSED", "the final update of this computation has been sent");
  }
}

function errorValue(error: unknown): RunInfo["error"] {
  if (error === undefined) return null;
  if (!(error instanceof Error)) return { name: typeof error, message: String(error).slice(0, 2000), code: null };
  return { name: error.name, message: error.message.slice(0, 2000), code: error instanceof SpinnError ? error.code : null };
}

/** Runs a computation whose end, good or bad, is the final update. What `work` throws is thrown on. */
export async function runWith<T, V extends object, K extends Readonly<Record<string, Knob>>>(
  idict: IDict<V, K>,
  work: (idict: IDict<V, K>) => T | Promise<T>,
): Promise<T> {
  try {
    const result = await work(idict);
    if (!idict.isFinal) idict.notifyUpdate({ final: true });
    return result;
  } catch (error) {
    const aborted = error instanceof SpinnError && error.code === "ERR_SPINN_ABORTED" && idict.terminated;
    if (!idict.isFinal) idict.notifyUpdate({ final: true, error, state: aborted ? "aborted" : "failed" });
    throw error;
  }
}
