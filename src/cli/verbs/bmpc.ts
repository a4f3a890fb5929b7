import { addBmpOptions, chooseBmp } from "../bmp.js";
import { BMPC } from "../bmpc/language.js";
import { BmpcSession } from "../bmpc/session.js";
import type { Verb } from "../job.js";
import { addShellOptions, runShell, type ShellVerbOptions } from "../shell/verb.js";

export const verb: Verb = {
  configure: (command) => void addShellOptions(addBmpOptions(command)),
  examples: [
    "bmpc power.bmpc --bmp 192.168.240.0 # stops at the first error, and names file and line",
    "bmpc --bmp 192.168.240.0 # a prompt; help lists the commands",
    "bmpc serials.bmpc --bmp rack --keep-going --json # an object per command",
  ],
  statuses: [3, 4, 5, 6, 7, 8, 9, 74],
  async run(job, command) {
    const { timeout, allowFlash } = command.opts<ShellVerbOptions & { timeout?: number }>();
    await using session = new BmpcSession(job, { bmp: await chooseBmp(job, command), probeMs: timeout, mayRuin: allowFlash });
    return await runShell(session, BMPC, command);
  },
};
