import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Progress, Transceiver } from "../../src/transceiver/index.js";
import { Command } from "../../src/wire/index.js";
import { ScriptedBoard } from "./scripted-board.js";

const chip = { x: 1, y: 2 };
let board: ScriptedBoard;
let transceiver: Transceiver;

beforeAll(async () => {
  board = await ScriptedBoard.start({ host: "127.41.2.1" });
  transceiver = await Transceiver.connect({ host: board.host, port: board.port });
});

afterAll(async () => {
  await transceiver.close();
  await board.close();
});

describe("memory", () => {
  it.each([1, 2, 3, 4, 255, 256, 257, 1000, 5003])("of %i bytes goes there and back at every alignment", async (length) => {
    const data = Uint8Array.from({ length }, (_, i) => i * 7 + length);
    for (let offset = 0; offset < 4; offset += 1) {
      const address = 0x60240100 + offset;
      await transceiver.writeMemory(chip, address, data);
      expect(await transceiver.readMemory(chip, address, length)).toEqual(data);
      const into = new Uint8Array(length + 1).fill(0xee);
      await transceiver.readInto(chip, address, length, into);
      expect(into.subarray(0, length)).toEqual(data);
      expect(into[length]).toBe(0xee);
    }
    const unaligned = board.requests.filter((request) => request.arg3 > 0 && request.arg1 % (1 << request.arg3) !== 0);
    expect(unaligned).toEqual([]);
  });

  it("is filled by one word whatever the alignment, touching nothing beside", async () => {
    for (const [offset, length] of [
      [0, 16],
      [1, 2],
      [3, 2],
      [1, 13],
      [2, 0],
      [0, 70_000],
      [3, 3],
    ] as const) {
      const address = 0x60300000 + offset;
      board.poke(0x60300000, new Uint8Array(length + 16).fill(0x55), chip.x, chip.y);
      await transceiver.fillMemory(chip, address, length, 0x44332211);
      const expected = Uint8Array.from({ length: length + 16 }, (_, i) =>
        i < offset || i >= offset + length ? 0x55 : 0x11 * (1 + (i & 3)),
      );
      expect(board.peek(0x60300000, length + 16, chip.x, chip.y)).toEqual(expected);
    }
  });

  it("is compared with what was written", async () => {
    const data = Uint8Array.of(1, 2, 3, 4, 5);
    await transceiver.writeMemory(chip, 0x60500001, data);
    await transceiver.verifyMemory(chip, 0x60500001, data);
    board.poke(0x60500003, [9, 9], chip.x, chip.y);
    await expect(transceiver.verifyMemory(chip, 0x60500001, data)).rejects.toMatchObject({
      code: "ERR_SPINN_VERIFY",
      message: "chip 1,2 holds 0x09 where 0x03 is expected at 0x60500003; 2 of 5 bytes differ",
    });
  });

  it("reports progress up to the end", async () => {
    const seen: Progress[] = [];
    await transceiver.readMemory(chip, 0x60000000, 3000, { onProgress: (progress) => seen.push(progress) });
    expect(seen.at(-1)).toEqual({ what: "read", done: 3000, total: 3000, unit: "bytes" });
    expect(seen.length).toBeGreaterThan(5);
  });

  it("that belongs to a core is asked of that core, shared memory of the monitor", async () => {
    const before = board.requests.length;
    await transceiver.readMemory({ ...chip, p: 5 }, 0x00400000, 64);
    await transceiver.readMemory({ ...chip, p: 5 }, 0x60000000, 64);
    expect(board.requests.slice(before).map((request) => request.destCpu)).toEqual([5, 0]);
    await expect(transceiver.readMemory(chip, 0x00400000, 64)).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await expect(transceiver.writeMemory({ ...chip, p: 0 }, 0x20, new Uint8Array(4))).rejects.toMatchObject({ code: "ERR_SPINN_REFUSED" });
  });

  it("that is none is refused before anything is sent", async () => {
    const before = board.requests.length;
    for (const [address, length] of [
      [0x50000000, 4],
      [0x67fffffc, 8],
      [-4, 4],
      [0x60000000, -1],
      [0xe1000000, 3],
    ] as const) {
      await expect(transceiver.readMemory(chip, address, length)).rejects.toMatchObject({ code: "ERR_SPINN_MEMORY" });
    }
    await expect(transceiver.readInto(chip, 0x60000000, 8, new Uint8Array(4))).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    expect(board.requests.length).toBe(before);
  });

  it("ends at an abort", async () => {
    const abort = new AbortController();
    board.script = (request) => (request.command === Command.READ ? undefined : "default");
    const read = transceiver.readMemory(chip, 0x60000000, 4096, { signal: abort.signal });
    abort.abort();
    await expect(read).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    board.script = () => "default";
    expect((await transceiver.readMemory(chip, 0x60000000, 8)).length).toBe(8);
  });

  it("of structures is read and written by name", async () => {
    board.pokeWords(0xf5007f50, [16384], chip.x, chip.y);
    expect(await transceiver.readSystemVariable(chip, "iobuf_size")).toBe(16384);
    await transceiver.writeCoreField({ ...chip, p: 3 }, "user1", 0xcafe);
    expect(await transceiver.readCoreField({ ...chip, p: 3 }, "user1")).toBe(0xcafe);
    expect([...board.peek(0xe5007000 + 3 * 128 + 116, 4, chip.x, chip.y)]).toEqual([0xfe, 0xca, 0, 0]);
    await expect(transceiver.readSystemVariable(chip, "nonsense")).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });
});
