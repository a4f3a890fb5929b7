import { ReturnCode } from "../../wire/index.js";
import { fillFlashes } from "./factory.js";
import { BMP_VERSION } from "./firmware-image.js";
import { Flash } from "./flash.js";
import { Fpgas } from "./fpgas.js";
import { addressRecord, type BmpIdentity, eepromRecord, hardwareRecord, statusBlock, wordsOf } from "./records.js";

/** What the BMP does to the machine. */
export interface BoardControl {
  /** The supply of this controller's board is switched. On: the chips are in reset no longer, and unbooted. */
  power(slot: number, on: boolean): void;
  /** The reset line of the chips: held (nothing answers) or let go (unbooted). */
  reset(slot: number, held: boolean): void;
}

/** A request as the controller sees it. */
export interface BmpRequest {
  readonly command: number;
  readonly arg1: number;
  readonly arg2: number;
  readonly arg3: number;
  readonly data: Uint8Array;
}

/** A code, bytes of an RC_OK, a code with bytes, either after some time, or never. */
export type BmpAnswer = { readonly code: ReturnCode; readonly payload?: Uint8Array; readonly afterMs?: number } | undefined;

const RAM = 0x10000000;
const RAM_SIZE = 0x8000;
const BUFFER_SIZE = 0x1000;
const FLASH_SIZE = 0x80000;
const SERIAL_FLASH_SIZE = 0x800000;
/** Port register in which bit 14 is the reset line of the FPGAs. */
const PORT_REGISTER = 0x2009c034;
// Status of the processor's flash routines.
const BAD_COUNT = 6;
const BAD_SECTOR = 7;
/** Three bit files of 1.5 MB over a slow bus, and 25 ms for the supplies to settle: the duration of "on", ms. */
export const POWER_ON_MS = 2500;
const POWER_OFF_MS = 30;
/** The watchdog's time: so long a BMP that has copied its flash stands still, ms. */
export const WATCHDOG_MS = 10_000;

const ok = (payload?: Uint8Array): BmpAnswer => (payload === undefined ? { code: ReturnCode.OK } : { code: ReturnCode.OK, payload });
const refuse = (code: ReturnCode): BmpAnswer => ({ code });

/** One board management processor and what hangs on it: supplies, FPGAs, flash memories, LEDs. Source: spinnaker_tools `bmp/*.c`. */
export class BmpController {
  readonly identity: BmpIdentity;
  readonly fpgas = new Fpgas();
  /** Bit n = LED n lit. */
  leds = 2;
  powered = true;
  /** The processor stands still until its watchdog resets it. */
  isStuck = false;
  readonly #control: BoardControl;
  readonly #slots: number;
  readonly #ram = new Uint8Array(RAM_SIZE);
  readonly #flash = new Flash(FLASH_SIZE);
  readonly #serialFlash = new Flash(SERIAL_FLASH_SIZE);
  readonly #eeprom: Uint8Array;
  readonly #start = performance.now();
  #fpgaReset = false;

  /** `slots`: boards of the frame. `blacklist`: the dead parts of the board as words of its board information. */
  constructor(identity: BmpIdentity, slots: number, powered: boolean, control: BoardControl, blacklist: readonly number[] = []) {
    this.identity = identity;
    this.#slots = slots;
    this.#control = control;
    this.#eeprom = new Uint8Array(0x4000);
    this.#eeprom.set(eepromRecord(identity));
    fillFlashes(identity, blacklist, this.#flash, this.#serialFlash);
    this.powered = powered;
    if (powered) this.fpgas.load(slots > 1);
  }

  /** VER: address of the running block, frame, CAN id, board; then the text. */
  version(): Uint8Array {
    const { frame, slot } = this.identity;
    const text = new TextEncoder().encode(`BC&MP/Spin5-BMP\0${BMP_VERSION.text}\0`);
    const payload = new Uint8Array(12 + text.length);
    payload.set(wordsOf((1 << 24) | (frame << 16) | (slot << 8) | slot, 0xffff0100, BMP_VERSION.buildTime));
    payload.set(text, 12);
    return payload;
  }

  read(request: BmpRequest): BmpAnswer {
    const { arg1: address, arg2: length, arg3: unit } = request;
    if (length > 256 || unit > 2) return refuse(ReturnCode.ARG);
    if (address >= RAM && address + length <= RAM + RAM_SIZE) return ok(this.#ram.slice(address - RAM, address - RAM + length));
    if (address + length <= FLASH_SIZE) return ok(this.#flash.read(address, length));
    if (address === PORT_REGISTER) return ok(wordsOf(this.#fpgaReset ? 0 : 1 << 14).subarray(0, Math.min(length, 4)));
    // A bad address: the processor resets itself through its watchdog, and nobody answers.
    return undefined;
  }

  write(request: BmpRequest): BmpAnswer {
    const { arg1: address, arg2: length, arg3: unit } = request;
    if (length > 256 || unit > 2) return refuse(ReturnCode.ARG);
    if (address < RAM || address + length > RAM + RAM_SIZE) return undefined;
    this.#ram.set(request.data.subarray(0, length), address - RAM);
    return ok();
  }

  fill(request: BmpRequest): BmpAnswer {
    const { arg1: address, arg2: value, arg3: length } = request;
    if (address < RAM || address + length > RAM + RAM_SIZE) return undefined;
    const word = wordsOf(value);
    for (let i = 0; i + 4 <= length; i += 4) this.#ram.set(word, address - RAM + i);
    return ok();
  }

  fpgaRead(request: BmpRequest): BmpAnswer {
    const { arg1: address, arg2: length, arg3: fpga } = request;
    if (length > 256 || fpga >= Fpgas.count) return refuse(ReturnCode.ARG);
    const values = Array.from({ length: Math.ceil(length / 4) }, (_, i) => this.fpgas.read(fpga, address + 4 * i));
    return ok(wordsOf(...values).subarray(0, length));
  }

  fpgaWrite(request: BmpRequest): BmpAnswer {
    const { arg1: address, arg2: length, arg3: fpga, data } = request;
    if (length > 256 || fpga >= Fpgas.count) return refuse(ReturnCode.ARG);
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    for (let i = 0; i + 4 <= Math.min(length, data.length); i += 4) this.fpgas.write(fpga, address + i, view.getUint32(i, true));
    return ok();
  }

  led(request: BmpRequest): BmpAnswer {
    // Only the addressed board acts, and only if it is in the mask.
    if (((request.arg2 >>> this.identity.slot) & 1) === 0) return ok();
    for (let led = 0; led < 8; led += 1) {
      const order = (request.arg1 >>> (2 * led)) & 3;
      if (order === 1) this.leds ^= 1 << led;
      else if (order === 2) this.leds &= ~(1 << led);
      else if (order === 3) this.leds |= 1 << led;
    }
    return ok();
  }

  information(request: BmpRequest): BmpAnswer {
    switch (request.arg1) {
      case 0:
        return ok(hardwareRecord(this.identity));
      case 1:
        return ok(this.#eeprom.slice(0, 256));
      case 2: {
        const slots = new Uint8Array(24);
        slots.fill(5, 0, this.#slots);
        slots[this.identity.slot] = 1;
        return ok(slots);
      }
      case 3:
        return ok(statusBlock(this.identity, this.powered, this.#uptime()));
      case 4:
        return ok(addressRecord(this.identity));
      case 5:
        return ok(wordsOf(0, 0, Math.floor(this.#uptime()), 0, 0, 0, 0, 0));
      default:
        return refuse(ReturnCode.ARG);
    }
  }

  flashErase(request: BmpRequest): BmpAnswer {
    const { arg1: start, arg2: end } = request;
    if (end > FLASH_SIZE || start >= end) return { code: ReturnCode.ARG, payload: wordsOf(BAD_SECTOR) };
    this.#flash.erase(start, end);
    return ok(wordsOf(RAM));
  }

  /** FLASH_COPY: arg1 to, arg2 from, arg3 bytes. The processor stands still afterwards: its code may be another one now. */
  flashCopy({ arg1: to, arg2: from, arg3: length }: BmpRequest): void {
    const count = Math.max(0, Math.min(length, FLASH_SIZE - to, FLASH_SIZE - from));
    if (count > 0) this.#flash.write(to, this.#flash.read(from, count));
    this.isStuck = true;
  }

  flashWrite(request: BmpRequest): BmpAnswer {
    const { arg1: address, arg2: length, arg3: erase } = request;
    if (![256, 512, 1024, 4096].includes(length)) return { code: ReturnCode.ARG, payload: wordsOf(BAD_COUNT) };
    if (address + length > FLASH_SIZE) return { code: ReturnCode.ARG, payload: wordsOf(BAD_SECTOR) };
    if (erase !== 0) this.#flash.erase(address, address + length);
    this.#flash.write(address, this.#ram.slice(0, length));
    this.#ram.fill(0xff, 0, BUFFER_SIZE);
    return ok();
  }

  serialFlash(request: BmpRequest): BmpAnswer {
    const { arg1: address, arg2: length, arg3: op, data } = request;
    if (op > 2 || (op < 2 && length > 256) || address >= SERIAL_FLASH_SIZE) return refuse(ReturnCode.ARG);
    if (op === 0) return ok(this.#serialFlash.read(address, length));
    if (op === 2) return ok(wordsOf(this.#serialFlash.crc(address, length)));
    if (address % 0x1000 === 0) this.#serialFlash.erase(address, address + 1);
    this.#serialFlash.write(address, data.slice(0, length));
    return ok();
  }

  eeprom(request: BmpRequest): BmpAnswer {
    const { arg1: address, arg2: length, arg3: op, data } = request;
    if (!this.#isFrameController() || op > 1 || length > 256 || address + length > this.#eeprom.length) return refuse(ReturnCode.ARG);
    if (op === 0) return ok(this.#eeprom.slice(address, address + length));
    this.#eeprom.set(data.subarray(0, length), address);
    return ok();
  }

  i2c(request: BmpRequest): BmpAnswer {
    if (!this.#isFrameController()) return refuse(ReturnCode.ARG);
    if (request.arg1 > 256) return ok(wordsOf((request.arg1 & 0xfe) === 0xa0 ? 1 : 0));
    return request.arg1 & 1 ? ok(this.#eeprom.slice(request.arg2, request.arg2 + Math.min(request.arg3, 256))) : ok();
  }

  xilinx(request: BmpRequest): BmpAnswer {
    if (request.arg1 > 2 || (request.arg1 === 2 && request.arg2 > 2)) return refuse(ReturnCode.ARG);
    if (request.arg1 === 1) this.fpgas.unload();
    if (request.arg1 === 2) {
      this.#fpgaReset = request.arg2 === 0;
      if (request.arg2 !== 0 && this.powered) this.fpgas.load(this.#slots > 1);
    }
    return ok();
  }

  /** The order "power" on this board: `undefined` when its arguments are wrong. Gives its duration in ms at the firmware's own pace. */
  powerDuration(request: BmpRequest): number | undefined {
    const state = request.arg1 & 0xff;
    if (state > 1) return undefined;
    const own = (request.arg2 >>> this.identity.slot) & 1;
    const wait = own ? (request.arg1 >>> 16) * this.identity.slot : 0;
    return own ? wait + (state === 1 ? POWER_ON_MS : POWER_OFF_MS) : 0;
  }

  /** The beginning of a power sequence, on or off: the chips lose their state. */
  beginPower(): void {
    this.fpgas.unload();
    this.#control.power(this.identity.slot, false);
  }

  /** The end of the sequence. */
  power(on: boolean): void {
    this.powered = on;
    this.leds = on ? this.leds | 2 : this.leds & ~2;
    if (on) this.fpgas.load(this.#slots > 1);
    else this.fpgas.unload();
    this.#control.power(this.identity.slot, on);
  }

  reset(request: BmpRequest): BmpAnswer {
    const code = request.arg1 & 0xff;
    if ((code & 3) === 3 || code > 6) return refuse(ReturnCode.ARG);
    return ok();
  }

  /** What a reset order does to this board. */
  applyReset(code: number): void {
    if (code & 4 && this.powered) this.fpgas.load(this.#slots > 1);
    if (this.powered) this.#control.reset(this.identity.slot, (code & 3) === 1);
  }

  #isFrameController(): boolean {
    return this.identity.hasBackplane && this.identity.slot % 8 === 0;
  }

  #uptime(): number {
    return (performance.now() - this.#start) / 1000;
  }
}
