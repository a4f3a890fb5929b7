import { Option } from "commander";
import { hex32 } from "../../errors.js";
import type { Transceiver } from "../../transceiver/index.js";
import { formatValue } from "../address.js";
import { addBoardOptions, withBoard } from "../board.js";
import { type DumpFormat, formatDump } from "../dump.js";
import { writeOutputFile } from "../file.js";
import { formatBytes, formatDuration } from "../format.js";
import type { Job, Verb } from "../job.js";
import { type MemoryWords, noMore, parseLength, parseMemoryWords } from "../memory-range.js";
import { usage } from "../usage.js";

const DEFAULT_BYTES = 256;

interface Options {
  readonly output?: string;
  readonly format?: DumpFormat;
}

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .usage("[x,y | x,y,p] ADDRESS [LENGTH] [options]")
      .argument(
        "[words...]",
        `[chip x,y | core x,y,p] ADDRESS [LENGTH in bytes]
the chip is the root chip unless named; an address is 0x60240000, sdram, sysram+0x40, sv.clock_ms, vcpu[3].app_name;
a length is 256, 0x100, 4K, 2M (default: ${DEFAULT_BYTES}, or the size of what is named)`,
      )
      .option("-o, --output <file>", "write the bytes to a file: whole or not at all")
      .addOption(
        new Option("-f, --format <format>", "hex, words (32 bits, little-endian) or bin (the bytes)").choices(["hex", "words", "bin"]),
      ),
  examples: [
    "read 1,2 sdram 4K -o block.bin # 4096 bytes of chip 1,2 to a file",
    "read sv.clock_ms # a system variable of the root chip by name",
    "read 0,0 0x60240000 64 --format words",
  ],
  statuses: [3, 4, 5, 9, 74],
  async run(job, command) {
    const words = parseMemoryWords(command.args);
    const length = parseLength(words.address, words.rest[0], DEFAULT_BYTES);
    noMore(words.rest, 1);
    const options = command.opts<Options>();
    if (options.output !== undefined && options.format !== undefined && options.format !== "bin") {
      throw usage("--output writes the bytes as they are", "leave --format out, or redirect the text: spinn read ... > file");
    }
    await withBoard(job, command, (board) => read(job, board, words, length, options));
  },
};

async function read(job: Job, board: Transceiver, words: MemoryWords, length: number, options: Options): Promise<void> {
  const { place, address } = words;
  const fetch = (): Promise<Uint8Array> => board.readMemory(place, address.address, length, job.calls);
  const about = { board: board.remote, place: named(place), address: address.address, hex: hex32(address.address), length };
  if (options.output !== undefined) {
    const startedAt = performance.now();
    await writeOutputFile(options.output, fetch);
    const ms = performance.now() - startedAt;
    job.result(
      { ...about, file: options.output, seconds: ms / 1000 },
      () => `${options.output}: ${formatBytes(length)} from ${hex32(address.address)} in ${formatDuration(ms)}\n`,
    );
    return;
  }
  const bytes = await fetch();
  const { field } = address;
  if (field !== undefined && length === field.field.sizeBytes && options.format === undefined) {
    const value = field.layout.decode(field.field.name, bytes);
    const text = `${formatValue(value, field.field)}${field.field.meaning === "" || !Number.isFinite(job.terminal.columns) ? "" : `    ${job.terminal.paint("faint", field.field.meaning)}`}\n`;
    job.result({ ...about, name: address.name, type: field.field.type, value, base64: base64(bytes) }, () => text);
    return;
  }
  const { format = "hex" } = options;
  job.result({ ...about, base64: base64(bytes) }, () =>
    format === "bin" ? bytes : formatDump(address.address, bytes, format, job.terminal.columns),
  );
}

/** The root chip has no number of its own in what a person wrote. */
function named(place: { readonly x: number; readonly y: number; readonly p?: number }): unknown {
  return place.x === 255 && place.y === 255 ? "root" : place;
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}
