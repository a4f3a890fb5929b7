import { checkAddressRange, type Link } from "../../machine/index.js";
import { readInputFile, writeOutputFile } from "../file.js";
import { type CommandTable, hex8, type YbugCommand } from "./command.js";
import type { Words } from "./words.js";

/** Bytes that the memory dumps show. */
const SHOWN = 256;

const WIDTHS = {
  b: { size: 1, name: "bytes", word: "byte", perLine: 16 },
  h: { size: 2, name: "half-words", word: "half-word", perLine: 8 },
  w: { size: 4, name: "words", word: "word", perLine: 8 },
} as const;

type Width = (typeof WIDTHS)[keyof typeof WIDTHS];

/** An address that `size` divides, with so many bytes of memory behind it. */
function address(words: Words, what: string, size: number, length = size): number {
  const at = words.hex(what);
  if (at % size !== 0) throw words.wrong(`${what} ${hex8(at)} is no multiple of ${size}`);
  checkAddressRange(at, length);
  return at;
}

/** Lines of 8 words, 8 half-words or 16 bytes; bytes with their characters. */
export function dumpText(at: number, bytes: Uint8Array, width: Width): string {
  const values = unpack(bytes, width.size);
  let text = "";
  for (let i = 0; i < values.length; i += width.perLine) {
    const line = values.slice(i, i + width.perLine).map((value) => ` ${value.toString(16).padStart(2 * width.size, "0")}`);
    text += `${hex8(at + i * width.size)} ${line.join("")}${width.size === 1 ? `  ${letters(bytes.subarray(i, i + 16))}` : ""}\n`;
  }
  return text;
}

export const dumpWords = (at: number, bytes: Uint8Array): string => dumpText(at, bytes, WIDTHS.w);
export const dumpBytes = (at: number, bytes: Uint8Array): string => dumpText(at, bytes, WIDTHS.b);

function letters(bytes: Uint8Array): string {
  return [...bytes].map((byte) => (byte < 32 || byte > 126 ? "." : String.fromCharCode(byte))).join("");
}

/** Little-endian numbers of 1, 2 or 4 bytes. */
function unpack(bytes: Uint8Array, size: 1 | 2 | 4): number[] {
  const values: number[] = [];
  for (let at = 0; at + size <= bytes.length; at += size) {
    let value = 0;
    for (let i = size - 1; i >= 0; i -= 1) value = value * 256 + bytes[at + i]!;
    values.push(value);
  }
  return values;
}

function pack(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => value >>> (8 * i));
}

const show = (width: Width): YbugCommand => ({
  usage: "<addr.X>",
  purpose: `Show ${SHOWN} bytes of memory as ${width.name}`,
  parse(words) {
    const at = address(words, "address", width.size, SHOWN);
    return async (session) => {
      const board = await session.board();
      session.out(dumpText(at, await board.readMemory(await session.core(), at, SHOWN, session.calls), width));
    };
  },
});

const one = (width: Width): YbugCommand => ({
  usage: "<addr.X> [<data.X>]",
  purpose: `Read or write one ${width.word} of memory`,
  parse(words) {
    const { size } = width;
    const at = address(words, "address", size);
    const data = words.left === 0 ? undefined : words.hex("data", 256 ** size - 1);
    return async (session) => {
      const board = await session.board();
      const core = await session.core();
      if (data !== undefined) return await board.writeMemory(core, at, pack(data, size), session.calls);
      const [value] = unpack(await board.readMemory(core, at, size, session.calls), size);
      session.out(`${hex8(at)} = ${value!.toString(16).padStart(2 * size, "0")}\n`);
    };
  },
});

export const MEMORY: CommandTable = {
  smemb: show(WIDTHS.b),
  smemh: show(WIDTHS.h),
  smemw: show(WIDTHS.w),
  sb: one(WIDTHS.b),
  sh: one(WIDTHS.h),
  sw: one(WIDTHS.w),
  sload: {
    usage: "<file.F> <addr.X>",
    purpose: "Load a file into memory",
    parse(words) {
      const file = words.text("file");
      const at = address(words, "address", 1);
      return async (session) => {
        const bytes = await readInputFile(file, "file to load");
        checkAddressRange(at, bytes.length);
        await (await session.board()).writeMemory(await session.core(), at, bytes, session.calls);
      };
    },
  },
  sdump: {
    usage: "<file.F> <addr.X> <len.X>",
    purpose: "Save memory in a file",
    parse(words) {
      const file = words.text("file");
      const at = words.hex("address");
      const length = words.hex("length");
      checkAddressRange(at, length);
      return async (session) => {
        const board = await session.board();
        const core = await session.core();
        await writeOutputFile(file, () => board.readMemory(core, at, length, session.calls));
      };
    },
  },
  sfill: {
    usage: "<from_addr.X> <to_addr.X> <word.X>",
    purpose: "Fill memory, up to but not with to_addr, with a word",
    parse(words) {
      const from = address(words, "from_addr", 4);
      const to = words.hex("to_addr");
      const word = words.hex("word");
      if (to < from || to % 4 !== 0) throw words.wrong(`to_addr ${hex8(to)} must be a multiple of 4, and not below ${hex8(from)}`);
      checkAddressRange(from, to - from);
      return async (session) => {
        await (await session.board()).fillMemory(await session.core(), from, to - from, word, session.calls);
      };
    },
  },
  lw: {
    usage: "<link.X> <addr.X> [<data.X>]",
    purpose: "Read or write one word of the neighbour over a link",
    parse(words) {
      const link = words.hex("link", 5) as Link;
      const at = address(words, "address", 4);
      const data = words.left === 0 ? undefined : words.hex("data");
      return async (session) => {
        const board = await session.board();
        const chip = await session.chip();
        if (data !== undefined) return await board.writeLinkMemory(chip, link, at, pack(data, 4), session.calls);
        const [value] = unpack(await board.readLinkMemory(chip, link, at, 4, session.calls), 4);
        session.out(`${hex8(at)} = ${hex8(value!)}\n`);
      };
    },
  },
  lmemw: {
    usage: "<link.D> <addr.X>",
    purpose: `Show ${SHOWN} bytes of the neighbour's memory as words`,
    parse(words) {
      const link = words.decimal("link", 0, 5) as Link;
      const at = address(words, "address", 4, SHOWN);
      return async (session) => {
        const board = await session.board();
        session.out(dumpWords(at, await board.readLinkMemory(await session.chip(), link, at, SHOWN, session.calls)));
      };
    },
  },
};
