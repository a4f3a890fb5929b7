import { SpinnError } from "../../errors.js";
import { findKey, isPlainObject, keyIdentity, setMember, Tuple } from "../rpc/index.js";
import { deleteFrom, indexOf, insertAt, setIn } from "./sequence.js";

/** Steps from the root of a structure to one of its containers: dict keys and list indices. */
export type Path = readonly unknown[];

/** One change, or the whole structure, as sync_struct sends it. */
export type Mod =
  | { readonly action: "init"; readonly struct: unknown }
  | { readonly action: "append"; readonly path: Path; readonly x: unknown }
  | { readonly action: "insert"; readonly path: Path; readonly i: number; readonly x: unknown }
  | { readonly action: "pop"; readonly path: Path; readonly i: number }
  | { readonly action: "setitem"; readonly path: Path; readonly key: unknown; readonly value: unknown }
  | { readonly action: "delitem"; readonly path: Path; readonly key: unknown };

/** All changes but `init`, which has no path. */
export type Change = Exclude<Mod, { action: "init" }>;

/**
 * Applies a change in place and returns the root, which is another object only when a dict held as an object got a key that is not text
 * and became a Map. Throws `ERR_SPINN_ARGUMENT` (no such place, wrong kind of container) and then has changed nothing.
 */
export function applyChange(root: unknown, change: Change): unknown {
  const { path } = change;
  const target = lookUp(root, path);
  switch (change.action) {
    case "append":
      listAt(target, change).push(change.x);
      return root;
    case "insert":
      insertAt(listAt(target, change), change.i, change.x);
      return root;
    case "pop": {
      const list = listAt(target, change);
      list.splice(indexOf(list.length, change.i), 1);
      return root;
    }
    case "setitem":
      if (Array.isArray(target)) setIn(listAt(target, change), change.key, change.value);
      else if (keyIdentity(change.key) === undefined) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", `the dict at ${pathText(path)} takes no list, dict, set or slice for a key`);
      } else if (target instanceof Map) target.set(findKey(target, change.key)?.key ?? change.key, change.value);
      else if (typeof change.key === "string") setMember(dictAt(target, change), change.key, change.value);
      else return replace(root, path, new Map(Object.entries(dictAt(target, change))).set(change.key as string, change.value));
      return root;
    case "delitem":
      if (Array.isArray(target)) deleteFrom(listAt(target, change), change.key);
      else deleteMember(target, change);
      return root;
    default:
      throw new SpinnError("ERR_SPINN_PROTOCOL", `there is no change called ${String((change as Mod).action)}`);
  }
}

/** The value at a path. Throws `ERR_SPINN_ARGUMENT` where the path leads nowhere. */
export function lookUp(root: unknown, path: Path): unknown {
  let value = root;
  for (const [depth, key] of path.entries()) {
    if (Array.isArray(value)) value = value[indexOf(value.length, key)];
    else if (value instanceof Map) value = value.get((findKey(value, key) ?? nowhere(path, depth)).key);
    else if (typeof value === "object" && value !== null && isPlainObject(value) && typeof key === "string" && Object.hasOwn(value, key)) {
      value = value[key];
    } else nowhere(path, depth);
  }
  return value;
}

function deleteMember(target: unknown, change: Change & { action: "delitem" }): void {
  const { path, key } = change;
  if (target instanceof Map) {
    target.delete((findKey(target, key) ?? nowhere([...path, key], path.length)).key);
    return;
  }
  const dict = dictAt(target, change);
  if (typeof key !== "string" || !Object.hasOwn(dict, key)) nowhere([...path, key], path.length);
  delete dict[key];
}

function replace(root: unknown, path: Path, value: unknown): unknown {
  if (path.length === 0) return value;
  applyChange(root, { action: "setitem", path: path.slice(0, -1), key: path[path.length - 1], value });
  return root;
}

function listAt(value: unknown, { action, path }: Change): unknown[] {
  if (Array.isArray(value) && !(value instanceof Tuple)) return value;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `${action} needs a list at ${pathText(path)}`);
}

function dictAt(value: unknown, { action, path }: Change): Record<string, unknown> {
  if (typeof value === "object" && value !== null && isPlainObject(value)) return value;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `${action} needs a list or dict at ${pathText(path)}`);
}

function nowhere(path: Path, depth: number): never {
  throw new SpinnError("ERR_SPINN_ARGUMENT", `there is nothing at ${pathText(path.slice(0, depth + 1))}`);
}

function pathText(path: Path): string {
  const steps = path.map((key) =>
    typeof key === "number" ? String(key) : typeof key === "string" ? JSON.stringify(key.slice(0, 60)) : "(...)",
  );
  return steps.length === 0 ? "the root" : `[${steps.join("][")}]`;
}
