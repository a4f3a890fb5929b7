import { SpinnError } from "../errors.js";
import type { Clock } from "./clock.js";
import { checkFaults, type FAULT_PRESETS, type Faults } from "./faults.js";
import { bad, members } from "./plain-data.js";

/** One thing that happens to a machine. A step does all it names: seed first, then faults, power, reset. */
export interface TimelineStep {
  /** When: `2s`, `500ms`, a number of ms; or `300 requests`: with the 300th over all boards, the same place in every run of the same session. */
  readonly at: string | number;
  /** The faults from now on; those before are lifted. `none` lifts all. */
  readonly faults?: Faults | keyof typeof FAULT_PRESETS;
  /** The generators of the faults start anew from this seed. */
  readonly seed?: number;
  /** `on` or `off` (or a truth value): the supply of `boards`. */
  readonly power?: boolean | "on" | "off";
  /** Presses the reset button of `boards`. */
  readonly reset?: true;
  /** Boards by number, from 0. Default: all. */
  readonly boards?: readonly number[];
}

/** A run of a machine with its faults, as plain data: with the same seed and the same session it is the same run. */
export interface Timeline {
  /** Seed of the faults. Default: that of the machine. */
  readonly seed?: number;
  /** Faults from the start. Default: those of the machine. */
  readonly faults?: Faults | keyof typeof FAULT_PRESETS;
  readonly steps: readonly TimelineStep[];
}

/** A step after the check. */
export interface CheckedStep {
  readonly step: TimelineStep;
  readonly index: number;
  readonly atMs: number | undefined;
  readonly atRequests: number | undefined;
}

const MEMBERS = ["seed", "faults", "steps"];
const STEP_MEMBERS = ["at", "faults", "seed", "power", "reset", "boards"];
/** More steps than anybody writes. */
const MAX_STEPS = 10_000;
const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000 };
const DAY_MS = 86_400_000;

/** Checks a timeline that came from a file or a user. Throws `ERR_SPINN_ARGUMENT` naming the step that is wrong. */
export function checkTimeline(value: unknown, boardCount: number): CheckedStep[] {
  const timeline = members("a timeline", value, MEMBERS);
  if (timeline["faults"] !== undefined) checkFaults(timeline["faults"]);
  if (timeline["seed"] !== undefined) seed("the timeline", timeline["seed"]);
  const steps = timeline["steps"];
  if (!Array.isArray(steps) || steps.length > MAX_STEPS) throw bad(`the steps of a timeline must be a list of at most ${MAX_STEPS}`);
  return steps.map((step, index) => checkStep(step, index, boardCount));
}

function checkStep(value: unknown, index: number, boardCount: number): CheckedStep {
  const name = `step ${index + 1} of the timeline`;
  const step = members(name, value, STEP_MEMBERS);
  if (step["faults"] !== undefined) {
    try {
      checkFaults(step["faults"]);
    } catch (error) {
      if (error instanceof SpinnError) throw bad(`${name}: ${error.message}`, error.hint);
      throw error;
    }
  }
  if (step["seed"] !== undefined) seed(name, step["seed"]);
  const { power, reset, boards } = step;
  if (power !== undefined && ![true, false, "on", "off"].includes(power as never)) throw bad(`${name}: power must be on or off`);
  if (reset !== undefined && reset !== true) throw bad(`${name}: reset must be true`);
  if (boards !== undefined) checkBoards(name, boards, boardCount);
  if ([step["faults"], step["seed"], power, reset].every((part) => part === undefined))
    throw bad(`${name} does nothing`, "a step has faults, power, reset or seed");
  return { step: step as unknown as TimelineStep, index, ...parseAt(name, step["at"]) };
}

/** Checks numbers of boards. Throws `ERR_SPINN_ARGUMENT`. */
export function checkBoards(name: string, boards: unknown, boardCount: number): asserts boards is readonly number[] {
  const isBoard = (board: unknown): boolean => Number.isInteger(board) && (board as number) >= 0 && (board as number) < boardCount;
  if (!Array.isArray(boards) || !boards.every(isBoard)) throw bad(`${name}: boards must be a list of numbers from 0 to ${boardCount - 1}`);
}

function parseAt(name: string, value: unknown): Pick<CheckedStep, "atMs" | "atRequests"> {
  const wrong = bad(`${name}: "${String(value)}" is no time`, "write 2s, 500ms, 1min, or 300 requests");
  if (typeof value === "number" && value >= 0 && value <= DAY_MS) return { atMs: value, atRequests: undefined };
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)\s*(ms|s|min|requests?)$/.exec(value.trim()) : null;
  if (match === null) throw wrong;
  const amount = Number(match[1]);
  const unit = UNITS[match[2]!];
  if (unit === undefined && Number.isInteger(amount) && amount >= 1) return { atMs: undefined, atRequests: amount };
  if (unit === undefined || amount * unit > DAY_MS) throw wrong;
  return { atMs: amount * unit, atRequests: undefined };
}

/** Lets the steps of a timeline happen: by the clock, and by the count of requests. */
export class TimelinePlayer {
  /** Steps by requests that have not happened, the next one first. */
  readonly #byRequests: CheckedStep[];
  readonly #cancels: (() => void)[];
  readonly #happen: (step: CheckedStep) => void;
  #requests = 0;

  constructor(steps: readonly CheckedStep[], clock: Clock, happen: (step: CheckedStep) => void) {
    this.#happen = happen;
    this.#byRequests = steps.filter(({ atRequests }) => atRequests !== undefined).sort((a, b) => a.atRequests! - b.atRequests!);
    // Timers of the same time run in the order of the list.
    this.#cancels = steps.flatMap((step) => (step.atMs === undefined ? [] : [clock.after(step.atMs, () => happen(step))]));
  }

  /** Whether steps wait for requests: then each has to be told. */
  get counts(): boolean {
    return this.#byRequests.length > 0;
  }

  request(): void {
    this.#requests += 1;
    while (this.#byRequests[0] !== undefined && this.#byRequests[0].atRequests! <= this.#requests) this.#happen(this.#byRequests.shift()!);
  }

  stop(): void {
    for (const cancel of this.#cancels.splice(0)) cancel();
    this.#byRequests.length = 0;
  }
}

function seed(name: string, value: unknown): void {
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 0xffffffff)
    throw bad(`${name}: seed must be a whole number from 0 to 4294967295`);
}
