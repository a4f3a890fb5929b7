import type { LedActions } from "../../transceiver/index.js";
import type { ShellCommand } from "./command.js";
import type { ShellSession } from "./session.js";

const ACTIONS = { on: "on", off: "off", inv: "invert", flip: "invert" } as const;

/** `led`: LEDs from 0 to `high`, written together, and what they shall do. */
export function ledCommand<S extends ShellSession>(
  whose: string,
  high: number,
  setLeds: (session: S, leds: LedActions) => Promise<void>,
): ShellCommand<S> {
  return {
    usage: `<${"01234567".slice(0, high + 1)}>* on|off|inv|flip`,
    purpose: `Switch LEDs of ${whose}`,
    parse(words) {
      const leds = words.text("LEDs");
      if ([...leds].some((led) => !/\d/.test(led) || Number(led) > high))
        throw words.wrong(`"${leds}" names no LEDs: they are 0 to ${high}, written together, e.g. 013`);
      const wanted = ACTIONS[words.choice("action", ["on", "off", "inv", "flip"])];
      const actions = Object.fromEntries([...leds].map((led) => [led, wanted]));
      return (session) => setLeds(session, actions);
    },
  };
}
