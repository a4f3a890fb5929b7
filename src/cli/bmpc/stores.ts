import { SpinnError } from "../../errors.js";
import { Command, SCP_MAX_DATA } from "../../wire/index.js";
import { readInputFile } from "../file.js";
import { type LastingMemory, rewrite } from "../shell/backup.js";
import { longTime } from "../shell/clock.js";
import type { CommandTable } from "../shell/command.js";
import { SHOWN } from "../shell/dump.js";
import { bootBlock, ipText, parseIpBlock, readIpBlock, swapWords } from "../shell/ip-block.js";
import { type LastingPlace, showing, writing } from "../shell/lasting-commands.js";
import { wordsOf } from "./bits.js";
import { parseEepromFile } from "./eeprom-file.js";
import type { BmpcSession } from "./session.js";

const WRITE = 1;
const EEPROM_BYTES = 0x4000;
const SERIAL_FLASH_BYTES = 0x800000;
const FLASH_SECTOR = 0x1000;
/** Erasing a sector of the serial flash takes up to 0.4 s. */
const SECTOR_MS = 1000;
const SETTINGS = 8;
const SETTINGS_BYTES = 32;

/** A memory of the board that is written 256 bytes at a time. */
function store(session: BmpcSession, name: string, command: number): LastingMemory {
  return {
    name,
    async read(address, length) {
      const bmp = await session.bmp();
      const read = command === Command.BMP_SF ? bmp.readSerialFlash : bmp.readEeprom;
      return await read.call(bmp, session.board, address, length, session.calls);
    },
    async write(address, bytes) {
      for (let at = 0; at < bytes.length; at += SCP_MAX_DATA) {
        const data = bytes.subarray(at, at + SCP_MAX_DATA);
        await session.raw({ command, arg1: address + at, arg2: data.length, arg3: WRITE, data, slowMs: SECTOR_MS });
        session.calls.onProgress({ what: name, done: at + data.length, total: bytes.length, unit: "bytes" });
      }
    },
  };
}

/** The serial flash: boot block of the chips, dead parts, bit files of the FPGAs. */
export const serialFlash = (session: BmpcSession): LastingMemory => store(session, "serial flash", Command.BMP_SF);
/** The EEPROM on the backplane of a frame. */
const eeprom = (session: BmpcSession): LastingMemory => store(session, "frame EEPROM", Command.BMP_EE);

const EEPROM: LastingPlace<BmpcSession> = { what: "frame's EEPROM", sizeBytes: EEPROM_BYTES, multipleOf: 16, memoryOf: eeprom };
const SERIAL_FLASH: LastingPlace<BmpcSession> = {
  what: "serial flash",
  sizeBytes: SERIAL_FLASH_BYTES,
  multipleOf: FLASH_SECTOR,
  memoryOf: serialFlash,
};

async function eepromText(session: BmpcSession): Promise<string> {
  const bytes = await eeprom(session).read(0, SHOWN);
  const [type, software, hardware, frame] = bytes as unknown as [number, number, number, number];
  const four = (at: number, factor = 1): string =>
    [...bytes.subarray(at, at + 4)].map((value) => String(value * factor).padEnd(4)).join(" ");
  const hex2 = (at: number): string => `0x${bytes[at]!.toString(16).padStart(2, "0")}`;
  return `
Type:       0x${type.toString(16).padStart(2, "0")}
Written:    ${longTime(wordsOf(bytes)[1]!)}
SW ver:     ${software}
HW ver:     ${hardware}
Frame ID:   ${frame}
GW addr:    ${bytes.subarray(8, 12).join(".")}
Flags:      ${hex2(12)}
Mask bits:  ${bytes[13]}
MAC byte:   ${hex2(14)}
LCD time:   ${bytes[15]}
Fan:        ${four(48, 16)}
            ${four(52, 16)}
T_int:      ${four(32)}
            ${four(36)}
T_ext:      ${four(40)}
            ${four(44)}

`;
}

export const STORES: CommandTable<BmpcSession> = {
  ee_read: showing(EEPROM),
  ee_write: writing(EEPROM),
  ee_data: {
    usage: "[<file.F>]",
    purpose: "Show what the frame's EEPROM says, or make it from a file",
    parse(words) {
      const file = words.optional();
      if (file === undefined) return async (session) => session.out(await eepromText(session));
      return async (session) => {
        const text = new TextDecoder().decode(await readInputFile(file, "description of the EEPROM"));
        await rewrite(session, eeprom(session), 0, parseEepromFile(text, file, SHOWN));
      };
    },
  },
  sf_read: showing(SERIAL_FLASH),
  sf_write: writing(SERIAL_FLASH, { after: (bytes) => `Sent ${bytes.length} bytes\n` }),
  sf_ip: {
    usage: "[* | <Flag.X> <MAC.M> <ip_addr.P> <gw_addr.P> <net_mask.P> <port.D>]",
    purpose: "Show or write the network settings of the chips' boot block",
    parse(words) {
      if (words.left <= 1) {
        const long = words.left === 0 || words.choice("form", ["*"]) === undefined;
        return async (session) => {
          const bytes = await serialFlash(session).read(SETTINGS, SETTINGS_BYTES);
          session.out(ipText(readIpBlock(swapWords(bytes)), long));
        };
      }
      const block = bootBlock(parseIpBlock(words));
      return async (session) => {
        session.out("Writing data\n");
        await rewriteStart(session, block);
        session.out("Reading data\nLooks OK!\n");
      };
    },
  },
};

/** Writes the beginning of the serial flash. Its sector is erased with it: what lies behind, up to the dead parts' end, is written again. */
export async function rewriteStart(session: BmpcSession, bytes: Uint8Array): Promise<void> {
  const flash = serialFlash(session);
  const whole = await flash.read(0, 2 * SCP_MAX_DATA);
  if (bytes.length > whole.length) throw new SpinnError("ERR_SPINN_ARGUMENT", `${bytes.length} bytes do not fit into the boot block`);
  whole.set(bytes);
  await rewrite(session, flash, 0, whole);
}
