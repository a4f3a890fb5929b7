import type { LedAction } from "../../transceiver/index.js";
import { addBoardOptions, withBoard } from "../board.js";
import type { Verb } from "../job.js";
import { nearestWord } from "../nearest.js";
import { parseInteger } from "../number.js";
import { parsePlace } from "../place.js";
import { usage } from "../usage.js";

const ACTIONS: readonly LedAction[] = ["on", "off", "invert"];

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .argument("<chip>", "chip x,y", parsePlace)
      .argument("<leds...>", "what each LED shall do: 0=on, 1=off, 2=invert; LEDs are 0 to 15, most boards have 4 or fewer"),
  examples: ["leds 0,0 0=on", "leds 0,0 0=invert 1=off"],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    const [place] = command.processedArgs as [{ x: number; y: number }];
    const actions = Object.fromEntries(command.args.slice(1).map(readAction));
    await withBoard(job, command, async (board) => {
      const chip = { x: place.x, y: place.y };
      await board.setLeds(chip, actions, { signal: job.signal });
      const words = Object.entries(actions).map(([led, action]) => `LED ${led} ${action}`);
      job.result({ board: board.remote, chip, leds: actions }, () => `chip ${chip.x},${chip.y}: ${words.join(", ")}\n`);
    });
  },
};

function readAction(text: string): [number, LedAction] {
  const match = /^([^=]+)=(.+)$/.exec(text);
  if (match === null) throw usage(`"${text}" is no order for an LED`, "write e.g. 0=on, 1=off or 2=invert");
  const action = ACTIONS.find((known) => known === match[2]);
  if (action === undefined) {
    const near = nearestWord(match[2]!, ACTIONS);
    throw usage(`"${match[2]}" is nothing an LED can do`, near === undefined ? `it can be ${ACTIONS.join(", ")}` : `did you mean ${near}?`);
  }
  return [parseInteger("LED", match[1]!, 0, 15), action];
}
