import { addBmpOptions, openBmp, parseSlots } from "../bmp.js";
import { confirm } from "../confirm.js";
import { plural } from "../format.js";
import type { Verb } from "../job.js";

export const verb: Verb = {
  configure: (command) =>
    void addBmpOptions(command)
      .argument("<slots>", "boards of the frame, 0 to 23: 0, 0-5 or 0-5+8", parseSlots)
      .option("-y, --yes", "do not ask"),
  examples: ["reset 0 --bmp 192.168.240.0", "reset 0-5 --bmp 192.168.240.0 --yes # then boot the machine again"],
  statuses: [3, 4, 5, 8, 9],
  async run(job, command) {
    const [slots] = command.processedArgs as [number[]];
    await confirm(job, `a reset of slot ${slots.join(" ")} stops whatever runs there`, command.opts<{ yes?: boolean }>().yes);
    await using bmp = await openBmp(job, command);
    await bmp.reset(slots, "pulse", { signal: job.signal });
    job.result({ bmp: bmp.remote, slots }, () => `reset ${plural(slots.length, "board")}; boot the machine again\n`);
  },
};
