import type { ArmMachine } from "./arm-machine.js";

/** Wall time one turn may take before the host's sockets are served again, ms. */
const BUDGET_MS = 5;
/** Time between two turns while something happens, ms. */
const TURN_MS = 1;
/** And while everybody sleeps: the machine's time may stand still so long for whoever reads it from outside, ms. */
const REST_MS = 10;
/** Real time a machine that cannot keep up may lag behind before it stops trying to catch up, ms. */
const MAX_LAG_MS = 100;

/** Moves a machine along with the wall clock, or as fast as it goes, for as long as it has cores. */
export class Pace {
  readonly #machine: ArmMachine;
  #speed: number;
  readonly #onFailure: (error: unknown) => void;
  #timer: NodeJS.Timeout | NodeJS.Immediate | undefined;
  /** Clock the machine should have reached. */
  #target = 0;
  #last = 0;
  #resting = false;

  /** `speed`: 1 is real time, Infinity as fast as the host can, 0 leaves time to the machine's owner. `onFailure`: the emulator itself failed; the machine stands still. */
  constructor(machine: ArmMachine, speed: number, onFailure: (error: unknown) => void) {
    this.#machine = machine;
    this.#speed = speed;
    this.#onFailure = onFailure;
  }

  /** From now on at another speed. */
  set speed(speed: number) {
    this.#speed = speed;
    this.#target = this.#machine.now;
    this.#last = performance.now();
  }

  /** Stops the machine where it is. */
  stop(): void {
    clearTimeout(this.#timer as NodeJS.Timeout | undefined);
    clearImmediate(this.#timer as NodeJS.Immediate | undefined);
    this.#timer = undefined;
    this.#resting = false;
  }

  /** Begins, if it has not yet. Ends by itself with the machine's last core. */
  start(): void {
    if (this.#timer !== undefined || this.#speed === 0) return;
    this.#last = performance.now();
    this.#target = this.#machine.now;
    this.#timer = setTimeout(() => this.#turn(), TURN_MS);
  }

  /** Something came from outside: the next turn is now. */
  nudge(): void {
    if (!this.#resting) return;
    this.#resting = false;
    clearTimeout(this.#timer as NodeJS.Timeout);
    this.#timer = setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#resting = false;
    this.#timer = undefined;
    if (this.#machine.coreCount === 0) return;
    if (this.#machine.paused) {
      this.#resting = true;
      this.#last = performance.now();
      this.#target = this.#machine.now;
      this.#timer = setTimeout(() => this.#turn(), REST_MS);
      return;
    }
    let hurry = false;
    try {
      hurry = this.#advance();
    } catch (error) {
      this.#onFailure(error);
      return;
    }
    if (hurry) {
      this.#timer = setImmediate(() => this.#turn());
      return;
    }
    const quietMs = (this.#machine.nextEvent - this.#machine.now) / (1000 * this.#machine.clockMhz * Math.min(this.#speed, 1000));
    const delayMs = Math.min(Math.max(quietMs, TURN_MS), REST_MS);
    this.#resting = delayMs > TURN_MS;
    this.#timer = setTimeout(() => this.#turn(), delayMs);
  }

  /** `true`: there is more to run at once. */
  #advance(): boolean {
    const machine = this.#machine;
    const clocksPerMs = 1000 * machine.clockMhz;
    const now = performance.now();
    const elapsedMs = now - this.#last;
    this.#last = now;
    if (this.#speed !== Infinity) {
      const perMs = clocksPerMs * this.#speed;
      this.#target = Math.min(Math.max(this.#target, machine.now) + elapsedMs * perMs, machine.now + MAX_LAG_MS * perMs);
      return !machine.advance(this.#target, BUDGET_MS);
    }
    // A machine in which nobody will do anything by itself keeps the pace of the wall clock, so that its time goes on.
    const isBusy = machine.isBusy;
    machine.advance(machine.now + (isBusy ? 1000 : elapsedMs) * clocksPerMs, BUDGET_MS);
    return isBusy;
  }
}
