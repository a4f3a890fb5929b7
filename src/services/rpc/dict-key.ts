import { Complex, Fraction, PyFloat, Tuple } from "./value.js";

/** Tuples nested deeper than this are no keys: nobody has one, and a hostile one would cost quadratic time. */
const MAX_KEY_DEPTH = 32;

/**
 * Python compares keys by value (`(1, 2) == (1, 2)`, `1 == 1.0 == True`), a Map by identity. This is a key's value as a primitive:
 * two keys are equal in Python when their primitives are. `undefined` for what Python cannot hash (lists, dicts, sets).
 */
export function keyIdentity(key: unknown, depth = 0): string | number | bigint | null | undefined {
  if (typeof key === "string") return `s${key}`;
  if (typeof key === "number" || key === null) return key;
  if (typeof key === "boolean") return key ? 1 : 0;
  if (typeof key === "bigint") return key;
  if (key instanceof PyFloat) return Number(key);
  if (key instanceof Tuple) {
    if (depth === MAX_KEY_DEPTH) return undefined;
    const parts: string[] = [];
    for (const item of key) {
      const identity = keyIdentity(item, depth + 1);
      if (identity === undefined) return undefined;
      const text = `${typeof identity}:${String(identity)}`;
      parts.push(`${text.length}:${text}`);
    }
    return `t${parts.join("")}`;
  }
  if (key instanceof Uint8Array) return `b${Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1")}`;
  if (key instanceof Fraction) return `f${key.numerator}/${key.denominator}`;
  if (key instanceof Complex) return `c${key.re},${key.im}`;
  return typeof key === "object" && "dtype" in key && "bytes" in key ? `n${String(key.dtype)}:${String(key.bytes)}` : undefined;
}

/** The key object of `map` that Python would call equal to `key`, or `undefined`. Walks the map for keys that are not text. */
export function findKey(map: ReadonlyMap<unknown, unknown>, key: unknown): { readonly key: unknown } | undefined {
  if (map.has(key)) return { key };
  if (typeof key === "string") return undefined;
  const wanted = keyIdentity(key);
  if (wanted === undefined) return undefined;
  for (const candidate of map.keys()) {
    if (typeof candidate !== "string" && keyIdentity(candidate) === wanted) return { key: candidate };
  }
  return undefined;
}

/** A Map from pairs, the last of equal keys winning as in Python. Throws through `refuse` for keys Python cannot hash. */
export function mapFromPairs<M extends Map<unknown, unknown>>(
  map: M,
  pairs: Iterable<readonly [unknown, unknown]>,
  refuse: () => never,
): M {
  const seen = new Map<unknown, unknown>();
  for (const [key, value] of pairs) {
    const identity = keyIdentity(key);
    if (identity === undefined) refuse();
    const first = seen.has(identity) ? seen.get(identity) : key;
    seen.set(identity, first);
    map.set(first, value);
  }
  return map;
}

/** A Set from items, equal ones once. Throws through `refuse` for items Python cannot hash. */
export function setFromItems(items: Iterable<unknown>, refuse: () => never): Set<unknown> {
  const seen = new Map<unknown, unknown>();
  for (const item of items) {
    const identity = keyIdentity(item);
    if (identity === undefined) refuse();
    if (!seen.has(identity)) seen.set(identity, item);
  }
  return new Set(seen.values());
}
