import { Option } from "commander";
import { hex32, SpinnError } from "../../errors.js";
import type { FieldValue, StructField } from "../../machine/index.js";
import type { Transceiver } from "../../transceiver/index.js";
import { checkRange, isOrdinaryMemory, type NamedAddress } from "../address.js";
import { addBoardOptions, withBoard } from "../board.js";
import { readInputFile } from "../file.js";
import { formatBytes, formatDuration, plural } from "../format.js";
import type { Job, Verb } from "../job.js";
import { type MemoryWords, noMore, parseMemoryWords } from "../memory-range.js";
import { parseInteger } from "../number.js";
import { usage } from "../usage.js";

type Unit = "u8" | "u16" | "u32";

interface Options {
  readonly input?: string;
  readonly type?: Unit;
  readonly verify?: boolean;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

const SIZES: Readonly<Record<Unit, number>> = { u8: 1, u16: 2, u32: 4 };

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .usage("[x,y | x,y,p] ADDRESS VALUE... [options]")
      .argument(
        "[words...]",
        `[chip x,y | core x,y,p] ADDRESS VALUE...
values are 32-bit words unless --type says otherwise; a variable by name (sv.led_period) takes its own size`,
      )
      .option("-i, --input <file>", "write the bytes of a file instead of values")
      .addOption(new Option("-t, --type <type>", "u8, u16 or u32: size of each value (default: u32)").choices(["u8", "u16", "u32"]))
      .option("--verify", "read back and compare")
      .option("--force", "allow addresses outside SDRAM and SysRAM")
      .option("-n, --dry-run", "say what would be written, send nothing"),
  examples: [
    "write 1,2 sdram+0x240000 1 2 3 # three words",
    "write 0,0 sv.led_period 10 # a system variable by name",
    "write 1,2 0x60240000 --input weights.bin --verify",
  ],
  statuses: [3, 4, 5, 6, 8, 9],
  async run(job, command) {
    const words = parseMemoryWords(command.args);
    const options = command.opts<Options>();
    const bytes = await bytesOf(words, options);
    const { address } = words.address;
    checkRange(address, bytes.length);
    checkAlignment(words.address, options);
    if (!isOrdinaryMemory(address) && options.force !== true) {
      throw new SpinnError("ERR_SPINN_REFUSED", `${hex32(address)} is neither SDRAM nor SysRAM`, {
        hint: "registers can stop a chip; if you mean it, add --force",
      });
    }
    if (options.dryRun) {
      job.result(about(words, bytes, { dryRun: true }), () => `would write ${wordsOfWrite(words, bytes)}; nothing was sent\n`);
      return;
    }
    await withBoard(job, command, (board) => write(job, board, words, bytes, options));
  },
};

async function write(job: Job, board: Transceiver, words: MemoryWords, bytes: Uint8Array, options: Options): Promise<void> {
  const { place, address } = words;
  const startedAt = performance.now();
  job.leftBehind = `a part of the ${plural(bytes.length, "byte")} at ${hex32(address.address)} may have been written`;
  await board.writeMemory(place, address.address, bytes, job.calls);
  job.leftBehind = undefined;
  const ms = performance.now() - startedAt;
  if (options.verify) verify(address.address, bytes, await board.readMemory(place, address.address, bytes.length, job.calls));
  job.result(
    about(words, bytes, { board: board.remote, seconds: ms / 1000, verified: options.verify === true }),
    () => `wrote ${wordsOfWrite(words, bytes)} in ${formatDuration(ms)}${options.verify ? ", read back the same" : ""}\n`,
  );
}

function verify(address: number, wanted: Uint8Array, found: Uint8Array): void {
  const at = wanted.findIndex((byte, i) => byte !== found[i]);
  if (at < 0) return;
  const different = wanted.reduce((count, byte, i) => count + (byte === found[i] ? 0 : 1), 0);
  throw new SpinnError(
    "ERR_SPINN_VERIFY",
    `${plural(different, "byte")} of ${wanted.length} read back otherwise, the first at ${hex32(address + at)}: ${hex8(wanted[at]!)} was written, ${hex8(found[at]!)} is there`,
    { hint: "does an application write there too, or is it no memory?" },
  );
}

async function bytesOf(words: MemoryWords, options: Options): Promise<Uint8Array> {
  const { address, rest } = words;
  if (options.input !== undefined) {
    noMore(rest, 0);
    const bytes = await readInputFile(options.input, "file to write");
    if (bytes.length === 0) throw usage(`${options.input} is empty: there is nothing to write`);
    return bytes;
  }
  if (rest.length === 0) throw usage("no value is given", "give values, or --input FILE");
  if (address.field !== undefined && options.type === undefined) {
    const { layout, field } = address.field;
    return layout.encode(field.name, fieldValue(field, rest));
  }
  const size = SIZES[options.type ?? "u32"];
  const bytes = new Uint8Array(size * rest.length);
  const view = new DataView(bytes.buffer);
  for (const [i, text] of rest.entries()) {
    const value = parseInteger("value", text, 0, 2 ** (8 * size) - 1);
    if (size === 1) view.setUint8(i, value);
    else if (size === 2) view.setUint16(2 * i, value, true);
    else view.setUint32(4 * i, value, true);
  }
  return bytes;
}

/** What was written for a field, in its own type. Throws `ERR_SPINN_ARGUMENT`. */
function fieldValue(field: StructField, words: readonly string[]): FieldValue {
  if (field.type === "char") {
    noMore(words, 1);
    return words[0]!;
  }
  if (words.length !== field.count) throw usage(`${field.name} takes ${plural(field.count, "value")}, not ${words.length}`);
  const bits = 8 * (field.sizeBytes / field.count);
  const numbers = words.map((text) => {
    if (field.type === "u64") {
      if (!/^(\d+|0x[0-9a-f]+)$/i.test(text)) throw usage(`value: "${text}" is no number`);
      return BigInt(text);
    }
    if (!field.type.startsWith("i")) return parseInteger(field.name, text, 0, 2 ** bits - 1);
    const sign = text.startsWith("-") ? -1 : 1;
    return sign * parseInteger(field.name, text.replace(/^-/, ""), 0, 2 ** (bits - 1) - (sign > 0 ? 1 : 0));
  });
  return field.count === 1 ? numbers[0]! : (numbers as number[]);
}

/** Registers take whole words only; an access in pieces would do something else. */
function checkAlignment(address: NamedAddress, options: Options): void {
  const size = SIZES[options.type ?? "u32"];
  if (options.input !== undefined || address.field !== undefined || address.address % size === 0) return;
  throw usage(`${hex32(address.address)} is no multiple of ${size}, the size of a value`, "use --type u8, or an address that is");
}

function about(words: MemoryWords, bytes: Uint8Array, more: Record<string, unknown>): Record<string, unknown> {
  const { place, address } = words;
  const where = place.x === 255 && place.y === 255 ? "root" : place;
  return { place: where, address: address.address, hex: hex32(address.address), length: bytes.length, ...more };
}

function wordsOfWrite(words: MemoryWords, bytes: Uint8Array): string {
  const { name, address, field } = words.address;
  const what = field === undefined ? `${formatBytes(bytes.length)} at ${hex32(address)}` : name;
  const { x, y, p } = words.place;
  return x === 255 && y === 255 ? `${what} of the root chip` : `${what} of ${p === undefined ? `chip ${x},${y}` : `core ${x},${y},${p}`}`;
}

function hex8(byte: number): string {
  return `0x${byte.toString(16).padStart(2, "0")}`;
}
