import type { IMDFrame, IMDFrameBuffer } from "./imd-frame.js";
import { IMD_ENERGIES_SIZE, IMDPacketType, imdPacketName } from "./imd-packet.js";
import { HEADER, IMDProducer, IN_PLACE_BYTES, int32At } from "./imd-producer.js";

/** Offsets of the bodies in a frame of version 2. */
const ENERGIES_AT = HEADER;
const POSITIONS_AT = HEADER + IMD_ENERGIES_SIZE + HEADER;
/** ENERGIES in a row without coordinates before the stream counts as broken. Engines send them at most as often as they compute steps. */
const MAX_ENERGIES_IN_A_ROW = 10_000;

/**
 * Version 2: packets come in any order. A frame ends with its FCOORDS; energies may be rarer, doubled or alone (NAMD and LAMMPS skip
 * packets when the socket is full), and the last ones count. Frames without energies carry a copy of the last ones, marked `old`.
 */
export class IMDProducerV2 extends IMDProducer {
  readonly #nAtoms: number;
  readonly #header = new Uint8Array(HEADER);
  readonly #energies = new Uint8Array(IMD_ENERGIES_SIZE);
  #energiesAge: IMDFrame["energiesAge"] = "none";
  #energiesInARow = 0;
  #headerFilled = 0;
  #type = 0;
  #frame: IMDFrame | undefined;
  #filled = 0;

  constructor(buffer: IMDFrameBuffer) {
    super(buffer);
    this.#nAtoms = buffer.layout.nAtoms;
  }

  /** In version 2 every end of a packet is a place to end: energies alone are legal. */
  get midFrame(): boolean {
    return this.#headerFilled > 0;
  }

  /** The rest of coordinates that have begun. What comes at the end of a packet is known only from the next header. */
  protected inPlace(): Uint8Array | undefined {
    if (this.#headerFilled < HEADER || this.#type !== IMDPacketType.FCOORDS || 12 * this.#nAtoms < IN_PLACE_BYTES) return undefined;
    return this.#frame!.bytes.subarray(POSITIONS_AT + this.#filled);
  }

  protected advance(count: number): void {
    const frame = this.#frame!;
    const isEnergies = this.#type === IMDPacketType.ENERGIES;
    const size = isEnergies ? IMD_ENERGIES_SIZE : 12 * this.#nAtoms;
    this.#filled += count;
    if (this.#filled < size) return;
    this.#filled = 0;
    this.#headerFilled = 0;
    const body = frame.offset + (isEnergies ? ENERGIES_AT : POSITIONS_AT);
    if (this.swaps) Buffer.from(frame.memory.buffer, frame.memory.byteOffset + body, size).swap32();
    if (isEnergies) this.#keepEnergies(frame);
    else this.#endFrame(frame);
  }

  protected read(chunk: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      if (this.#headerFilled < HEADER) {
        // The frame is taken with the first byte of a header, so that a header is never left behind half read for want of one.
        if (this.#frame === undefined) {
          this.#frame = this.open();
          if (this.#frame === undefined) return at;
        }
        const count = Math.min(end - at, HEADER - this.#headerFilled);
        for (let i = 0; i < count; i += 1) this.#header[this.#headerFilled + i] = chunk[at + i]!;
        this.#headerFilled += count;
        at += count;
        if (this.#headerFilled < HEADER) return at;
        this.#checkHeader();
        continue;
      }
      const frame = this.#frame!;
      const isEnergies = this.#type === IMDPacketType.ENERGIES;
      const size = isEnergies ? IMD_ENERGIES_SIZE : 12 * this.#nAtoms;
      const body = frame.offset + (isEnergies ? ENERGIES_AT : POSITIONS_AT);
      const count = Math.min(end - at, size - this.#filled);
      frame.memory.set(chunk.subarray(at, at + count), body + this.#filled);
      at += count;
      this.advance(count);
    }
    return at;
  }

  #checkHeader(): void {
    this.#type = int32At(this.#header, 0);
    const length = int32At(this.#header, 4);
    if (this.#type === IMDPacketType.FCOORDS) {
      if (length !== this.#nAtoms) throw this.wrongAtoms(this.#type, length);
    } else if (this.#type === IMDPacketType.ENERGIES) {
      if (length !== 1) throw this.breach(`ENERGIES of length ${length}; it must be 1`);
    } else {
      throw this.breach(`${imdPacketName(this.#type)}; a server of version 2 sends ENERGIES and FCOORDS`);
    }
  }

  #keepEnergies(frame: IMDFrame): void {
    this.#energiesInARow += 1;
    if (this.#energiesInARow > MAX_ENERGIES_IN_A_ROW) throw this.breach(`${MAX_ENERGIES_IN_A_ROW} ENERGIES in a row without coordinates`);
    const from = frame.offset + ENERGIES_AT;
    this.#energies.set(frame.memory.subarray(from, from + IMD_ENERGIES_SIZE));
    this.#energiesAge = "fresh";
  }

  #endFrame(frame: IMDFrame): void {
    // By value: a frame that waits in the buffer must not show the energies of a later step.
    if (this.#energiesAge === "old") frame.memory.set(this.#energies, frame.offset + ENERGIES_AT);
    frame.energiesAge = this.#energiesAge;
    if (this.#energiesAge === "fresh") this.#energiesAge = "old";
    this.#energiesInARow = 0;
    this.#frame = undefined;
    this.complete(frame);
  }
}
