import { type IMDBlock, type IMDFrame, type IMDFrameBuffer, swapIMDBodies } from "./imd-frame.js";
import { imdPacketName } from "./imd-packet.js";
import { HEADER, IMDProducer, IN_PLACE_BYTES, int32At } from "./imd-producer.js";

/**
 * Version 3: every frame has the blocks that SESSIONINFO announced, in one order, so its size is known before it comes. The wire form is
 * copied straight into a frame, and each header is checked as soon as it is there.
 */
export class IMDProducerV3 extends IMDProducer {
  readonly #blocks: readonly IMDBlock[];
  readonly #size: number;
  #frame: IMDFrame | undefined;
  #filled = 0;
  /** Blocks of the present frame whose header was checked. */
  #checked = 0;

  constructor(buffer: IMDFrameBuffer) {
    super(buffer);
    this.#blocks = buffer.layout.blocks;
    this.#size = buffer.layout.wireBytes;
  }

  get midFrame(): boolean {
    return this.#filled > 0;
  }

  protected inPlace(): Uint8Array | undefined {
    if (this.#size < IN_PLACE_BYTES) return undefined;
    if (this.#frame === undefined) return this.buffer.peekEmpty()?.bytes;
    return this.#filled === 0 ? this.#frame.bytes : this.#frame.bytes.subarray(this.#filled);
  }

  protected advance(count: number): void {
    this.#frame ??= this.open();
    const frame = this.#frame!;
    this.#filled += count;
    this.#checkHeaders(frame);
    if (this.#filled === this.#size) this.#endFrame(frame);
  }

  protected read(chunk: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      this.#frame ??= this.open();
      const frame = this.#frame;
      if (frame === undefined) return at;
      const count = Math.min(end - at, this.#size - this.#filled);
      frame.memory.set(chunk.subarray(at, at + count), frame.offset + this.#filled);
      at += count;
      this.advance(count);
    }
    return at;
  }

  #endFrame(frame: IMDFrame): void {
    this.#filled = 0;
    this.#checked = 0;
    this.#frame = undefined;
    if (this.swaps) swapIMDBodies(frame.layout, frame.memory, frame.offset);
    frame.energiesAge = "fresh";
    this.complete(frame);
  }

  #checkHeaders(frame: IMDFrame): void {
    while (this.#checked < this.#blocks.length) {
      const block = this.#blocks[this.#checked]!;
      if (this.#filled < block.offset + HEADER) return;
      const type = int32At(frame.memory, frame.offset + block.offset);
      if (type !== block.type) {
        throw this.breach(`${imdPacketName(type)} where the session promised ${imdPacketName(block.type)}`);
      }
      const length = int32At(frame.memory, frame.offset + block.offset + 4);
      if (length !== block.length) {
        if (block.length !== 1 || block.bodySize === 12) throw this.wrongAtoms(type, length);
        throw this.breach(`${imdPacketName(type)} of length ${length}; it must be 1`);
      }
      this.#checked += 1;
    }
  }
}
