import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import {
  createIMDFrame,
  EventFrame,
  FrameFileReader,
  FrameFileWriter,
  type IMDFrame,
  type IMDSessionInfo,
  imdSessionInfoV2,
  KeyMap,
  NdjsonSink,
  RasterPlot,
  RotatingFile,
  rotatedFiles,
  TerminalRaster,
  TrajectorySummary,
} from "../../../src/services/stream/index.js";
import { type EieioDataInput, encodeEieioData } from "../../../src/wire/index.js";
import { shown } from "./imd-fixtures.js";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "spinnkit-sinks-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const ALL: IMDSessionInfo = {
  version: 3,
  byteOrder: "big",
  time: true,
  energies: true,
  box: true,
  positions: true,
  wrapped: true,
  velocities: true,
  forces: true,
};
const ENERGIES = {
  temperature: 300,
  total: -1,
  potential: -2,
  vanDerWaals: 3,
  coulomb: 4,
  bonds: 5,
  angles: 6,
  dihedrals: 7,
  impropers: 8,
};

function imdFrame(k: number, session = ALL, nAtoms = 2): IMDFrame {
  const frame = createIMDFrame(session, nAtoms);
  frame.sequence = k;
  if (session.time) frame.setTime(0.5, k / 2, 10 * k);
  if (session.energies) frame.setEnergies({ step: 10 * k, ...ENERGIES, temperature: 300 + k });
  for (const array of [frame.box, frame.positions, frame.velocities, frame.forces]) array?.set(Array.from(array, (_, i) => k + i / 8));
  return frame;
}

function events(input: EieioDataInput, sequence = 0, source = "127.0.0.1"): EventFrame {
  const frame = new EventFrame(0);
  frame.fill(encodeEieioData(input));
  Object.assign(frame, { sequence, source, receivedAtMs: 1_700_000_000_000.5 });
  return frame;
}

const eventsShown = (frame: EventFrame): unknown => {
  const { sequence, source, receivedAtMs, late, count, payloadIsTime } = frame;
  const lists = { keys: [...frame.keys.subarray(0, count)], payloads: frame.payloads && [...frame.payloads.subarray(0, count)] };
  return { sequence, source, receivedAtMs, late, payloadIsTime, ...lists };
};

async function readAll(path: string): Promise<{ frames: (IMDFrame | EventFrame)[]; truncatedBytes: number }> {
  await using reader = await FrameFileReader.open(path);
  const frames: (IMDFrame | EventFrame)[] = [];
  for await (const frame of reader) frames.push(frame);
  return { frames, truncatedBytes: reader.truncatedBytes };
}

describe("file of frames", () => {
  test("frames of a simulation come back as they were", async () => {
    const path = join(folder, "all.spf");
    {
      await using writer = await FrameFileWriter.forIMD(path, ALL, 2);
      for (let k = 0; k < 50; k += 1) await writer.write(imdFrame(k));
      expect(writer.frames).toBe(50);
    }
    await using reader = await FrameFileReader.open(path);
    expect(reader.header).toEqual({ kind: "imd", session: ALL, nAtoms: 2, byteOrder: "little" });
    const { frames, truncatedBytes } = await readAll(path);
    expect(truncatedBytes).toBe(0);
    expect(frames.map((frame) => [frame.sequence, shown(frame as IMDFrame)])).toEqual(
      Array.from({ length: 50 }, (_, k) => [k, shown(imdFrame(k))]),
    );
  });

  test("energies of version 2 keep their age", async () => {
    const path = join(folder, "v2.spf");
    const session = imdSessionInfoV2("little");
    const frames = (["fresh", "old", "none"] as const).map((age) => {
      const frame = imdFrame(1, session);
      frame.energiesAge = age;
      return frame;
    });
    {
      await using writer = await FrameFileWriter.forIMD(path, session, 2);
      for (const frame of frames) await writer.write(frame);
    }
    expect((await readAll(path)).frames.map((frame) => shown(frame as IMDFrame))).toEqual(frames.map(shown));
  });

  const inputs: EieioDataInput[] = [
    { type: 2, keys: [1, 2, 3], payloadBase: 9, payloadIsTime: true },
    { type: 2, keys: [0xffffffff] },
    { type: 3, keys: [1, 2], payloads: [7, 8] },
    { type: 3, keys: [1, 2], payloads: [7, 7] },
    { type: 1, keys: [5], payloads: [0], prefix: 9, prefixUpper: true },
    { type: 0, keys: Array.from({ length: 128 }, (_, i) => i) },
    { type: 3, keys: Array.from({ length: 32 }, (_, i) => i), payloads: Array.from({ length: 32 }, (_, i) => i) },
  ];

  test("events come back as they were", async () => {
    const path = join(folder, "events.spf");
    const frames = inputs.map((input, k) => events(input, k, k % 2 === 0 ? "10.11.12.13" : "döner"));
    frames[1]!.late = true;
    {
      await using writer = await FrameFileWriter.forEvents(path);
      for (const frame of frames) await writer.write(frame);
      await expect(writer.write(imdFrame(0))).rejects.toThrow(/kind events/);
    }
    expect((await readAll(path)).frames.map((frame) => eventsShown(frame as EventFrame))).toEqual(frames.map(eventsShown));
  });

  test("cut by a crash at any byte: every whole record before is read", async () => {
    const path = join(folder, "cut.spf");
    const sizes: number[] = [];
    {
      await using writer = await FrameFileWriter.forEvents(path, { flushBytes: 1 });
      sizes.push(writer.bytesWritten);
      for (const [k, input] of inputs.slice(0, 4).entries()) {
        await writer.write(events(input, k));
        sizes.push(writer.bytesWritten);
      }
    }
    for (let size = sizes.at(-1)! - 1; size >= sizes[0]!; size -= 1) {
      await truncate(path, size);
      const whole = sizes.filter((end) => end <= size).length - 1;
      const { frames, truncatedBytes } = await readAll(path);
      expect([frames.length, truncatedBytes]).toEqual([whole, size - sizes[whole]!]);
    }
    await truncate(path, sizes[0]! - 1);
    await expect(FrameFileReader.open(path)).rejects.toMatchObject({ code: "ERR_SPINN_FILE" });
  });

  test("what was flushed can be read while the writer goes on: a crash loses the rest at most", async () => {
    const path = join(folder, "live.spf");
    await using writer = await FrameFileWriter.forIMD(path, ALL, 2, { flushBytes: 1000, flushMs: 100_000 });
    let lost = 0;
    for (let k = 0; k < 40; k += 1) {
      await writer.write(imdFrame(k));
      lost = Math.max(lost, k + 1 - (await readAll(path)).frames.length);
    }
    // A record is 8 + 8 + 196 bytes here, so no more than four wait.
    expect(lost).toBeGreaterThan(0);
    expect(lost).toBeLessThanOrEqual(4);
    await writer.flush();
    expect((await readAll(path)).frames.length).toBe(40);
  });

  test("damage that is no cut is told, with its place", async () => {
    const path = join(folder, "damaged.spf");
    {
      await using writer = await FrameFileWriter.forEvents(path);
      for (const [k, input] of inputs.entries()) await writer.write(events(input, k));
    }
    const good = await readFile(path);
    const start = 16 + good.readUInt32LE(8);
    const damage = async (change: (bytes: Buffer) => void): Promise<SpinnError> => {
      const bytes = Buffer.from(good);
      change(bytes);
      await writeFile(path, bytes);
      return readAll(path).then(
        () => expect.unreachable("damage was not seen"),
        (error: unknown) => error as SpinnError,
      );
    };
    const inBody = await damage((bytes) => {
      bytes[start + 20]! ^= 1;
    });
    expect(inBody).toMatchObject({ code: "ERR_SPINN_FILE", message: new RegExp(`byte ${start}: the checksum`) });
    expect((await damage((bytes) => bytes.writeUInt32LE(0x7fffffff, start))).message).toMatch(/a record of 2147483647 bytes/);
    expect((await damage((bytes) => bytes.writeUInt32LE(0, start))).message).toMatch(/a record of 0 bytes/);
    expect((await damage((bytes) => bytes.write("X", 0))).message).toMatch(/not a file of frames/);
    expect((await damage((bytes) => bytes.writeUInt32LE(0x7fffffff, 8))).message).toMatch(/header of 2147483647/);
    expect((await damage((bytes) => bytes.write("X", 20))).message).toMatch(/header of .* is damaged/);
    await expect(FrameFileReader.open(join(folder, "none.spf"))).rejects.toMatchObject({ code: "ERR_SPINN_FILE" });
    // Blank bytes at the end are what some file systems leave of a write that never came.
    await writeFile(path, Buffer.concat([good, Buffer.alloc(50)]));
    expect(await readAll(path)).toMatchObject({ truncatedBytes: 50, frames: { length: inputs.length } });
  });

  test("a header that claims billions of atoms costs no memory", async () => {
    const path = join(folder, "huge.spf");
    {
      await using writer = await FrameFileWriter.forIMD(path, ALL, 90_000_000);
      expect(writer.bytesWritten).toBeLessThan(400);
    }
    expect(await readAll(path)).toEqual({ frames: [], truncatedBytes: 0 });
  });
});

describe("rotation", () => {
  test("files follow each other, none is larger than it may be, all are read in order", async () => {
    const path = join(folder, "turn.spf");
    {
      await using writer = await FrameFileWriter.forIMD(path, ALL, 2, { rotateBytes: 1500, flushBytes: 700 });
      for (let k = 0; k < 30; k += 1) await writer.write(imdFrame(k));
    }
    const files = await rotatedFiles(path);
    expect(files.length).toBeGreaterThan(4);
    expect(files[0]).toBe(join(folder, "turn.0000.spf"));
    const sequences: number[] = [];
    for (const file of files) {
      expect((await readFile(file)).length).toBeLessThanOrEqual(1500);
      for (const frame of (await readAll(file)).frames) sequences.push(frame.sequence);
    }
    expect(sequences).toEqual(Array.from({ length: 30 }, (_, k) => k));
  });

  test("only the newest are kept", async () => {
    const path = join(folder, "few.ndjson");
    {
      await using sink = await NdjsonSink.open(path, { rotateBytes: 40, keepFiles: 2, flushBytes: 1 });
      for (let i = 0; i < 20; i += 1) await sink.write({ number: i });
    }
    const files = await rotatedFiles(path);
    expect(files.length).toBe(2);
    expect(await readFile(files.at(-1)!, "utf8")).toContain('{"number":19}');
  });

  test("a file that is there is not overwritten unless asked", async () => {
    const path = join(folder, "there.ndjson");
    await writeFile(path, "precious");
    await expect(NdjsonSink.open(path)).rejects.toMatchObject({ code: "ERR_SPINN_FILE", hint: /another name/ });
    expect(await readFile(path, "utf8")).toBe("precious");
    await (await NdjsonSink.open(path, { overwrite: true })).close();
    expect(await readFile(path, "utf8")).toBe("");
    await expect(NdjsonSink.open(join(folder, "no", "such", "folder"))).rejects.toMatchObject({ code: "ERR_SPINN_FILE" });
    await expect(rotatedFiles(join(folder, "nothing.ndjson"))).rejects.toMatchObject({ code: "ERR_SPINN_FILE" });
    await expect(RotatingFile.open(path, new Uint8Array(), { rotateBytes: 0 })).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });

  test("a disk that fails is told by append and by close", async () => {
    // The header is written at once: that was the system's own error, and the file stayed open.
    const header = RotatingFile.open("/dev/full", new Uint8Array(8), { overwrite: true });
    await expect(header).rejects.toMatchObject({ code: "ERR_SPINN_FILE", message: /ENOSPC/ });
    const file = await RotatingFile.open("/dev/full", new Uint8Array(), { overwrite: true, flushBytes: 1 });
    await expect(file.append(new Uint8Array(10))).rejects.toMatchObject({ code: "ERR_SPINN_FILE", message: /ENOSPC/ });
    await expect(file.append(new Uint8Array(10))).rejects.toMatchObject({ code: "ERR_SPINN_FILE" });
    await expect(file.close()).rejects.toMatchObject({ code: "ERR_SPINN_FILE" });
    await expect(file.append(new Uint8Array(1))).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  });

  test("what waits is written after flushMs without another append", async () => {
    const path = join(folder, "timer.ndjson");
    const sink = await NdjsonSink.open(path, { flushMs: 5 });
    await sink.write(1);
    while ((await readFile(path, "utf8")) !== "1\n") await new Promise((resolve) => setImmediate(resolve));
    await sink.close();
    await sink.close();
  });
});

test("NDJSON: one value in a line, for frames and for events", async () => {
  const path = join(folder, "lines.ndjson");
  const keyMap = new KeyMap([{ label: "pop", firstKey: 0x1000, count: 8 }]);
  {
    await using sink = await NdjsonSink.open(path);
    const frame = imdFrame(3, { ...ALL, velocities: false, forces: false, box: false });
    frame.positions![0] = Number.NaN;
    await sink.writeIMDFrame(frame);
    await sink.writeEvents(events({ type: 2, keys: [0x1001, 0x2000], payloadBase: 4, payloadIsTime: true }), keyMap);
    expect(sink.lines).toBe(3);
  }
  const lines = (await readFile(path, "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  expect(lines).toEqual([
    {
      sequence: 3,
      step: 30,
      dt: 0.5,
      time: 1.5,
      energies: { step: 30, ...ENERGIES, temperature: 303 },
      positions: [null, 3.125, 3.25, 3.375, 3.5, 3.625],
    },
    { step: 4, key: 0x1001, label: "pop", atom: 1, source: "127.0.0.1" },
    { step: 4, key: 0x2000, source: "127.0.0.1" },
  ]);
});

describe("pictures", () => {
  test("raster: dots where the spikes are, populations in bands, labels escaped", () => {
    const plot = new RasterPlot(
      new KeyMap([
        { label: "<a&b>", firstKey: 0, count: 10 },
        { label: "a population with a long name", firstKey: 100, count: 10 },
      ]),
      { width: 312, height: 172, title: 'Run "1"' },
    );
    plot.add(events({ type: 2, keys: [0, 109, 50], payloadBase: 0, payloadIsTime: true }));
    plot.add(events({ type: 2, keys: [9], payloadBase: 99, payloadIsTime: true }));
    const svg = plot.toSVG();
    // 200 by 100 pixels for 100 steps by 20 atoms: a step is 2 wide, an atom 5 high.
    expect(svg).toContain('d="M96 129.5h2M294 84.5h2" stroke="#1f77b4" stroke-width="5"');
    expect(svg).toContain('d="M96 34.5h2" stroke="#d62728"');
    expect(svg).toContain("&lt;a&amp;b&gt;");
    expect(svg).toContain("a population\u2026".slice(0, 10));
    expect(svg).toContain("Run &quot;1&quot;");
    expect(svg.match(/<svg/g)).toHaveLength(1);
    expect(plot.dots).toBe(4);
  });

  test("raster: bounded, without a map, without spikes", () => {
    const plot = new RasterPlot(undefined, { maxDots: 10 });
    for (let step = 0; step < 25; step += 1) plot.addSpike(step, 7 + (step % 3));
    plot.addSpike(Number.NaN, 1);
    expect([plot.dots, plot.omitted]).toEqual([10, 16]);
    expect(plot.toSVG()).toContain("16 more not drawn");
    expect(new RasterPlot().toSVG()).toContain("0 spikes");
    const withoutTime = new RasterPlot();
    withoutTime.add(events({ type: 2, keys: [1, 2] }));
    expect(withoutTime.toSVG()).toContain("2 spikes");
    expect(() => new RasterPlot(undefined, { stepMs: 0 })).toThrow(SpinnError);
    expect(() => new RasterPlot(undefined, { maxDots: 0 })).toThrow(SpinnError);
  });

  test("terminal: the last moments, scrolling", () => {
    const raster = new TerminalRaster(8, { columns: 2, rows: 2 });
    expect(raster.render()).toEqual(["\u2800\u2800", "\u2800\u2800"]);
    for (let step = 0; step < 4; step += 1) raster.add(step, 0);
    // Atom 0 is the lowest row of dots: dots 7 and 8 of the lower characters.
    expect(raster.render()).toEqual(["\u2800\u2800", "\u28c0\u28c0"]);
    raster.add(5, 7);
    expect(raster.render()).toEqual(["\u2800\u2808", "\u28c0\u2800"]);
    raster.add(1, 3);
    raster.add(5, 8);
    raster.add(Number.NaN, 1);
    expect(raster.render()).toEqual(["\u2800\u2808", "\u28c0\u2800"]);
    raster.add(1e9, 7);
    expect(raster.render()).toEqual(["\u2800\u2808", "\u2800\u2800"]);
    expect(raster.spikes).toBe(6);
    expect(() => new TerminalRaster(0)).toThrow(SpinnError);
  });
});

test("trajectory summary", () => {
  const session: IMDSessionInfo = { ...ALL, velocities: false };
  const summary = new TrajectorySummary();
  expect(summary.report).toMatchObject({ frames: 0, bounds: undefined, displacement: undefined });
  const frame = createIMDFrame(session, 2);
  const show = (k: number, positions: number[], forces: number[]): void => {
    frame.sequence = k;
    frame.setTime(0.5, k, k * 10);
    frame.setEnergies({ step: k, ...ENERGIES, temperature: 100 * k });
    frame.positions!.set(positions);
    frame.forces!.set(forces);
    frame.box!.set([1, 0, 0, 0, 2, 0, 0, 0, 3 + k]);
    summary.add(frame);
  };
  show(0, [0, 0, 0, 2, 0, 0], [0, 0, 0, 0, 0, 0]);
  show(1, [3, 0, 0, 5, 4, 0], [3, 0, 0, 0, 4, 0]);
  show(4, [Number.NaN, 0, 0, 0, 0, 0], [Number.POSITIVE_INFINITY, 0, 0, 0, 0, 0]);
  expect(summary.report).toEqual({
    frames: 3,
    atoms: 2,
    missing: 2,
    firstStep: 0,
    lastStep: 40,
    firstTime: 0,
    lastTime: 4,
    notFinite: 1,
    energies: expect.objectContaining({
      temperature: { min: 0, mean: 500 / 3, max: 400 },
      coulomb: { min: 4, mean: 4, max: 4 },
    }) as unknown,
    displacement: { min: 0, mean: Math.sqrt(17) / 2, max: Math.sqrt(17) },
    radiusOfGyration: { min: 1, mean: (1 + Math.sqrt(5)) / 2, max: Math.sqrt(5) },
    force: { min: 0, mean: Math.sqrt(12.5) / 2, max: Math.sqrt(12.5) },
    bounds: { low: [0, 0, 0], high: [5, 4, 0] },
    lastBox: [1, 0, 0, 0, 2, 0, 0, 0, 7],
  });
});
