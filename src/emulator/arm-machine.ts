import { ArmChip, type ChipMemoryPort } from "./arm-chip.js";
import type { ArmCore } from "./arm-core.js";
import type { Packet } from "./comms.js";

/** Clocks of a slice: 10 us at 200 MHz. What cores do to each other by packets and doorbells takes effect at its end. */
export const SLICE_CLOCKS = 2000;
/** Slices between two looks at the wall clock. */
const SLICES_PER_LOOK = 32;
/** Slices a machine runs on because a core holds a lock at the moment the host would get its turn. */
const MAX_LOCKED_SLICES = 100;

/** What happens on a chip between two slices. */
export interface SliceChip {
  /** When it next has something to do by itself, milliseconds since boot. */
  readonly nextPingMs: number;
  /** The host must not look at the chip's memory now. */
  readonly isLocked: boolean;
  /** Is there anything for {@link settle} to do? */
  needsSettling(nowMs: number): boolean;
  settle(nowMs: number): void;
}

/** A core in the machine's schedule. */
export interface ScheduledCore {
  readonly core: ArmCore;
  readonly chip: SliceChip;
  /** Where it is, when its number as programs know it is known. */
  readonly place?: { readonly x: number; readonly y: number; readonly p: number };
  /** Position in the order in which cores run: chip x, chip y, physical core. */
  readonly order: number;
  /** Passes a packet the core sent to the router. */
  readonly route: (packet: Packet) => void;
  /** Called after each slice in which the core ran. */
  readonly afterSlice: () => void;
}

/**
 * All emulated cores of a machine under one clock. Deterministic: cores run in slices of fixed length in a fixed order, whatever the wall clock
 * does; the wall clock only decides how many slices are run in one go.
 */
export class ArmMachine {
  /** Clock of the machine, a multiple of {@link SLICE_CLOCKS}. */
  now = 0;
  /** Time stands still: a debugger looks at the machine. */
  paused = false;
  /** Called with every core that joins the schedule. */
  onAdd: ((scheduled: ScheduledCore) => void) | undefined;
  readonly clockMhz: number;
  /** In order; bounded by the cores of the machine. */
  readonly #cores: ScheduledCore[] = [];
  /** When each of them next has something to do, in the same order; the cores keep it up to date. */
  #due = new Float64Array();
  /** Chips with cores in the schedule. */
  readonly #chips = new Set<SliceChip>();
  readonly #known = new WeakMap<ChipMemoryPort, ArmChip>();
  readonly #packets: { readonly from: ScheduledCore; readonly packet: Packet }[] = [];
  /** Milliseconds since boot at clock 0. */
  #bootMs = 0;
  /** Index of the core whose turn it is in the slice; not 0 between slices only when a debugger stopped in the middle of one. */
  #turn = 0;

  /** `clockMhz`: clocks per microsecond. */
  constructor(clockMhz = 200) {
    this.clockMhz = clockMhz;
  }

  /** Milliseconds since boot by the machine's clock. */
  get nowMs(): number {
    return this.#bootMs + this.now / (1000 * this.clockMhz);
  }

  /** Instructions that the cores now in the schedule have executed. */
  get instructions(): number {
    return this.#cores.reduce((sum, { core }) => sum + core.instructions, 0);
  }

  /**
   * The chip whose memory this is. `bootMs`: milliseconds since boot, right now; a machine without cores takes its time from there, afterwards
   * it has a clock of its own.
   */
  chip(memory: ChipMemoryPort, bootMs: number): ArmChip {
    if (this.#cores.length === 0) this.#bootMs = bootMs - this.now / (1000 * this.clockMhz);
    let chip = this.#known.get(memory);
    if (chip === undefined) {
      chip = new ArmChip(memory, () => this.nowMs);
      this.#known.set(memory, chip);
    }
    return chip;
  }

  add(scheduled: ScheduledCore): void {
    const at = this.#cores.findIndex(({ order }) => order > scheduled.order);
    const index = at < 0 ? this.#cores.length : at;
    this.#cores.splice(index, 0, scheduled);
    if (index < this.#turn) this.#turn += 1;
    this.#keepDues();
    this.#chips.add(scheduled.chip);
    this.onAdd?.(scheduled);
  }

  remove(scheduled: ScheduledCore): void {
    const at = this.#cores.indexOf(scheduled);
    if (at < 0) return;
    this.#cores.splice(at, 1);
    if (at < this.#turn) this.#turn -= 1;
    scheduled.core.keepDue(new Float64Array(1), 0);
    this.#keepDues();
    if (!this.#cores.some(({ chip }) => chip === scheduled.chip)) this.#chips.delete(scheduled.chip);
  }

  /** Takes a packet for the end of the slice. */
  send(from: ScheduledCore, packet: Packet): void {
    this.#packets.push({ from, packet });
  }

  /** The schedule. */
  get cores(): readonly ScheduledCore[] {
    return this.#cores;
  }

  /** Cores in the schedule. */
  get coreCount(): number {
    return this.#cores.length;
  }

  /** Will any core do anything if nobody asks it to? */
  get isBusy(): boolean {
    return this.#due.some((due) => due < Infinity);
  }

  /** Clock of the next thing to happen; Infinity when everybody sleeps for good. */
  get nextEvent(): number {
    const { nowMs } = this;
    let due = Infinity;
    const dues = this.#due;
    for (let index = 0; index < dues.length; index++) if (dues[index]! < due) due = dues[index]!;
    for (const chip of this.#chips) {
      if (chip.needsSettling(nowMs)) return this.now;
      due = Math.min(due, this.now + (chip.nextPingMs - nowMs) * 1000 * this.clockMhz);
    }
    return due;
  }

  /**
   * Runs up to clock `until` or until `budgetMs` of wall time are spent, or a debugger stops it. Time in which everybody sleeps is skipped. Answers
   * whether it got there.
   */
  advance(until: number, budgetMs = Infinity): boolean {
    const ends = budgetMs === Infinity ? Infinity : performance.now() + budgetMs;
    for (let slices = 1; this.now < until && !this.paused; slices++) {
      const skip = this.#turn > 0 ? 0 : Math.min(this.nextEvent, until) - this.now;
      if (skip > SLICE_CLOCKS) this.now += Math.floor(skip / SLICE_CLOCKS) * SLICE_CLOCKS;
      if (this.now >= until) break;
      this.#slice();
      if (slices % SLICES_PER_LOOK === 0 && performance.now() > ends) break;
    }
    for (let extra = 0; extra < MAX_LOCKED_SLICES && !this.paused && this.#isLocked(); extra++) this.#slice();
    return this.now >= until;
  }

  #slice(): void {
    const from = this.now;
    const to = from + SLICE_CLOCKS;
    for (; this.#turn < this.#cores.length; this.#turn++) {
      if (this.#due[this.#turn]! >= to) continue;
      const scheduled = this.#cores[this.#turn]!;
      scheduled.core.run(from, to);
      scheduled.afterSlice();
      if (scheduled.core.halted) return;
    }
    this.#turn = 0;
    this.now = to;
    // A packet may make a program of another kind send one: those join the queue and go out now too.
    for (const { from: sender, packet } of this.#packets) sender.route(packet);
    this.#packets.length = 0;
    for (const chip of this.#chips) if (chip.needsSettling(this.nowMs)) chip.settle(this.nowMs);
  }

  #keepDues(): void {
    this.#due = new Float64Array(this.#cores.length);
    for (const [index, { core }] of this.#cores.entries()) core.keepDue(this.#due, index);
  }

  #isLocked(): boolean {
    for (const chip of this.#chips) if (chip.isLocked) return true;
    return false;
  }
}
