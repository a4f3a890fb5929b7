import { SpinnError } from "../../errors.js";

/** Reads little-endian numbers one after the other from bytes nobody trusts: whatever reaches past the end is an error, never a read. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #what: string;
  at: number;
  readonly end: number;

  /** `what` names the bytes in errors. `at` and `end` are offsets into `bytes`; beyond them nothing is read. */
  constructor(bytes: Uint8Array, what: string, at = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#what = what;
    this.at = at;
    this.end = Math.min(end, bytes.length);
  }

  get done(): boolean {
    return this.at >= this.end;
  }

  u8(): number {
    return this.#bytes[this.#take(1)]!;
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** An unsigned number of 1, 2, 4 or 8 bytes; 8 of them as far as a double is exact. */
  unsigned(sizeBytes: number): number {
    if (sizeBytes === 1) return this.u8();
    if (sizeBytes === 2) return this.u16();
    if (sizeBytes === 4) return this.u32();
    if (sizeBytes === 8) return this.u32() + this.u32() * 2 ** 32;
    throw this.wrong(`a number of ${sizeBytes} bytes`);
  }

  /** LEB128 without sign. Source: DWARF 5, section 7.6. */
  uleb(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.u8();
      if (factor < 2 ** 53) value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  /** LEB128 with sign, of 32 bits. */
  sleb(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.u8();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (shift + 7 < 32 && (byte & 0x40) !== 0) value |= -1 << (shift + 7);
      return value;
    }
  }

  /** Text up to a zero byte, which it must have. */
  text(): string {
    const zero = this.#bytes.indexOf(0, this.at);
    if (zero < 0 || zero >= this.end) throw this.wrong("a text without an end");
    const text = new TextDecoder().decode(this.#bytes.subarray(this.at, zero));
    this.at = zero + 1;
    return text;
  }

  skip(sizeBytes: number): void {
    this.#take(sizeBytes);
  }

  /** A reader of the next `sizeBytes`; this one goes on behind them. */
  part(sizeBytes: number): ByteReader {
    const at = this.#take(sizeBytes);
    return new ByteReader(this.#bytes, this.#what, at, at + sizeBytes);
  }

  /** The error for contents that make no sense. */
  wrong(why: string): SpinnError {
    return new SpinnError("ERR_SPINN_FILE", `${this.#what} is damaged: ${why} at byte ${this.at}`, {
      hint: "build the application again, and give the .elf file of that build",
    });
  }

  #take(sizeBytes: number): number {
    const { at } = this;
    if (!(sizeBytes >= 0) || at < 0 || at + sizeBytes > this.end) throw this.wrong("it is cut short");
    this.at = at + sizeBytes;
    return at;
  }
}
