import { SpinnError } from "../../errors.js";
import { ByteReader } from "./byte-reader.js";
import { type FrameRule, FrameTable } from "./frame-table.js";
import { LineTable, type SourceLine } from "./line-table.js";

/** A function of the program: a name and the addresses it covers. */
export interface ElfFunction {
  readonly name: string;
  /** Address of its first instruction, without the Thumb bit. */
  readonly address: number;
  /** Its own size, or the way to the next one where an assembler file says none. */
  readonly sizeBytes: number;
}

/** What the bytes at an address are. Source: ELF for the Arm Architecture (IHI 0044), mapping symbols. */
export type CodeKind = "arm" | "thumb" | "data";

interface Section {
  readonly name: string;
  readonly type: number;
  readonly isCode: boolean;
  readonly address: number;
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
  readonly link: number;
}

interface Symbol32 {
  readonly name: string;
  readonly value: number;
  readonly sizeBytes: number;
  readonly isFunction: boolean;
  readonly isGlobal: boolean;
  readonly isInCode: boolean;
}

const MAGIC = 0x464c_457f;
const MACHINE_ARM = 40;
const TYPE_SYMBOLS = 2;
const TYPE_EMPTY = 8;
const FLAG_ALLOCATED = 2;
const FLAG_CODE = 4;

/**
 * The ELF file an application was linked to, as far as a debugger needs it: functions, what is ARM, Thumb and data, source lines, and how to find
 * a caller. Every offset and length in it is checked against the file before it is followed.
 */
export class ElfFile {
  /** In the order of their addresses, without overlap. */
  readonly functions: readonly ElfFunction[];
  readonly #sections: readonly Section[];
  readonly #kinds: readonly { readonly address: number; readonly kind: CodeKind }[];
  readonly #lines: LineTable;
  readonly #frames: FrameTable;

  private constructor(sections: readonly Section[], symbols: readonly Symbol32[], lines: LineTable, frames: FrameTable) {
    this.#sections = sections;
    this.functions = functionsOf(sections, symbols);
    this.#kinds = symbols
      .filter(({ name, isInCode }) => isInCode && /^\$[atd](\.|$)/.test(name))
      .map(({ name, value }) => ({ address: value, kind: name[1] === "a" ? "arm" : name[1] === "t" ? "thumb" : "data" }) as const)
      .sort((a, b) => a.address - b.address);
    this.#lines = lines;
    this.#frames = frames;
  }

  /**
   * Reads a 32-bit little-endian ELF file for ARM. `what` names it in errors. Throws `ERR_SPINN_FILE` for anything else, and for one that was
   * stripped of its symbols.
   */
  static read(bytes: Uint8Array, what = "the ELF file"): ElfFile {
    const head = new ByteReader(bytes, what);
    if (bytes.length < 52 || head.u32() !== MAGIC)
      throw unfit(`${what} is no ELF file`, "give the .elf file from which the .aplx was made");
    const [classOf, order] = [head.u8(), head.u8()];
    head.at = 18;
    const machine = head.u16();
    if (classOf !== 1 || order !== 1 || machine !== MACHINE_ARM)
      throw unfit(
        `${what} is for another processor (machine ${machine}, class ${classOf})`,
        "SpiNNaker's cores are 32-bit ARM, little-endian",
      );
    const sections = readSections(bytes, what);
    const symbols = readSymbols(sections, what);
    if (!symbols.some(({ isInCode }) => isInCode)) throw unfit(`${what} has no symbols`, "it was stripped: give the one the linker wrote");
    const find = (name: string): Uint8Array | undefined => sections.find((section) => section.name === name)?.bytes;
    const lines = LineTable.read(find(".debug_line"), find(".debug_line_str"), find(".debug_str"), `${what}, section .debug_line,`);
    return new ElfFile(sections, symbols, lines, FrameTable.read(find(".debug_frame"), `${what}, section .debug_frame,`));
  }

  /** The function an address lies in. */
  functionAt(address: number): ElfFunction | undefined {
    const { functions } = this;
    const found = functions[lastAtOrBefore(functions, address)];
    return found !== undefined && address < found.address + found.sizeBytes ? found : undefined;
  }

  functionNamed(name: string): ElfFunction | undefined {
    return this.functions.find((candidate) => candidate.name === name);
  }

  /** Is the address within a section of code? */
  isCode(address: number): boolean {
    return this.#sections.some((section) => section.isCode && address >= section.address && address < section.address + section.sizeBytes);
  }

  /** Without mapping symbols all code counts as ARM. */
  kindAt(address: number): CodeKind {
    return this.#kinds[lastAtOrBefore(this.#kinds, address)]?.kind ?? "arm";
  }

  /** The source line of the instruction at an address, where the file was compiled with -g. */
  lineAt(address: number): SourceLine | undefined {
    return this.#lines.at(address);
  }

  /** Where code of the file begins a source line: address and line, in the order of addresses. */
  get lines(): LineTable {
    return this.#lines;
  }

  /** How to find the caller of the function at an address, where the file was compiled with -g. */
  frameAt(address: number): FrameRule | undefined {
    return this.#frames.at(address);
  }

  /** How many of the file's code bytes are not those of `memory` (a core's ITCM, from address 0): 0 for the program the core runs. */
  differences(memory: Uint8Array): number {
    let count = 0;
    for (const { isCode, address, bytes } of this.#sections) {
      // The vectors and their data are written while a program runs.
      if (isCode) for (let at = Math.max(0, 0x80 - address); at < bytes.length; at++) if (bytes[at] !== memory[address + at]) count++;
    }
    return count;
  }
}

function unfit(message: string, hint: string): SpinnError {
  return new SpinnError("ERR_SPINN_FILE", message, { hint });
}

function readSections(bytes: Uint8Array, what: string): Section[] {
  const head = new ByteReader(bytes, what, 32);
  const table = head.u32();
  head.at = 46;
  const [entrySize, count, names] = [head.u16(), head.u16(), head.u16()];
  if (entrySize < 40) throw head.wrong("a section table of another shape");
  const raw = Array.from({ length: count }, (_, index) => {
    const reader = new ByteReader(bytes, what, table + index * entrySize);
    const [name, type, flags, address, offset, sizeBytes, link] = Array.from({ length: 7 }, () => reader.u32()) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const isEmpty = type === TYPE_EMPTY || type === 0;
    if (!isEmpty && offset + sizeBytes > bytes.length) throw reader.wrong(`section ${index} reaches past its end`);
    const content = isEmpty ? new Uint8Array() : bytes.subarray(offset, offset + sizeBytes);
    return { name, type, isCode: (flags & FLAG_CODE) !== 0 && (flags & FLAG_ALLOCATED) !== 0, address, sizeBytes, bytes: content, link };
  });
  const texts = raw[names]?.bytes ?? new Uint8Array();
  return raw.map((section) => ({ ...section, name: textAt(texts, section.name) }));
}

function readSymbols(sections: readonly Section[], what: string): Symbol32[] {
  const table = sections.find(({ type }) => type === TYPE_SYMBOLS);
  if (table === undefined) return [];
  const texts = sections[table.link]?.bytes ?? new Uint8Array();
  const symbols: Symbol32[] = [];
  for (const reader = new ByteReader(table.bytes, `${what}, section .symtab,`); reader.end - reader.at >= 16; ) {
    const [name, value, sizeBytes, info, , section] = [reader.u32(), reader.u32(), reader.u32(), reader.u8(), reader.u8(), reader.u16()];
    const kind = info & 15;
    if (kind !== 0 && kind !== 2) continue;
    symbols.push({
      name: textAt(texts, name),
      value,
      sizeBytes,
      isFunction: kind === 2,
      isGlobal: info >> 4 !== 0,
      isInCode: sections[section]?.isCode ?? false,
    });
  }
  return symbols;
}

function textAt(texts: Uint8Array, at: number): string {
  const end = texts.indexOf(0, at);
  return at < texts.length ? new TextDecoder().decode(texts.subarray(at, end < 0 ? texts.length : end)) : "";
}

function functionsOf(sections: readonly Section[], symbols: readonly Symbol32[]): ElfFunction[] {
  const rank = ({ isFunction, isGlobal }: Symbol32): number => (isFunction ? 2 : 0) + (isGlobal ? 1 : 0);
  const byAddress = new Map<number, Symbol32>();
  for (const symbol of symbols) {
    if (!symbol.isInCode || symbol.name === "" || symbol.name.startsWith("$")) continue;
    const address = symbol.value & ~1;
    const other = byAddress.get(address);
    if (other === undefined || rank(symbol) > rank(other)) byAddress.set(address, symbol);
  }
  const sorted: [number, Symbol32][] = [];
  for (const entry of [...byAddress].sort(([a], [b]) => a - b)) {
    // A label of an assembler file within a function is no function of its own.
    const [start, before] = sorted.at(-1) ?? [0, undefined];
    const isWithin = before?.isFunction === true && (before.sizeBytes === 0 || entry[0] < start + before.sizeBytes);
    if (rank(entry[1]) > 0 || !isWithin) sorted.push(entry);
  }
  return sorted.map(([address, { name, sizeBytes }], index) => {
    const section = sections.find((one) => one.isCode && address >= one.address && address < one.address + one.sizeBytes);
    const room = Math.max(0, Math.min(sorted[index + 1]?.[0] ?? Infinity, (section?.address ?? 0) + (section?.sizeBytes ?? 0)) - address);
    return { name, address, sizeBytes: sizeBytes === 0 ? room : Math.min(sizeBytes, room) };
  });
}

/** Index of the last entry whose address is not beyond `address`, -1 for none. */
export function lastAtOrBefore(sorted: readonly { readonly address: number }[], address: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.address <= address) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
