import { BOOT_HEADER_SIZE, BOOT_MAX_BLOCKS, BOOT_VERSION, BootOpcode, decodeBoot, swapWords } from "../wire/index.js";

/**
 * The boot ROM of an unbooted Ethernet chip: collects an image block by block, in any order, and never answers.
 * Source: spinnaker_bootROM `src/eth_link.c`.
 */
export class BootRom {
  /** The block buffer: half of the DTCM. */
  readonly #image = new Uint8Array(BOOT_MAX_BLOCKS * 1024);
  readonly #received = new Set<number>();
  #blocks = 0;
  /** Bytes received up to now reach this far. */
  #end = 0;

  /** Takes a datagram of the boot port. Gives the image when this one completed and started it. Anything malformed is ignored. */
  receive(datagram: Uint8Array): Uint8Array | undefined {
    if (datagram.length < BOOT_HEADER_SIZE) return undefined;
    const message = decodeBoot(datagram);
    if (message.version !== BOOT_VERSION) return undefined;
    switch (message.opcode & 0xffff) {
      case BootOpcode.START:
        // A second start while a transfer is open is ignored.
        if (this.#blocks === 0 && (message.operand1 & 0xff) === 0) this.#blocks = (message.operand3 & 0xff) + 1;
        return undefined;
      case BootOpcode.BLOCK:
        this.#block(message.operand1, message.data);
        return undefined;
      case BootOpcode.CONTROL:
        return (message.operand1 & 1) === 1 ? this.#complete() : undefined;
      default:
        return undefined;
    }
  }

  #block(operand: number, data: Uint8Array): void {
    const index = operand & 0xff;
    const words = ((operand >>> 8) & 0xff) + 1;
    const at = index * words * 4;
    if (this.#blocks === 0 || index >= this.#blocks || this.#received.has(index) || at + words * 4 > this.#image.length) return;
    const bytes = swapWords(data.subarray(0, Math.min(data.length, words * 4) & ~3));
    this.#image.set(bytes, at);
    this.#received.add(index);
    this.#end = Math.max(this.#end, at + bytes.length);
  }

  #complete(): Uint8Array | undefined {
    return this.#blocks > 0 && this.#received.size === this.#blocks ? this.#image.slice(0, this.#end) : undefined;
  }
}
