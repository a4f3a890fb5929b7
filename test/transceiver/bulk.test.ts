import { mkdtemp, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { SpinnError } from "../../src/errors.js";
import { type MemoryRange, type Progress, Transceiver } from "../../src/transceiver/index.js";
import { Command } from "../../src/wire/index.js";
import { ScriptedBoard } from "./scripted-board.js";

let board: ScriptedBoard;
let spinn: Transceiver;
let folder: string;
let path: string;

beforeAll(async () => {
  board = await ScriptedBoard.start({ host: "127.47.1.1" });
  spinn = await Transceiver.connect({ host: board.host, port: board.port });
  folder = await mkdtemp(join(tmpdir(), "spinn-bulk-"));
});
afterAll(async () => {
  await spinn.close();
  await board.close();
  await rm(folder, { recursive: true });
});

const ranges: MemoryRange[] = [
  { x: 0, y: 0, address: 0x60240001, length: 5000 },
  { x: 1, y: 0, address: 0x60500000, length: 0 },
  { x: 1, y: 1, address: 0x60300000, length: 4096 },
];
const total = 9096;
const content = Uint8Array.from({ length: total }, (_, i) => (i * 2654435761) >>> 24);
const small = { blockBytes: 1024 };
const blocks = 5 + 4;

beforeEach(() => {
  path = join(folder, `${Math.random().toString(36).slice(2)}.bin`);
  board.script = () => "default";
  board.requests.length = 0;
  board.poke(0x60240001, content.subarray(0, 5000), 0, 0);
  board.poke(0x60300000, content.subarray(5000), 1, 1);
});

const failure = (promise: Promise<unknown>): Promise<SpinnError> =>
  promise.then(
    () => expect.unreachable("should have failed"),
    (error) => error,
  );
const exists = (file: string): Promise<boolean> =>
  stat(file).then(
    () => true,
    () => false,
  );
/** Stops the transfer after so many READs or WRITEs by an error code that is not retried. */
const breakAfter = (count: number) => {
  let left = count;
  board.script = ({ command }) => {
    if (command !== Command.READ && command !== Command.WRITE) return "default";
    left -= 1;
    return left < 0 ? { code: 0x84 } : "default";
  };
};

describe("saving memory", () => {
  it("writes the ranges one after another and says how far it is", async () => {
    const seen: Progress[] = [];
    const result = await spinn.saveMemory(ranges, path, { ...small, onProgress: (progress) => seen.push(progress) });
    expect(result).toEqual({ totalBytes: total, resumedBytes: 0 });
    expect(new Uint8Array(await readFile(path))).toEqual(content);
    expect(seen).toHaveLength(blocks);
    expect(seen.at(-1)).toEqual({ what: "save", done: total, total, unit: "bytes" });
  });

  it("replaces an older, longer file", async () => {
    await writeFile(path, new Uint8Array(total + 500));
    await spinn.saveMemory(ranges, path);
    expect(new Uint8Array(await readFile(path))).toEqual(content);
  });

  it("goes on at the last block that is in the file as the journal has it", async () => {
    breakAfter(22); // the range of 5000 bytes takes 24
    const error = await failure(spinn.saveMemory(ranges, path, { ...small, resume: true }));
    expect(error.code).toBe("ERR_SPINN_RETURN_CODE");
    expect(await exists(`${path}.save-journal`)).toBe(true);
    const lines = (await readFile(`${path}.save-journal`, "utf8")).trim().split("\n").length - 1;
    expect(lines).toBeGreaterThan(0);

    board.script = () => "default";
    board.requests.length = 0;
    const result = await spinn.saveMemory(ranges, path, { ...small, resume: true });
    expect(result.resumedBytes).toBe(lines * 1024);
    expect(new Uint8Array(await readFile(path))).toEqual(content);
    expect(board.requests.reduce((sum, { arg2 }) => sum + arg2, 0)).toBe(total - lines * 1024);
    expect(await exists(`${path}.save-journal`)).toBe(false);
  });

  it("does not trust a journal whose blocks are damaged or gone, nor a line that was cut off", async () => {
    breakAfter(22);
    await failure(spinn.saveMemory(ranges, path, { ...small, resume: true }));
    const journal = await readFile(`${path}.save-journal`, "utf8");
    await writeFile(`${path}.save-journal`, `${journal}8 123`);
    await truncate(path, 1500); // block 1 is cut in two
    const saved = await readFile(path);
    saved[3] = saved[3]! ^ 1; // and block 0 damaged
    await writeFile(path, saved);

    board.script = () => "default";
    const result = await spinn.saveMemory(ranges, path, { ...small, resume: true });
    expect(result.resumedBytes).toBe(0);
    expect(new Uint8Array(await readFile(path))).toEqual(content);
  });

  it("starts anew when the file is gone but the journal is there", async () => {
    breakAfter(22);
    await failure(spinn.saveMemory(ranges, path, { ...small, resume: true }));
    await rm(path);
    board.script = () => "default";
    expect(await spinn.saveMemory(ranges, path, { ...small, resume: true })).toEqual({ totalBytes: total, resumedBytes: 0 });
    expect(new Uint8Array(await readFile(path))).toEqual(content);
  });

  it("refuses the journal of another transfer", async () => {
    breakAfter(22);
    await failure(spinn.saveMemory(ranges, path, { ...small, resume: true }));
    const error = await failure(spinn.saveMemory(ranges.slice(0, 1), path, { ...small, resume: true }));
    expect(error).toMatchObject({ code: "ERR_SPINN_FILE", message: expect.stringContaining("another transfer") });
  });

  it("with verify notices memory that changes while it is read", async () => {
    let reads = 0;
    board.script = ({ command }) => {
      if (command === Command.READ) reads += 1;
      if (reads === 5) board.poke(0x60240005, [content[4]! ^ 0xff]);
      return "default";
    };
    const error = await failure(spinn.saveMemory(ranges.slice(0, 1), path, { blockBytes: 1024, verify: true }));
    expect(error).toMatchObject({ code: "ERR_SPINN_VERIFY", message: expect.stringContaining("0x60240005") });
  });

  it.skipIf(process.platform !== "linux")("says that the disk is full", async () => {
    const error = await failure(spinn.saveMemory(ranges, "/dev/full"));
    expect(error).toMatchObject({ code: "ERR_SPINN_FILE", message: "/dev/full: the disk is full" });
  });

  it("says what is wrong with the path", async () => {
    expect((await failure(spinn.saveMemory(ranges, join(folder, "no", "such")))).message).toMatch(/no such file or folder/);
    expect((await failure(spinn.saveMemory(ranges, folder))).message).toMatch(/it is a folder/);
  });

  it("checks every range before it touches the file or the board", async () => {
    const wrong = [...ranges, { x: 0, y: 0, address: 0x67ffff00, length: 512 }];
    expect((await failure(spinn.saveMemory(wrong, path))).code).toBe("ERR_SPINN_MEMORY");
    expect(board.requests).toEqual([]);
    expect(await exists(path)).toBe(false);
  });

  it("ends when the signal fires, and can be gone on with", async () => {
    const stop = new AbortController();
    const onProgress = (): void => stop.abort(new Error("enough"));
    const options = { ...small, resume: true };
    const error = await failure(spinn.saveMemory(ranges, path, { ...options, signal: stop.signal, onProgress }));
    expect(error.code).toBe("ERR_SPINN_ABORTED");
    const { resumedBytes } = await spinn.saveMemory(ranges, path, options);
    expect(resumedBytes).toBeGreaterThanOrEqual(1024);
    expect(new Uint8Array(await readFile(path))).toEqual(content);
  });
});

describe("restoring memory", () => {
  beforeEach(async () => {
    await writeFile(path, content);
    board.poke(0x60240001, new Uint8Array(5000), 0, 0);
    board.poke(0x60300000, new Uint8Array(4096), 1, 1);
  });
  const inMemory = (): Uint8Array => new Uint8Array([...board.peek(0x60240001, 5000, 0, 0), ...board.peek(0x60300000, 4096, 1, 1)]);

  it("is the inverse of saving", async () => {
    expect(await spinn.restoreMemory(ranges, path, small)).toEqual({ totalBytes: total, resumedBytes: 0 });
    expect(inMemory()).toEqual(content);
    expect(await exists(`${path}.restore-journal`)).toBe(false);
  });

  it("goes on where it broke, if the board still has it", async () => {
    breakAfter(22);
    await failure(spinn.restoreMemory(ranges, path, { ...small, resume: true }));
    board.script = () => "default";
    const { resumedBytes } = await spinn.restoreMemory(ranges, path, { ...small, resume: true });
    expect(resumedBytes).toBeGreaterThanOrEqual(1024);
    expect(inMemory()).toEqual(content);
  });

  it("starts a range anew when the board has lost it", async () => {
    breakAfter(22);
    await failure(spinn.restoreMemory(ranges, path, { ...small, resume: true }));
    board.poke(0x60240001, new Uint8Array(5000), 0, 0); // power cycle
    board.script = () => "default";
    expect((await spinn.restoreMemory(ranges, path, { ...small, resume: true })).resumedBytes).toBe(0);
    expect(inMemory()).toEqual(content);
  });

  it("with verify notices memory that does not keep what was written", async () => {
    board.script = (request) => {
      if (request.command === Command.WRITE && request.arg1 === 0x60300400) request.data[7]! ^= 4;
      return "default";
    };
    const error = await failure(spinn.restoreMemory(ranges, path, { ...small, verify: true }));
    expect(error).toMatchObject({
      code: "ERR_SPINN_VERIFY",
      message: expect.stringContaining("at 0x60300407; 1 of 1024 bytes differ"),
    });
  });

  it("refuses a file of another length before anything is sent", async () => {
    for (const length of [total - 1, total + 1]) {
      await writeFile(path, new Uint8Array(length));
      const error = await failure(spinn.restoreMemory(ranges, path));
      expect(error).toMatchObject({
        code: "ERR_SPINN_FILE",
        message: expect.stringContaining(`it has ${length} bytes where the ranges take 9096`),
      });
    }
    expect((await failure(spinn.restoreMemory(ranges, join(folder, "missing")))).code).toBe("ERR_SPINN_FILE");
    expect(board.requests).toEqual([]);
  });
});

describe("streams", () => {
  it("give memory in order, one piece ahead and no more", async () => {
    const pieces: Uint8Array[] = [];
    for await (const piece of spinn.readStream(ranges, small)) {
      pieces.push(piece);
      await new Promise((resolve) => setImmediate(resolve));
      const read = board.requests.reduce((sum, { arg2 }) => sum + arg2, 0);
      expect(read).toBeLessThanOrEqual(pieces.reduce((sum, { length }) => sum + length, 0) + 1024);
    }
    expect(new Uint8Array(Buffer.concat(pieces))).toEqual(content);
  });

  it("go through node's streams from one place to another", async () => {
    const source = Readable.from(spinn.readStream(ranges, small), { objectMode: true });
    expect(await spinn.writeStream({ x: 1, y: 0 }, 0x60700003, source)).toBe(total);
    expect(board.peek(0x60700003, total, 1, 0)).toEqual(content);
  });

  it("stop reading when the loop is left", async () => {
    for await (const piece of spinn.readStream(ranges, small)) {
      expect(piece).toHaveLength(1024);
      break;
    }
    const { inFlight } = spinn.connections[0]!.pipeline.counters;
    expect(inFlight).toBeLessThanOrEqual(8);
    await spinn.connections[0]!.pipeline.finish();
    // Each place once: on a busy computer a request may have gone out again.
    const asked = new Map(board.requests.map(({ arg1, arg2 }) => [arg1, arg2]));
    expect([...asked.values()].reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(2048);
  });

  it("write any pieces, empty ones too", async () => {
    const written: number[] = [];
    const sizes = [0, 1, 300, 0, 7];
    const pieces = sizes.map((length) => new Uint8Array(length).fill(length));
    await spinn.writeStream({ x: 0, y: 0 }, 0x60800000, pieces, { onWritten: (bytes) => written.push(bytes) });
    expect(written).toEqual([1, 301, 308]);
    expect(board.peek(0x60800000, 308)).toEqual(new Uint8Array(Buffer.concat(pieces)));
  });

  it("do not begin a piece that reaches past the end of memory, and close the source", async () => {
    let closed = false;
    function* source(): Generator<Uint8Array> {
      try {
        for (;;) yield new Uint8Array(256);
      } finally {
        closed = true;
      }
    }
    const error = await failure(spinn.writeStream({ x: 0, y: 0 }, 0x67fffe00, source()));
    expect(error.code).toBe("ERR_SPINN_MEMORY");
    expect(board.count(Command.WRITE)).toBe(2);
    expect(closed).toBe(true);
  });

  it("let the source's own error through", async () => {
    function* source(): Generator<Uint8Array> {
      yield new Uint8Array(10);
      throw new Error("tape torn");
    }
    await expect(spinn.writeStream({ x: 0, y: 0 }, 0x60800000, source())).rejects.toThrow("tape torn");
  });

  it("do not wait for a source that gives nothing once the signal fires", async () => {
    const stop = new AbortController();
    const source = new Readable({ read: () => setImmediate(() => stop.abort()) });
    const error = await failure(spinn.writeStream({ x: 0, y: 0 }, 0x60800000, source, { signal: stop.signal }));
    expect(error.code).toBe("ERR_SPINN_ABORTED");
    source.destroy();
  });
});

describe("scatter and gather", () => {
  it("moves many ranges, results in order", async () => {
    const pieces = Array.from({ length: 40 }, (_, i) => ({
      ...{ x: i % 2, y: (i >> 1) % 2, address: 0x60900000 + 1000 * i },
      data: new Uint8Array(1 + ((i * 37) % 700)).fill(i),
    }));
    await spinn.writeMany(pieces);
    const read = await spinn.readMany(pieces.map(({ data, ...place }) => ({ ...place, length: data.length })));
    expect(read).toEqual(pieces.map(({ data }) => data));
  });

  it("reports the first failure and stops the rest", async () => {
    board.script = ({ command, destX }) => (command === Command.READ && destX === 1 ? { code: 0x84 } : "default");
    const many = Array.from({ length: 200 }, (_, i) => ({ x: i === 20 ? 1 : 0, y: 0, address: 0x60000000 + 4096 * i, length: 4096 }));
    const error = await failure(spinn.readMany(many));
    expect(error.code).toBe("ERR_SPINN_RETURN_CODE");
    await spinn.connections[0]!.pipeline.finish();
    expect(board.count(Command.READ)).toBeLessThan(200 * 16);
  });

  it("checks every range first", async () => {
    const error = await failure(
      spinn.writeMany([
        { x: 0, y: 0, address: 0x60000000, data: new Uint8Array(4) },
        { x: 0, y: 0, p: 0, address: 0x00400000, data: new Uint8Array(4) },
      ]),
    );
    expect(error.code).toBe("ERR_SPINN_REFUSED");
    expect(board.requests).toEqual([]);
  });
});
