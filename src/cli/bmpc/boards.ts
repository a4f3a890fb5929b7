import { SpinnError } from "../../errors.js";
import type { BMPTransceiver, BoardStatus } from "../../transceiver/index.js";
import { plural } from "../format.js";
import { longTime, shortTime } from "../shell/clock.js";
import type { CommandTable } from "../shell/command.js";
import { ledCommand } from "../shell/led-command.js";
import { versionText } from "../version-text.js";
import { parseBits, wordsOf } from "./bits.js";
import type { BmpcSession } from "./session.js";

const SLOTS = 24;
/** Blocks of the BMP's flash: two copies of the firmware, and what starts them; where their version and date are. Source: bmpc. */
const FIRMWARE = [
  { address: 0x10000, version: 54 },
  { address: 0x20000, version: 54 },
  { address: 0, version: 6 },
] as const;

/**
 * A line for each board of the frame that was ever heard. One that does not answer has a line too, and the run does not end well; the others
 * are listed all the same.
 */
async function listBoards(session: BmpcSession, head: string, line: (bmp: BMPTransceiver, slot: number) => Promise<string>): Promise<void> {
  const bmp = await session.bmp();
  session.out(head);
  for (const slot of await bmp.listHeard(0, session.calls)) {
    const place = String(slot).padStart(3);
    try {
      session.out(`${place}   ${await line(bmp, slot)}\n`);
    } catch (error) {
      if (!(error instanceof SpinnError) || session.signal.aborted) throw error;
      session.failures += 1;
      session.out(`${place}   ${error.code === "ERR_SPINN_TIMEOUT" ? "no answer" : error.message}\n`);
    }
  }
}

/** `2.1.2`, or `1.35` as it was written before. */
function firmwareVersion(word: number): string {
  if (word < 65535) return (word / 100).toFixed(2);
  return `${word >>> 16}.${(word >>> 8) & 255}.${word & 255}`;
}

/** Names, values and decimals of the readings, as bmpc lists them. */
function readings(status: BoardStatus): readonly (readonly [name: string, value: number | undefined, decimals: number])[] {
  return [
    ["V12c", status.voltage12c, 2],
    ["V12b", status.voltage12b, 2],
    ["V12a", status.voltage12a, 2],
    ["V18", status.voltage18, 2],
    ["V33", status.voltage33, 2],
    ["VPWR", status.voltageSupply, 2],
    ["T_intN", status.temperatureTop, 1],
    ["T_intS", status.temperatureBottom, 1],
    ["T_ext0", status.temperatureExternal[0], 1],
    ["T_ext1", status.temperatureExternal[1], 1],
    ["Fan0", status.fans[0], 0],
    ["Fan1", status.fans[1], 0],
  ];
}

/** The boards of the frame: who they are, how they are, on and off. */
export const BOARDS: CommandTable<BmpcSession> = {
  sp: {
    usage: "[root | <board.D>]",
    purpose: "Select a board of the frame",
    parse(words) {
      if (words.left === 0) return async () => {};
      if (words.peek()[0] === "root") words.choice("board", ["root"]);
      const board = words.left === 0 ? 0 : words.decimal("board", 0, SLOTS - 1);
      return async (session) => {
        session.board = board;
      };
    },
  },
  sver: {
    usage: "",
    purpose: "Show the software of the BMP",
    parse: () => async (session) => {
      const found = await (await session.bmp()).readVersion(session.board, session.calls);
      const { name, hardware, board, codeBlock, frame, canId, version, buildDate } = found;
      const place = `[C=${canId}, F=${frame}, B=${codeBlock}]`;
      session.out(`${name} ${versionText({ version })} at ${hardware}:${board} (built ${longTime(buildDate)}) ${place}\n`);
    },
  },
  serial: {
    usage: "",
    purpose: "Show the serial number of each board's BMP",
    parse: () => (session) =>
      listBoards(session, "Slot  Serial\n----  ------\n", async (bmp, slot) => (await bmp.readSerial(slot, session.calls)).serial),
  },
  firmware: {
    usage: "",
    purpose: "Show the firmware in the flash of each board's BMP",
    parse: () => (session) => {
      const rule = "---------------------";
      const head = `Slot  Addr    Primary                 Backup                  Boot
----  -----   ${rule}   ${rule}   ${rule}\n`;
      return listBoards(session, head, async (bmp, slot) => {
        const { codeAddress } = await bmp.readSerial(slot, session.calls);
        const copies: string[] = [];
        for (const { address, version } of FIRMWARE) {
          const block = wordsOf(await bmp.readMemory(slot, address, 4 * (version + 1), session.calls));
          copies.push(`${firmwareVersion(block[version]!).padEnd(6)}  ${shortTime(block[version - 1]!)}`);
        }
        return `${codeAddress.toString(16).padStart(5, "0")}   ${copies.join("   ")}`;
      });
    },
  },
  ip: {
    usage: "",
    purpose: "Show the IP addresses of each board",
    parse: () => (session) =>
      listBoards(session, "Slot  BMP              SpiNN\n----  ---              -----\n", async (bmp, slot) => {
        const { bmp: own, spinnaker } = await bmp.readAddresses(slot, session.calls);
        return [own, spinnaker].map(({ address }) => (address ?? "0.0.0.0").padEnd(16)).join(" ");
      }),
  },
  adc: {
    usage: "",
    purpose: "Show voltages (V), temperatures (C) and fans (rpm) of the board",
    parse: () => async (session) => {
      const status = await (await session.bmp()).readSensors(session.board, session.calls);
      for (const [name, value, decimals] of readings(status)) {
        if (value !== undefined) session.out(`${name.padEnd(6)} ${value.toFixed(decimals).padStart(8)}\n`);
      }
    },
  },
  led: ledCommand("the board's BMP", 7, async (session, leds) => (await session.bmp()).setLeds([session.board], leds, session.calls)),
  power: {
    usage: "on|off <mask> [<delay.D>]",
    purpose: "Switch boards on or off, board n after n delays of so many ms",
    parse(words) {
      const on = words.choice("action", ["on", "off"]) === "on";
      const boards = parseBits(words, "mask", SLOTS - 1);
      const delayMs = words.left === 0 ? 0 : words.decimal("delay", 0, 0xffff);
      return async (session) => {
        const bmp = await session.bmp();
        const calls = { ...session.calls, delayMs };
        if (!on) return await bmp.powerOff(boards, calls);
        // Masks in scripts are often "all": what is looked at afterwards must be there.
        const heard = await bmp.listHeard(0, session.calls);
        const present = boards.filter((board) => heard.includes(board));
        if (present.length === 0) throw words.wrong(`no board of ${boards.join(",")} is in this frame`);
        if (present.length < boards.length) {
          session.job.say(`# ${plural(boards.length - present.length, "board")} of the mask are not in this frame: left out`);
        }
        session.job.leftBehind = `boards ${present.join(" ")} were told to switch on: adc says what they did`;
        await bmp.powerOn(present, { ...calls, settleMs: POWER_SETTLE_MS });
        session.job.leftBehind = undefined;
      };
    },
  },
  reset: {
    usage: "<mask> [<delay.D>]",
    purpose: "Reset boards and their FPGAs, board n after n delays of so many ms",
    parse(words) {
      const boards = parseBits(words, "mask", SLOTS - 1);
      const delayMs = words.left === 0 ? 0 : words.decimal("delay", 0, 0xffff);
      return async (session) => (await session.bmp()).reset(boards, "pulse", { ...session.calls, delayMs, fpgas: true });
    },
  },
};

/** The answer to "on" comes when the board has done it; its supplies and FPGAs are looked at after this rest. */
const POWER_SETTLE_MS = 500;
