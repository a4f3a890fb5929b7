import { parseInteger } from "../number.js";
import { steerVerb } from "../steer.js";

export const verb = steerVerb({
  method: "step",
  configure: (command) =>
    command.option("--count <n>", "steps until it pauses again (default: 1)", (text) => parseInteger("--count", text, 1, 1_000_000)),
  args: (command) => ({ n: command.opts<{ count?: number }>().count ?? 1, keep: true }),
  words: "asked to go on for some steps and to pause then",
  examples: ["step 3 # one step of a bring-up that is paused", "step 3 --count 5 --via lab-pc:3277"],
});
