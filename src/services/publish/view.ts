import { SpinnError } from "../../errors.js";
import { isPlainObject, Tuple } from "../rpc/index.js";
import type { Notifier } from "./notifier.js";

/** Views, to the raw containers behind them: a view that is assigned somewhere is stored as what it shows. */
const RAW = new WeakMap<object, () => unknown>();

function raw(value: unknown): unknown {
  return typeof value === "object" && value !== null ? (RAW.get(value)?.() ?? value) : value;
}

/** The container of a notifier by index syntax; reads are live, changes go through the notifier. Atoms come as they are. */
export function viewOf(notifier: Notifier): unknown {
  const target = notifier.rawView;
  if (typeof target !== "object" || target === null) return target;
  if (Array.isArray(target) && !(target instanceof Tuple)) return register(listView(notifier, target), notifier);
  if (target instanceof Map) return register(mapView(notifier, target), notifier);
  return isPlainObject(target) ? register(dictView(notifier, target), notifier) : target;
}

function register(view: object, notifier: Notifier): object {
  RAW.set(view, () => notifier.rawView);
  return view;
}

function dictView(notifier: Notifier, target: object): object {
  return new Proxy(target, {
    get: (object, key) => (typeof key === "string" && Object.hasOwn(object, key) ? viewOf(notifier.at(key)) : Reflect.get(object, key)),
    set: (_, key, value) => {
      if (typeof key !== "string") return false;
      notifier.setItem(key, raw(value));
      return true;
    },
    deleteProperty: (object, key) => {
      if (typeof key !== "string" || !Object.hasOwn(object, key)) return true;
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
      if (typeof key === "string" && Object.hasOwn(methods, key)) return methods[key];
      const index = indexOfKey(key);
      return index !== undefined && index < list.length ? viewOf(notifier.at(index)) : Reflect.get(list, key);
    },
    set: (list, key, value) => {
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
