import type { Measurement } from "../../transceiver/index.js";
import { measurementChart, milliseconds } from "../bench-chart.js";
import { measureWrite, type WriteResult } from "../bench-write.js";
import { addBoardOptions, withBoard } from "../board.js";
import { writeOutputFile } from "../file.js";
import { formatBytes } from "../format.js";
import { addInspectOption, inspected } from "../inspected.js";
import type { Verb } from "../job.js";
import { parseNumber } from "../number.js";
import { parsePlace } from "../place.js";
import { formatTable } from "../table.js";
import { usage } from "../usage.js";

interface Options {
  readonly bytes?: number;
  readonly on?: { readonly x: number; readonly y: number };
  readonly write?: boolean;
  readonly svg?: string;
}

export const verb: Verb = {
  configure: (command) =>
    void addInspectOption(addBoardOptions(command))
      .option("--bytes <n>", "how much to move with each window, up to 64M (default: 1M)", (text) => parseNumber("--bytes", text))
      .option("--on <chip>", "chip x,y whose SDRAM is read (default: the root chip)", parsePlace)
      .option("--write", "also write, to a block of its own, and compare what is read back; without it nothing is written")
      .option("--svg <file>", "draw latency and throughput as an SVG file"),
  examples: ["bench # how fast is the way to this board, and what is lost on it?", "bench --bytes 16M --on 3,3 --write --json"],
  statuses: [3, 4, 5, 6, 9, 74],
  async run(job, command) {
    const options = command.opts<Options>();
    const bytes = options.bytes ?? 1 << 20;
    if (bytes < 256 || bytes > 64 << 20) throw usage("--bytes must be from 256 to 64M");
    await withBoard(job, command, async (board) => {
      const chip = options.on === undefined ? { x: board.version.x, y: board.version.y } : { x: options.on.x, y: options.on.y };
      const { measured, written } = await inspected(job, command, "bench", async (steps) => {
        const read = await board.measure({ chip, bytes, ...steps });
        if (options.write !== true) return { measured: read, written: undefined };
        await steps.safePoint();
        return { measured: read, written: await measureWrite(job, steps, board, chip, bytes) };
      });
      const { svg } = options;
      if (svg !== undefined) await writeOutputFile(svg, async () => new TextEncoder().encode(measurementChart(measured)));
      job.result({ chip, ...measured, ...(written === undefined ? {} : { written }), ...(svg === undefined ? {} : { file: svg }) }, () =>
        report(measured, written, job.terminal.columns),
      );
    });
  },
};

function report({ latency, throughput, loss }: Measurement, written: WriteResult | undefined, columns: number): string {
  const right = "right" as const;
  const head = [
    { title: "" },
    { title: "amount", align: right },
    { title: "Mbit/s", align: right },
    { title: "requests/s", align: right },
    { title: "repeated", align: right },
  ];
  const mbit = (bytesPerSecond: number): string => ((8 * bytesPerSecond) / 1e6).toFixed(1);
  const rows = throughput.map(({ window, bytes, bytesPerSecond, requestsPerSecond, resent }) => [
    `read, window ${window}`,
    formatBytes(bytes),
    mbit(bytesPerSecond),
    requestsPerSecond.toFixed(0),
    String(resent),
  ]);
  if (written !== undefined) rows.push(["write, verified", formatBytes(written.bytes), mbit(written.bytesPerSecond), "", ""]);
  const { count, leastMs, medianMs, p90Ms, p99Ms, mostMs } = latency;
  const times = [leastMs, medianMs, p90Ms, p99Ms, mostMs].map(milliseconds);
  return [
    `${count} single reads of 256 bytes: least ${times[0]}, median ${times[1]}, 90 % ${times[2]}, 99 % ${times[3]}, most ${times[4]}`,
    formatTable(head, rows, columns).trimEnd(),
    `lost: ${(100 * loss.share).toFixed(2)} % of ${loss.sent} datagrams; ${loss.busy} busy codes, ${loss.duplicates + loss.late} late or double replies`,
    "",
  ].join("\n");
}
