const COUNT = 3;
const TOP = 0x40000;
const FLAG = TOP + 0x04;
const VERSION = 0x01010000;
/** Values after loading, top-level registers (spio `designs/spinnaker_fpgas`). SLEN is 0: all chip links are off. */
const AFTER_LOADING: readonly (readonly [number, number])[] = [
  [TOP + 0x08, 0xffffffff],
  [TOP + 0x0c, 0],
  [TOP + 0x10, 0xf],
  [TOP + 0x18, 0x0f],
  [TOP + 0x1c, 0x0a],
  [TOP + 0x20, 0x0066],
  [TOP + 0x24, 0x012],
];
/** Registers of the three link banks that can be written: IDSO and STOP. */
const BANK_WRITABLE = [0x4c, 0x5c];
/** Ring and front links of the design: bits 5:4 of FLAG read 3 on a board of the shelf. */
const DESIGN = 0x30;

/** The three FPGAs of a 48-chip board, as registers: lost at power-off, loaded at power-on. */
export class Fpgas {
  #registers: (Map<number, number> | undefined)[] = [undefined, undefined, undefined];
  #linked = false;

  static readonly count = COUNT;

  /** Loads the bit files. `linked`: the board-to-board links lead to other boards. */
  load(linked: boolean): void {
    this.#linked = linked;
    this.#registers = Array.from({ length: COUNT }, () => new Map(AFTER_LOADING));
  }

  unload(): void {
    this.#registers = [undefined, undefined, undefined];
  }

  /** The word at an address; the low two bits are ignored. Meaningless when not loaded: all ones. */
  read(fpga: number, address: number): number {
    const registers = this.#registers[fpga];
    if (registers === undefined) return 0xffffffff;
    const at = (address & ~3) >>> 0;
    if (at === FLAG) return DESIGN | fpga;
    if (at === TOP || (at & 0xffff) === 0) return VERSION | (at < TOP ? 0 : fpga);
    if (at < 0x20000 && (at & 0xffff) === 0x54) return this.#linked ? 1 : 0;
    return registers.get(at) ?? 0;
  }

  /** Writes a word; read-only registers keep theirs. At most some dozen registers are ever kept. */
  write(fpga: number, address: number, value: number): void {
    const at = (address & ~3) >>> 0;
    const writable = at < 0x30000 ? BANK_WRITABLE.includes(at & 0xffff) : at > FLAG && at <= TOP + 0x24;
    if (writable) this.#registers[fpga]?.set(at, value);
  }
}
