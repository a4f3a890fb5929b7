import { steerVerb } from "../steer.js";

export const verb = steerVerb({
  method: "request_stop",
  configure: (command) => command.option("--reason <words>", "shown with the run"),
  args: (command) => ({ reason: command.opts<{ reason?: string }>().reason ?? "stopped with spinn stop-run" }),
  words: "asked to end",
  examples: ["stop-run 3", 'stop-run 3 --reason "board needed elsewhere" --via lab-pc:3277'],
});
