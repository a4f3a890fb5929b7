import { hex32 } from "../../errors.js";
import { CoreState, coreStateName, formatCore, runTimeError } from "../../machine/index.js";
import { type Cpu, DTCM_BASE, DTCM_SIZE, ITCM_SIZE, Mode } from "../cpu.js";
import { backtrace, frameText, type StackFrame, type WordReader } from "./backtrace.js";
import type { ElfFile } from "./elf-file.js";

/** A mode's own registers. Unsigned. */
export interface ModeRegisters {
  readonly sp: number;
  readonly lr: number;
  /** 0 for a mode that saves no status. */
  readonly spsr: number;
}

/** A core's CPU and memories at one moment. */
export interface CoreSnapshot {
  /** r0 to r15; r15 is the address of the instruction that failed, or that would come next. Unsigned. */
  readonly registers: readonly number[];
  readonly cpsr: number;
  /** By name: USR (and SYS), FIQ, IRQ, SVC, ABT, UND. */
  readonly modes: Readonly<Record<string, ModeRegisters>>;
  /** r8 to r12 of FIQ. */
  readonly fast: readonly number[];
  /** 32 KiB from address 0. */
  readonly itcm: Uint8Array;
  /** 64 KiB from address 0x00400000. */
  readonly dtcm: Uint8Array;
}

/** What is left of a core that failed. */
export interface CoreDump extends CoreSnapshot {
  readonly x: number;
  readonly y: number;
  /** Virtual core. */
  readonly p: number;
  readonly physical: number;
  /** What happened, in words. */
  readonly message: string;
  /** As vcpu has it when the dump is made. */
  readonly state: number;
  /** Run-time error code of vcpu. */
  readonly runTimeError: number;
  /** Name of the application as the core wrote it to vcpu. */
  readonly application: string;
  readonly appId: number;
  /** Milliseconds since boot by the core's clock. */
  readonly atMs: number;
  /** Instructions executed since the core was started. */
  readonly instructions: number;
  /** What it printed to its buffer. */
  readonly iobuf: string;
}

const MODES = { USR: Mode.USR, FIQ: Mode.FIQ, IRQ: Mode.IRQ, SVC: Mode.SVC, ABT: Mode.ABT, UND: Mode.UND } as const;
/** Words of the stack that a dump's text shows. */
const STACK_WORDS = 48;
/** Below are the vectors: small numbers on the stack are no code addresses. */
const CODE_BEGINS = 0x80;
/** Layout of SARK's first words in ITCM and the pattern of unused stack. Source: spinnaker_tools `sark/sark_alib.s`, `include/sark.h`. */
const SARK = {
  svcWords: 0x40,
  irqWords: 0x42,
  fiqWords: 0x44,
  stackBytes: 0x46,
  stackTop: 0x50,
  fillWord: 0x54,
  fill: 0xdead_dead,
} as const;

/** `pc`: of the instruction that failed; the next one by default. */
export function snapshot(cpu: Cpu, pc: number = cpu.pc): CoreSnapshot {
  const registers = Array.from(cpu.r, (value) => value >>> 0);
  registers[15] = pc >>> 0;
  return {
    registers,
    cpsr: cpu.cpsr >>> 0,
    modes: Object.fromEntries(Object.entries(MODES).map(([name, mode]) => [name, cpu.bankOf(mode)])),
    fast: cpu.fastRegisters(),
    itcm: cpu.itcmBytes.slice(),
    dtcm: cpu.dtcmBytes.slice(),
  };
}

/** The calls that led to where the core stood. Without an ELF file all but the first frame are guesses. */
export function dumpBacktrace(dump: CoreSnapshot, elf?: ElfFile): StackFrame[] {
  return backtrace(dump.registers, (dump.cpsr & 0x20) !== 0, wordReader(dump), elf);
}

/** The dump for people. */
export function dumpText(dump: CoreDump, elf?: ElfFile): string {
  const { registers, cpsr, modes, fast, iobuf } = dump;
  const calls = dumpBacktrace(dump, elf);
  const lines = [headline(dump), stateLine(dump)];
  if (elf !== undefined && elf.differences(dump.itcm) > 0)
    lines.push(
      `the code in the core is not that of the ELF file (${elf.differences(dump.itcm)} bytes differ): names and lines below may be wrong`,
    );
  lines.push(...stackUse(dump), "", "backtrace", ...calls.map((frame, depth) => `  #${depth} ${frameText(frame)}`));
  if (calls.some(({ origin }) => origin === "likely"))
    lines.push("  likely: by the function's first instructions or r14, not by the compiler's word");
  if (calls.some(({ origin }) => origin === "guess"))
    lines.push("  guess: the nearest words on the stack that lie behind a call; frames may be missing or old");
  lines.push("", `registers: ${statusText(cpsr)}`, ...table(registers.map((value, index) => `${registerName(index)} ${hex32(value)}`)));
  lines.push("", "stack pointer, link register and saved status of each mode");
  for (const [name, { sp, lr, spsr }] of Object.entries(modes))
    lines.push(`  ${name}  sp ${hex32(sp)}  lr ${hex32(lr)}${name === "USR" ? "" : `  spsr ${hex32(spsr)} (${statusText(spsr)})`}`);
  lines.push(`  FIQ  ${fast.map((value, index) => `r${index + 8} ${hex32(value)}`).join("  ")}`);
  lines.push("", "stack", ...stackLines(dump, elf));
  if (iobuf !== "")
    lines.push(
      "",
      "text",
      ...iobuf
        .replace(/\n$/, "")
        .split("\n")
        .map((line) => `  ${line}`),
    );
  return `${lines.join("\n")}\n`;
}

/** The dump as plain data for JSON, without the memories. */
export function dumpData(dump: CoreDump, elf?: ElfFile): Readonly<Record<string, unknown>> {
  const { itcm: _itcm, dtcm: _dtcm, state, runTimeError: code, ...rest } = dump;
  return { ...rest, state: coreStateName(state), runTimeError: code, thumb: (dump.cpsr & 0x20) !== 0, backtrace: dumpBacktrace(dump, elf) };
}

function headline({ x, y, p, physical, application, message }: CoreDump): string {
  return `core ${formatCore({ x, y, p })} (physical ${physical}), application ${application === "" ? "without a name" : application}: ${message}`;
}

function stateLine({ state, runTimeError: code, atMs, instructions }: CoreDump): string {
  const why = state === CoreState.RTE ? `, run-time error ${code} (${runTimeError(code).name})` : "";
  return `state ${coreStateName(state)}${why}, ${atMs.toFixed(3)} ms after boot, ${instructions} instructions after its start`;
}

/** How deep the stack of a SARK application went, and whether it ran over: nobody else says so. */
function stackUse({ itcm, dtcm }: CoreDump): string[] {
  const code = new DataView(itcm.buffer, itcm.byteOffset, itcm.byteLength);
  if (code.getUint32(SARK.fillWord, true) !== SARK.fill) return [];
  const half = (at: number): number => code.getUint16(at, true);
  const sizeBytes = half(SARK.stackBytes);
  const top = code.getUint32(SARK.stackTop, true) - DTCM_BASE;
  const bottom = top - sizeBytes;
  if (bottom < 0 || top > DTCM_SIZE || (bottom & 3) !== 0) return [];
  const data = new DataView(dtcm.buffer, dtcm.byteOffset, dtcm.byteLength);
  let free = 0;
  while (4 * free < sizeBytes && data.getUint32(bottom + 4 * free, true) === SARK.fill) free++;
  const own = sizeBytes - 4 * (half(SARK.svcWords) + half(SARK.irqWords) + half(SARK.fiqWords));
  if (free > 0) return [`stack: at most ${own - 4 * free} of ${own} bytes were used`];
  return [`stack: all ${own} bytes were used, and it may have run over into the heap: less on the stack, or a larger one, may be the cure`];
}

function stackLines(dump: CoreDump, elf: ElfFile | undefined): string[] {
  const word = wordReader(dump);
  const bottom = dump.registers[13]!;
  const lines: string[] = [];
  let equal = 0;
  let before: number | undefined;
  const closeRun = (): void => {
    if (equal > 0) lines.push(`  and ${equal} more of these`);
    equal = 0;
  };
  for (let address = bottom; address < bottom + 4 * STACK_WORDS; address += 4) {
    const value = (address & 3) === 0 ? word(address) : undefined;
    if (value === undefined) break;
    if (value === before) {
      equal += 1;
      continue;
    }
    closeRun();
    before = value;
    const found = value < CODE_BEGINS ? undefined : elf?.functionAt(value & ~1);
    const name = found === undefined ? "" : `  ${found.name}+0x${((value & ~1) - found.address).toString(16)}`;
    lines.push(`  ${hex32(address)}  ${hex32(value)}${name}`);
  }
  closeRun();
  return lines.length > 0 ? lines : [`  the stack pointer ${hex32(bottom)} is not in DTCM`];
}

function wordReader({ itcm, dtcm }: CoreSnapshot): WordReader {
  const code = new DataView(itcm.buffer, itcm.byteOffset, itcm.byteLength);
  const data = new DataView(dtcm.buffer, dtcm.byteOffset, dtcm.byteLength);
  return (address) => {
    if ((address & 3) !== 0) return undefined;
    if (address >= 0 && address < ITCM_SIZE) return code.getUint32(address, true);
    return address >= DTCM_BASE && address < DTCM_BASE + DTCM_SIZE ? data.getUint32(address - DTCM_BASE, true) : undefined;
  };
}

function statusText(status: number): string {
  const mode = status & 0x1f;
  const name = mode === Mode.SYS ? "SYS" : (Object.entries(MODES).find(([, number]) => number === mode)?.[0] ?? `${mode}`);
  const flags = [..."NZCVQ"].map((letter, index) => ((status >>> (31 - index)) & 1 ? letter : letter.toLowerCase())).join("");
  const state = (status & 0x20) !== 0 ? "Thumb" : "ARM";
  return `${name} mode, ${state} state, IRQ ${(status & 0x80) !== 0 ? "off" : "on"}, FIQ ${(status & 0x40) !== 0 ? "off" : "on"}, ${flags}`;
}

function registerName(index: number): string {
  return (["sp ", "lr ", "pc "][index - 13] ?? `r${index}`).padEnd(3);
}

function table(cells: readonly string[]): string[] {
  return [0, 4, 8, 12].map((at) => `  ${cells.slice(at, at + 4).join("  ")}`);
}
