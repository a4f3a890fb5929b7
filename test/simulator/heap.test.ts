import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Heap } from "../../src/simulator/heap.js";
import { ChipMemory, DataAbort } from "../../src/simulator/memory.js";
import { P2pTable } from "../../src/simulator/p2p.js";
import { Router } from "../../src/simulator/router.js";
import { RoutingTable } from "../../src/simulator/routing-table.js";

const ROOT = 0x60640000;
const TOP = 0x60650000;

/** Every byte between first and last block belongs to one block, and the free list holds exactly the free ones, joined. */
function check(memory: ChipMemory, heap: Heap): void {
  const taken = new Map(heap.blocks().map((block) => [block.payload - 8, block]));
  const last = memory.readWord(ROOT + 8);
  const free: number[] = [];
  let freeBytes = 0;
  let wasFree = false;
  for (let at = memory.readWord(ROOT + 4); at !== last; at = memory.readWord(at)) {
    expect(memory.readWord(at)).toBeGreaterThan(at);
    if (!taken.has(at)) {
      expect(wasFree).toBe(false);
      free.push(at);
      freeBytes += memory.readWord(at) - at;
    }
    wasFree = !taken.has(at);
  }
  const list: number[] = [];
  for (let at = memory.readWord(ROOT); at !== 0; at = memory.readWord(at + 4)) list.push(at);
  expect(list).toEqual(free);
  expect(heap.largest()).toBe(Math.max(0, ...free.map((at) => memory.readWord(at) - at - 8)));
  // What is handed out whole, with less than a header to spare, is counted as asked for.
  expect(heap.freeBytes).toBeGreaterThanOrEqual(freeBytes - 8);
}

describe("a heap in memory", () => {
  it("begins with one free block and hands out the address after two headers", () => {
    const heap = Heap.create(new ChipMemory(), 0x60640000, 0x67800000);
    expect(heap.largest()).toBe(119275488);
    expect(heap.allocate(1024, 30, 0)).toBe(0x60640018);
    expect(heap.allocate(0, 30, 0)).toBe(0);
    expect(heap.allocate(0x8000000, 30, 0)).toBe(0);
  });

  it("stays whole whatever is allocated and freed, and ends as it began", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 5000 }), fc.nat(50)), { maxLength: 60 }), (steps) => {
        const memory = new ChipMemory();
        const heap = Heap.create(memory, ROOT, TOP);
        const whole = heap.largest();
        const mine: number[] = [];
        for (const [take, size, pick] of steps) {
          if (take || mine.length === 0) {
            const address = heap.allocate(size, 1, 0);
            if (address !== 0) mine.push(address);
          } else heap.free(mine.splice(pick % mine.length, 1)[0]!);
          check(memory, heap);
        }
        expect(heap.blocks().length).toBe(mine.length);
        for (const address of mine) heap.free(address);
        expect(heap.largest()).toBe(whole);
      }),
      { numRuns: 60 },
    );
  });

  it("aborts on a chain that leads nowhere", () => {
    const memory = new ChipMemory();
    const heap = Heap.create(memory, ROOT, TOP);
    memory.writeWord(ROOT, 0xdeadbeec);
    expect(() => heap.allocate(4, 1, 0)).toThrow(DataAbort);
  });
});

describe("the allocation of router entries", () => {
  it("stays whole whatever is allocated and freed", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 400 }), fc.nat(50)), { maxLength: 40 }), (steps) => {
        const memory = new ChipMemory();
        const routes = new RoutingTable(memory, new Router(0, () => new P2pTable()), 0x67880020, 0xe5007fe0, 0, (route) => route);
        routes.initialise();
        expect(routes.largest()).toBe(1023);
        const mine: { first: number; count: number }[] = [];
        for (const [take, count, pick] of steps) {
          if (take || mine.length === 0) {
            const first = routes.allocate(count, 3);
            if (first === 0) continue;
            for (const other of mine) expect(first + count <= other.first || other.first + other.count <= first).toBe(true);
            mine.push({ first, count });
          } else expect(routes.release(mine.splice(pick % mine.length, 1)[0]!.first, true)).toBe(true);
        }
        expect(routes.releaseApplication(3, true)).toBe(mine.length);
        expect(routes.largest()).toBe(1023);
      }),
      { numRuns: 60 },
    );
  });

  it("ends, whatever is written over its chain", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(40), fc.nat(40), fc.nat(40)), { maxLength: 20 }), fc.nat(40), (links, first) => {
        const memory = new ChipMemory();
        const routes = new RoutingTable(memory, new Router(0, () => new P2pTable()), 0x67880020, 0xe5007fe0, 0, (route) => route);
        routes.initialise();
        const mine = routes.allocate(3, 3);
        for (const [block, next, free] of links) {
          memory.writeHalf(0x67880020 + 16 * block, next);
          memory.writeHalf(0x67880020 + 16 * block + 2, free);
        }
        memory.writeHalf(0xe5007fe0, first);
        expect(routes.largest()).toBeLessThan(1024);
        routes.allocate(50, 4);
        routes.release(mine, true);
        routes.releaseApplication(3, true);
      }),
    );
  });
});
