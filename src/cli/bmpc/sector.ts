import { stat } from "node:fs/promises";
import { crc32 } from "node:zlib";
import { SpinnError } from "../../errors.js";
import { Command } from "../../wire/index.js";
import { readInputFile } from "../file.js";
import { type LastingMemory, rewrite } from "../shell/backup.js";
import { longTime } from "../shell/clock.js";
import { type CommandTable, hex8, type ShellCommand } from "../shell/command.js";
import { type IpBlock, ipText, parseIpBlock, readIpBlock, writeIpBlock } from "../shell/ip-block.js";
import { bytesOf, wordsOf } from "./bits.js";
import { parseBoardInfo } from "./board-info.js";
import { parseFpgas } from "./fpgas.js";
import type { BmpcSession } from "./session.js";
import { rewriteStart, serialFlash } from "./stores.js";

// The sector of the BMP's flash that holds its data: 16 records of 128 bytes, the board's dead parts, a CRC. Source: spinnaker_tools
// `bmp/bmp.h`, `tools/bmpc`.
const SECTOR_START = 0x1000;
const SECTOR_BYTES = 4096;
const RECORD = 128;
const RECORDS = 16;
const RECORD_HEAD = 32;
const BOARD_INFO = 0xe00;
const BOARD_INFO_BYTES = 256;
const Kind = { BMP_IP: 1, SPIN_IP: 2, XBOOT: 3, XREG: 4 } as const;
/** Records of the bit files and of the register preloads. */
const XBOOT_RECORD = 2;
const XREG_RECORD = 6;
const XREG_MOST = 12;
const ENABLED = 0x8000;
/** Where the bit files lie in the serial flash. */
const BIT_FILES = 0x200000;
const BIT_FILE_BYTES = 0x180000;
const SLOTS = 4;
const NAME_BYTES = 96;
const WITH_ERASE = 1;
const WRITE_MS = 1000;
const FPGA_NAMES = ["0  ", "1  ", "2  ", "0-2"];
const CHIP_NAMES = ["   ", "  0", "  1", " 10", "  2", " 20", " 21", "210"];

interface Entry {
  readonly kind: number;
  readonly size: number;
  readonly flags: number;
  readonly time: number;
  readonly crc: number;
  readonly base: number;
  readonly length: number;
  readonly fileTime: number;
  readonly data: Uint8Array;
}

async function readSector(session: BmpcSession): Promise<Uint8Array> {
  return await (await session.bmp()).readMemory(session.board, SECTOR_START, SECTOR_BYTES, session.calls);
}

function entryOf(sector: Uint8Array, index: number): Entry {
  const bytes = sector.subarray(RECORD * index, RECORD * (index + 1));
  const [, time, crc, base, length, fileTime] = wordsOf(bytes) as [number, number, number, number, number, number];
  const flags = bytes[2]! | (bytes[3]! << 8);
  return { kind: bytes[0]!, size: bytes[1]!, flags, time, crc, base, length, fileTime, data: bytes.subarray(RECORD_HEAD) };
}

/** Head of a record: kind, size, flags, and seven words. */
function entryBytes(kind: number, size: number, flags: number, words: readonly number[], data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(RECORD);
  bytes.set([kind, size, flags & 255, flags >> 8]);
  bytes.set(bytesOf(words), 4);
  bytes.set(data, RECORD_HEAD);
  return bytes;
}

/** Puts bytes into the sector, makes its CRC, and writes it whole: the BMP erases, programs, and is asked what it holds then. */
async function patchSector(session: BmpcSession, offset: number, bytes: Uint8Array): Promise<void> {
  const sector = await readSector(session);
  sector.set(bytes, offset);
  sector.set(bytesOf([~crc32(sector.subarray(0, SECTOR_BYTES - 4))]), SECTOR_BYTES - 4);
  const memory: LastingMemory = {
    name: "BMP data",
    read: () => readSector(session),
    async write() {
      const bmp = await session.bmp();
      const { flashBuffer } = await bmp.readSerial(session.board, session.calls);
      await bmp.writeMemory(session.board, flashBuffer, sector, session.calls);
      await session.raw({ command: Command.FLASH_WRITE, arg1: SECTOR_START, arg2: SECTOR_BYTES, arg3: WITH_ERASE, slowMs: WRITE_MS });
    },
  };
  await rewrite(session, memory, 0, sector);
}

/** `bmp_ip` and `spin_ip`: the network settings of one record. */
const settings = (record: number, kind: number, whose: string): ShellCommand<BmpcSession> => ({
  usage: "[* | <Flag.X> <MAC.M> <ip_addr.P> <gw_addr.P> <net_mask.P> <port.D>]",
  purpose: `Show or write the network settings of ${whose} in the BMP's flash`,
  parse(words) {
    if (words.left <= 1) {
      const long = words.left === 0 || words.choice("form", ["*"]) === undefined;
      return async (session) => session.out(ipText(readIpBlock(entryOf(await readSector(session), record).data), long));
    }
    const block: IpBlock = parseIpBlock(words);
    return async (session) => {
      const data = new Uint8Array(RECORD - RECORD_HEAD).fill(255);
      data.set(writeIpBlock(block));
      const words = [Math.floor(Date.now() / 1000), ...Array.from({ length: 6 }, () => 0xffffffff)];
      await patchSector(session, RECORD * record, entryBytes(kind, 32, 0, words, data));
    };
  },
});

/** Name of a file at the end of a record; flash that was never written holds none. */
function nameOf(data: Uint8Array): string {
  const end = data.findIndex((byte) => byte === 0 || byte === 0xff);
  return new TextDecoder().decode(end < 0 ? data : data.subarray(0, end));
}

function bootText(sector: Uint8Array): string {
  let text = "";
  for (let i = 0; i < RECORDS; i += 1) {
    const { kind, flags, time, crc, base, length, fileTime, data } = entryOf(sector, i);
    if (kind !== Kind.XBOOT) continue;
    const state = flags & ENABLED ? "ENABLED " : "DISABLED";
    const place = `Base 0x${base.toString(16).padStart(6, "0")}, Length ${String(length).padStart(8)}, CRC 0x${hex8(crc)}`;
    text += `S${i - XBOOT_RECORD}   ${state}  Chips ${CHIP_NAMES[flags & 7]}, ${place}\n`;
    text += `     File      ${nameOf(data)}\n     Written   ${longTime(time)}\n     ModTime   ${longTime(fileTime)}\n`;
  }
  return text;
}

export const SECTOR: CommandTable<BmpcSession> = {
  bmp_ip: settings(0, Kind.BMP_IP, "the BMP"),
  spin_ip: settings(1, Kind.SPIN_IP, "the board"),
  xreg: {
    usage: "[clr | (<fpga_list> <addr.X> <data.X>)*]",
    purpose: "Show, clear or set registers that are written when the FPGAs are loaded",
    parse(words) {
      if (words.left === 0) {
        return async (session) => {
          const sector = await readSector(session);
          for (let i = 0; i < RECORDS; i += 1) {
            const { kind, size, data } = entryOf(sector, i);
            if (kind !== Kind.XREG) continue;
            const pairs = wordsOf(data);
            for (let n = 0; n < Math.min(size, XREG_MOST); n += 1) {
              const address = pairs[2 * n]!;
              session.out(`${FPGA_NAMES[address & 3]} ${hex8(address & ~3)} ${hex8(pairs[2 * n + 1]!)}\n`);
            }
          }
        };
      }
      const pairs: number[] = [];
      if (words.left === 1) words.choice("action", ["clr"]);
      while (words.left > 0) {
        const fpga = parseFpgas(words);
        const address = words.hex("address");
        if (address % 4 !== 0) throw words.wrong(`address ${hex8(address)} is no multiple of 4`);
        pairs.push((address | fpga) >>> 0, words.hex("data"));
        if (pairs.length > 2 * XREG_MOST) throw words.wrong(`more than ${XREG_MOST} registers`);
      }
      return async (session) => {
        const data = new Uint8Array(RECORD - RECORD_HEAD).fill(255);
        data.set(bytesOf(pairs));
        session.out("Updating Flash Data sector\n");
        await patchSector(session, RECORD * XREG_RECORD, entryBytes(Kind.XREG, pairs.length / 2, 0, [0, 0, 0, 0, 0, 0, 0], data));
      };
    },
  },
  xslot: {
    usage: "<slot.D> on|off [<chipmask.D>]",
    purpose: "Let a bit file be loaded at power-on, or not",
    parse(words) {
      const slot = words.decimal("slot", 0, SLOTS - 1);
      const on = words.choice("state", ["on", "off"]) === "on";
      const mask = words.left === 0 ? undefined : words.decimal("chipmask", 1, 7);
      return async (session) => {
        const at = RECORD * (XBOOT_RECORD + slot);
        const { kind, flags } = entryOf(await readSector(session), XBOOT_RECORD + slot);
        if (kind !== Kind.XBOOT)
          throw new SpinnError("ERR_SPINN_STATE", `slot ${slot} holds no bit file`, { hint: "xboot puts one there" });
        const switched = (on ? flags | ENABLED : flags & ~ENABLED) & ~(mask === undefined ? 0 : 7);
        const now = switched | (mask ?? 0);
        await patchSector(session, at + 2, Uint8Array.of(now & 255, now >> 8));
      };
    },
  },
  xboot: {
    usage: "[<file.F> [<slot.D> [<chipmask.D>]]]",
    purpose: "Show the bit files of the FPGAs, or put one into the serial flash",
    parse(words) {
      if (words.left === 0) return async (session) => session.out(bootText(await readSector(session)));
      const file = words.text("file");
      const slot = words.left === 0 ? 0 : words.decimal("slot", 0, SLOTS - 1);
      const mask = words.left === 0 ? 7 : words.decimal("chipmask", 1, 7);
      return async (session) => {
        const bytes = await readInputFile(file, "bit file");
        if (bytes.length === 0 || bytes.length > BIT_FILE_BYTES) throw words.wrong(`${file} has ${bytes.length} bytes, no bit file has`);
        const base = BIT_FILES + slot * BIT_FILE_BYTES;
        const crc = crc32(bytes);
        await session.mayRuin(`this replaces the bit file in slot ${slot} of ${session.host} for good`);
        session.out(`Copying to Serial Flash at 0x${base.toString(16)}\n`);
        session.job.leftBehind = `slot ${slot} holds a part of ${file}: run it again before the board is switched off`;
        await serialFlash(session).write(base, bytes);
        session.out(`Sent ${bytes.length} bytes\nChecking Serial Flash CRC - 0x${hex8(crc)}\n`);
        const found = await (await session.bmp()).serialFlashCrc(session.board, base, bytes.length, session.calls);
        if (found !== crc) {
          throw new SpinnError("ERR_SPINN_VERIFY", `the serial flash has the CRC 0x${hex8(found)} after it was written`, {
            hint: "run it again before the board is switched off",
          });
        }
        session.job.leftBehind = undefined;
        const { mtimeMs } = await stat(file);
        const name = new TextEncoder().encode(file).subarray(0, NAME_BYTES);
        const times = [Math.floor(Date.now() / 1000), crc, base, bytes.length, Math.floor(mtimeMs / 1000), 0xffffffff, 0xffffffff];
        const data = new Uint8Array(RECORD - RECORD_HEAD);
        data.set(name);
        session.out("Updating Flash Data sector\n");
        await patchSector(session, RECORD * (XBOOT_RECORD + slot), entryBytes(Kind.XBOOT, name.length, ENABLED | mask, times, data));
      };
    },
  },
  board_info: {
    usage: "<file.F>",
    purpose: "Write the list of the board's dead parts into both flash memories",
    parse(words) {
      const file = words.text("file");
      return async (session) => {
        const text = new TextDecoder().decode(await readInputFile(file, "list of dead parts"));
        const info = new Uint8Array(BOARD_INFO_BYTES).fill(255);
        info.set(bytesOf(parseBoardInfo(text, file, BOARD_INFO_BYTES / 4 - 1)));
        session.out("# Updating BMP Flash\n");
        await patchSector(session, BOARD_INFO, info);
        session.out("# Updating Serial Flash\n");
        const start = await serialFlash(session).read(0, BOARD_INFO_BYTES);
        const both = new Uint8Array(2 * BOARD_INFO_BYTES);
        both.set(start);
        both.set(info, BOARD_INFO_BYTES);
        await rewriteStart(session, both);
      };
    },
  },
};
