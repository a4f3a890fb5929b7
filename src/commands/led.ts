import { checkInteger, SpinnError } from "../errors.js";
import { Command, type ScpRequest } from "../wire/index.js";
import { EMPTY_ONCE, EMPTY_REPEATABLE, ShapedRequest } from "./shaped-request.js";
import { checkMonitor, type Target } from "./target.js";

export type LedAction = "invert" | "off" | "on";

/** LED number to what it shall do. LEDs not named are left alone. */
export type LedActions = Readonly<Record<number, LedAction>>;

const CODES: Readonly<Record<LedAction, number>> = { invert: 1, off: 2, on: 3 };

/**
 * LED (25): switches LEDs 0..15 of a chip; which ones exist is in sv.led0 and sv.led1. Repeatable unless something is inverted: inverting
 * twice is nothing. Throws `ERR_SPINN_ARGUMENT`. Source: scamp-cmd.c, sark_hw.c `sark_led_set`.
 */
export function setLeds(chip: Target, actions: LedActions): ScpRequest<void> {
  checkMonitor(chip, "LED");
  const shape = ledsAreRepeatable(actions) ? EMPTY_REPEATABLE : EMPTY_ONCE;
  return new ShapedRequest(shape, Command.LED, chip, { arg1: ledWord(actions, 16) }, ledWords(actions));
}

/** Two bits per LED. Throws `ERR_SPINN_ARGUMENT` for an LED outside 0..count-1, an unknown action or nothing to do. */
export function ledWord(actions: LedActions, count: number): number {
  let word = 0;
  for (const [led, action] of Object.entries(actions)) {
    checkInteger("LED", Number(led), 0, count - 1);
    const code = CODES[action];
    if (code === undefined) throw new SpinnError("ERR_SPINN_ARGUMENT", `LED ${led}: ${JSON.stringify(action)} is none of invert, off, on`);
    word |= code << (2 * Number(led));
  }
  if (word === 0) throw new SpinnError("ERR_SPINN_ARGUMENT", "no LED to switch");
  return word >>> 0;
}

export function ledsAreRepeatable(actions: LedActions): boolean {
  return !Object.values(actions).includes("invert");
}

export function ledWords(actions: LedActions): string {
  return Object.entries(actions)
    .map(([led, action]) => `${led} ${action}`)
    .join(", ");
}
