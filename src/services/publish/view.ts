import { SpinnError } from "../../errors.js";
import { isPlainObject, Tuple } from "../rpc/index.js";
import type { Notifier } from "./notifier.js";

/** Views, to the raw containers behind them: a view that is assigned somewhere is stored as the container it shows. */
const RAW = new WeakMap<object, object>();

function raw(value: unknown): unknown {
  return typeof value === "object" && value !== null ? (RAW.get(value) ?? value) : value;
}

/**
 * The container of a notifier by index syntax; changes go through the notifier. Atoms come as they are. A view belongs to its container
 * at its place: once another container is there, using it throws, for changes would go to the wrong one.
 */
export function viewOf(notifier: Notifier): unknown {
  const target = notifier.rawView;
  if (typeof target !== "object" || target === null) return target;
  if (Array.isArray(target) && !(target instanceof Tuple)) return register(listView(notifier, target), target);
  if (target instanceof Map) return register(mapView(notifier, target), target);
  return isPlainObject(target) ? register(dictView(notifier, target), target) : target;
}

function register(view: object, target: object): object {
  RAW.set(view, target);
  return view;
}

/** Throws when `target` is no longer what stands at the notifier's place. */
function checkLive(notifier: Notifier, target: object): void {
  let present: unknown;
  try {
    present = notifier.rawView;
  } catch {
    present = undefined;
  }
  if (present !== target) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", "this view is of a container that has been moved or removed", { hint: "take a new view" });
  }
}

function dictView(notifier: Notifier, target: object): object {
  return new Proxy(target, {
    get: (object, key) => {
      if (typeof key !== "string" || !Object.hasOwn(object, key)) return Reflect.get(object, key);
      checkLive(notifier, target);
      return viewOf(notifier.at(key));
    },
    set: (_, key, value) => {
      if (typeof key !== "string") return false;
      checkLive(notifier, target);
      notifier.setItem(key, raw(value));
      return true;
    },
    deleteProperty: (object, key) => {
      if (typeof key !== "string" || !Object.hasOwn(object, key)) return true;
      checkLive(notifier, target);
      notifier.delItem(key);
      return true;
    },
  });
}

function listView(notifier: Notifier, target: unknown[]): object {
  const methods: Record<string, (...args: never[]) => unknown> = {
    push: (...items: unknown[]) => {
      for (const item of items) notifier.append(raw(item));
      return target.length;
    },
    pop: () => (target.length === 0 ? undefined : notifier.pop()),
    shift: () => (target.length === 0 ? undefined : notifier.pop(0)),
    unshift: (...items: unknown[]) => {
      for (const [i, item] of items.entries()) notifier.insert(i, raw(item));
      return target.length;
    },
    splice: (start: number, count = target.length, ...items: unknown[]) => {
      const from = start < 0 ? Math.max(0, start + target.length) : Math.min(start, target.length);
      const removed: unknown[] = [];
      for (let left = Math.min(count, target.length - from); left > 0; left -= 1) removed.push(notifier.pop(from));
      for (const [i, item] of items.entries()) notifier.insert(from + i, raw(item));
      return removed;
    },
  };
  return new Proxy(target, {
    get: (list, key) => {
      checkLive(notifier, target);
      if (typeof key === "string" && Object.hasOwn(methods, key)) return methods[key];
      const index = indexOfKey(key);
      return index !== undefined && index < list.length ? viewOf(notifier.at(index)) : Reflect.get(list, key);
    },
    set: (list, key, value) => {
      checkLive(notifier, target);
      const index = indexOfKey(key);
      if (key === "length" && typeof value === "number" && value <= list.length) {
        while (list.length > value) notifier.pop();
      } else if (index === undefined || index > list.length) {
        throw new SpinnError(
          "ERR_SPINN_ARGUMENT",
          `cannot set ${String(key)} of a published list of ${list.length}: it would leave a hole`,
        );
      } else if (index === list.length) notifier.append(raw(value));
      else notifier.setItem(index, raw(value));
      return true;
    },
    deleteProperty: (list, key) => {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `delete would leave a hole at ${String(key)} in a published list of ${list.length}`, {
        hint: "use splice, or delItem of the notifier",
      });
    },
  });
}

function mapView(notifier: Notifier, target: Map<unknown, unknown>): object {
  const view: object = new Proxy(target, {
    get: (map, key) => {
      checkLive(notifier, target);
      if (key === "get") return (name: unknown) => (map.has(name) ? viewOf(notifier.at(name)) : undefined);
      if (key === "set") {
        return (name: unknown, value: unknown) => {
          notifier.setItem(name, raw(value));
          return view;
        };
      }
      if (key === "delete") {
        return (name: unknown) => {
          if (!map.has(name)) return false;
          notifier.delItem(name);
          return true;
        };
      }
      if (key === "clear") {
        return () => {
          for (const name of [...map.keys()]) notifier.delItem(name);
        };
      }
      const value: unknown = Reflect.get(map, key, map);
      return typeof value === "function" ? (value as () => unknown).bind(map) : value;
    },
  });
  return view;
}

function indexOfKey(key: string | symbol): number | undefined {
  return typeof key === "string" && /^(0|[1-9]\d{0,9})$/.test(key) ? Number(key) : undefined;
}
