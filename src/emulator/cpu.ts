/**
 * The state of one ARM968E-S core: registers, modes, exceptions, its two private memories, and how it reaches the rest of the chip.
 * What instructions do with it stands in `arm.ts` and `thumb.ts`. ARMv5TE as in the ARM Architecture Reference Manual (DDI 0100);
 * the two memories and the alignment check as in the ARM968E-S manual (DDI 0311).
 *
 * Inside the core every 32-bit value, addresses included, is a signed 32-bit number; on the bus addresses are unsigned.
 */
import { hex32 } from "../errors.js";

/** Processor modes by their number in the status register. */
export const Mode = { USR: 0x10, FIQ: 0x11, IRQ: 0x12, SVC: 0x13, ABT: 0x17, UND: 0x1b, SYS: 0x1f } as const;

/** Exception vectors: offsets from the vector base. */
export const Vector = { RESET: 0, UNDEFINED: 4, SOFTWARE: 8, PREFETCH: 12, DATA: 16, IRQ: 24, FIQ: 28 } as const;

export const ITCM_SIZE = 0x8000;
export const DTCM_BASE = 0x0040_0000;
export const DTCM_SIZE = 0x1_0000;

/** What the core sees beyond its own two memories. Addresses unsigned; sizes in bytes. Throws a {@link BusFault} where nothing answers. */
export interface Bus {
  read(address: number, sizeBytes: 1 | 2 | 4): number;
  write(address: number, sizeBytes: 1 | 2 | 4, value: number): void;
}

/** An access nobody answers: the core takes a data abort (or a prefetch abort on a fetch). Not an Error: it never leaves the emulator. */
export class BusFault {
  readonly address: number;
  readonly access: "read" | "write" | "fetch";

  constructor(address: number, access: "read" | "write" | "fetch") {
    this.address = address >>> 0;
    this.access = access;
  }

  toString(): string {
    return `${this.access} at ${hex32(this.address)}`;
  }
}

const BANK_OF_MODE: Readonly<Record<number, number>> = {
  [Mode.USR]: 0,
  [Mode.SYS]: 0,
  [Mode.FIQ]: 1,
  [Mode.IRQ]: 2,
  [Mode.SVC]: 3,
  [Mode.ABT]: 4,
  [Mode.UND]: 5,
};

/** One core. `r[15]` holds, while an instruction executes, what that instruction reads as pc; `pc` is what executes next. */
export class Cpu {
  readonly r = new Int32Array(16);
  /** Address of the next instruction. */
  pc = 0;
  /** N is the sign of `n`; Z is set when `z` is 0; C is 0 or 1; V is the sign of `v`; Q is 0 or 1 and sticky. */
  n = 0;
  z = 1;
  c = 0;
  v = 0;
  q = 0;
  thumb = false;
  mode: number = Mode.SVC;
  irqMasked = true;
  fiqMasked = true;
  /** Clocks since somebody last set it to 0: one per instruction, three for a taken branch, one per register of a block transfer. */
  cycles = 0;
  instructions = 0;
  /** The run under way ends when `cycles` get here; pulled in by a device whose next event came nearer. */
  limit = 0;
  /** Asleep in WFI; any enabled interrupt wakes it, masked or not. */
  waiting = false;
  /** Not zero when an unmasked interrupt is due: checked before every instruction. */
  attention = 0;
  /** Carry out of the last shifter operand. */
  carryOut = 0;
  /** Undefined instructions, SWIs and aborts taken so far; vector and address of the last one. */
  errors = 0;
  errorVector = 0;
  errorAddress = 0;
  /** Called with the core still as it was when an instruction failed, before the exception is entered. */
  onError: (() => void) | undefined;
  /** The most recent access nobody answered, for the words of an error report. */
  lastFault: BusFault | undefined;
  /** CP15 control register: bit 1 alignment check, bit 13 vectors at 0xFFFF0000. */
  control = 1 << 13;

  readonly itcm = new Int32Array(ITCM_SIZE / 4);
  readonly itcmBytes = new Uint8Array(this.itcm.buffer);
  readonly dtcm = new Int32Array(DTCM_SIZE / 4);
  readonly dtcmBytes = new Uint8Array(this.dtcm.buffer);
  readonly itcmHalves = new Uint16Array(this.itcm.buffer);
  readonly dtcmHalves = new Uint16Array(this.dtcm.buffer);
  /** One byte per ITCM word, not zero when a compiled block came from it. */
  readonly codeWords = new Uint8Array(ITCM_SIZE / 4);
  /** What the engine that runs it keeps of its code; nobody else's business. */
  engineState: object | undefined;
  /** How often each half word of ITCM was executed; `undefined`: nobody counts. */
  counts: Float64Array | undefined;
  /** Counts writes into compiled code: a run of compiled code ends when it moves. */
  codeWrites = 0;

  readonly #bus: Bus;
  readonly #banked13 = new Int32Array(6);
  readonly #banked14 = new Int32Array(6);
  readonly #spsr = new Int32Array(6);
  readonly #high = [new Int32Array(5), new Int32Array(5)] as const; // r8-r12 of all modes but FIQ, and of FIQ
  #irqLine = false;
  #fiqLine = false;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  /** As the reset line leaves it: SVC mode, interrupts masked, ARM state, at the high vectors. Memories keep their contents. */
  reset(): void {
    this.switchMode(Mode.SVC);
    this.r.fill(0);
    this.#banked13.fill(0);
    this.#banked14.fill(0);
    this.#spsr.fill(Mode.SVC);
    this.thumb = false;
    this.waiting = false;
    this.control = 1 << 13;
    this.n = this.c = this.v = this.q = 0;
    this.z = 1;
    this.pc = 0xffff_0000 | 0;
    this.mask(true, true);
  }

  // ---- status register ----

  get cpsr(): number {
    return (
      (this.n & 0x8000_0000) |
      (this.z === 0 ? 0x4000_0000 : 0) |
      (this.c << 29) |
      ((this.v >>> 31) << 28) |
      (this.q << 27) |
      (this.irqMasked ? 0x80 : 0) |
      (this.fiqMasked ? 0x40 : 0) |
      (this.thumb ? 0x20 : 0) |
      this.mode
    );
  }

  /** Flags from bits 31:27. */
  setFlags(value: number): void {
    this.n = value;
    this.z = ~value & 0x4000_0000;
    this.c = (value >>> 29) & 1;
    this.v = value << 3;
    this.q = (value >>> 27) & 1;
  }

  /** Bits 7:0 without the state bit. A mode that does not exist leaves the mode as it was. */
  setControlBits(value: number): void {
    if (this.mode === Mode.USR) return;
    this.switchMode(value & 0x1f);
    this.mask((value & 0x80) !== 0, (value & 0x40) !== 0);
  }

  get spsr(): number {
    return this.#spsr[this.#bank()]!;
  }

  set spsr(value: number) {
    const bank = this.#bank();
    if (bank !== 0) this.#spsr[bank] = value;
  }

  /** The return from an exception: the status of the interrupted program comes back, its ARM or Thumb state with it. */
  restoreStatus(): void {
    const saved = this.spsr;
    this.setFlags(saved);
    this.thumb = (saved & 0x20) !== 0;
    this.setControlBits(saved);
  }

  mask(irq: boolean, fiq: boolean): void {
    this.irqMasked = irq;
    this.fiqMasked = fiq;
    this.#weigh();
  }

  switchMode(mode: number): void {
    const to = BANK_OF_MODE[mode];
    if (to === undefined) return;
    const from = this.#bank();
    this.mode = mode;
    if (from === to) return;
    const { r } = this;
    this.#banked13[from] = r[13]!;
    this.#banked14[from] = r[14]!;
    if (from === 1 || to === 1) {
      this.#high[from === 1 ? 1 : 0].set(r.subarray(8, 13));
      r.set(this.#high[to === 1 ? 1 : 0], 8);
    }
    r[13] = this.#banked13[to]!;
    r[14] = this.#banked14[to]!;
  }

  /** A register of the user bank, as LDM and STM with ^ see it. */
  userRegister(index: number): number {
    const bank = this.#bank();
    if (bank === 1 && index >= 8 && index <= 12) return this.#high[0][index - 8]!;
    if (bank !== 0 && index === 13) return this.#banked13[0]!;
    if (bank !== 0 && index === 14) return this.#banked14[0]!;
    return this.r[index]!;
  }

  setUserRegister(index: number, value: number): void {
    const bank = this.#bank();
    if (bank === 1 && index >= 8 && index <= 12) this.#high[0][index - 8] = value;
    else if (bank !== 0 && index === 13) this.#banked13[0] = value;
    else if (bank !== 0 && index === 14) this.#banked14[0] = value;
    else this.r[index] = value;
  }

  /** Stack pointer, link register and saved status of a mode, whichever is the current one. Unsigned; a mode without a saved status has 0. */
  bankOf(mode: number): { readonly sp: number; readonly lr: number; readonly spsr: number } {
    const bank = BANK_OF_MODE[mode]!;
    const isCurrent = bank === this.#bank();
    return {
      sp: (isCurrent ? this.r[13]! : this.#banked13[bank]!) >>> 0,
      lr: (isCurrent ? this.r[14]! : this.#banked14[bank]!) >>> 0,
      spsr: bank === 0 ? 0 : this.#spsr[bank]! >>> 0,
    };
  }

  /** r8 to r12 of FIQ, whichever mode is the current one. Unsigned. */
  fastRegisters(): number[] {
    return Array.from(this.#bank() === 1 ? this.r.subarray(8, 13) : this.#high[1], (value) => value >>> 0);
  }

  #bank(): number {
    return BANK_OF_MODE[this.mode]!;
  }

  // ---- interrupts and exceptions ----

  /** The two interrupt lines as the interrupt controller drives them. */
  setLines(irq: boolean, fiq: boolean): void {
    this.#irqLine = irq;
    this.#fiqLine = fiq;
    if (irq || fiq) this.waiting = false;
    this.#weigh();
  }

  /** WFI: sleeps unless an interrupt is due, masked or not. */
  waitForInterrupt(): void {
    this.waiting = !(this.#irqLine || this.#fiqLine);
    if (this.waiting) this.limit = 0; // ends the run under way
  }

  #weigh(): void {
    this.attention = (this.#fiqLine && !this.fiqMasked ? 2 : 0) | (this.#irqLine && !this.irqMasked ? 1 : 0);
  }

  /** Enters the interrupt that is due; FIQ goes first. */
  takeInterrupt(): void {
    if ((this.attention & 2) !== 0) this.enter(Vector.FIQ, Mode.FIQ, this.pc + 4);
    else this.enter(Vector.IRQ, Mode.IRQ, this.pc + 4);
  }

  /** Enters an exception: `link` is what the handler finds in r14. */
  enter(vector: number, mode: number, link: number): void {
    const saved = this.cpsr;
    this.switchMode(mode);
    this.#spsr[this.#bank()] = saved;
    this.r[14] = link;
    this.thumb = false;
    this.mask(true, this.fiqMasked || mode === Mode.FIQ);
    this.pc = ((this.control & (1 << 13)) !== 0 ? -0x1_0000 : 0) + vector;
    this.cycles += 2;
  }

  #error(vector: number, mode: number, link: number, address: number): void {
    this.errors += 1;
    this.errorVector = vector;
    this.errorAddress = address;
    this.onError?.();
    this.enter(vector, mode, link);
  }

  /** Takes the error just entered back: the core stands before the instruction that failed, as if it had not been tried. */
  undoError(): void {
    this.restoreStatus();
    this.pc = this.errorAddress;
    this.errors -= 1;
    this.cycles -= 3;
    this.instructions -= 1;
  }

  /** An instruction that does not exist. `pc` is already past it. */
  undefinedInstruction(): void {
    this.#error(Vector.UNDEFINED, Mode.UND, this.pc, this.pc - (this.thumb ? 2 : 4));
  }

  /** SWI. `pc` is already past it. */
  softwareInterrupt(): void {
    this.#error(Vector.SOFTWARE, Mode.SVC, this.pc, this.pc - (this.thumb ? 2 : 4));
  }

  /** An access of the instruction at `address` failed. */
  dataAbort(address: number): void {
    this.#error(Vector.DATA, Mode.ABT, address + 8, address);
  }

  /** The instruction at `address` could not be fetched. */
  prefetchAbort(address: number): void {
    this.#error(Vector.PREFETCH, Mode.ABT, address + 4, address);
  }

  /** Must a run of compiled code end here? `codeWrites`: as they were when it began. */
  mustStop(codeWrites: number): boolean {
    return this.attention !== 0 || this.cycles >= this.limit || this.codeWrites !== codeWrites;
  }

  // ---- control flow ----

  /** A branch that stays in its state. */
  branch(target: number): void {
    this.pc = target & (this.thumb ? -2 : -4);
    this.cycles += 2;
  }

  /** A branch that takes its state from bit 0 of the target. */
  branchExchange(target: number): void {
    this.thumb = (target & 1) !== 0;
    this.branch(target);
  }

  // ---- memory ----

  fetch32(address: number): number {
    if ((address & 0xffff_8000) === 0) return this.itcm[address >> 2]!;
    return this.#fetch(address, 4);
  }

  fetch16(address: number): number {
    if ((address & 0xffff_8000) === 0) return this.itcmHalves[address >> 1]!;
    return this.#fetch(address, 2);
  }

  #fetch(address: number, size: 2 | 4): number {
    if ((address & 0xffff_0000) === DTCM_BASE)
      return size === 4 ? this.dtcm[(address & 0xffff) >> 2]! : this.dtcmHalves[(address & 0xffff) >> 1]!;
    try {
      return this.#bus.read(address >>> 0, size) | 0;
    } catch (fault) {
      if (!(fault instanceof BusFault)) throw fault;
      throw this.#fault(address, "fetch");
    }
  }

  read32(address: number): number {
    if ((address & 0xffff_8003) === 0) return this.itcm[address >> 2]!;
    if ((address & 0xffff_0003) === DTCM_BASE) return this.dtcm[(address & 0xffff) >> 2]!;
    return this.#read32(address);
  }

  #read32(address: number): number {
    const turn = address & 3;
    if (turn === 0) return this.#busRead(address, 4);
    if ((this.control & 2) !== 0) throw this.#fault(address, "read");
    // Without the alignment check an ARMv5 core reads the aligned word, rotated.
    const word = this.read32(address & ~3);
    return (word >>> (8 * turn)) | (word << (32 - 8 * turn));
  }

  read16(address: number): number {
    if ((address & 0xffff_8001) === 0) return this.itcmHalves[address >> 1]!;
    if ((address & 0xffff_0001) === DTCM_BASE) return this.dtcmHalves[(address & 0xffff) >> 1]!;
    if ((address & 1) !== 0) {
      if ((this.control & 2) !== 0) throw this.#fault(address, "read");
      return this.read16(address & ~1);
    }
    return this.#busRead(address, 2);
  }

  read8(address: number): number {
    if ((address & 0xffff_8000) === 0) return this.itcmBytes[address]!;
    if ((address & 0xffff_0000) === DTCM_BASE) return this.dtcmBytes[address & 0xffff]!;
    return this.#busRead(address, 1);
  }

  write32(address: number, value: number): void {
    if ((address & 0xffff_0003) === DTCM_BASE) this.dtcm[(address & 0xffff) >> 2] = value;
    else if ((address & 0xffff_8003) === 0) {
      this.itcm[address >> 2] = value;
      if (this.codeWords[address >> 2] !== 0) this.codeWrites++;
    } else if ((address & 3) === 0) this.#busWrite(address, 4, value);
    else if ((this.control & 2) !== 0) throw this.#fault(address, "write");
    else this.write32(address & ~3, value);
  }

  write16(address: number, value: number): void {
    if ((address & 0xffff_0001) === DTCM_BASE) this.dtcmHalves[(address & 0xffff) >> 1] = value;
    else if ((address & 0xffff_8001) === 0) {
      this.itcmHalves[address >> 1] = value;
      if (this.codeWords[address >> 2] !== 0) this.codeWrites++;
    } else if ((address & 1) === 0) this.#busWrite(address, 2, value & 0xffff);
    else if ((this.control & 2) !== 0) throw this.#fault(address, "write");
    else this.write16(address & ~1, value);
  }

  write8(address: number, value: number): void {
    if ((address & 0xffff_0000) === DTCM_BASE) this.dtcmBytes[address & 0xffff] = value;
    else if ((address & 0xffff_8000) === 0) {
      this.itcmBytes[address] = value;
      if (this.codeWords[address >> 2] !== 0) this.codeWrites++;
    } else this.#busWrite(address, 1, value & 0xff);
  }

  #busRead(address: number, size: 1 | 2 | 4): number {
    try {
      return this.#bus.read(address >>> 0, size) | 0;
    } catch (fault) {
      if (fault instanceof BusFault) this.lastFault = fault;
      throw fault;
    }
  }

  #busWrite(address: number, size: 1 | 2 | 4, value: number): void {
    try {
      this.#bus.write(address >>> 0, size, value >>> 0);
    } catch (fault) {
      if (fault instanceof BusFault) this.lastFault = fault;
      throw fault;
    }
  }

  #fault(address: number, access: "read" | "write" | "fetch"): BusFault {
    this.lastFault = new BusFault(address, access);
    return this.lastFault;
  }
}
