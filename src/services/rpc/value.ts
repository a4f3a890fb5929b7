import { SpinnError } from "../../errors.js";

/*
 * JavaScript values for what Python tells apart. The table (PYON kind: JavaScript value):
 *
 *   None, True, False   null, true, false        tuple        Tuple (an Array)
 *   int                 number, bigint past 2^53 list         Array
 *   float               number; see PyFloat      set          Set
 *   str                 string                   dict         object without prototype, or Map
 *   bytes               Uint8Array               OrderedDict  OrderedDict (a Map)
 *   complex, Fraction, slice, arrays and numpy scalars: the classes of their names
 */

/**
 * A float whose value is a whole number, where the difference to an int matters: `new PyFloat(1)` is written `1.0`, `1` is written `1`.
 * Arithmetic works on it as on any boxed number. Numbers with a fraction, `-0` and whole numbers past 2^53 are floats without help.
 */
export class PyFloat extends Number {}

/** `float(1)` is written `1.0`. */
export function float(value: number): PyFloat {
  return new PyFloat(value);
}

/** Python's tuple: an Array that is written as a tuple. Build one with `tuple(1, 2)`, `Tuple.of(1, 2)` or `Tuple.from(items)`. */
export class Tuple<T = unknown> extends Array<T> {}

export function tuple<T>(...items: readonly T[]): Tuple<T> {
  return Tuple.from(items) as Tuple<T>;
}

/** Python's OrderedDict: kept by notation v1, written as a dict by v2. */
export class OrderedDict<K = unknown, V = unknown> extends Map<K, V> {}

/** A complex number of two floats. */
export class Complex {
  readonly re: number;
  readonly im: number;

  constructor(re: number, im: number) {
    this.re = re;
    this.im = im;
  }
}

/** A fraction in lowest terms, its denominator positive. Throws `ERR_SPINN_ARGUMENT` for a zero denominator. */
export class Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;

  constructor(numerator: bigint | number, denominator: bigint | number = 1n) {
    const above = BigInt(numerator);
    const below = BigInt(denominator);
    if (below === 0n) throw new SpinnError("ERR_SPINN_ARGUMENT", `the fraction ${above}/0 has no value`);
    const divisor = greatestCommonDivisor(above, below) * (below < 0n ? -1n : 1n);
    this.numerator = above / divisor;
    this.denominator = below / divisor;
  }
}

/** Python's slice(start, stop, step); each may be null. */
export class Slice {
  readonly start: unknown;
  readonly stop: unknown;
  readonly step: unknown;

  constructor(start: unknown, stop: unknown, step: unknown = null) {
    this.start = start;
    this.stop = stop;
    this.step = step;
  }
}

/** True for `{...}` and objects without prototype: what is written as a dict. */
export function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Sets a member of a dict held as an object; a key called `__proto__` becomes a member like any other. */
export function setMember(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === "__proto__") Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
  else target[key] = value;
}

function greatestCommonDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
