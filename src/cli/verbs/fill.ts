import { hex32, SpinnError } from "../../errors.js";
import { isOrdinaryMemory } from "../address.js";
import { addBoardOptions, withBoard } from "../board.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import { formatBytes, formatDuration } from "../format.js";
import type { Verb } from "../job.js";
import { noMore, parseLength, parseMemoryWords } from "../memory-range.js";
import { parseInteger } from "../number.js";
import { usage } from "../usage.js";

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addBoardOptions(command))
      .usage("[x,y | x,y,p] ADDRESS LENGTH [WORD] [options]")
      .argument("[words...]", "[chip x,y | core x,y,p] ADDRESS LENGTH [WORD]: bytes from there on get the 32-bit word (default: 0)")
      .option("--force", "allow addresses outside SDRAM and SysRAM"),
  examples: ["fill 1,2 sdram+0x240000 1M # a megabyte of zeros", "fill 1,2 0x60240000 4K 0xdeadbeef"],
  statuses: [3, 4, 5, 8, 9],
  async run(job, command) {
    const { place, address, rest } = parseMemoryWords(command.args);
    if (rest[0] === undefined) throw usage("how much to fill is missing", "give a length in bytes, e.g. 4K");
    const length = parseLength(address, rest[0], 0);
    const word = rest[1] === undefined ? 0 : parseInteger("word", rest[1], 0, 0xffffffff);
    noMore(rest, 2);
    if (!isOrdinaryMemory(address.address) && command.opts<{ force?: boolean }>().force !== true) {
      throw new SpinnError("ERR_SPINN_REFUSED", `${hex32(address.address)} is neither SDRAM nor SysRAM`, {
        hint: "if you mean it, add --force",
      });
    }
    const what = `fill ${formatBytes(length)} at ${hex32(address.address)} with ${hex32(word)}`;
    if (isDryRun(job, command, what)) return;
    await withBoard(job, command, async (board) => {
      const startedAt = performance.now();
      job.leftBehind = `a part of ${formatBytes(length)} at ${hex32(address.address)} may have been filled`;
      await board.fillMemory(place, address.address, length, word, job.calls);
      job.leftBehind = undefined;
      const ms = performance.now() - startedAt;
      const data = { board: board.remote, address: address.address, hex: hex32(address.address), length, word, seconds: ms / 1000 };
      job.result(data, () => `filled ${formatBytes(length)} at ${hex32(address.address)} with ${hex32(word)} in ${formatDuration(ms)}\n`);
    });
  },
};
