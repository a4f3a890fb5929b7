import { steerVerb } from "../steer.js";

export const verb = steerVerb({
  method: "resume",
  words: "asked to go on",
  examples: ["resume 3", "resume 3 --via lab-pc:3277"],
});
