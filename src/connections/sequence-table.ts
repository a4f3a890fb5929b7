const SIZE = 65_536;

/** What became of a sequence number: decides how a reply that nobody waits for is counted. */
export const Fate = { UNUSED: 0, ANSWERED: 1, GIVEN_UP: 2 } as const;
export type Fate = (typeof Fate)[keyof typeof Fate];

/**
 * The 65,536 sequence numbers of one connection: which slot each belongs to, and how long a retired one must rest. A number is not given
 * out while it is in flight, nor while a late reply to its last use may still come: such a reply would be taken for the answer.
 * Typed arrays of fixed size: a look-up costs a few nanoseconds and nothing is allocated per packet.
 */
export class SequenceTable {
  /** Slot number + 1; 0 is free. */
  readonly #slot = new Uint16Array(SIZE);
  readonly #fate = new Uint8Array(SIZE);
  /** Time in ms from which the number may be used again. */
  readonly #restUntil = new Float64Array(SIZE);
  #next: number;

  constructor(first = 0) {
    this.#next = first & 0xffff;
  }

  /** The slot that waits for `sequence`, or -1. */
  slotOf(sequence: number): number {
    return this.#slot[sequence]! - 1;
  }

  fateOf(sequence: number): Fate {
    return this.#fate[sequence] as Fate;
  }

  /** The next number that is neither in flight nor resting, bound to `slot`; -1 when all rest. */
  take(slot: number, nowMs: number): number {
    for (let tries = 0; tries < SIZE; tries += 1) {
      const sequence = this.#next;
      this.#next = (sequence + 1) & 0xffff;
      if (this.#slot[sequence] === 0 && this.#restUntil[sequence]! <= nowMs) {
        this.#slot[sequence] = slot + 1;
        return sequence;
      }
    }
    return -1;
  }

  retire(sequence: number, fate: Fate, restUntilMs: number): void {
    this.#slot[sequence] = 0;
    this.#fate[sequence] = fate;
    this.#restUntil[sequence] = restUntilMs;
  }
}
