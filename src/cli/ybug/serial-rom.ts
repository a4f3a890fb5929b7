import { crc32 } from "node:zlib";
import { Command } from "../../wire/index.js";
import { writeOutputFile } from "../file.js";
import { type LastingMemory, rewrite, saveBackup } from "../shell/backup.js";
import { type CommandTable, hex8 } from "../shell/command.js";
import { bootBlock, ipText, parseIpBlock, parseOctets, readIpBlock, swapWords } from "../shell/ip-block.js";
import { type LastingPlace, showing, writing } from "../shell/lasting-commands.js";
import type { YbugSession } from "./session.js";

// The 25AA1024 of the boards: 128 KB, pages of 256 bytes. Source: spinnaker_tools `tools/SpiNN/Cmd.pm` (srom_write, srom_erase).
const ROM_BYTES = 0x20000;
const PAGE = 256;
const WRITE_PAGE = 0x1c0 | 32;
const WRITE_INSTRUCTION = 0x02000000;
const ERASE_ALL = 0xc8;
const ERASE_INSTRUCTION = 0xc7000000;
/** Programming a page takes 6 ms, erasing everything 10 ms; the monitor waits for it. */
const PAGE_MS = 100;
const ERASE_MS = 1000;
/** Where the network settings begin, and the IP address among them. */
const SETTINGS = 8;
const SETTINGS_BYTES = 32;
const IP_ADDRESS = 16;

const NAME = "serial ROM";

function romOf(session: YbugSession): LastingMemory {
  return {
    name: NAME,
    read: async (address, length) => (await session.board()).readSerialRom(await session.chip(), address, length, session.calls),
    async write(address, bytes) {
      for (let at = 0; at < bytes.length; ) {
        const size = Math.min(bytes.length - at, PAGE - ((address + at) % PAGE));
        const [arg1, arg2] = [(size << 16) | WRITE_PAGE, WRITE_INSTRUCTION | (address + at)];
        await session.raw({ command: Command.SROM, arg1, arg2, data: bytes.subarray(at, at + size), slowMs: PAGE_MS });
        at += size;
      }
    },
  };
}

async function settingsText(session: YbugSession, long: boolean): Promise<string> {
  const bytes = await romOf(session).read(SETTINGS, SETTINGS_BYTES);
  return ipText(readIpBlock(swapWords(bytes)), long);
}

function sumText(bytes: Uint8Array): string {
  return `Length ${bytes.length}, CRC32 0x${hex8(crc32(bytes))}\n`;
}

const ROM: LastingPlace<YbugSession> = { what: NAME, sizeBytes: ROM_BYTES, memoryOf: romOf };

export const SERIAL_ROM: CommandTable<YbugSession> = {
  srom_read: showing(ROM),
  srom_dump: {
    usage: "<file.F> <addr.X> <len.D>",
    purpose: "Save a part of the serial ROM in a file",
    parse(words) {
      const file = words.text("file");
      const at = words.hex("address", ROM_BYTES - 1);
      const length = words.decimal("length", 1, ROM_BYTES - at);
      return async (session) => {
        let bytes = new Uint8Array();
        await writeOutputFile(file, async () => {
          bytes = Uint8Array.from(await romOf(session).read(at, length));
          return bytes;
        });
        session.out(sumText(bytes));
      };
    },
  },
  srom_write: writing(ROM, { before: sumText }),
  srom_erase: {
    usage: "",
    purpose: "Erase the whole serial ROM",
    parse: () => async (session) => {
      await session.mayRuin(`this erases the ${NAME} of ${session.host}: the board forgets its address and its dead parts`);
      await saveBackup(session, NAME, await romOf(session).read(0, ROM_BYTES));
      await session.raw({ command: Command.SROM, arg1: ERASE_ALL, arg2: ERASE_INSTRUCTION, slowMs: ERASE_MS });
    },
  },
  srom_init: {
    usage: "[<Flag.X> <MAC.M> <ip_addr.P> <gw_addr.P> <net_mask.P> <port.D>]",
    purpose: "Show or write the network settings in the serial ROM",
    parse(words) {
      if (words.left === 0) return async (session) => session.out(await settingsText(session, false));
      const block = bootBlock(parseIpBlock(words));
      return async (session) => {
        await rewrite(session, romOf(session), 0, block);
        session.out(await settingsText(session, true));
      };
    },
  },
  srom_ip: {
    usage: "[<ip_addr.P> [<gw_addr.P> [<net_mask.P>]]]",
    purpose: "Show the network settings in the serial ROM, or change addresses",
    parse(words) {
      if (words.left === 0) return async (session) => session.out(await settingsText(session, true));
      const octets: number[] = [];
      for (const what of ["IP address", "gateway", "net mask"]) if (words.left > 0) octets.push(...parseOctets(words, what));
      const bytes = swapWords(Uint8Array.from(octets));
      return async (session) => {
        session.out(`Writing ${bytes.length} bytes at address ${IP_ADDRESS}\n`);
        await rewrite(session, romOf(session), IP_ADDRESS, bytes);
        session.out(`Checking...\n${await settingsText(session, true)}Looks OK!\n`);
      };
    },
  },
  srom_type: {
    usage: "[25aa1024]",
    purpose: "Show the type of the serial ROM: boards have but this one",
    parse(words) {
      if (words.left > 0) words.choice("type", ["25aa1024"]);
      return async (session) => session.out(`SROM type 25aa1024 (page ${PAGE}, addr 24)\n`);
    },
  },
};
