import { encode } from "../rpc/index.js";
import { applyChange, type Change, lookUp, type Path } from "./mod.js";
import { viewOf } from "./view.js";

/** Told of a change before (`prepare`, may refuse it by throwing) and after it was made. */
export interface ChangeListener {
  readonly prepare: (change: Change) => void;
  readonly publish: (change: Change) => void;
}

interface Root {
  struct: unknown;
  /** Bounded by the publishers of the process. */
  readonly listeners: Set<ChangeListener>;
}

/**
 * A structure of lists and dicts that is changed through this object, so that every change is published. Values are encoded at the moment
 * of the change; what is changed behind the notifier's back is not seen.
 *
 * ```ts
 * const state = new Notifier({ chips: [], temperature: 20 });
 * state.setItem("temperature", 21);
 * state.at("chips").append({ x: 0, y: 0 });
 * state.view.temperature = 22; // the same, by index syntax
 * ```
 * A change that fails (no such place, a value that cannot be sent) changes nothing and publishes nothing.
 */
export class Notifier<T = unknown> {
  #root: Root;
  #path: Path;

  constructor(struct: T) {
    this.#root = { struct, listeners: new Set() };
    this.#path = [];
  }

  /** The structure itself, to be read only. */
  get rawView(): T {
    return lookUp(this.#root.struct, this.#path) as T;
  }

  /** The structure by index syntax: assignments, `delete`, and the methods of Array and Map that change are published. */
  get view(): T {
    return viewOf(this) as T;
  }

  /** The notifier of a container inside. The path is looked up at each use. */
  at(...keys: readonly unknown[]): Notifier {
    const inner = new Notifier<unknown>(undefined);
    inner.#root = this.#root;
    inner.#path = [...this.#path, ...keys];
    return inner;
  }

  append(x: unknown): void {
    this.#change({ action: "append", path: this.#path, x });
  }

  /** Before index `i`; negative counts from the end, out of range clamps. */
  insert(i: number, x: unknown): void {
    this.#change({ action: "insert", path: this.#path, i, x });
  }

  /** Removes and returns the item at `i`; the last when left out. */
  pop(i = -1): unknown {
    const list = this.rawView;
    const value = Array.isArray(list) ? list.at(i) : undefined;
    this.#change({ action: "pop", path: this.#path, i });
    return value;
  }

  /** `notifier[key] = value`: dict key of any kind, list index (negative allowed), or Slice. */
  setItem(key: unknown, value: unknown): void {
    this.#change({ action: "setitem", path: this.#path, key, value });
  }

  /** `del notifier[key]`. */
  delItem(key: unknown): void {
    this.#change({ action: "delitem", path: this.#path, key });
  }

  /** Whom to tell of changes, anywhere in the structure. Returns a function that ends it. */
  listen(listener: ChangeListener): () => void {
    this.#root.listeners.add(listener);
    return () => void this.#root.listeners.delete(listener);
  }

  #change(change: Change): void {
    for (const listener of this.#root.listeners) listener.prepare(change);
    this.#root.struct = applyChange(this.#root.struct, change);
    for (const listener of this.#root.listeners) listener.publish(change);
  }
}

/**
 * Makes the dict of `target` equal to `source`, one level deep: deletes keys that are gone, sets those that are new or different.
 * Values are compared by their PYON text.
 */
export function updateFromDict(target: Notifier, source: Readonly<Record<string, unknown>> | ReadonlyMap<unknown, unknown>): void {
  const wanted = source instanceof Map ? source : new Map<unknown, unknown>(Object.entries(source));
  const present = target.rawView;
  const current = present instanceof Map ? present : new Map<unknown, unknown>(Object.entries(present as object));
  for (const key of [...current.keys()]) if (!wanted.has(key)) target.delItem(key);
  for (const [key, value] of wanted) {
    if (!current.has(key) || encode(current.get(key)) !== encode(value)) target.setItem(key, value);
  }
}
