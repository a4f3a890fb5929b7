import type { RegisterDevice } from "../memory.js";

/** Offsets within the MAC's 64 KiB. Source: spinnaker_tools `include/spinnaker.h`. */
const TRANSMIT_RAM_SIZE = 0x600;
const RECEIVE_RAM = 0x4000;
const RECEIVE_RAM_SIZE = 0xc00;
const DESCRIPTORS = 0x8000;
const REGISTERS = 0xc000;
const REGISTER = { CONTROL: 0x00, STATUS: 0x04, TRANSMIT_LENGTH: 0x08, TRANSMIT: 0x0c, DISCARD: 0x10, PHY: 0x1c, CLEAR: 0x20 } as const;
const CLEAR_RECEIVED = 0x10;
/** The PHY's data line; the simulated PHY holds it up, so that all its registers read 0xFFFF: the link is there. */
const PHY_DATA_IN = 0x02;
/** The status register counts waiting frames in six bits. */
const MAX_WAITING = 63;
const MAX_FRAME = 0x7ff;

/** The Ethernet MAC of a chip and the PHY behind it. The receive memory shows one frame at a time, at its start. */
export class EthernetMac implements RegisterDevice {
  readonly #transmit: (frame: Uint8Array) => void;
  readonly #interrupt: (level: boolean) => void;
  readonly #out = new Uint8Array(TRANSMIT_RAM_SIZE);
  readonly #in = new Uint8Array(RECEIVE_RAM_SIZE);
  readonly #inWords = new DataView(this.#in.buffer);
  readonly #outWords = new DataView(this.#out.buffer);
  readonly #plain = new Uint32Array(16);
  /** Frames that wait, the first of them in the receive memory. */
  readonly #waiting: Uint8Array[] = [];
  /** Frames that found no room. */
  dropped = 0;

  /** `transmit` takes a frame the board sends; `interrupt` is its receive line. */
  constructor(transmit: (frame: Uint8Array) => void, interrupt: (level: boolean) => void) {
    this.#transmit = transmit;
    this.#interrupt = interrupt;
  }

  /** A frame from the network. One too many, or too long, is lost. */
  receive(frame: Uint8Array): void {
    if (this.#waiting.length >= MAX_WAITING || frame.length > MAX_FRAME) {
      this.dropped += 1;
      return;
    }
    this.#waiting.push(frame);
    if (this.#waiting.length === 1) this.#in.set(frame);
    this.#interrupt(true);
  }

  readRegister(offset: number): number {
    if (offset >= REGISTERS) return this.#readControl(offset - REGISTERS);
    if (offset >= DESCRIPTORS) return this.#waiting[0]?.length ?? 0;
    if (offset >= RECEIVE_RAM) return offset - RECEIVE_RAM < RECEIVE_RAM_SIZE ? this.#inWords.getUint32(offset - RECEIVE_RAM, true) : 0;
    return offset < TRANSMIT_RAM_SIZE ? this.#outWords.getUint32(offset, true) : 0;
  }

  writeRegister(offset: number, value: number): void {
    if (offset >= REGISTERS) this.#writeControl(offset - REGISTERS, value);
    else if (offset < TRANSMIT_RAM_SIZE) this.#outWords.setUint32(offset, value, true);
  }

  writeByte(offset: number, value: number): void {
    if (offset < TRANSMIT_RAM_SIZE) this.#out[offset] = value;
  }

  #readControl(offset: number): number {
    if (offset === REGISTER.STATUS) return this.#waiting.length << 1;
    if (offset === REGISTER.PHY) return this.#plain[offset >> 2]! | PHY_DATA_IN;
    return this.#plain[(offset >> 2) & 15]!;
  }

  #writeControl(offset: number, value: number): void {
    if (offset === REGISTER.TRANSMIT)
      this.#transmit(this.#out.slice(0, Math.min(this.#plain[REGISTER.TRANSMIT_LENGTH >> 2]!, TRANSMIT_RAM_SIZE)));
    else if (offset === REGISTER.DISCARD) {
      this.#waiting.shift();
      const next = this.#waiting[0];
      if (next !== undefined) this.#in.set(next);
    } else if (offset === REGISTER.CLEAR) {
      if ((value & CLEAR_RECEIVED) !== 0) this.#interrupt(false);
    } else if (offset <= REGISTER.PHY) this.#plain[offset >> 2] = value;
  }
}
