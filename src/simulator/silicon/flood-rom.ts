/** Phases of the flood fill that the boot ROM understands, bits 27:24 of the key. Source: spinnaker_tools `scamp/scamp-boot.c`. */
const PHASE = { START: 1, BLOCK_START: 2, BLOCK_DATA: 3, BLOCK_END: 4, CONTROL: 5 } as const;
const BLOCK_WORDS = 256;
const MAX_BLOCKS = 32;

/**
 * The boot ROM of a chip that is reached over its links only: collects the image that booted neighbours send word by word, from whichever
 * of them it comes first. Nobody loses packets here, so a word that came once is right and block checksums are not looked at.
 */
export class FloodRom {
  readonly #image = new Uint32Array(MAX_BLOCKS * BLOCK_WORDS);
  readonly #seen = new Uint8Array(MAX_BLOCKS * BLOCK_WORDS);
  /** Words of each block that are still to come. */
  readonly #missing = new Int32Array(MAX_BLOCKS);
  #blocks = 0;

  /** Takes a nearest-neighbour packet. Gives the image when this one starts it. */
  receive(key: number, data: number): Uint8Array | undefined {
    const block = (key >>> 16) & 0xff;
    const word = (key >>> 8) & 0xff;
    switch ((key >>> 24) & 0xf) {
      case PHASE.START:
        if (this.#blocks === 0) {
          this.#blocks = Math.min(((data >>> 16) & 0xff) + 1, MAX_BLOCKS);
          this.#missing.fill(BLOCK_WORDS, 0, this.#blocks);
        }
        return undefined;
      case PHASE.BLOCK_DATA: {
        const at = block * BLOCK_WORDS + word;
        if (block >= this.#blocks || this.#seen[at] !== 0) return undefined;
        this.#seen[at] = 1;
        this.#image[at] = data;
        this.#missing[block]! -= 1;
        return undefined;
      }
      case PHASE.CONTROL:
        if (this.#blocks === 0 || this.#missing.subarray(0, this.#blocks).some((words) => words > 0)) return undefined;
        return new Uint8Array(this.#image.buffer, 0, this.#blocks * BLOCK_WORDS * 4);
      default:
        return undefined;
    }
  }
}
