import type { ChipMemory } from "./memory.js";
import type { Router } from "./router.js";

const ENTRIES = 1024;
const ENTRY = 16;
const SIGNAL_KEY = 0xffff5554;
const SIGNAL_MASK = 0xfffffffe;

/** Turns the cores of a route, bits 23:6, from virtual numbers into physical ones. The other bits stay. */
export type PhysicalRoute = (route: number) => number;

/**
 * The monitor's copy of the routing table (sv.rtr_copy) with the chain of free and allocated blocks in it, and the router it is a copy of.
 * Source: spinnaker_tools `sark/sark_hw.c`. Each entry: u16 next, u16 free, u32 route, u32 key, u32 mask. Routes of the copy name virtual cores,
 * those of the router physical ones.
 */
export class RoutingTable {
  readonly #memory: ChipMemory;
  readonly #router: Router;
  readonly #copy: number;
  /** Address of sv.rtr_free. */
  readonly #free: number;
  readonly #signalRoute: number;
  readonly #physical: PhysicalRoute;

  /** `signalRoute`: of the monitor's own entry, with virtual cores. */
  constructor(memory: ChipMemory, router: Router, copy: number, freeAddress: number, signalRoute: number, physical: PhysicalRoute) {
    this.#memory = memory;
    this.#router = router;
    this.#copy = copy;
    this.#free = freeAddress;
    this.#signalRoute = signalRoute;
    this.#physical = physical;
  }

  /** Clears entries 1..1023 and all allocations. Entry 0 carries the monitor's signals along the tree from the root. */
  initialise(): void {
    for (let index = 1; index <= ENTRIES; index += 1) this.#clear(index);
    this.#write(0, this.#signalRoute, SIGNAL_KEY, SIGNAL_MASK);
    this.#setLink(1, ENTRIES, 0);
    this.#setLink(ENTRIES, 0, 0);
    this.#memory.writeHalf(this.#free, 1);
  }

  /** Index of the first of `count` entries, 0 when there is no room. */
  allocate(count: number, appId: number): number {
    if (count === 0 || count >= ENTRIES) return 0;
    let before = 0;
    for (const block of this.#freeBlocks()) {
      const next = this.#next(block);
      const nextFree = this.#freeWord(block);
      if (next - block >= count) {
        let rest = nextFree;
        if (next - block > count) {
          rest = block + count;
          this.#setLink(rest, next, nextFree);
        }
        this.#setLink(block, block + count, 0x8000 | appId);
        this.#setFreeAfter(before, rest);
        return block;
      }
      before = block;
    }
    return 0;
  }

  /** Frees an allocated block; `clear` also empties its entries. Anything else than the start of a block is left alone. */
  release(block: number, clear: boolean): boolean {
    if (block === 0 || block >= ENTRIES || (this.#freeWord(block) & 0x8000) === 0) return false;
    const next = this.#next(block);
    if (clear) for (let index = block; index < next; index += 1) this.#clearContent(index);
    const free = this.#freeBlocks();
    const before = free.findLast((other) => other < block) ?? 0;
    const after = free.find((other) => other > block) ?? 0;
    this.#setLink(block, next, after);
    this.#setFreeAfter(before, block);
    if (after !== 0 && next === after) this.#setLink(block, this.#next(after), this.#freeWord(after));
    if (before !== 0 && this.#next(before) === block) this.#setLink(before, this.#next(block), this.#freeWord(block));
    return true;
  }

  /** Frees every block of an application; gives their number. */
  releaseApplication(appId: number, clear: boolean): number {
    let count = 0;
    for (let block = 1; block < ENTRIES; ) {
      const next = this.#next(block);
      const mark = this.#freeWord(block);
      if (mark & 0x8000 && (mark & 0xff) === appId && this.release(block, clear)) {
        count += 1;
        block = 1;
      } else {
        if (next <= block) break;
        block = next;
      }
    }
    return count;
  }

  /** Entries of the largest free block. */
  largest(): number {
    return this.#freeBlocks().reduce((most, block) => Math.max(most, this.#next(block) - block), 0);
  }

  /**
   * Writes an entry into copy and router. `route` names virtual cores; its top byte, if not 0, is the application. As the firmware does, the entry is
   * marked as that application's.
   */
  set(index: number, route: number, key: number, mask: number, appId: number): void {
    this.#memory.writeHalf(this.#at(index) + 2, 0x8000 | (((route >>> 24) + appId) & 0xff));
    this.#write(index, route & 0x00ffffff, key, mask);
  }

  /** Empties entries without freeing them. */
  empty(first: number, count: number): void {
    for (let index = first; index < first + count; index += 1) this.#clearContent(index);
  }

  #at(index: number): number {
    return this.#copy + ENTRY * index;
  }

  #next(index: number): number {
    return this.#memory.readHalf(this.#at(index));
  }

  #freeWord(index: number): number {
    return this.#memory.readHalf(this.#at(index) + 2);
  }

  /** The free blocks as the chain in memory has them, whose words anybody can write: at most as many as there are entries. */
  #freeBlocks(): number[] {
    const blocks: number[] = [];
    for (
      let block = this.#memory.readHalf(this.#free);
      block !== 0 && block < ENTRIES && blocks.length < ENTRIES;
      block = this.#freeWord(block)
    )
      blocks.push(block);
    return blocks;
  }

  #setLink(index: number, next: number, free: number): void {
    this.#memory.writeHalf(this.#at(index), next);
    this.#memory.writeHalf(this.#at(index) + 2, free);
  }

  #setFreeAfter(before: number, block: number): void {
    if (before === 0) this.#memory.writeHalf(this.#free, block);
    else this.#memory.writeHalf(this.#at(before) + 2, block);
  }

  #write(index: number, route: number, key: number, mask: number): void {
    this.#memory.writeWord(this.#at(index) + 4, route >>> 0);
    this.#memory.writeWord(this.#at(index) + 8, key >>> 0);
    this.#memory.writeWord(this.#at(index) + 12, mask >>> 0);
    if (index < ENTRIES) this.#router.setEntry(index, this.#physical(route), key >>> 0, mask >>> 0);
  }

  #clear(index: number): void {
    this.#setLink(index, 0, 0);
    this.#clearContent(index);
  }

  #clearContent(index: number): void {
    this.#write(index, 0xff000000, 0xffffffff, 0);
  }
}
