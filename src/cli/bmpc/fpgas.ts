import { setTimeout as sleep } from "node:timers/promises";
import { Command, SCP_MAX_DATA } from "../../wire/index.js";
import { readInputFile } from "../file.js";
import { type CommandTable, hex8 } from "../shell/command.js";
import { dumpWords, SHOWN } from "../shell/dump.js";
import type { Words } from "../shell/words.js";
import { bytesOf, parseBits, wordsOf } from "./bits.js";
import type { BmpcSession } from "./session.js";

const GLOBAL_BANK = 0x40000;
const GLOBAL_REGISTERS = "VERS FLAG PKEY PMSK SCRM SLEN LEDO RXEQ TXDS TXPE".split(" ");
type Form = "x8" | "x4" | "u" | "b8" | "b1";
/** Registers of each of the three links of an FPGA, and how bmpc shows them. Source: spio `spinnaker_fpgas`. */
const LINK_REGISTERS: readonly (readonly [name: string, form: Form])[] = [
  ["VERS", "x8"],
  ...["CRCE", "FRME", "BUSY", "LNAK", "RNAK", "LACK", "RACK", "LOOC", "ROOC", "CRDT", "SFRM", "TFRM", "DFRM", "RFRM"].map(
    (name) => [name, "u"] as const,
  ),
  ["EMPT", "b8"],
  ["FULL", "b8"],
  ["CFCL", "b8"],
  ["CFCR", "b8"],
  ["IDSO", "x4"],
  ["IDSI", "x4"],
  ["HAND", "b8"],
  ["RECO", "u"],
  ["STOP", "b1"],
];
const LINK_NAMES = ["East", "South", "Periph-0", "SouthWest", "West", "Periph-1", "North", "NorthEast", "Periph-2"];
const BANK = 0x10000;
const REGISTERS_AT_ONCE = 64;

/** Port 1 of the microcontroller, on which bit 14 is the reset line of the FPGAs. Source: bmpc. */
const PORT = 0x2009c034;
const RESET_LINE = 14;
const RESET_CODES = { low: 0, high: 1, pulse: 2 } as const;
const XilinxOperation = { LOAD: 0, INIT: 1, RESET: 2 } as const;
const CLEAR_MS = 1000;

function formed(value: number, form: Form): string {
  if (form === "u") return String(value);
  if (form === "x8" || form === "x4") return `0x${value.toString(16).padStart(form === "x8" ? 8 : 4, "0")}`;
  return form === "b8" ? `0b${value.toString(2).padStart(8, "0")}` : value.toString(2);
}

/** Number of an FPGA and an address of a register in it. */
function register(words: Words): readonly [fpga: number, address: number] {
  const fpga = words.decimal("FPGA", 0, 2);
  const address = words.hex("address", 0xfffff);
  if (address % 4 !== 0) throw words.wrong(`address ${hex8(address)} is no multiple of 4`);
  return [fpga, address];
}

export const FPGAS: CommandTable<BmpcSession> = {
  freg: {
    usage: "<fpga.D> <addr.X> [<data.X>]",
    purpose: "Read or write a register of an FPGA",
    parse(words) {
      const [fpga, address] = register(words);
      const data = words.left === 0 ? undefined : words.hex("data");
      return async (session) => {
        const bmp = await session.bmp();
        if (data !== undefined) return await bmp.writeFpga(session.board, fpga, address, [data], session.calls);
        const [value] = await bmp.readFpga(session.board, fpga, address, 1, session.calls);
        session.out(`${hex8(address)} = ${hex8(value!)}\n`);
      };
    },
  },
  fdump: {
    usage: "<fpga.D> <addr.X>",
    purpose: `Show ${SHOWN} bytes of registers of an FPGA`,
    parse(words) {
      const [fpga, address] = register(words);
      return async (session) => {
        const values = await (await session.bmp()).readFpga(session.board, fpga, address, REGISTERS_AT_ONCE, session.calls);
        session.out(dumpWords(address, bytesOf(values)));
      };
    },
  },
  fstat: {
    usage: "<fpga.D>",
    purpose: "Show the registers of an FPGA by name",
    parse(words) {
      const fpga = words.decimal("FPGA", 0, 2);
      return async (session) => {
        const bmp = await session.bmp();
        const common = await bmp.readFpga(session.board, fpga, GLOBAL_BANK, GLOBAL_REGISTERS.length, session.calls);
        const banks: number[][] = [];
        for (const bank of [0, 1, 2]) {
          banks.push(await bmp.readFpga(session.board, fpga, BANK * bank, LINK_REGISTERS.length, session.calls));
        }
        const line = (name: string, cells: readonly string[]): string =>
          `${name.padEnd(8)} ${cells.map((cell) => cell.padStart(10)).join("  ")}\n`;
        session.out(line("Register", ["Global"]) + line("--------", ["------"]));
        for (const [i, name] of GLOBAL_REGISTERS.entries()) session.out(line(name, [formed(common[i]!, name === "FLAG" ? "b8" : "x8")]));
        const links = LINK_NAMES.slice(3 * fpga, 3 * fpga + 3);
        const rules = links.map((name) => "-".repeat(name.length));
        session.out(`\n${line("Register", links)}${line("--------", rules)}`);
        for (const [i, [name, form]] of LINK_REGISTERS.entries()) {
          const cells = banks.map((bank) => formed(bank[i]!, form));
          session.out(line(name, cells));
        }
      };
    },
  },
  xreset: {
    usage: "[low|high|pulse]",
    purpose: "Show or work the reset line of the FPGAs",
    parse(words) {
      const code = words.left === 0 ? undefined : RESET_CODES[words.choice("action", ["low", "high", "pulse"])];
      return async (session) => {
        if (code !== undefined) return void (await session.raw({ command: Command.XILINX, arg1: XilinxOperation.RESET, arg2: code }));
        const [pins] = wordsOf(await (await session.bmp()).readMemory(session.board, PORT, 4, session.calls));
        session.out(`xreset ${(pins! >>> RESET_LINE) & 1 ? "high" : "low"}\n`);
      };
    },
  },
  xload: {
    usage: "<file.F> [<chipmask.D>]",
    purpose: "Load a design into the FPGAs until the next power-on",
    parse(words) {
      const file = words.text("file");
      const mask = words.left === 0 ? 7 : words.decimal("chipmask", 1, 7);
      return async (session) => {
        const bytes = await readInputFile(file, "design");
        const startedAt = performance.now();
        session.job.leftBehind = "the FPGAs hold a part of a design: xload again, or switch the board off and on";
        await session.raw({ command: Command.XILINX, arg1: XilinxOperation.INIT, arg2: mask, slowMs: CLEAR_MS });
        for (let at = 0; at < bytes.length; at += SCP_MAX_DATA) {
          const data = bytes.subarray(at, at + SCP_MAX_DATA);
          await session.raw({ command: Command.XILINX, arg1: XilinxOperation.LOAD, arg2: data.length, data });
          session.calls.onProgress({ what: "load", done: at + data.length, total: bytes.length, unit: "bytes" });
        }
        await sleep(5, undefined, { signal: session.signal });
        await session.raw({ command: Command.XILINX, arg1: XilinxOperation.RESET, arg2: RESET_CODES.high });
        session.job.leftBehind = undefined;
        const seconds = (performance.now() - startedAt) / 1000;
        session.out(`Sent ${bytes.length} bytes (${Math.floor(bytes.length / seconds)} bytes/sec)\n`);
      };
    },
  },
};

/** FPGAs of a list as the preloads number them: one of them, or 3 for all three. Throws `ERR_SPINN_ARGUMENT`. */
export function parseFpgas(words: Words): number {
  const fpgas = parseBits(words, "FPGAs", 2);
  if (fpgas.length === 2) throw words.wrong("FPGAs: one of them can be meant, or all (0-2)");
  return fpgas.length === 3 ? 3 : fpgas[0]!;
}
