import { type MemoryAccess, PlainRegisters } from "./memory.js";

const PORT = 0x40;
const SET = 0x48;
const CLEAR = 0x4c;
const CHIP_ID = 0x59111012;
/** The system controller, unbuffered. */
const BASE = 0xf2000000;
/** sv.led0: nibbles, the number of LEDs and then the pin of each. */
const SV_LED0 = 0xf5007f30;

/** The system controller of a chip without executing cores: pins with their set and clear registers; the rest keeps what is written. */
export class SystemRegisters extends PlainRegisters {
  #pins = 0;

  /** `monitor` is a physical core, `working` a mask of them. */
  constructor(monitor: number, working: number) {
    super([
      [0x00, CHIP_ID],
      [0x10, working],
      [0x34, monitor],
    ]);
    // The monitor has switched the boot ROM away.
    this.writeRegister(0x38, 1);
  }

  override readRegister(offset: number): number {
    return offset === PORT || offset === SET || offset === CLEAR ? this.#pins >>> 0 : super.readRegister(offset);
  }

  override writeRegister(offset: number, value: number): void {
    if (offset === PORT) this.#pins = value;
    else if (offset === SET) this.#pins |= value;
    else if (offset === CLEAR) this.#pins &= ~value;
    else super.writeRegister(offset, value);
  }
}

/** The LEDs of a chip behind its pins: low is lit. Source: spinnaker_tools `sark/sark_hw.c` (sark_led_set). */
export class Leds {
  readonly #memory: MemoryAccess;

  constructor(memory: MemoryAccess) {
    this.#memory = memory;
  }

  /** Lit LEDs, bit n = LED n. Whoever moves the pins moves the LEDs. */
  get lit(): number {
    const port = this.#memory.readWord(BASE + PORT);
    return this.#pins().reduce((lit, pin, led) => ((port >>> pin) & 1 ? lit : lit | (1 << led)), 0);
  }

  /** Sets all of them. */
  set lit(lit: number) {
    for (const [led, pin] of this.#pins().entries()) this.#memory.writeWord(BASE + ((lit >>> led) & 1 ? CLEAR : SET), (1 << pin) >>> 0);
  }

  #pins(): number[] {
    return Array.from({ length: this.#memory.readWord(SV_LED0) & 15 }, (_, led) => this.#nibble(led + 1));
  }

  #nibble(index: number): number {
    return (this.#memory.readWord(SV_LED0 + 4 * (index >>> 3)) >>> (4 * (index & 7))) & 15;
  }
}
