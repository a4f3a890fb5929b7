import { readInputFile, writeOutputFile } from "../file.js";
import { type CommandTable, hex8, type ShellCommand } from "./command.js";
import { dumpText, pack, SHOWN, unpack, WIDTHS, type Width } from "./dump.js";
import type { ShellSession } from "./session.js";
import type { Words } from "./words.js";

/** The memory that the commands mean. */
export interface MemoryAccess<S extends ShellSession> {
  /** Throws for what is no memory. */
  check(address: number, length: number): void;
  read(session: S, address: number, length: number): Promise<Uint8Array>;
  write(session: S, address: number, bytes: Uint8Array): Promise<void>;
  fill(session: S, address: number, length: number, word: number): Promise<void>;
  /** Half-words on a line of `smemh`. Default 8, as ybug has it. */
  readonly halvesPerLine?: number;
}

/** The commands that show, write, load, save and fill memory. */
export function memoryCommands<S extends ShellSession>({ check, read, write, fill, halvesPerLine = 8 }: MemoryAccess<S>): CommandTable<S> {
  /** An address that `size` divides, with so many bytes of memory behind it. */
  const address = (words: Words, what: string, size: number, length = size): number => {
    const at = words.hex(what);
    if (at % size !== 0) throw words.wrong(`${what} ${hex8(at)} is no multiple of ${size}`);
    check(at, length);
    return at;
  };
  const show = (width: Width): ShellCommand<S> => ({
    usage: "<addr.X>",
    purpose: `Show ${SHOWN} bytes of memory as ${width.name}`,
    parse(words) {
      const at = address(words, "address", width.size, SHOWN);
      return async (session) => {
        const perLine = width === WIDTHS.h ? halvesPerLine : width.perLine;
        session.out(dumpText(at, await read(session, at, SHOWN), width, perLine));
      };
    },
  });

  const one = (width: Width): ShellCommand<S> => ({
    usage: "<addr.X> [<data.X>]",
    purpose: `Read or write one ${width.word} of memory`,
    parse(words) {
      const { size } = width;
      const at = address(words, "address", size);
      const data = words.left === 0 ? undefined : words.hex("data", 256 ** size - 1);
      return async (session) => {
        if (data !== undefined) return await write(session, at, pack(data, size));
        const [value] = unpack(await read(session, at, size), size);
        session.out(`${hex8(at)} = ${value!.toString(16).padStart(2 * size, "0")}\n`);
      };
    },
  });

  return {
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
          check(at, bytes.length);
          await write(session, at, bytes);
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
        check(at, length);
        return async (session) => {
          await writeOutputFile(file, () => read(session, at, length));
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
        check(from, to - from);
        return async (session) => {
          await fill(session, from, to - from, word);
        };
      },
    },
  };
}
