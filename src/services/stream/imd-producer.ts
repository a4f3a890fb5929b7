import { SpinnError } from "../../errors.js";
import { HOST_BYTE_ORDER, IMDFrame, type IMDFrameBuffer } from "./imd-frame.js";
import { IMD_HEADER_SIZE, imdPacketName } from "./imd-packet.js";

/**
 * Cuts a byte stream into frames. Fed with what the socket brings, in pieces of any size, it fills empty frames of the buffer in place
 * and pushes those that are whole. Every header is held against the session before a byte behind it is taken.
 */
export abstract class IMDProducer {
  protected readonly buffer: IMDFrameBuffer;
  /** Bodies come in the other byte order than this processor's. */
  protected readonly swaps: boolean;
  readonly #spare: IMDFrame | undefined;
  #lastStep = Number.NEGATIVE_INFINITY;
  #stalled = false;
  #target: Uint8Array | undefined;
  /** Whole frames read, kept or not. */
  framesRead = 0;
  bytesRead = 0;
  /** Frames whose step is not larger than the one before. They are passed on all the same. */
  stepsNotGrowing = 0;

  constructor(buffer: IMDFrameBuffer) {
    this.buffer = buffer;
    this.swaps = buffer.layout.session.byteOrder !== HOST_BYTE_ORDER;
    if (buffer.overflow === "drop-newest") {
      const bytes = new Uint8Array(buffer.layout.wireBytes);
      this.#spare = new IMDFrame(0, buffer.layout, { bytes, view: new DataView(bytes.buffer) }, 0);
    }
  }

  /** Whether the stream stands inside a packet or a frame: an end here is a cut. */
  abstract get midFrame(): boolean;

  /** Whether `feed` had to stop for want of an empty frame. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /**
   * Takes bytes [start, end) of `chunk`. Returns where it stopped: less than `end` when no frame is empty; feed the rest again once the
   * buffer has space. Throws `ERR_SPINN_PROTOCOL`.
   */
  feed(chunk: Uint8Array, start: number, end: number): number {
    this.#stalled = false;
    const isInPlace = chunk === this.#target;
    if (isInPlace) this.advance(end - start);
    const stopped = isInPlace ? end : this.read(chunk, start, end);
    this.bytesRead += stopped - start;
    return stopped;
  }

  /**
   * Where the next bytes belong, for a socket that can read them there: no copy then. `undefined` where that is not known, or not worth it.
   * Feed it from its start with what was read, before anything else.
   */
  target(): Uint8Array | undefined {
    this.#target = this.inPlace();
    return this.#target;
  }

  protected abstract inPlace(): Uint8Array | undefined;

  /** So many bytes are where they belong. */
  protected abstract advance(count: number): void;

  protected abstract read(chunk: Uint8Array, start: number, end: number): number;

  /** A frame to fill, or `undefined`, and then reading must stop. */
  protected open(): IMDFrame | undefined {
    const frame = this.buffer.takeEmpty() ?? this.#spare;
    if (frame === undefined) this.#stalled = true;
    return frame;
  }

  /** The frame is whole. */
  protected complete(frame: IMDFrame): void {
    this.framesRead += 1;
    const step = frame.step;
    if (step !== undefined) {
      if (step <= this.#lastStep) this.stepsNotGrowing += 1;
      this.#lastStep = step;
    }
    if (frame === this.#spare) this.buffer.drop();
    else this.buffer.push(frame);
  }

  protected breach(what: string): SpinnError {
    return new SpinnError("ERR_SPINN_PROTOCOL", `frame ${this.framesRead} of the stream: ${what}`);
  }

  protected wrongAtoms(type: number, got: number): SpinnError {
    const { nAtoms } = this.buffer.layout;
    return new SpinnError("ERR_SPINN_PROTOCOL", `the server sends ${imdPacketName(type)} of ${got} atoms, ${nAtoms} were expected`, {
      hint: "does the topology belong to this simulation, and nAtoms to the group that it sends?",
    });
  }
}

/** From here on a read of its own for each frame costs less than a copy, unit bytes (measured: 1000 atoms, 12 kB, lose; 10,000 win). */
export const IN_PLACE_BYTES = 64 * 1024;

/** Big-endian int32 at `offset`. */
export function int32At(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!;
}

export const HEADER = IMD_HEADER_SIZE;
