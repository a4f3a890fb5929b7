import { SpinnError } from "../../errors.js";
import { member } from "../rpc/index.js";
import { Listener } from "./listener.js";
import { applyChange, type Change, type Mod } from "./mod.js";
import { SYNC_BANNER } from "./publisher.js";

export type NotifyCallback = (mod: Mod) => void;

/**
 * Mirrors a published structure. `targetBuilder` makes the local copy at each init (the identity will do); changes are made in it, then
 * the callbacks are told, init included.
 *
 * A change that does not fit the copy, or that is none, ends the connection with `ERR_SPINN_PROTOCOL` (with `reconnect`, a new one brings a new init).
 */
export class Subscriber<T = unknown> extends Listener {
  readonly #build: (struct: unknown) => T;
  readonly #callbacks: readonly NotifyCallback[];
  #target: unknown;

  constructor(name: string, targetBuilder: (struct: unknown) => T, notifyCb: NotifyCallback | readonly NotifyCallback[] = []) {
    super(`${SYNC_BANNER}\n${name}\n`);
    this.#build = targetBuilder;
    this.#callbacks = typeof notifyCb === "function" ? [notifyCb] : notifyCb;
  }

  /** The local copy; undefined before the first init. */
  get target(): T | undefined {
    return this.#target as T | undefined;
  }

  protected override receive(value: unknown): void {
    const mod = readMod(value);
    if (mod.action === "init") this.#target = this.#build(mod.struct);
    else this.#target = this.#apply(mod);
    this.tell(this.#callbacks.map((callback) => () => callback(mod)));
  }

  /** A change that does not fit is the publisher's breach here, not a mistake of whoever called. */
  #apply(change: Change): unknown {
    try {
      return applyChange(this.#target, change);
    } catch (cause) {
      if (!(cause instanceof SpinnError) || cause.code !== "ERR_SPINN_ARGUMENT") throw cause;
      throw new SpinnError("ERR_SPINN_PROTOCOL", `a change that does not fit the structure: ${cause.message}`, { cause });
    }
  }
}

/** A mod as received, checked. Throws `ERR_SPINN_PROTOCOL` for anything else. */
function readMod(value: unknown): Mod {
  const action = member(value, "action");
  const has = (name: string): unknown => {
    const part = member(value, name);
    if (part === undefined) throw new SpinnError("ERR_SPINN_PROTOCOL", `a change ${shown(action)} without ${name}`);
    return part;
  };
  if (action === "init") return { action, struct: has("struct") };
  const path = has("path");
  if (!Array.isArray(path)) throw new SpinnError("ERR_SPINN_PROTOCOL", "a change whose path is no list");
  switch (action) {
    case "append":
      return { action, path, x: has("x") };
    case "insert":
      return { action, path, i: has("i") as number, x: has("x") };
    case "pop":
      return { action, path, i: has("i") as number };
    case "setitem":
      return { action, path, key: has("key"), value: has("value") };
    case "delitem":
      return { action, path, key: has("key") };
    default:
      throw new SpinnError("ERR_SPINN_PROTOCOL", `there is no change called ${shown(action)}`);
  }
}

/** What a publisher calls its change may be anything, also what JSON has no word for, and of any length. */
function shown(action: unknown): string {
  return typeof action === "string" ? JSON.stringify(action.slice(0, 60)) : `(${typeof action})`;
}
