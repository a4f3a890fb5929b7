import { hex32 } from "../../errors.js";
import type { HeapName } from "../../transceiver/index.js";
import { addBoardOptions, withBoard } from "../board.js";
import { formatBytes, plural } from "../format.js";
import type { Verb } from "../job.js";
import { nearestWord } from "../nearest.js";
import { parsePlace } from "../place.js";
import { formatTable } from "../table.js";
import { usage } from "../usage.js";

const NAMES: readonly HeapName[] = ["sdram", "sysram", "system"];

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .argument("<chip>", "chip x,y", parsePlace)
      .argument("[heap]", "sdram, sysram, or system: what SC&MP took for itself (default: sdram)", readName),
  examples: ["heap 0,0 # who has taken which SDRAM", "heap 1,2 sysram --json"],
  statuses: [3, 4, 5, 9],
  async run(job, command) {
    const [place, name = "sdram"] = command.processedArgs as [{ x: number; y: number; p?: number }, HeapName | undefined];
    const chip = { x: place.x, y: place.y };
    await withBoard(job, command, async (board) => {
      const heap = await board.readHeap(chip, name, { signal: job.signal });
      job.result({ board: board.remote, chip, heap: name, ...heap }, () => {
        const rows = heap.blocks.map((block) => [
          hex32(block.address),
          String(block.sizeBytes),
          block.free ? "free" : "used",
          block.appId === undefined ? "" : String(block.appId),
          block.tag === undefined ? "" : String(block.tag),
        ]);
        const head = [
          { title: "address" },
          { title: "bytes", align: "right" as const },
          { title: "" },
          { title: "id", align: "right" as const },
          { title: "tag", align: "right" as const },
        ];
        const used = heap.blocks.filter((block) => !block.free);
        const taken = used.reduce((sum, block) => sum + block.sizeBytes, 0);
        return `${formatTable(head, rows, job.terminal.columns)}${name}: ${formatBytes(taken)} in ${plural(used.length, "block")}, ${formatBytes(heap.freeBytes)} free\n`;
      });
    });
  },
};

function readName(text: string): HeapName {
  const name = NAMES.find((known) => known === text);
  if (name !== undefined) return name;
  const near = nearestWord(text, NAMES);
  throw usage(`"${text}" is no heap`, near === undefined ? `heaps are ${NAMES.join(", ")}` : `did you mean ${near}?`);
}
