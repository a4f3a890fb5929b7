import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Transceiver } from "../../src/transceiver/index.js";
import { Command } from "../../src/wire/index.js";
import { ScriptedBoard } from "./scripted-board.js";
import { simulate } from "./simulated.js";

const chip = { x: 0, y: 0 };
const BASE = 0x60300000;

async function open(host: string): Promise<{ board: ScriptedBoard; spinn: Transceiver } & AsyncDisposable> {
  const board = await ScriptedBoard.start({ host });
  const spinn = await Transceiver.connect({ host, port: board.port });
  return {
    board,
    spinn,
    async [Symbol.asyncDispose]() {
      await spinn.close();
      await board.close();
    },
  };
}

const bytes = (length: number, first = 0): Uint8Array => Uint8Array.from({ length }, (_, i) => first + 7 * i);
const text = (words: string): Uint8Array => new TextEncoder().encode(words);

describe("MemoryIO", () => {
  it("reads and writes like a file, and its slices are windows on it", async () => {
    await using setup = await open("127.41.20.1");
    await using io = setup.spinn.memoryIO(chip, BASE, 12);
    await io.write(text("Hello, world"));
    expect(io.position).toBe(12);
    expect(await io.seek(0).read()).toEqual(text("Hello, world"));
    const part = io.slice(0, 5);
    expect([part.sizeBytes, part.position, part.address]).toEqual([5, 0, BASE]);
    await part.write(text("Howdy"));
    expect(await io.seek(0).read()).toEqual(text("Howdy, world"));
    expect(await io.slice(-5).slice(1, -1).read()).toEqual(text("orl"));
    expect(await io.readAt(-5, 2)).toEqual(text("wo"));
    await io.writeAt(7, text("W"));
    expect(await io.seek(-5).read(5)).toEqual(text("World"));
    expect(await io.slice(12).read()).toHaveLength(0);
  });

  it("has words", async () => {
    await using setup = await open("127.41.20.10");
    await using io = setup.spinn.memoryIO(chip, BASE, 8);
    await io.writeWordAt(4, 0xdeadbeef);
    expect(await io.readWordAt(4)).toBe(0xdeadbeef);
    expect(setup.board.peek(BASE + 4, 4)).toEqual(Uint8Array.of(0xef, 0xbe, 0xad, 0xde));
    await expect(io.writeWordAt(0, -1)).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await expect(io.readWordAt(5)).rejects.toMatchObject({ code: "ERR_SPINN_MEMORY" });
  });

  it("lets nothing out of its bounds, and sends nothing when asked to", async () => {
    await using setup = await open("127.41.20.2");
    const io = setup.spinn.memoryIO(chip, BASE, 100);
    const sent = setup.board.requests.length;
    const past = { code: "ERR_SPINN_MEMORY", message: expect.stringContaining("past the end of a window of 100 bytes") };
    await expect(io.read(101)).rejects.toMatchObject(past);
    await expect(io.write(bytes(101))).rejects.toMatchObject(past);
    await expect(io.writeAt(99, bytes(2))).rejects.toMatchObject({ ...past, hint: "1 bytes are left from there" });
    await expect(io.slice(90).read(11)).rejects.toMatchObject({ code: "ERR_SPINN_MEMORY" });
    const outside = expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" });
    for (const wrong of [() => io.seek(101), () => io.seek(-101), () => io.slice(0, 101), () => io.slice(5, 4), () => io.seek(1.5)]) {
      expect(wrong).toThrow(outside);
    }
    expect(() => setup.spinn.memoryIO(chip, 0x90000000, 4)).toThrow(expect.objectContaining({ code: "ERR_SPINN_MEMORY" }));
    expect(() => setup.spinn.memoryIO(chip, 0x67ffffff, 2)).toThrow(expect.objectContaining({ code: "ERR_SPINN_MEMORY" }));
    expect(() => setup.spinn.memoryIO(chip, 0x00400000, 4)).toThrow(outside);
    expect(io.position).toBe(0);
    expect(setup.board.requests).toHaveLength(sent);
  });

  it("sends small writes together: at the flush, at the close, or before they are read", async () => {
    await using setup = await open("127.41.20.3");
    const io = setup.spinn.memoryIO(chip, BASE, 1000, { bufferBytes: 64 });
    for (let i = 0; i < 10; i += 1) await io.write(Uint8Array.of(i, i, i, i));
    expect(setup.board.count(Command.WRITE)).toBe(0);
    await io.readAt(500, 4);
    expect(setup.board.count(Command.WRITE)).toBe(0);
    expect(await io.readAt(36, 8)).toEqual(Uint8Array.of(9, 9, 9, 9, 0, 0, 0, 0));
    expect(setup.board.count(Command.WRITE)).toBe(1);
    await io.write(bytes(4));
    await io.seek(200).write(bytes(4));
    expect(setup.board.count(Command.WRITE)).toBe(2);
    await io.flush();
    expect(setup.board.count(Command.WRITE)).toBe(3);
    await io.write(bytes(64));
    expect(setup.board.count(Command.WRITE)).toBe(4);
    await io.write(bytes(8));
    await io.close();
    expect(setup.board.count(Command.WRITE)).toBe(5);
    expect(setup.board.peek(BASE + 204, 64)).toEqual(bytes(64));
    await io.close();
  });

  it("takes what it collects at once: the caller may use the array again", async () => {
    await using setup = await open("127.41.20.4");
    await using io = setup.spinn.memoryIO(chip, BASE, 100);
    const array = bytes(8);
    await io.write(array);
    array.fill(0xff);
    expect(await io.readAt(0, 8)).toEqual(bytes(8));
  });

  it("is closed with its slices, and says so", async () => {
    await using setup = await open("127.41.20.5");
    const io = setup.spinn.memoryIO(chip, BASE, 100);
    const [first, second] = [io.slice(0, 50), io.slice(50)];
    await first.write(bytes(4));
    await first.close();
    expect(setup.board.count(Command.WRITE)).toBe(1);
    await second.write(bytes(4));
    const closed = { code: "ERR_SPINN_CLOSED" };
    await expect(first.read(1)).rejects.toMatchObject(closed);
    await io.close();
    expect(setup.board.count(Command.WRITE)).toBe(2);
    expect([first.closed, second.closed, io.closed]).toEqual([true, true, true]);
    await expect(second.write(bytes(1))).rejects.toMatchObject(closed);
    await expect(io.flush()).rejects.toMatchObject(closed);
    expect(() => io.slice()).toThrow(expect.objectContaining(closed));
    await expect(io.free()).rejects.toMatchObject(closed);
  });

  it("throws what a collected write met where it was sent, and goes on", async () => {
    await using setup = await open("127.41.20.6");
    const io = setup.spinn.memoryIO(chip, BASE, 100);
    setup.board.script = ({ command }) => (command === Command.WRITE ? { code: 0x84 } : "default");
    await io.write(bytes(4));
    await expect(io.flush()).rejects.toMatchObject({ code: "ERR_SPINN_RETURN_CODE" });
    setup.board.script = () => "default";
    await io.writeAt(0, bytes(4, 9));
    await io.close();
    expect(setup.board.peek(BASE, 4)).toEqual(bytes(4, 9));
  });

  it("is a stream both ways", async () => {
    await using setup = await open("127.41.20.7");
    const io = setup.spinn.memoryIO(chip, BASE, 5000, { bufferBytes: 1000 });
    const all = bytes(5000);
    const pieces = Array.from({ length: 50 }, (_, i) => all.slice(100 * i, 100 * i + 100));
    await pipeline(Readable.from(pieces), io.writable());
    expect(io.position).toBe(5000);
    expect(setup.board.peek(BASE, 5000)).toEqual(all);
    const read: Buffer[] = [];
    for await (const piece of io.seek(1).readable({ blockBytes: 512 })) read.push(piece as Buffer);
    expect(new Uint8Array(Buffer.concat(read))).toEqual(all.subarray(1));
    expect(io.position).toBe(5000);
    io.seek(0);
    for await (const piece of io.pieces({ blockBytes: 512 })) {
      expect(piece).toEqual(all.subarray(0, 512));
      break;
    }
    expect(io.position).toBe(512);
    const writable = io.seek(4990).writable();
    const failed = once(writable, "error");
    writable.write(bytes(11));
    expect((await failed)[0]).toMatchObject({ code: "ERR_SPINN_MEMORY" });
  });

  it("keeps calls in order, awaited or not, whatever the windows", async () => {
    await using setup = await open("127.41.20.8");
    const step = fc.record({ at: fc.nat(60), length: fc.nat(30), slice: fc.boolean(), read: fc.boolean(), value: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.constantFrom(0, 8, 1000), async (steps, bufferBytes) => {
        await setup.spinn.writeMemory(chip, BASE, new Uint8Array(100));
        const io = setup.spinn.memoryIO(chip, BASE, 100, { bufferBytes });
        const slice = io.slice(10);
        const model = new Uint8Array(100);
        const checks: Promise<void>[] = [];
        for (const { at, length, slice: inSlice, read, value } of steps) {
          const [window, offset] = inSlice ? [slice, at] : [io, at + 10];
          if (read) {
            const expected = model.slice(at + 10, at + 10 + length);
            checks.push(window.readAt(offset, length).then((found) => expect(found).toEqual(expected)));
          } else {
            model.fill(value, at + 10, at + 10 + length);
            checks.push(window.writeAt(offset, new Uint8Array(length).fill(value)));
          }
        }
        await Promise.all(checks);
        await io.close();
        expect(setup.board.peek(BASE, 100)).toEqual(model);
      }),
      { numRuns: 15 },
    );
  });

  it.each(["4.0.0", "3.4.1"])("allocated on SC&MP %s is freed by its window alone", async (scamp) => {
    await using setup = await simulate("127.41.20.9", { board: "spin3", scamp });
    const { transceiver } = setup;
    const place = { x: 1, y: 0 };
    const before = await transceiver.readSpace(place);
    const io = await transceiver.allocateIO(place, 1001, { appId: 30, tag: 3 });
    expect(io.sizeBytes).toBe(1001);
    expect(await transceiver.findByTag(place, 30, 3)).toBe(io.address);
    await io.write(bytes(1001));
    expect(await io.readAt(0, 1001)).toEqual(bytes(1001));
    await expect(io.slice(4).free()).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    const slice = io.slice(0, 4);
    await io.free();
    expect(await transceiver.readSpace(place)).toEqual(before);
    await expect(slice.read(1)).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
    await expect(transceiver.memoryIO(place, io.address, 8).free()).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    // The private memory of a core.
    await using dtcm = transceiver.memoryIO({ ...place, p: 3 }, 0x00400100, 64);
    await dtcm.write(bytes(64));
    expect(await dtcm.seek(0).read()).toEqual(bytes(64));
  });
});
