/** From a core's registers and memory to the calls that led there. */
import { hex32 } from "../../errors.js";
import { bitCount } from "../arm.js";
import { DTCM_BASE, DTCM_SIZE, ITCM_SIZE } from "../cpu.js";
import type { ElfFile } from "./elf-file.js";

/**
 * How a frame was found. `exact`: it is where the core stood, or follows from the compiler's frame information. `likely`: from the function's first
 * instructions, or a return address still in r14. `guess`: the nearest word on the stack that lies behind a call; frames may be missing, or left
 * over from earlier calls.
 */
export type FrameOrigin = "exact" | "likely" | "guess";

export interface StackFrame {
  /** Of the instruction the core is at, or of the call. Without the Thumb bit. */
  readonly address: number;
  /** Function, where the ELF file has one there. */
  readonly name: string | undefined;
  /** Bytes from its start to `address`. */
  readonly offset: number;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly origin: FrameOrigin;
}

/** The word at an address of the core's own memory; `undefined` elsewhere. */
export type WordReader = (address: number) => number | undefined;

const MAX_FRAMES = 64;
/** Words of stack that are looked through for a return address. */
const MAX_GUESS_WORDS = 512;
/** Instructions of a function that may set its frame up. */
const MAX_PROLOGUE = 24;

interface Registers {
  readonly r: number[];
  /** Address of the instruction. */
  pc: number;
}

interface Caller {
  readonly returnAddress: number;
  readonly origin: FrameOrigin;
}

/** `registers`: r0 to r15, r15 the address of the instruction itself; unsigned. Bounded to 64 frames, whatever the stack holds. */
export function backtrace(registers: readonly number[], thumb: boolean, word: WordReader, elf?: ElfFile): StackFrame[] {
  const at: Registers = { r: registers.slice(0, 15), pc: (registers[15]! & ~1) >>> 0 };
  const frames = [frame(at.pc, "exact", elf)];
  let isThumb = thumb;
  for (let depth = 0; frames.length < MAX_FRAMES; depth++) {
    const stack = at.r[13]!;
    const caller = depth === 0 && !isLoaded(at.pc, elf) ? fromLink(at, word) : findCaller(at, isThumb, depth === 0, word, elf);
    if (caller === undefined) break;
    const { returnAddress, origin } = caller;
    const next = (returnAddress & ~1) >>> 0;
    // Only the innermost function may have no frame of its own; otherwise the stack must shrink, or this would never end.
    if (!isLoaded(next, elf) || (depth > 0 && at.r[13]! <= stack)) break;
    at.pc = next;
    isThumb = (returnAddress & 1) !== 0;
    const call = next - (isThumb ? 2 : 4);
    const worst = frames.at(-1)!.origin;
    frames.push(frame(call, worst === "guess" || origin === "guess" ? "guess" : worst === "likely" ? "likely" : origin, elf));
  }
  return frames;
}

/** A frame in one line: `0x00000124 app_main+0x24, faulty.c:9`. */
export function frameText({ address, name, offset, file, line, origin }: StackFrame): string {
  const where = name === undefined ? "no function" : `${name}+0x${offset.toString(16)}`;
  const source = file === undefined ? "" : `, ${file}:${line}`;
  return `${hex32(address)} ${where}${source}${origin === "exact" ? "" : ` (${origin})`}`;
}

function frame(address: number, origin: FrameOrigin, elf: ElfFile | undefined): StackFrame {
  const found = elf?.functionAt(address);
  const source = elf?.lineAt(address);
  return {
    address,
    name: found?.name,
    offset: found === undefined ? 0 : address - found.address,
    file: source?.file,
    line: source?.line,
    origin,
  };
}

function isLoaded(address: number, elf: ElfFile | undefined): boolean {
  return elf === undefined ? address < ITCM_SIZE : elf.isCode(address);
}

/** The core jumped to where no code is: the call left its return address in r14. */
function fromLink(at: Registers, word: WordReader): Caller | undefined {
  const link = at.r[14]!;
  return isBehindCall(link, word) ? { returnAddress: link, origin: "likely" } : guess(at, word);
}

function findCaller(at: Registers, thumb: boolean, innermost: boolean, word: WordReader, elf: ElfFile | undefined): Caller | undefined {
  const lookUp = innermost ? at.pc : at.pc - 1;
  const rule = elf?.frameAt(lookUp);
  if (rule !== undefined) {
    const cfa = (at.r[rule.cfaRegister]! + rule.cfaOffset) >>> 0;
    let returnAddress = at.r[rule.returnRegister] ?? 0;
    // A caller found through r14 alone, in any but the innermost function, is no caller: r14 was overwritten by the call itself.
    if (!innermost && !rule.saved.has(rule.returnRegister)) return undefined;
    for (const [register, offset] of rule.saved) {
      const value = word((cfa + offset) >>> 0);
      if (value === undefined) return undefined;
      if (register === rule.returnRegister) returnAddress = value;
      if (register < 15) at.r[register] = value;
    }
    at.r[13] = cfa;
    return { returnAddress, origin: "exact" };
  }
  const start = elf?.functionAt(lookUp)?.address;
  if (start === undefined) {
    // The innermost function may still have its return address in r14, or that of a call it made: the reader will see which.
    return innermost && isBehindCall(at.r[14]!, word) ? { returnAddress: at.r[14]!, origin: "guess" } : guess(at, word);
  }
  // A function in the middle of the calls that never saved its return address returns to nobody: the start-up code.
  return fromPrologue(at, start, thumb, innermost, word) ?? (innermost ? guess(at, word) : undefined);
}

/** Follows what the function pushed and took off the stack pointer before it got to where it is. */
function fromPrologue(at: Registers, start: number, thumb: boolean, innermost: boolean, word: WordReader): Caller | undefined {
  let size = 0;
  let linkAt: number | undefined;
  const step = thumb ? 2 : 4;
  const end = Math.min(at.pc, start + MAX_PROLOGUE * step);
  for (let address = start; address < end; address += step) {
    const op = thumb ? half(word, address) : word(address);
    if (op === undefined) return undefined;
    const pushed = thumb ? pushedByThumb(op) : pushedByArm(op);
    if (pushed !== undefined) {
      size += 4 * pushed.count;
      if (pushed.link) linkAt = size - 4 * (pushed.count - 1);
    } else {
      const taken = thumb ? takenByThumb(op) : takenByArm(op);
      if (taken !== undefined) size += taken;
      else if (thumb ? op >= 0xd000 && op < 0xe800 : (op & 0x0e00_0000) === 0x0a00_0000) break; // a branch: the frame stands
    }
  }
  if (linkAt === undefined) {
    if (!innermost || !isBehindCall(at.r[14]!, word)) return undefined;
    at.r[13] = (at.r[13]! + size) >>> 0;
    return { returnAddress: at.r[14]!, origin: "likely" };
  }
  const frameTop = (at.r[13]! + size) >>> 0;
  const returnAddress = word(frameTop - linkAt);
  if (returnAddress === undefined || !isBehindCall(returnAddress, word)) return undefined;
  at.r[13] = frameTop;
  return { returnAddress, origin: "likely" };
}

/** The nearest word on the stack that could be a return address. */
function guess(at: Registers, word: WordReader): Caller | undefined {
  const bottom = at.r[13]!;
  if (bottom < DTCM_BASE || bottom >= DTCM_BASE + DTCM_SIZE || (bottom & 3) !== 0) return undefined;
  for (let address = bottom; address < bottom + 4 * MAX_GUESS_WORDS; address += 4) {
    const value = word(address);
    if (value === undefined) return undefined;
    if (!isBehindCall(value, word)) continue;
    at.r[13] = address + 4;
    return { returnAddress: value, origin: "guess" };
  }
  return undefined;
}

function half(word: WordReader, address: number): number | undefined {
  const value = word((address & ~3) >>> 0);
  return value === undefined ? undefined : (value >>> (8 * (address & 2))) & 0xffff;
}

/** Is the instruction before this address a call? */
function isBehindCall(address: number, word: WordReader): boolean {
  if ((address & 1) !== 0) {
    const place = address & ~1;
    const second = half(word, place - 2);
    const first = half(word, place - 4);
    if (second === undefined) return false;
    if ((second & 0xff87) === 0x4780) return true; // BLX register
    return first !== undefined && first >>> 11 === 30 && (second >>> 11 === 31 || second >>> 11 === 29);
  }
  if ((address & 2) !== 0 || address < 4) return false;
  const op = word(address - 4);
  if (op === undefined) return false;
  if (op >>> 28 === 15) return (op & 0x0e00_0000) === 0x0a00_0000;
  return (op & 0x0f00_0000) === 0x0b00_0000 || (op & 0x0fff_fff0) === 0x012f_ff30 || word(address - 8) === 0xe1a0_e00f;
}

interface Pushed {
  readonly count: number;
  readonly link: boolean;
}

function pushedByThumb(op: number): Pushed | undefined {
  return (op & 0xfe00) === 0xb400 ? { count: bitCount(op & 0x1ff), link: (op & 0x100) !== 0 } : undefined;
}

function pushedByArm(op: number): Pushed | undefined {
  if ((op & 0x0fff_0000) === 0x092d_0000) return { count: bitCount(op & 0xffff), link: (op & 0x4000) !== 0 };
  return (op & 0x0fff_ffff) === 0x052d_e004 ? { count: 1, link: true } : undefined;
}

function takenByThumb(op: number): number | undefined {
  return (op & 0xff80) === 0xb080 ? 4 * (op & 0x7f) : undefined;
}

function takenByArm(op: number): number | undefined {
  if ((op & 0x0fff_f000) !== 0x024d_d000) return undefined;
  const turn = (op >>> 7) & 30;
  return ((op & 0xff) >>> turn) | (turn === 0 ? 0 : (op & 0xff) << (32 - turn));
}
