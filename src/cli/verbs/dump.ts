import { createHash } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { hex32, SpinnError } from "../../errors.js";
import type { Progress } from "../../transceiver/index.js";
import { parseAddress } from "../address.js";
import { addBoardOptions, withBoard } from "../board.js";
import { writeOutputFile } from "../file.js";
import { formatBytes, formatDuration, plural } from "../format.js";
import type { Verb } from "../job.js";
import { noMore, parseLength } from "../memory-range.js";
import { areExactChips, looksLikePlace, parseChips, selectChips } from "../place.js";
import { MANIFEST, type Snapshot, snapshotFile } from "../snapshot.js";
import { usage } from "../usage.js";

/** Read before it is written to files: what a computer has room for, and enough to keep several boards busy. */
const MOST_BYTES_AT_ONCE = 64 << 20;

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .usage("FOLDER CHIPS... ADDRESS LENGTH [options]")
      .argument("<folder>", "where to put it: a file per chip, and dump.json that says what is what")
      .argument("[words...]", "CHIPS... ADDRESS LENGTH: the same range of each chip; chips are 1,2 or 0-3,* or @all"),
  examples: ["dump snapshot @all sdram 64K # 64 KB of every chip", "dump snapshot 0,0 1,2 sysram 32K"],
  statuses: [3, 4, 5, 9, 74],
  async run(job, command) {
    const [folder, ...words] = command.args as [string, ...string[]];
    const split = words.findIndex((word) => !looksLikePlace(word));
    if (split <= 0) throw usage("chips and an address are wanted", "write e.g. dump snapshot @all sdram 64K");
    const selection = parseChips(words.slice(0, split));
    const address = parseAddress(words[split]!);
    const length = parseLength(address, words[split + 1] ?? (address.sizeBytes === undefined ? undefined : String(address.sizeBytes)), 256);
    noMore(words, split + 2);
    await withBoard(job, command, async (board) => {
      const machine = areExactChips(selection) ? undefined : (await board.discover(job.calls)).machine;
      const chips = selectChips(selection, machine);
      await makeFolder(folder);
      const startedAt = performance.now();
      const snapshot: Snapshot = {
        schema: "spinn.snapshot",
        version: 1,
        board: board.remote,
        savedAt: new Date().toISOString(),
        ranges: [],
      };
      job.leftBehind = `${folder} holds the files of some chips and no ${MANIFEST}`;
      const atOnce = Math.max(1, Math.floor(MOST_BYTES_AT_ONCE / length));
      const total = length * chips.length;
      for (let from = 0; from < chips.length; from += atOnce) {
        const batch = chips.slice(from, from + atOnce);
        const onProgress = ({ done }: Progress): void =>
          job.terminal.progress.update({ what: "dump", done: from * length + done, total, unit: "bytes" });
        const ranges = batch.map((chip) => ({ ...chip, address: address.address, length }));
        const blocks = await board.readMany(ranges, { signal: job.signal, onProgress });
        for (const [i, { x, y }] of batch.entries()) {
          const bytes = blocks[i]!;
          const file = snapshotFile({ x, y }, address.address);
          await writeOutputFile(join(folder, file), async () => bytes);
          snapshot.ranges.push({ x, y, address: address.address, length, file, sha256: createHash("sha256").update(bytes).digest("hex") });
        }
      }
      // Last, so that a folder with it is whole.
      await writeOutputFile(join(folder, MANIFEST), async () => new TextEncoder().encode(`${JSON.stringify(snapshot, undefined, 2)}\n`));
      job.leftBehind = undefined;
      const ms = performance.now() - startedAt;
      job.result(
        { board: board.remote, folder, chips: chips.length, bytes: total, seconds: ms / 1000 },
        () =>
          `${folder}: ${formatBytes(length)} from ${hex32(address.address)} of ${plural(chips.length, "chip")}, ${formatBytes(total)} in ${formatDuration(ms)}\n`,
      );
    });
  },
};

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new SpinnError("ERR_SPINN_FILE", `the folder ${folder} cannot be made: ${(cause as Error).message}`, { cause });
  }
}
