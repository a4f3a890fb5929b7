/**
 * The sample applications of spinnaker_tools, unmodified, on emulated cores of a simulated machine. They are not part of this project: the test
 * runs where the environment variable SPINN_SAMPLES names a folder with the built images (hello.aplx, simple.aplx ...).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { ArmMachine, type ArmTrouble, armProgram } from "../../src/emulator/index.js";
import { CoreState, vcpuAddress } from "../../src/machine/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { TestClient, until, word } from "../simulator/client.js";

const folder = process.env["SPINN_SAMPLES"];
const APP = 17;

describe.skipIf(folder === undefined || !existsSync(folder ?? ""))("samples of spinnaker_tools", () => {
  let machine: SimulatedMachine;
  let client: TestClient;
  let tube: TestClient;
  let arm: ArmMachine;
  let troubles: ArmTrouble[];

  const open = async (speed = Number.POSITIVE_INFINITY) => {
    arm = new ArmMachine();
    troubles = [];
    const programs = armProgram({ machine: arm, speed, onTrouble: (trouble) => troubles.push(trouble) });
    machine = await SimulatedMachine.start({ board: "spin3", port: 0, timeScale: 0, programs });
    client = await TestClient.open(machine.boards[0]!.address);
    tube = await TestClient.open(machine.boards[0]!.address);
    for (const tag of [0, 1]) await tube.ask({ command: 26, arg1: 0x0001_0000 | tag, arg2: tube.port, arg3: 0x0100_007f });
  };
  afterEach(async () => {
    await client.close();
    await tube.close();
    await machine.close();
  });

  const state = async (p: number, at = {}) => (await client.read(vcpuAddress(p) + 46, 1, at))[0]!;
  const load = async (name: string, mask: number, chips: readonly { x: number; y: number }[] = [{ x: 0, y: 0 }], app = APP) => {
    for (const at of chips) await client.write(0x6780_0000, readFileSync(join(folder!, `${name}.aplx`)), at);
    for (const at of chips) await client.ask({ command: 19, ...at, arg1: ((app << 24) | mask) >>> 0 });
  };
  const signal = (number: number) => client.ask({ command: 22, x: 255, y: 255, arg1: 0, arg2: (number << 16) | 0xff00 | APP });
  const iobuf = async (p: number, at = {}) => {
    let text = "";
    for (let block = await client.word(vcpuAddress(p) + 88, at); block !== 0; ) {
      const header = await client.read(block, 16, at);
      text += Buffer.from(await client.read(block + 16, word(header, 12), at)).toString();
      block = word(header);
    }
    return text;
  };
  const texts = () => tube.received.map((datagram) => datagram.subarray(14).toString());
  const virtualMs = async (ms: number) => {
    const end = arm.now + ms * 200_000;
    await until(() => arm.now >= end, 15_000);
  };

  it("hello: SDRAM, SDP and a string of its own", async () => {
    await open();
    await load("hello", 0b10);
    await until(async () => (await state(1)) === CoreState.EXIT);
    expect(await iobuf(1)).toBe("Hello world! (via SDRAM)\nHello world! (via printf...)\n");
    expect(texts()).toEqual(["Hello world! (via SDP)\n"]);
    expect(troubles).toEqual([]);
    const version = await client.ask({ command: 0, p: 1 });
    expect(Buffer.from(version.payload).toString("latin1")).toContain("SARK/SpiNNaker");
  });

  it("data_abort: reads ROM, dies writing it", async () => {
    await open();
    await load("data_abort", 0b10);
    await until(async () => (await state(1)) === CoreState.RTE);
    expect((await client.read(vcpuAddress(1) + 44, 1))[0]).toBe(5);
    expect(texts()).toHaveLength(2);
    expect(troubles.map(({ message }) => message)).toEqual([expect.stringMatching(/wrote 0xf6000000, which is boot ROM/)]);
  });

  it("interrupt: a tick every half second of virtual time", async () => {
    await open(4);
    const start = arm.now;
    await load("interrupt", 1 << 7);
    await virtualMs(3_000);
    const text = await iobuf(7);
    const ticks = Math.floor((arm.now - start) / 100_000_000);
    expect(await state(7)).toBe(CoreState.SARK);
    expect(Math.abs(text.trim().split("\n").length - ticks)).toBeLessThanOrEqual(1);
    expect(text).toMatch(/^Tick 1\nTick 2\n/);
  });

  it("simple: timer, user events, packets to itself, DMA, three heaps", async () => {
    await open();
    await load("simple", 0b10);
    await until(async () => (await state(1)) === CoreState.SYNC0);
    await signal(4);
    await until(async () => (await state(1)) === CoreState.EXIT, 15_000);
    const text = await iobuf(1);
    expect(text).toContain("simulation lasted 10 ticks");
    expect(text).toContain("received 162 packets");
    expect(text).toMatch(/failed 0 packets[\s\S]*failed 0 USER events[\s\S]*failed 0 DMA transfers/);
    expect(troubles).toEqual([]);
  });

  it("ring: a token from core to core until one has enough", async () => {
    await open();
    await load("ring", 0x1fffe);
    await until(async () => (await state(16)) === CoreState.SYNC0);
    await signal(4);
    await virtualMs(60_000);
    const ended = [];
    for (let p = 1; p <= 16; p++) if ((await iobuf(p)).includes("Terminated")) ended.push(p);
    expect(ended).toHaveLength(1);
    expect(troubles).toEqual([]);
  }, 30_000);

  it("random: colours over time", async () => {
    await open();
    await load("random", 0b110);
    await virtualMs(5_000);
    expect(texts().length).toBeGreaterThan(4);
    for (const text of texts()) expect(text).toMatch(/^#(black|white);#fill;#\w+;\d+\n$/);
    expect(troubles).toEqual([]);
  });

  it("sdping: a message comes back with its ends swapped", async () => {
    await open();
    await load("sdping", 1 << 6);
    await until(async () => (await state(6)) === CoreState.RUN);
    client.send(client.request({ command: 1, p: 6, port: 1, arg1: 5, data: Uint8Array.of(1, 2, 3, 4) }));
    const back = await client.next();
    expect([...back!.subarray(4, 10)]).toEqual([0xff, 0x26, 0, 0, 0, 0]);
    expect([...back!.subarray(26)]).toEqual([1, 2, 3, 4]);
  });

  // At a finite speed: the chips are started one after the other, and must not live through different times meanwhile.
  it("life: 64 cores on four chips are a torus of 8 x 8 cells, 40 generations long", async () => {
    await open(3);
    await load("life", 0x1fffe, CHIPS);
    await virtualMs(10_250);
    // Each text is one cell that changed; the cells of a generation report in an order of their own, so they are counted per cell.
    const seen = new Map<string, boolean[]>();
    for (const datagram of tube.received) {
      const core = (datagram[5]! & 31) - 1;
      const [x, y] = [4 * datagram[9]! + (core & 3), 4 * datagram[8]! + (core >> 2)];
      const changes = seen.get(`${x},${y}`) ?? [];
      changes.push(datagram.subarray(14).toString().includes("white"));
      seen.set(`${x},${y}`, changes);
    }
    const expected = lifeChanges(40);
    expect(troubles).toEqual([]);
    const missing = [...expected.keys()].filter((cell) => !seen.has(cell));
    expect(missing).toEqual([]);
    for (const [cell, changes] of expected) expect(seen.get(cell)!.slice(0, changes.length), cell).toEqual(changes);
    const total = [...expected.values()].reduce((sum, changes) => sum + changes.length, 0);
    expect(tube.received.length).toBeGreaterThanOrEqual(total);
    expect(troubles).toEqual([]);
  }, 60_000);

  it("heat_demo: 64 cores send frames of temperatures, which settle where the borders' heat says", async () => {
    await open();
    await load("heat_demo", 0x1fffe, CHIPS);
    await until(async () => (await state(16, { x: 1, y: 1 })) === CoreState.SYNC0);
    await signal(4);
    const frames = () => tube.received.filter((datagram) => datagram[3] === 1);
    await virtualMs(6_000);
    expect(frames().length).toBeGreaterThan(4 * 20);
    for (const frame of frames()) expect(frame.length).toBe(10 + 16 + 64);
    const [first, last] = [temperatures(frames().slice(0, 8)), temperatures(frames())];
    const expected = heat();
    expect(Math.max(...first.flat().map((value, index) => Math.abs(value - expected.flat()[index]!)))).toBeGreaterThan(2);
    for (const [x, column] of expected.entries())
      for (const [y, value] of column.entries()) expect(last[x]![y], `${x},${y}`).toBeCloseTo(value, 0);
    expect(temperatures(frames().slice(0, -4))).toEqual(last);
    expect(troubles).toEqual([]);
  }, 90_000);

  it("pt_demo: tracers find each other through the aggregator and deliver every pixel of an image", async () => {
    await open();
    for (const at of CHIPS) await load("tracer", at.x + at.y === 0 ? 0b11100 : 0b11110, [at], 16);
    await load("aggregator", 0b10, [{ x: 0, y: 0 }], 17);
    await until(async () => (await state(1)) === CoreState.RUN);
    const [width, height] = [12, 10];
    const camera = [-220 * 512, 50 * 512, 0, 65536, 0, 0, 0, 65536, 0, width, height, 60 * 65536, 50 * 65536, 1, 0, 0, 4];
    client.send(client.request({ command: 4, p: 1, port: 1, flags: 7, data: new Uint8Array(Int32Array.from(camera).buffer) }));
    const pixels = new Map<string, string>();
    await until(() => {
      for (const datagram of tube.received.splice(0)) {
        expect([datagram[3], datagram.readUInt16LE(10)]).toEqual([1, 3]);
        const count = datagram.readUInt32LE(14);
        expect(datagram.length).toBe(26 + 7 * count);
        for (let at = 26; at < datagram.length; at += 7)
          pixels.set(`${datagram.readUInt16BE(at)},${datagram.readUInt16BE(at + 2)}`, datagram.subarray(at + 4, at + 7).toString("hex"));
      }
      return pixels.size >= width * height;
    }, 60_000);
    const wanted = Array.from({ length: width * height }, (_, index) => `${index % width},${Math.floor(index / width)}`);
    expect([...pixels.keys()].sort()).toEqual(wanted.sort());
    expect(new Set(pixels.values()).size).toBeGreaterThan(10);
    expect(await iobuf(1)).toMatch(/Recruited 15 nodes\.\n[\s\S]*All nodes are now tracing\.\n/);
    expect(troubles).toEqual([]);
  }, 90_000);
});

const CHIPS = [0, 1].flatMap((x) => [0, 1].map((y) => ({ x, y })));

/** What each cell of the torus reports: its first state, and every change after, over so many generations. */
function lifeChanges(generations: number): Map<string, boolean[]> {
  const size = 8;
  const start = [5, 6, 7, 11, 14].map((core) => core - 1);
  const counts0 = new Set(start.map((core) => `${core & 3},${core >> 2}`));
  let alive = new Map<string, boolean>();
  const changes = new Map<string, boolean[]>();
  for (let generation = 0; generation < generations; generation++) {
    const next = new Map<string, boolean>();
    for (let x = 0; x < size; x++) {
      for (let y = 0; y < size; y++) {
        let count = 0;
        for (const dx of [-1, 0, 1])
          for (const dy of [-1, 0, 1]) {
            if (dx === 0 && dy === 0) continue;
            if (alive.get(`${(x + dx + size) % size},${(y + dy + size) % size}`)) count++;
          }
        const cell = `${x},${y}`;
        // The first generation is set by hand: a count of three.
        const lives = generation === 0 ? counts0.has(cell) : (count | (alive.get(cell) ? 1 : 0)) === 3;
        next.set(cell, lives);
        if (generation === 0) changes.set(cell, [lives]);
        else if (lives !== alive.get(cell)) changes.get(cell)!.push(lives);
      }
    }
    alive = next;
  }
  return changes;
}

/** Temperatures of 8 x 8 cells, degrees, by x and y, as the last frame of each chip in `frames` has them: sixteen numbers of 16.16 bits. */
function temperatures(frames: readonly Buffer[]): number[][] {
  const cells = Array.from({ length: 8 }, () => new Array<number>(8).fill(0));
  for (const frame of frames)
    for (let core = 0; core < 16; core++)
      cells[4 * frame[9]! + (core >> 2)]![4 * frame[8]! + (core & 3)] = frame.readInt32LE(26 + 4 * core) / 65536;
  return cells;
}

/** The state in which every cell is the mean of its neighbours, with 40 degrees beyond the northern and western border and 10 beyond the others. */
function heat(): number[][] {
  const cells = Array.from({ length: 10 }, (_, x) => Array.from({ length: 10 }, (__, y) => (x === 0 || y === 9 ? 40 : 10) as number));
  for (let round = 0; round < 1000; round++)
    for (let x = 1; x <= 8; x++)
      for (let y = 1; y <= 8; y++) cells[x]![y] = (cells[x - 1]![y]! + cells[x + 1]![y]! + cells[x]![y - 1]! + cells[x]![y + 1]!) / 4;
  return cells.slice(1, 9).map((column) => column.slice(1, 9));
}
