import { checkInteger, SpinnError } from "../../errors.js";

/** A run of keys that stand for neighbouring atoms (neurons) of one population. */
export interface KeyRange {
  readonly label: string;
  readonly firstKey: number;
  readonly count: number;
  /** Atom of the first key. Default 0. */
  readonly firstAtom?: number | undefined;
}

export interface KeyedAtom {
  readonly label: string;
  readonly atom: number;
}

interface FullRange extends KeyRange {
  readonly firstAtom: number;
}

/** Which key means which atom of which population: as the tool chain's database tells it, or as you say. */
export class KeyMap {
  readonly ranges: readonly FullRange[];
  readonly #first: Float64Array;

  /** Throws `ERR_SPINN_ARGUMENT` for keys outside 32 bits and for ranges that overlap. */
  constructor(ranges: Iterable<KeyRange>) {
    const sorted = Array.from(ranges, (range): FullRange => ({ ...range, firstAtom: range.firstAtom ?? 0 }));
    sorted.sort((a, b) => a.firstKey - b.firstKey);
    sorted.forEach((range, index) => {
      checkInteger(`first key of ${range.label}`, range.firstKey, 0, 0xffffffff);
      checkInteger(`number of keys of ${range.label}`, range.count, 1, 2 ** 32 - range.firstKey);
      checkInteger(`first atom of ${range.label}`, range.firstAtom, 0, 0xffffffff);
      const before = sorted[index - 1];
      if (before !== undefined && before.firstKey + before.count > range.firstKey) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", `the keys of ${before.label} and ${range.label} overlap`);
      }
    });
    this.ranges = sorted;
    this.#first = Float64Array.from(sorted, (range) => range.firstKey);
  }

  /** A map from one row for each key, such as the database's `label_event_atom_view`. Neighbours are joined. */
  static fromRows(rows: Iterable<{ readonly label: string; readonly key: number; readonly atom: number }>): KeyMap {
    const sorted = [...rows].sort((a, b) => a.key - b.key);
    const ranges: { label: string; firstKey: number; count: number; firstAtom: number }[] = [];
    for (const { label, key, atom } of sorted) {
      const last = ranges.at(-1);
      if (last?.label === label && last.firstKey + last.count === key && last.firstAtom + last.count === atom) last.count += 1;
      else ranges.push({ label, firstKey: key, count: 1, firstAtom: atom });
    }
    return new KeyMap(ranges);
  }

  /** Index in `ranges`, -1 for a key nobody owns. Allocates nothing. */
  indexOf(key: number): number {
    let low = 0;
    let high = this.#first.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.#first[middle]! <= key) low = middle + 1;
      else high = middle - 1;
    }
    if (high < 0) return -1;
    const range = this.ranges[high]!;
    return key < range.firstKey + range.count ? high : -1;
  }

  find(key: number): KeyedAtom | undefined {
    const index = this.indexOf(key);
    if (index < 0) return undefined;
    const range = this.ranges[index]!;
    return { label: range.label, atom: range.firstAtom + key - range.firstKey };
  }

  /** The key of an atom. Throws `ERR_SPINN_ARGUMENT` when the map has none. */
  keyOf(label: string, atom: number): number {
    for (const range of this.ranges) {
      const offset = atom - range.firstAtom;
      if (range.label === label && offset >= 0 && offset < range.count) return range.firstKey + offset;
    }
    throw new SpinnError("ERR_SPINN_ARGUMENT", `no key for atom ${atom} of ${label}`);
  }
}
