import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readMemory, readRequests, writeMemory, writeRequests } from "../../src/commands/index.js";
import type { ScpRequest } from "../../src/wire/index.js";

const SDRAM = 0x60240000;
const CHIP = { x: 1, y: 2 };

/** A chip's memory from SDRAM on, served as the firmware does it: whole units only, and it says so when the alignment is wrong. */
class Memory {
  readonly bytes: Uint8Array;

  constructor(size: number) {
    this.bytes = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 255);
  }

  serve(request: ScpRequest<unknown>): Uint8Array {
    const unit = 1 << request.arg3;
    if (request.arg1 % unit !== 0 || request.arg2 % unit !== 0) throw new Error(`unaligned: ${request.describe()}`);
    if (request.arg2 > 256) throw new Error(`too long: ${request.describe()}`);
    const at = request.arg1 - SDRAM;
    if (request.data !== undefined) {
      this.bytes.set(request.data, at);
      return new Uint8Array(14);
    }
    // A reply comes in a buffer that is larger than the datagram and does not begin with it.
    const slab = new Uint8Array(512).fill(0xee);
    slab.set(this.bytes.subarray(at, at + request.arg2), 100 + 14);
    return slab.subarray(100, 100 + 14 + request.arg2);
  }
}

const ranges = fc.tuple(fc.nat(1200), fc.nat(3000)).map(([offset, length]) => ({ offset, length }));

describe("bulk requests", () => {
  it("read every byte once into its place, in any order of replies, and touch nothing else", () => {
    fc.assert(
      fc.property(ranges, fc.nat(50), fc.infiniteStream(fc.nat()), ({ offset, length }, spare, order) => {
        const memory = new Memory(offset + length);
        const into = new Uint8Array(length + spare).fill(0xaa);
        const replies = [...readRequests(CHIP, SDRAM + offset, length, into)].map((request) => ({ request, at: order.next().value! }));
        for (const { request } of replies.sort((a, b) => a.at - b.at)) request.decode(memory.serve(request), 0x80);
        expect(into.subarray(0, length)).toEqual(memory.bytes.subarray(offset));
        expect(into.subarray(length)).toEqual(new Uint8Array(spare).fill(0xaa));
      }),
    );
  });

  it("write every byte once, and touch nothing else", () => {
    fc.assert(
      fc.property(ranges, ({ offset, length }) => {
        const memory = new Memory(offset + length + 40);
        const expected = memory.bytes.slice();
        const data = Uint8Array.from({ length }, (_, i) => 255 - (i & 255));
        expected.set(data, offset);
        for (const request of writeRequests(CHIP, SDRAM + offset, data)) memory.serve(request);
        expect(memory.bytes).toEqual(expected);
      }),
    );
  });

  it("take no more packets than an aligned range, up to one, and words after the first block", () => {
    fc.assert(
      fc.property(ranges, ({ offset, length }) => {
        const requests = [...readRequests(CHIP, SDRAM + offset, length, new Uint8Array(length))];
        expect(requests.length).toBeLessThanOrEqual(Math.ceil(length / 256) + 1);
        for (const request of requests.slice(1, -1)) expect([request.arg2, request.arg3]).toEqual([256, 2]);
      }),
    );
  });

  it("are made one at a time", () => {
    const blocks = readRequests(CHIP, SDRAM, 1024, new Uint8Array(1024));
    const first = blocks.next().value as ScpRequest<void>;
    expect(first.describe()).toBe("READ 256 bytes at 0x60240000 on chip 1,2");
    blocks.return();
    expect(blocks.next().done).toBe(true);
  });

  it("are refused before the first one", () => {
    expect(() => readRequests(CHIP, SDRAM, 100, new Uint8Array(99))).toThrow(/100 bytes do not fit a buffer of 99 bytes/);
    expect(() => readRequests(CHIP, 0x68000000 - 4, 8, new Uint8Array(8))).toThrow(expect.objectContaining({ code: "ERR_SPINN_MEMORY" }));
    expect(() => writeRequests({ x: 256, y: 0 }, SDRAM, new Uint8Array(4))).toThrow(
      expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }),
    );
  });

  it("of length 0 are none", () => {
    expect([...readRequests(CHIP, SDRAM, 0, new Uint8Array())]).toEqual([]);
    expect([...writeRequests(CHIP, SDRAM, new Uint8Array())]).toEqual([]);
  });
});

describe("single requests", () => {
  it("promise exactly what was asked for", () => {
    const request = readMemory(CHIP, SDRAM, 12);
    expect([request.minReply, request.maxReply]).toEqual([12, 12]);
  });

  it("give a copy that outlives the datagram", () => {
    const datagram = Uint8Array.from({ length: 18 }, (_, i) => i);
    const data = readMemory(CHIP, SDRAM, 4).decode(datagram, 0x80);
    datagram.fill(0);
    expect(data).toEqual(Uint8Array.of(14, 15, 16, 17));
    expect(data.buffer.byteLength).toBe(4);
  });

  it.each([
    ["SDRAM", 0x60000000, true, true],
    ["SDRAM unbuffered", 0x70000000, true, true],
    ["SysRAM", 0xf5007f00, true, true],
    ["ITCM", 0x00000000, true, true],
    ["router counters", 0xe1000300, true, true],
    ["router table copy in hardware", 0xf1004000, true, true],
    ["router error status, which clears when read", 0xe1000014, false, true],
    ["system controller, which has test-and-set registers", 0xf2000080, false, false],
    ["Ethernet controller, which has FIFOs", 0xe4000000, false, false],
  ])("%s: may a READ and a WRITE be repeated", (_, address, read, write) => {
    expect(readMemory(CHIP, address, 4).repeatable).toBe(read);
    expect(writeMemory(CHIP, address, new Uint8Array(4)).repeatable).toBe(write);
  });
});
