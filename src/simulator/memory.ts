import { hex32 } from "../errors.js";

/** An access nobody answers, or an unaligned one: the core that made it takes a data abort. Not a SpinnError: it never leaves the simulator. */
export class DataAbort {
  readonly address: number;

  constructor(address: number) {
    this.address = address >>> 0;
  }

  toString(): string {
    return `data abort at ${hex32(this.address)}`;
  }
}

/** Registers behind a stretch of addresses. Offsets are multiples of 4, counted from the buffered base. */
export interface RegisterDevice {
  readRegister(offset: number): number;
  writeRegister(offset: number, value: number): void;
  /** Devices with memory in them take single bytes; registers get a byte on all four lanes. */
  writeByte?(offset: number, value: number): void;
}

/** One stretch of ordinary memory, seen as bytes, halves and words (little-endian, as the host's own processor). */
export class Page {
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Uint32Array;

  constructor(sizeBytes: number) {
    const buffer = new ArrayBuffer(sizeBytes);
    this.bytes = new Uint8Array(buffer);
    this.halves = new Uint16Array(buffer);
    this.words = new Uint32Array(buffer);
  }
}

/** What a core or its monitor can do with memory. Every method throws {@link DataAbort} for addresses where nothing is. */
export interface MemoryAccess {
  readByte(address: number): number;
  readHalf(address: number): number;
  readWord(address: number): number;
  writeByte(address: number, value: number): void;
  writeHalf(address: number, value: number): void;
  writeWord(address: number, value: number): void;
  /** Copies bytes out of the chip. */
  copyOut(address: number, target: Uint8Array, at: number, length: number): void;
  /** Copies bytes into the chip. */
  copyIn(address: number, source: Uint8Array, at: number, length: number): void;
}

/** SDRAM fills half of its window of 256 MiB and is there twice: SC&MP finds its size by that (spinnaker_tools `scamp/scamp-3.c`, ram_size). */
const SDRAM_SIZE = 0x8000000;
const SYSRAM_SIZE = 0x8000;
/** SDRAM comes into being in pages of this size, on the first write. */
export const PAGE_SIZE = 0x4000;
const PAGE_SHIFT = 14;
const PAGE_MASK = PAGE_SIZE - 1;
const GROUP_SHIFT = 7;
const GROUP_SIZE = 1 << GROUP_SHIFT;

/**
 * The memory every core of a chip shares: SDRAM, SysRAM, boot ROM and the chip's registers, through either alias of each.
 * SDRAM takes host memory only where something was written.
 */
export class ChipMemory implements MemoryAccess {
  readonly sysram = new Page(SYSRAM_SIZE);
  /** Called before a read of SysRAM at or above this offset: the running clocks are put in place only when somebody looks. */
  refresh: (() => void) | undefined;
  refreshFrom = SYSRAM_SIZE;
  readonly #groups: (Page | undefined)[][] = [];
  readonly #devices: (RegisterDevice | undefined)[] = new Array<RegisterDevice | undefined>(16);
  readonly #sizes = new Uint32Array(16);
  readonly #patterns: Pattern[] = [];
  #pages = 0;

  /** Bytes of host memory taken for SDRAM so far. */
  get allocatedBytes(): number {
    return this.#pages * PAGE_SIZE;
  }

  /** Puts registers at 0xE`nibble`000000 and its unbuffered alias 0xF`nibble`000000. A second device replaces the first. */
  attach(nibble: number, sizeBytes: number, device: RegisterDevice): void {
    this.#devices[nibble] = device;
    this.#sizes[nibble] = sizeBytes;
  }

  /** Fills a range of SDRAM with a word without taking memory for it: pages of the range are made, filled, when first touched. */
  fillLazily(address: number, sizeBytes: number, word: number): void {
    const pattern = { from: address & (SDRAM_SIZE - 1), to: (address & (SDRAM_SIZE - 1)) + sizeBytes, word };
    this.#patterns.push(pattern);
    for (let index = pattern.from >>> PAGE_SHIFT; index << PAGE_SHIFT < pattern.to; index += 1) {
      const page = this.#groups[index >>> GROUP_SHIFT]?.[index & (GROUP_SIZE - 1)];
      if (page !== undefined) fill(page, index << PAGE_SHIFT, pattern);
    }
  }

  /**
   * The page behind an address of SDRAM or SysRAM, made if need be, for cores that execute; `undefined` for registers and holes.
   * SysRAM's page is whole, SDRAM's begin at multiples of `PAGE_SIZE`.
   */
  page(address: number): Page | undefined {
    const top = address >>> 28;
    if (top === 6 || top === 7) return this.#make((address & (SDRAM_SIZE - 1)) >>> PAGE_SHIFT);
    const region = (address >>> 24) & 0xef;
    return region === 0xe5 && (address & 0xffffff) < SYSRAM_SIZE ? this.sysram : undefined;
  }

  readByte(address: number): number {
    const device = this.#device(address);
    if (device !== undefined) return (device.readRegister(address & 0xfffffc) >>> (8 * (address & 3))) & 0xff;
    return this.#readable(address, 1).bytes[this.#offset(address)]!;
  }

  readHalf(address: number): number {
    if ((address & 1) !== 0) throw new DataAbort(address);
    const device = this.#device(address);
    if (device !== undefined) return (device.readRegister(address & 0xfffffc) >>> (8 * (address & 2))) & 0xffff;
    return this.#readable(address, 2).halves[this.#offset(address) >>> 1]!;
  }

  readWord(address: number): number {
    if ((address & 3) !== 0) throw new DataAbort(address);
    const device = this.#device(address);
    if (device !== undefined) return device.readRegister(address & 0xffffff) >>> 0;
    return this.#readable(address, 4).words[this.#offset(address) >>> 2]!;
  }

  writeByte(address: number, value: number): void {
    const device = this.#device(address);
    if (device?.writeByte !== undefined) device.writeByte(address & 0xffffff, value & 0xff);
    else if (device !== undefined) device.writeRegister(address & 0xfffffc, (value & 0xff) * 0x01010101);
    else this.#writable(address).bytes[this.#offset(address)] = value;
  }

  writeHalf(address: number, value: number): void {
    if ((address & 1) !== 0) throw new DataAbort(address);
    const device = this.#device(address);
    if (device?.writeByte !== undefined) {
      device.writeByte(address & 0xffffff, value & 0xff);
      device.writeByte((address & 0xffffff) + 1, (value >>> 8) & 0xff);
    } else if (device !== undefined) device.writeRegister(address & 0xfffffc, (value & 0xffff) * 0x00010001);
    else this.#writable(address).halves[this.#offset(address) >>> 1] = value;
  }

  writeWord(address: number, value: number): void {
    if ((address & 3) !== 0) throw new DataAbort(address);
    const device = this.#device(address);
    if (device !== undefined) device.writeRegister(address & 0xffffff, value >>> 0);
    else this.#writable(address).words[this.#offset(address) >>> 2] = value;
  }

  copyOut(address: number, target: Uint8Array, at: number, length: number): void {
    if (this.#device(address) !== undefined) {
      for (let i = 0; i < length; i += 1) target[at + i] = this.readByte((address + i) >>> 0);
      return;
    }
    for (let done = 0; done < length; ) {
      const here = (address + done) >>> 0;
      const page = this.#readable(here, length - done);
      const offset = this.#offset(here);
      const count = Math.min(length - done, page.bytes.length - offset);
      if (offset === 0 && count === page.bytes.length) target.set(page.bytes, at + done);
      else target.set(page.bytes.subarray(offset, offset + count), at + done);
      done += count;
    }
  }

  copyIn(address: number, source: Uint8Array, at: number, length: number): void {
    if (this.#device(address) !== undefined) {
      const view = new DataView(source.buffer, source.byteOffset, source.length);
      for (let i = 0; i + 4 <= length; i += 4) this.writeWord((address + i) >>> 0, view.getUint32(at + i, true));
      return;
    }
    for (let done = 0; done < length; ) {
      const here = (address + done) >>> 0;
      const page = this.#writable(here);
      const offset = this.#offset(here);
      const count = Math.min(length - done, page.bytes.length - offset);
      page.bytes.set(source.subarray(at + done, at + done + count), offset);
      done += count;
    }
  }

  #device(address: number): RegisterDevice | undefined {
    if (address >>> 29 !== 7 || (address & 0x0f000000) === 0x05000000) return undefined;
    const nibble = (address >>> 24) & 15;
    if ((address & 0xffffff) >= this.#sizes[nibble]!) throw new DataAbort(address);
    return this.#devices[nibble];
  }

  #offset(address: number): number {
    return address >>> 31 === 0 ? address & PAGE_MASK : address & (SYSRAM_SIZE - 1);
  }

  #readable(address: number, length: number): Page {
    const top = address >>> 28;
    if (top === 6 || top === 7) {
      const index = (address & (SDRAM_SIZE - 1)) >>> PAGE_SHIFT;
      const page = this.#groups[index >>> GROUP_SHIFT]?.[index & (GROUP_SIZE - 1)];
      if (page !== undefined) return page;
      return this.#patterned(index) ? this.#make(index) : EMPTY;
    }
    this.#checkSysram(address);
    const offset = address & (SYSRAM_SIZE - 1);
    if (offset + length > this.refreshFrom) this.refresh?.();
    return this.sysram;
  }

  #writable(address: number): Page {
    const top = address >>> 28;
    if (top === 6 || top === 7) {
      return this.#make((address & (SDRAM_SIZE - 1)) >>> PAGE_SHIFT);
    }
    this.#checkSysram(address);
    return this.sysram;
  }

  #checkSysram(address: number): void {
    const region = address >>> 24;
    if ((region === 0xe5 || region === 0xf5) && (address & 0xffffff) < SYSRAM_SIZE) return;
    throw new DataAbort(address);
  }

  #patterned(index: number): boolean {
    const start = index << PAGE_SHIFT;
    return this.#patterns.some((pattern) => pattern.from < start + PAGE_SIZE && pattern.to > start);
  }

  #make(index: number): Page {
    let group = this.#groups[index >>> GROUP_SHIFT];
    if (group === undefined) {
      group = new Array<Page | undefined>(GROUP_SIZE);
      this.#groups[index >>> GROUP_SHIFT] = group;
    }
    let page = group[index & (GROUP_SIZE - 1)];
    if (page !== undefined) return page;
    page = new Page(PAGE_SIZE);
    group[index & (GROUP_SIZE - 1)] = page;
    this.#pages += 1;
    const start = index << PAGE_SHIFT;
    for (const pattern of this.#patterns) fill(page, start, pattern);
    return page;
  }
}

interface Pattern {
  readonly from: number;
  readonly to: number;
  readonly word: number;
}

/** Puts the part of a pattern that lies in a page into it. */
function fill(page: Page, start: number, pattern: Pattern): void {
  const from = Math.max(pattern.from, start) - start;
  const to = Math.min(pattern.to, start + PAGE_SIZE) - start;
  if (from < to) page.words.fill(pattern.word, from >>> 2, to >>> 2);
}

/** Stands for SDRAM nobody wrote to. Never written. */
const EMPTY = new Page(PAGE_SIZE);

/** Registers that keep what was written and do nothing: peripherals whose effects the simulated machine does not need. */
export class PlainRegisters implements RegisterDevice {
  readonly #values: Map<number, number>;
  readonly #fixed: ReadonlySet<number>;

  /** `fixed` registers cannot be written. At most one entry per register of the device is kept. */
  constructor(fixed: Iterable<readonly [number, number]> = []) {
    this.#values = new Map(fixed);
    this.#fixed = new Set(this.#values.keys());
  }

  readRegister(offset: number): number {
    return this.#values.get(offset) ?? 0;
  }

  writeRegister(offset: number, value: number): void {
    if (!this.#fixed.has(offset)) this.#values.set(offset, value);
  }
}
