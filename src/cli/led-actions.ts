import type { LedAction, LedActions } from "../transceiver/index.js";
import { nearestWord } from "./nearest.js";
import { parseInteger } from "./number.js";
import { usage } from "./usage.js";

const ACTIONS: readonly LedAction[] = ["on", "off", "invert"];

/** Orders for LEDs from 0 to `high`: `0=on 1=invert`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseLeds(words: readonly string[], high: number): LedActions {
  if (words.length === 0) throw usage("no LED is named", "write e.g. 0=on, 1=off or 2=invert");
  return Object.fromEntries(words.map((word) => readAction(word, high)));
}

/** `LED 0 on, LED 1 invert` */
export function ledsText(actions: LedActions): string {
  return Object.entries(actions)
    .map(([led, action]) => `LED ${led} ${action}`)
    .join(", ");
}

function readAction(text: string, high: number): [number, LedAction] {
  const match = /^([^=]+)=(.+)$/.exec(text);
  if (match === null) throw usage(`"${text}" is no order for an LED`, "write e.g. 0=on, 1=off or 2=invert");
  const action = ACTIONS.find((known) => known === match[2]);
  if (action === undefined) {
    const near = nearestWord(match[2]!, ACTIONS);
    throw usage(`"${match[2]}" is nothing an LED can do`, near === undefined ? `it can be ${ACTIONS.join(", ")}` : `did you mean ${near}?`);
  }
  return [parseInteger("LED", match[1]!, 0, high), action];
}
