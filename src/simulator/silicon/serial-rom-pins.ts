import { SERIAL_ROM_SIZE } from "../serial-rom.js";

/** GPIO pins of the serial ROM. Source: spinnaker_tools `include/spinnaker.h`. */
const PIN = { SELECT: 0x20, CLOCK: 0x10, DATA_IN: 0x08, DATA_OUT: 0x04 } as const;
/** Commands of the memory chip (25AA1024 and its kin). */
const COMMAND = { WRITE: 2, READ: 3 } as const;
const HEADER_BITS = 32;

/** A serial ROM on the pins of its chip: SPI mode 0, bit by bit, as SC&MP moves them. */
export class SerialRomPins {
  /** The pin the ROM drives: what software writes there goes nowhere. */
  static readonly DATA_OUT = PIN.DATA_OUT;
  readonly #memory: Uint8Array;
  #pins = 0;
  /** Bits since it was selected. */
  #bits = 0;
  /** The first 32 of them: command and address. */
  #header = 0;
  #byte = 0;

  constructor(memory: Uint8Array) {
    this.#memory = memory;
  }

  /** The pins as the chip drives them now. */
  drive(pins: number): void {
    const rose = pins & ~this.#pins;
    if ((rose & PIN.SELECT) !== 0 || (pins & PIN.SELECT) !== 0) this.#bits = this.#header = 0;
    else if ((rose & PIN.CLOCK) !== 0) this.#clock((pins & PIN.DATA_IN) === 0 ? 0 : 1);
    this.#pins = pins;
  }

  /** What the ROM adds to the pins that are read. */
  get output(): number {
    // The status register (and anything else) reads 0: never busy.
    if (this.#bits < HEADER_BITS || this.#header >>> 24 !== COMMAND.READ) return 0;
    const bit = this.#bits - HEADER_BITS;
    const byte = this.#memory[this.#address(bit)]!;
    return ((byte >>> (7 - (bit & 7))) & 1) === 0 ? 0 : PIN.DATA_OUT;
  }

  #clock(bit: number): void {
    if (this.#bits < HEADER_BITS) this.#header = ((this.#header << 1) | bit) >>> 0;
    else {
      this.#byte = ((this.#byte << 1) | bit) & 0xff;
      const at = this.#bits - HEADER_BITS;
      if (this.#header >>> 24 === COMMAND.WRITE && (at & 7) === 7) this.#memory[this.#address(at)] = this.#byte;
    }
    this.#bits += 1;
  }

  #address(bit: number): number {
    return ((this.#header & 0xff_ffff) + (bit >>> 3)) % SERIAL_ROM_SIZE;
  }
}
