import { steerVerb } from "../steer.js";

export const verb = steerVerb({
  method: "pause",
  // The command ends at once; who asks for a pause by hand means it until it is taken back.
  args: () => ({ keep: true }),
  words: "asked to pause at its next safe point, until spinn resume",
  examples: ["pause 3 # between two steps of a bring-up", "pause 3 --via lab-pc:3277"],
});
