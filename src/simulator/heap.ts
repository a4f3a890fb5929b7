import { DataAbort, type MemoryAccess } from "./memory.js";

/** Bytes in front of every block. */
export const BLOCK_HEADER = 8;
const ROOT_SIZE = 16;
/** A chain longer than this is one that a host has scribbled over: the monitor would run in circles, and its watchdog end it. */
const MAX_BLOCKS = 1 << 20;

/**
 * A heap of SC&MP, kept in the chip's memory alone: hosts walk and read it. Source: spinnaker_tools `sark/sark_alloc.c`.
 *
 * ```
 *  root: free  first  last  free_bytes          block: next  free | 0xFFFF0000 + app_id<<8 + tag   payload ...
 * ```
 */
export class Heap {
  readonly root: number;
  readonly #memory: MemoryAccess;

  constructor(memory: MemoryAccess, root: number) {
    this.#memory = memory;
    this.root = root;
  }

  /** Writes an empty heap from `root` to `top`. */
  static create(memory: MemoryAccess, root: number, top: number): Heap {
    const first = root + ROOT_SIZE;
    const last = top - BLOCK_HEADER;
    memory.writeWord(root, first);
    memory.writeWord(root + 4, first);
    memory.writeWord(root + 8, last);
    memory.writeWord(root + 12, last - first - BLOCK_HEADER);
    memory.writeWord(first, last);
    memory.writeWord(first + 4, 0);
    memory.writeWord(last, 0);
    memory.writeWord(last + 4, 0);
    return new Heap(memory, root);
  }

  get freeBytes(): number {
    return this.#memory.readWord(this.root + 12);
  }

  /** Payload bytes of the largest free block. */
  largest(): number {
    let most = 0;
    let steps = 0;
    for (let block = this.#memory.readWord(this.root); block !== 0; block = this.#memory.readWord(block + 4)) {
      most = Math.max(most, this.#memory.readWord(block) - block - BLOCK_HEADER);
      steps += 1;
      if (steps > MAX_BLOCKS) throw new DataAbort(block);
    }
    return most;
  }

  /** Address of the payload, 0 when nothing fits. First fit; the rest is split off when more than a header is left. */
  allocate(sizeBytes: number, appId: number, tag: number): number {
    if (sizeBytes === 0) return 0;
    const memory = this.#memory;
    const size = Math.ceil(sizeBytes / 4) * 4 + BLOCK_HEADER;
    let steps = 0;
    let link = this.root;
    for (let block = memory.readWord(link); block !== 0; ) {
      const next = memory.readWord(block);
      const nextFree = memory.readWord(block + 4);
      if (next - block >= size) {
        if (next - block > size + BLOCK_HEADER) {
          const rest = block + size;
          memory.writeWord(rest, next);
          memory.writeWord(rest + 4, nextFree);
          memory.writeWord(block, rest);
          memory.writeWord(link, rest);
        } else memory.writeWord(link, nextFree);
        memory.writeWord(block + 4, (0xffff0000 | (appId << 8) | tag) >>> 0);
        memory.writeWord(this.root + 12, this.freeBytes - size);
        return block + BLOCK_HEADER;
      }
      link = block + 4;
      block = nextFree;
      steps += 1;
      if (steps > MAX_BLOCKS) throw new DataAbort(block);
    }
    return 0;
  }

  /** Gives a payload back and joins it with free neighbours. Nothing is checked: a wild address is a data abort, as on the board. */
  free(payload: number): void {
    const memory = this.#memory;
    const block = (payload - BLOCK_HEADER) >>> 0;
    const length = memory.readWord(block) - block;
    let before = 0;
    let steps = 0;
    let after = memory.readWord(this.root);
    while (after !== 0 && after < block) {
      before = after;
      after = memory.readWord(after + 4);
      steps += 1;
      if (steps > MAX_BLOCKS) throw new DataAbort(after);
    }
    memory.writeWord(block + 4, after);
    memory.writeWord(before === 0 ? this.root : before + 4, block);
    if (after !== 0 && memory.readWord(block) === after) this.#join(block, after);
    if (before !== 0 && memory.readWord(before) === block) this.#join(before, block);
    memory.writeWord(this.root + 12, (this.freeBytes + length) >>> 0);
  }

  /** Every allocated block in the order of addresses. */
  blocks(): { payload: number; sizeBytes: number; appId: number; tag: number }[] {
    const memory = this.#memory;
    const found = [];
    const last = memory.readWord(this.root + 8);
    for (let block = memory.readWord(this.root + 4); block !== 0 && block !== last; ) {
      const next = memory.readWord(block);
      const mark = memory.readWord(block + 4);
      if (mark >>> 16 === 0xffff)
        found.push({ payload: block + BLOCK_HEADER, sizeBytes: next - block - BLOCK_HEADER, appId: (mark >>> 8) & 0xff, tag: mark & 0xff });
      if (found.length > MAX_BLOCKS) throw new DataAbort(block);
      block = next;
    }
    return found;
  }

  #join(block: number, next: number): void {
    this.#memory.writeWord(block, this.#memory.readWord(next));
    this.#memory.writeWord(block + 4, this.#memory.readWord(next + 4));
  }
}
