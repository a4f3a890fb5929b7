import { required } from "../kind.js";
import { pause } from "../pause.js";
import { stepKind } from "../step.js";
import { time } from "../values.js";

export const sleep = stepKind({
  about: "Does nothing for a while",
  main: "time",
  fields: { time: required(time, "How long") },
  needs: () => [],
  describe: ({ time: ms }) => `sleep ${ms / 1000} s`,
  async run({ time: ms }, { signal }) {
    await pause(ms, signal);
    return {};
  },
});
