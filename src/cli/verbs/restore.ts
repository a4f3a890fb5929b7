import { hex32, SpinnError } from "../../errors.js";
import { isOrdinaryMemory } from "../address.js";
import { addBoardOptions, withBoard } from "../board.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import { formatBytes, formatDuration, plural } from "../format.js";
import type { Verb } from "../job.js";
import { readSnapshot } from "../snapshot.js";

interface Options {
  readonly verify?: boolean;
  readonly force?: boolean;
}

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addBoardOptions(command))
      .argument("<folder>", "what spinn dump has written")
      .option("--verify", "read back and compare")
      .option("--force", "allow addresses outside SDRAM and SysRAM"),
  examples: ["restore snapshot", "restore snapshot --verify --host 192.168.240.1"],
  statuses: [3, 4, 5, 6, 8, 9],
  async run(job, command) {
    const folder = command.args[0]!;
    const { verify, force } = command.opts<Options>();
    const parts = await readSnapshot(folder);
    const odd = parts.find(({ range }) => !isOrdinaryMemory(range.address));
    if (odd !== undefined && !force) {
      throw new SpinnError("ERR_SPINN_REFUSED", `the snapshot holds ${hex32(odd.range.address)}, which is neither SDRAM nor SysRAM`, {
        hint: "if you mean it, add --force",
      });
    }
    const wholeBytes = parts.reduce((sum, { range }) => sum + range.length, 0);
    if (isDryRun(job, command, `write ${plural(parts.length, "range")} of ${folder}, ${formatBytes(wholeBytes)}`)) return;
    await withBoard(job, command, async (board) => {
      const startedAt = performance.now();
      for (const [done, { range, bytes }] of parts.entries()) {
        const chip = { x: range.x, y: range.y };
        job.leftBehind = `${done} of ${plural(parts.length, "range")} were written, the next one perhaps in part`;
        await board.writeMemory(chip, range.address, bytes, { signal: job.signal });
        if (verify) await compare(range, bytes, await board.readMemory(chip, range.address, range.length, { signal: job.signal }));
        job.terminal.progress.update({ what: "restore", done: done + 1, total: parts.length, unit: "chips" });
      }
      job.leftBehind = undefined;
      const ms = performance.now() - startedAt;
      job.result(
        { board: board.remote, folder, ranges: parts.length, bytes: wholeBytes, verified: verify === true, seconds: ms / 1000 },
        () =>
          `restored ${plural(parts.length, "range")}, ${formatBytes(wholeBytes)} in ${formatDuration(ms)}${verify ? ", read back the same" : ""}\n`,
      );
    });
  },
};

async function compare(
  range: { readonly x: number; readonly y: number; readonly address: number },
  wanted: Uint8Array,
  found: Uint8Array,
): Promise<void> {
  const at = wanted.findIndex((byte, i) => byte !== found[i]);
  if (at < 0) return;
  throw new SpinnError(
    "ERR_SPINN_VERIFY",
    `chip ${range.x},${range.y} holds something else at ${hex32(range.address + at)} after it was written`,
    {
      hint: "does an application write there too?",
    },
  );
}
