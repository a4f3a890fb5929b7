import type { Clock } from "./clock.js";
import { type CheckedFaults, checkFaults, type PathFaults } from "./faults.js";
import { Random } from "./random.js";

/** A datagram held back waits at most so long for another to overtake it. */
const REORDER_MS = 20;

type Deliver = (bytes: Uint8Array) => void;

interface Held {
  readonly bytes: Uint8Array;
  readonly deliver: Deliver;
  readonly cancel: () => void;
}

/** Does to the datagrams of one board what the faults say. Draws from a generator of its own: boards do not disturb each other's faults. */
export class FaultInjector {
  /** Whether there is anything to do at all: the packet path asks first. */
  active = false;
  #faults: CheckedFaults = checkFaults({});
  #random = new Random(0);
  readonly #clock: Clock;
  readonly #passed = { in: 0, out: 0 };
  readonly #held: { in: Held | undefined; out: Held | undefined } = { in: undefined, out: undefined };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** From now on as a machine that was started with this seed. */
  reseed(seed: number): void {
    this.#random = new Random(seed);
    this.#passed.in = 0;
    this.#passed.out = 0;
  }

  set(faults: CheckedFaults): void {
    this.#faults = faults;
    const paths = [faults.toBoard, faults.toHost].some((path) => Object.values(path).some((value) => value > 0));
    this.active = paths || faults.codes.length > 0 || faults.foreign > 0;
  }

  inward(bytes: Uint8Array, deliver: Deliver, lose: () => void): void {
    this.#pass("in", this.#faults.toBoard, bytes, deliver, lose);
  }

  outward(bytes: Uint8Array, deliver: Deliver, lose: () => void): void {
    this.#pass("out", this.#faults.toHost, bytes, deliver, lose);
    if (this.#random.chance(this.#faults.foreign)) deliver(this.#foreign(bytes));
  }

  /** A code to answer with instead of executing the request. */
  returnCode(request: Uint8Array): number | undefined {
    const command = (request[10] ?? 0) | ((request[11] ?? 0) << 8);
    for (const fault of this.#faults.codes) {
      if ((fault.commands?.includes(command) ?? true) && this.#random.chance(fault.probability)) return fault.code;
    }
    return undefined;
  }

  #pass(way: "in" | "out", faults: PathFaults, bytes: Uint8Array, deliver: Deliver, lose: () => void): void {
    const random = this.#random;
    this.#passed[way] += 1;
    const nth = faults.loseEvery !== undefined && this.#passed[way] % faults.loseEvery === 0;
    if (nth || random.chance(faults.loss ?? 0)) {
      lose();
      return;
    }
    const changed = this.#damage(faults, bytes);
    const twice = random.chance(faults.duplicate ?? 0);
    this.#later(way, faults, changed, deliver);
    if (twice) this.#later(way, faults, changed.slice(), deliver);
  }

  #later(way: "in" | "out", faults: PathFaults, bytes: Uint8Array, deliver: Deliver): void {
    const delay = (faults.delayMs ?? 0) + (faults.jitterMs === undefined ? 0 : faults.jitterMs * this.#random.next());
    if (delay > 0) {
      this.#clock.after(delay, () => deliver(bytes));
      return;
    }
    if (this.#held[way] === undefined && this.#random.chance(faults.reorder ?? 0)) {
      const cancel = this.#clock.after(REORDER_MS, () => this.#letGo(way));
      this.#held[way] = { bytes, deliver, cancel };
      return;
    }
    deliver(bytes);
    this.#letGo(way);
  }

  #letGo(way: "in" | "out"): void {
    const held = this.#held[way];
    this.#held[way] = undefined;
    held?.cancel();
    held?.deliver(held.bytes);
  }

  #damage(faults: PathFaults, bytes: Uint8Array): Uint8Array {
    let changed = bytes;
    if (this.#random.chance(faults.corrupt ?? 0) && bytes.length > 0) {
      changed = bytes.slice();
      changed[this.#random.below(changed.length)]! ^= 1 << this.#random.below(8);
    }
    return this.#random.chance(faults.truncate ?? 0) ? changed.slice(0, this.#random.below(changed.length)) : changed;
  }

  /** Looks like a reply to somebody else, or like nothing at all. */
  #foreign(bytes: Uint8Array): Uint8Array {
    const stranger = bytes.slice();
    const whole = this.#random.chance(0.5);
    for (let i = whole ? 12 : 0; i < (whole ? Math.min(14, stranger.length) : stranger.length); i += 1)
      stranger[i] = this.#random.below(256);
    return stranger;
  }
}
