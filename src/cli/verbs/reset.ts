import { addBmpOptions, parseSlots } from "../bmp.js";
import { addDryRun } from "../dry-run.js";
import { plural } from "../format.js";
import type { Verb } from "../job.js";
import { addDisturbOptions, openToDisturb } from "../ownership.js";

export const verb: Verb = {
  configure: (command) =>
    void addDisturbOptions(addDryRun(addBmpOptions(command))).argument(
      "<slots>",
      "boards of the frame, 0 to 23: 0, 0-5 or 0-5+8",
      parseSlots,
    ),
  examples: ["reset 0 --bmp 192.168.240.0", "reset 0-5 --bmp 192.168.240.0 --yes # then boot the machine again"],
  statuses: [3, 4, 5, 8, 9],
  async run(job, command) {
    const [slots] = command.processedArgs as [number[]];
    await using bmp = await openToDisturb(job, command, `a reset of slot ${slots.join(" ")}`, slots);
    if (bmp === undefined) return;
    await bmp.reset(slots, "pulse", { signal: job.signal });
    job.result({ bmp: bmp.remote, slots }, () => `reset ${plural(slots.length, "board")}; boot the machine again\n`);
  },
};
