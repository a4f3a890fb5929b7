import { SpinnError } from "../../errors.js";
import { addBoardOptions, withBoard } from "../board.js";
import { writeOutputFile } from "../file.js";
import { formatBytes, formatDuration } from "../format.js";
import type { Verb } from "../job.js";
import { parseNumber } from "../number.js";
import { parsePlace } from "../place.js";
import { formatTable } from "../table.js";
import { usage } from "../usage.js";

interface Options {
  readonly bytes?: number;
  readonly on?: { readonly x: number; readonly y: number };
  readonly svg?: string;
}

interface Result {
  readonly op: "write" | "read";
  readonly bytes: number;
  readonly seconds: number;
  readonly mbitPerSecond: number;
  readonly requestsPerSecond: number;
  readonly resent: number;
}

/** The memory it writes to belongs to this id while it runs. */
const APP_ID = 254;
/** Bytes of one request. */
const REQUEST_BYTES = 256;

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .option("--bytes <n>", "how much to write and read, up to 64M (default: 4M)", (text) => parseNumber("--bytes", text))
      .option("--on <chip>", "chip x,y whose SDRAM is used (default: the root chip)", parsePlace)
      .option("--svg <file>", "draw the rates as an SVG file"),
  examples: ["bench # how fast is the way to this board?", "bench --bytes 16M --on 3,3 --json"],
  statuses: [3, 4, 5, 6, 9, 74],
  async run(job, command) {
    const options = command.opts<Options>();
    const bytes = options.bytes ?? 4 << 20;
    if (bytes < 4 || bytes > 64 << 20) throw usage("--bytes must be from 4 to 64M");
    await withBoard(job, command, async (board) => {
      const chip = options.on === undefined ? { x: board.version.x, y: board.version.y } : { x: options.on.x, y: options.on.y };
      const calls = job.calls;
      const address = await board.allocate(chip, bytes, { appId: APP_ID, tag: 1, signal: job.signal });
      job.leftBehind = `a block of ${formatBytes(bytes)} of app ${APP_ID} on chip ${chip.x},${chip.y}: spinn stop --app-id ${APP_ID} frees it`;
      const results: Result[] = [];
      try {
        const data = pattern(bytes);
        const measure = async (op: Result["op"], work: () => Promise<unknown>): Promise<void> => {
          const before = resentOf(board.connections);
          const startedAt = performance.now();
          await work();
          const seconds = (performance.now() - startedAt) / 1000;
          const resent = resentOf(board.connections) - before;
          results.push({
            op,
            bytes,
            seconds,
            mbitPerSecond: (8 * bytes) / seconds / 1e6,
            requestsPerSecond: bytes / REQUEST_BYTES / seconds,
            resent,
          });
        };
        let back: Uint8Array = new Uint8Array(0);
        await measure("write", () => board.writeMemory(chip, address, data, calls));
        await measure("read", async () => {
          back = await board.readMemory(chip, address, bytes, calls);
        });
        if (!data.every((byte, i) => byte === back[i])) {
          throw new SpinnError("ERR_SPINN_VERIFY", "what was read back is not what was written", {
            hint: "the way to this board changes data: do not trust it",
          });
        }
      } finally {
        await board.free(chip, address);
        job.leftBehind = undefined;
      }
      if (options.svg !== undefined) await writeOutputFile(options.svg, async () => new TextEncoder().encode(chart(board.remote, results)));
      job.result({ board: board.remote, chip, results, ...(options.svg === undefined ? {} : { file: options.svg }) }, () => {
        const rows = results.map((result) => [
          result.op,
          formatBytes(bytes),
          formatDuration(1000 * result.seconds),
          result.mbitPerSecond.toFixed(1),
          result.requestsPerSecond.toFixed(0),
          String(result.resent),
        ]);
        const right = "right" as const;
        const head = [
          { title: "" },
          { title: "amount", align: right },
          { title: "time", align: right },
          { title: "Mbit/s", align: right },
          { title: "requests/s", align: right },
          { title: "repeated", align: right },
        ];
        return formatTable(head, rows, job.terminal.columns);
      });
    });
  },
};

function resentOf(connections: readonly { readonly pipeline: { readonly counters: { readonly resent: number } } }[]): number {
  return connections.reduce((sum, { pipeline }) => sum + pipeline.counters.resent, 0);
}

/** Bytes without a period that memory or packets have (a linear congruential generator), so that a misplaced piece shows. */
function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = 1;
  for (let i = 0; i < length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** Two bars with their rates. */
function chart(title: string, results: readonly Result[]): string {
  const most = Math.max(1, ...results.map(({ mbitPerSecond }) => mbitPerSecond));
  const bars = results.map(({ op, mbitPerSecond }, i) => {
    const y = 44 + 34 * i;
    const width = (360 * mbitPerSecond) / most;
    return `<text x="12" y="${y + 15}">${op}</text><rect x="64" y="${y}" width="${width.toFixed(1)}" height="22" fill="#4a8fc7"/><text x="${(72 + width).toFixed(1)}" y="${y + 15}">${mbitPerSecond.toFixed(1)} Mbit/s</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="540" height="${60 + 34 * results.length}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="#ffffff"/><text x="12" y="24" font-size="15">${title.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}</text>
${bars.join("\n")}
</svg>
`;
}
