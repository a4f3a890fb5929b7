import type { Command } from "commander";
import { hex32, SpinnError } from "../../errors.js";
import type { BMPTransceiver, BmpUptime } from "../../transceiver/index.js";
import { addBmpOptions, eachSlot, listSlots, type MuteSlot, muteStatus, openBmp, parseSlots } from "../bmp.js";
import { addDryRun, isDryRun } from "../dry-run.js";
import { formatDump } from "../dump.js";
import { writeOutputFile } from "../file.js";
import { formatBytes, formatDuration } from "../format.js";
import type { Job, Verb } from "../job.js";
import { ledsText, parseLeds } from "../led-actions.js";
import { nearestWord } from "../nearest.js";
import { parseInteger } from "../number.js";
import { ExitStatus } from "../status.js";
import { formatTable } from "../table.js";
import { usage } from "../usage.js";
import { versionText } from "../version-text.js";

const ACTIONS = ["info", "fpga", "leds", "flash"] as const;
/** Words for what other verbs do. */
const ELSEWHERE: Readonly<Record<string, string>> = { power: "power", reset: "reset", sensors: "sensors", adc: "sensors" };
const SERIAL_FLASH_BYTES = 0x800000;
const DEFAULT_BYTES = 256;
const MOST_REGISTERS = 64;

interface Options {
  readonly count?: number;
  readonly output?: string;
}

/** What the words ask for, checked before anything is sent. */
type Order =
  | { readonly action: "info"; readonly slots: readonly number[] | undefined }
  | { readonly action: "fpga"; readonly slot: number; readonly fpga: number; readonly address: number; readonly values: readonly number[] }
  | { readonly action: "leds"; readonly slots: readonly number[]; readonly leds: ReturnType<typeof parseLeds> }
  | { readonly action: "flash"; readonly slot: number; readonly address: number; readonly length: number };

export const verb: Verb = {
  configure: (command) =>
    void addDryRun(addBmpOptions(command))
      .usage("[info [SLOTS] | fpga SLOT FPGA ADDRESS [VALUE...] | leds SLOTS LED=ACTION... | flash SLOT [ADDRESS [LENGTH]]] [options]")
      .argument(
        "[words...]",
        `info [SLOTS]: version, serial number, addresses and up-time of each board (default)
fpga SLOT FPGA ADDRESS [VALUE...]: read or write registers of FPGA 0 to 2
leds SLOTS LED=ACTION...: LEDs 0 to 7, on, off or invert; 4 and 7 are free to say "this board"
flash SLOT [ADDRESS [LENGTH]]: read the serial flash`,
      )
      .option("--count <n>", "fpga: so many registers from there on (default: 1)", (text) =>
        parseInteger("--count", text, 1, MOST_REGISTERS),
      )
      .option("-o, --output <file>", "flash: write the bytes to a file: whole or not at all"),
  examples: [
    "bmp info 0-23 --bmp 192.168.240.0 # who is in the frame",
    "bmp fpga 0 2 0x40004 --bmp 192.168.240.0 # FLAG of FPGA 2: its low two bits are the FPGA's number",
    "bmp fpga 0 2 0x40010 0x55 --bmp rack # writes a register",
    "bmp leds 3 4=on 7=invert --bmp rack # which board is it?",
  ],
  statuses: [1, 3, 4, 5, 7, 9, 74],
  async run(job, command) {
    const order = parseOrder(command.args);
    const change = changeOf(order);
    if (change !== undefined && isDryRun(job, command, change)) return;
    await using bmp = await openBmp(job, command);
    return await obey(job, command, bmp, order);
  },
};

function parseOrder(words: readonly string[]): Order {
  const [action = "info", ...rest] = words;
  const need = (at: number, what: string): string => rest[at] ?? missing(what);
  const done = (count: number): void => {
    if (rest.length > count) throw usage(`"${rest[count]}" is one word too many`);
  };
  const slot = (): number => parseInteger("slot", need(0, "the slot, 0 to 23,"), 0, 23);
  switch (action) {
    case "info":
      done(1);
      return { action, slots: rest[0] === undefined ? undefined : parseSlots(rest[0]) };
    case "fpga": {
      const fpga = parseInteger("FPGA", need(1, "the FPGA, 0 to 2,"), 0, 2);
      const address = parseInteger("address", need(2, "the address of the register"), 0, 0xfffff);
      if (address % 4 !== 0) throw usage(`address ${hex32(address)} is no multiple of 4`);
      const values = rest.slice(3).map((text) => parseInteger("value", text, 0, 0xffffffff));
      done(3 + MOST_REGISTERS);
      return { action, slot: slot(), fpga, address, values };
    }
    case "leds":
      return { action, slots: parseSlots(need(0, "the slots")), leds: parseLeds(rest.slice(1), 7) };
    case "flash": {
      done(3);
      const address = rest[1] === undefined ? 0 : parseInteger("address", rest[1], 0, SERIAL_FLASH_BYTES - 1);
      const most = SERIAL_FLASH_BYTES - address;
      const length = rest[2] === undefined ? Math.min(DEFAULT_BYTES, most) : parseInteger("length", rest[2], 1, most);
      return { action, slot: slot(), address, length };
    }
    default: {
      const other = Object.hasOwn(ELSEWHERE, action) ? ELSEWHERE[action] : undefined;
      if (other !== undefined) throw usage(`bmp: "${action}" is a verb of its own`, `write: spinn ${other} ${rest.join(" ")}`.trimEnd());
      const near = nearestWord(action, ACTIONS);
      throw usage(`bmp: there is no "${action}"`, near === undefined ? `known are ${ACTIONS.join(", ")}` : `did you mean ${near}?`);
    }
  }
}

function missing(what: string): never {
  throw usage(`${what} is missing`, "spinn bmp --help shows how it is used");
}

/** What an order changes, in words; `undefined` when it only looks. */
function changeOf(order: Order): string | undefined {
  if (order.action === "leds") return `switch ${ledsText(order.leds)} of slot ${order.slots.join(" ")}`;
  if (order.action !== "fpga" || order.values.length === 0) return undefined;
  const values = order.values.map(hex32).join(" ");
  return `write ${values} at ${hex32(order.address)} of FPGA ${order.fpga} in slot ${order.slot}`;
}

async function obey(job: Job, command: Command, bmp: BMPTransceiver, order: Order): Promise<number> {
  const { count = 1, output } = command.opts<Options>();
  const calls = { signal: job.signal };
  if (order.action === "info") return await info(job, bmp, order.slots);
  if (order.action === "leds") {
    const { slots, leds } = order;
    const { failed } = await eachSlot(job, slots, (slot) => bmp.setLeds([slot], leds, calls));
    job.result({ bmp: bmp.remote, slots, leds, failed }, () => `slot ${slots.join(" ")}: ${ledsText(leds)}\n`, "bmp.leds");
    return muteStatus(job, slots, failed);
  }
  if (order.action === "fpga") {
    const { slot, fpga, address, values } = order;
    if (values.length > 0) await bmp.writeFpga(slot, fpga, address, values, calls);
    const found = await bmp.readFpga(slot, fpga, address, Math.max(count, values.length), calls);
    const about = { bmp: bmp.remote, slot, fpga, address, hex: hex32(address), written: values.length > 0, values: found };
    job.result(about, () => found.map((value, i) => `${hex32(address + 4 * i)}  ${hex32(value)}  ${value}\n`).join(""), "bmp.fpga");
    const wrong = values.findIndex((value, i) => value !== found[i]);
    if (wrong >= 0) {
      job.say(
        `${hex32(address + 4 * wrong)} holds ${hex32(found[wrong]!)} and not ${hex32(values[wrong]!)}: it may be read-only, or count`,
      );
      return ExitStatus.NO;
    }
    return ExitStatus.DONE;
  }
  await flash(job, bmp, order, output);
  return ExitStatus.DONE;
}

async function flash(
  job: Job,
  bmp: BMPTransceiver,
  { slot, address, length }: Extract<Order, { action: "flash" }>,
  output: string | undefined,
): Promise<void> {
  const about = { bmp: bmp.remote, slot, address, hex: hex32(address), length };
  const fetch = (): Promise<Uint8Array> => bmp.readSerialFlash(slot, address, length, job.calls);
  if (output !== undefined) {
    await writeOutputFile(output, fetch);
    const words = `${output}: ${formatBytes(length)} from ${hex32(address)} of the serial flash in slot ${slot}\n`;
    return job.result({ ...about, file: output }, () => words, "bmp.flash");
  }
  const bytes = await fetch();
  const data = { ...about, base64: Buffer.from(bytes).toString("base64") };
  job.result(data, () => formatDump(address, bytes, "hex", job.terminal.columns), "bmp.flash");
}

/** One board of the frame. */
interface BoardInfo {
  readonly slot: number;
  readonly software: string;
  readonly serial: string;
  readonly bmpAddress: string | undefined;
  readonly boardAddress: string | undefined;
  readonly uptime: BmpUptime;
}

async function info(job: Job, bmp: BMPTransceiver, slots: readonly number[] | undefined): Promise<number> {
  const calls = { signal: job.signal };
  const found = slots === undefined ? await listSlots(job, bmp) : { slots, failed: [] as MuteSlot[] };
  const { done, failed } = await eachSlot(job, found.slots, async (slot): Promise<BoardInfo> => {
    const version = await bmp.readVersion(slot, calls);
    const { serial } = await bmp.readSerial(slot, calls);
    const addresses = await bmp.readAddresses(slot, calls);
    const software = `${version.name} ${versionText(version)}`;
    const { bmp: own, spinnaker } = addresses;
    return { slot, software, serial, bmpAddress: own.address, boardAddress: spinnaker.address, uptime: await bmp.readUptime(slot, calls) };
  });
  const mute = [...found.failed, ...failed];
  job.result(
    { bmp: bmp.remote, frame: bmp.version.frame, boards: done, failed: mute },
    () => {
      const rows = done.map(({ slot, software, serial, bmpAddress = "", boardAddress = "", uptime }) => {
        const up = formatDuration(uptime.uptimeSeconds * 1000);
        return [String(slot), software, serial, bmpAddress, boardAddress, up];
      });
      const head = ["slot", "software", "serial number", "BMP", "board", "up"].map((title) => ({ title }));
      return `frame ${bmp.version.frame}\n${formatTable(head, rows, job.terminal.columns)}`;
    },
    "bmp.info",
  );
  if (done.length === 0) throw new SpinnError("ERR_SPINN_TIMEOUT", "no board of the frame answers", { board: bmp.remote });
  return muteStatus(job, [...found.slots, ...found.failed], mute);
}
