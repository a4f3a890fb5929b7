import { type ChipMemory, DataAbort, type MemoryAccess, Page } from "./memory.js";

const ITCM_SIZE = 0x8000;
const DTCM_BASE = 0x00400000;
const DTCM_SIZE = 0x10000;
/** From here up every core sees the same. */
const SHARED = 0x50000000;

/**
 * Memory as one core sees it: its own ITCM and DTCM, its own peripherals, and behind them the chip's. The two private memories take host
 * memory when first written.
 */
export class CoreMemory implements MemoryAccess {
  readonly chip: ChipMemory;
  #itcm: Page | undefined;
  #dtcm: Page | undefined;

  constructor(chip: ChipMemory) {
    this.chip = chip;
  }

  /** Instruction memory, 32 KiB at 0. */
  get itcm(): Page {
    this.#itcm ??= new Page(ITCM_SIZE);
    return this.#itcm;
  }

  /** Data memory, 64 KiB at 0x00400000. */
  get dtcm(): Page {
    this.#dtcm ??= new Page(DTCM_SIZE);
    return this.#dtcm;
  }

  /** Zeroes the private memories, as a chip that was just powered. */
  clear(): void {
    this.#itcm = undefined;
    this.#dtcm = undefined;
  }

  readByte(address: number): number {
    const own = this.#own(address);
    return own === undefined ? this.chip.readByte(address) : own.bytes[address & (own.bytes.length - 1)]!;
  }

  readHalf(address: number): number {
    if ((address & 1) !== 0) throw new DataAbort(address);
    const own = this.#own(address);
    return own === undefined ? this.chip.readHalf(address) : own.halves[(address & (own.bytes.length - 1)) >>> 1]!;
  }

  readWord(address: number): number {
    if ((address & 3) !== 0) throw new DataAbort(address);
    const own = this.#own(address);
    return own === undefined ? this.chip.readWord(address) : own.words[(address & (own.bytes.length - 1)) >>> 2]!;
  }

  writeByte(address: number, value: number): void {
    const own = this.#own(address);
    if (own === undefined) this.chip.writeByte(address, value);
    else own.bytes[address & (own.bytes.length - 1)] = value;
  }

  writeHalf(address: number, value: number): void {
    if ((address & 1) !== 0) throw new DataAbort(address);
    const own = this.#own(address);
    if (own === undefined) this.chip.writeHalf(address, value);
    else own.halves[(address & (own.bytes.length - 1)) >>> 1] = value;
  }

  writeWord(address: number, value: number): void {
    if ((address & 3) !== 0) throw new DataAbort(address);
    const own = this.#own(address);
    if (own === undefined) this.chip.writeWord(address, value);
    else own.words[(address & (own.bytes.length - 1)) >>> 2] = value;
  }

  copyOut(address: number, target: Uint8Array, at: number, length: number): void {
    if (address >= SHARED) this.chip.copyOut(address, target, at, length);
    else for (let i = 0; i < length; i += 1) target[at + i] = this.readByte(address + i);
  }

  copyIn(address: number, source: Uint8Array, at: number, length: number): void {
    if (address >= SHARED) this.chip.copyIn(address, source, at, length);
    else for (let i = 0; i < length; i += 1) this.writeByte(address + i, source[at + i]!);
  }

  /** The private page of an address; peripherals of the core read as zeros and swallow what is written. */
  #own(address: number): Page | undefined {
    if (address < ITCM_SIZE) return this.itcm;
    if (address >= DTCM_BASE && address < DTCM_BASE + DTCM_SIZE) return this.dtcm;
    const region = address >>> 24;
    const peripheral = region === 0x10 || region === 0x11 || region === 0x1f || region === 0x20 || region === 0x21 || region === 0x2f;
    if (peripheral || region === 0x30 || region === 0x40) return new Page(0x1000);
    return undefined;
  }
}
