/** Registers of one timer, offsets within its 32 bytes. */
const CONTROL = { ENABLE: 0x80, PERIODIC: 0x40, INTERRUPT: 0x20, PRESCALE: 0x0c, WIDE: 0x02, ONE_SHOT: 0x01 } as const;
const PRESCALE = [1, 16, 256, 1] as const;

/**
 * One of a core's two timers, an ARM ADK dual timer (DDI 0243). Kept as the moment it was last at a known count, never as a counter: time costs
 * nothing until somebody looks. Times are clocks of the machine.
 */
export class Timer {
  /** Clock at which it next reaches 0; Infinity when it does not run. */
  deadline = Infinity;
  #load = 0;
  #control = 0x20;
  #raw = false;
  /** The count was `#count` at clock `#since`. */
  #count = 0xffff_ffff;
  #since = 0;

  reset(now: number): void {
    this.#load = 0;
    this.#control = 0x20;
    this.#raw = false;
    this.#count = 0xffff_ffff;
    this.#since = now;
    this.deadline = Infinity;
  }

  /** The interrupt line. */
  get level(): boolean {
    return this.#raw && (this.#control & CONTROL.INTERRUPT) !== 0;
  }

  read(offset: number, now: number): number {
    switch (offset) {
      case 0x00:
      case 0x18:
        return this.#load;
      case 0x04:
        return this.#countAt(now);
      case 0x08:
        return this.#control;
      case 0x10:
        return this.#raw ? 1 : 0;
      case 0x14:
        return this.level ? 1 : 0;
      default:
        return 0;
    }
  }

  write(offset: number, value: number, now: number): void {
    if (offset === 0x00) {
      this.#load = this.#count = value >>> 0;
      this.#since = now;
      this.#plan();
    } else if (offset === 0x08) {
      this.#count = this.#countAt(now);
      this.#since = now;
      this.#control = value & 0xef;
      this.#plan();
    } else if (offset === 0x0c) this.#raw = false;
    else if (offset === 0x18) this.#load = value >>> 0;
  }

  /** Lets what is due at `now` happen. */
  expire(now: number): void {
    while (this.deadline <= now) {
      this.#raw = true;
      this.#since = this.deadline;
      if ((this.#control & CONTROL.ONE_SHOT) !== 0) this.#count = 0;
      else if ((this.#control & CONTROL.PERIODIC) !== 0) this.#count = this.#load;
      else this.#count = 0xffff_ffff;
      this.#plan();
    }
  }

  get #step(): number {
    return PRESCALE[(this.#control & CONTROL.PRESCALE) >> 2]!;
  }

  get #running(): boolean {
    return (this.#control & CONTROL.ENABLE) !== 0 && !((this.#control & CONTROL.ONE_SHOT) !== 0 && this.#count === 0);
  }

  #countAt(now: number): number {
    if (!this.#running) return this.#count;
    return Math.max(0, this.#width(this.#count) - Math.floor((now - this.#since) / this.#step));
  }

  /** A count of 0 in a running timer lasts one step, so that it can never expire twice at the same clock. */
  #plan(): void {
    this.deadline = this.#running ? this.#since + Math.max(1, this.#width(this.#count)) * this.#step : Infinity;
  }

  /** A timer of 16 bits keeps the whole word and counts with its lower half: software loads it before it makes it 32 bits wide. */
  #width(value: number): number {
    return (this.#control & CONTROL.WIDE) !== 0 ? value : value & 0xffff;
  }
}
