import { addBoardOptions, withBoard } from "../board.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import type { Verb } from "../job.js";
import { ledsText, parseLeds } from "../led-actions.js";
import { parsePlace } from "../place.js";

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addBoardOptions(command))
      .argument("<chip>", "chip x,y", parsePlace)
      .argument("<leds...>", "what each LED shall do: 0=on, 1=off, 2=invert; LEDs are 0 to 15, most boards have 4 or fewer"),
  examples: ["leds 0,0 0=on", "leds 0,0 0=invert 1=off"],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    const [place] = command.processedArgs as [{ x: number; y: number }];
    const actions = parseLeds(command.args.slice(1), 15);
    const chip = { x: place.x, y: place.y };
    if (isDryRun(job, command, `switch ${ledsText(actions)} of chip ${chip.x},${chip.y}`)) return;
    await withBoard(job, command, async (board) => {
      await board.setLeds(chip, actions, { signal: job.signal });
      job.result({ board: board.remote, chip, leds: actions }, () => `chip ${chip.x},${chip.y}: ${ledsText(actions)}\n`);
    });
  },
};
