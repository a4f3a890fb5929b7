import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hello, memoryFiller, packetRing, SimulatedMachine, type SimulatedMachineOptions, sdpEcho } from "../../src/simulator/index.js";
import { TestClient, until, word } from "./client.js";

const STATE = 46;

/** A load table that runs what follows it: what mkaplx makes, without a program behind it. */
function image(): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of [2, 0, 0x20, 32, 4, 0, 0, 0].entries()) view.setUint32(4 * i, value, true);
  return bytes;
}

describe("applications", () => {
  let machine: SimulatedMachine;
  let client: TestClient;

  const start = async (options: SimulatedMachineOptions = {}): Promise<void> => {
    machine = await SimulatedMachine.start({ board: "spin3", port: 0, timeScale: 0, ...options });
    client = await TestClient.open(machine.boards[0]!.address);
  };
  const state = async (p: number, x = 0, y = 0): Promise<number> => (await client.read(0xe5007000 + 128 * p + STATE, 1, { x, y }))[0]!;

  beforeEach(async () => start());
  afterEach(async () => {
    await client.close();
    await machine.close();
  });

  it("load, wait, start, count and stop leave the chip as it was", async () => {
    await client.write(0xe50070f0, Uint8Array.of(1, 2, 3, 4));
    const before = await client.ask({ command: 31 });
    await client.write(0x67800000, image());
    expect((await client.ask({ command: 19, arg1: 0x1e04000e })).returnCode).toBe(0x80);
    await until(async () => (await state(1)) === 5);
    expect((await client.ask({ command: 15, arg1: 30, arg2: 5 })).payload).toEqual(Buffer.from("030000000500000000000000", "hex"));
    expect([...(await client.read(0x678c4040 + 8 * 30, 8))]).toEqual([3, 0, 0, 1, 14, 0, 0, 0]);
    await client.ask({ command: 28, arg1: 0x1e00, arg2: 100, arg3: 7 });
    await client.ask({ command: 28, arg1: 0x1e03, arg2: 12 });
    await client.ask({ command: 22, x: 255, y: 255, arg1: 0, arg2: 0x0003ff1e });
    expect(await state(2)).toBe(7);
    expect([...(await client.read(0xe50070f0, 4))]).toEqual([1, 2, 3, 4]);
    await client.ask({ command: 22, arg1: 0, arg2: 0x0006ff1e });
    expect(await state(2)).toBe(10);
    await client.ask({ command: 20, x: 255, y: 255, arg1: 0x003f0000, arg2: 0x5002ff1e, arg3: 0x80003f00 });
    expect(await state(2)).toBe(15);
    expect((await client.ask({ command: 31 })).payload).toEqual(before.payload);
    expect([...(await client.read(0xe50070f0, 4))]).toEqual([1, 2, 3, 4]);
    expect([...(await client.read(0x678c4040 + 8 * 30, 8))]).toEqual([0, 1, 0, 0, 0, 0, 0, 0]);
  });

  it("copies an application from the neighbour, and refuses a wrong sum", async () => {
    const bytes = image();
    await client.write(0x67800000, bytes);
    let sum = 0;
    for (let at = 0; at < bytes.length; at += 4) sum += word(bytes, at);
    const bad = await client.ask({ command: 21, x: 0, y: 1, arg1: ((0x123 << 3) | 5) >>> 0, arg2: 64, arg3: 0x1e000002 });
    expect([bad.returnCode, word(bad.payload)]).toEqual([0x80, sum]);
    expect(await state(1, 0, 1)).toBe(15);
    await client.ask({ command: 21, x: 0, y: 1, arg1: ((sum << 3) | 5) >>> 0, arg2: 64, arg3: 0x1e000002 });
    await until(async () => (await state(1, 0, 1)) === 7);
    expect(await client.read(0x67800000, 64, { x: 0, y: 1 })).toEqual(bytes);
  });

  it("flood fill starts by region on 3.4.1, and only with FFCS on 4.0.0", async () => {
    const flood = async (core: number, region: number, id: number): Promise<void> => {
      await client.ask({ command: 20, x: 255, y: 255, arg1: 0x06000100 | (id << 16), arg2: 0x0000ffff, arg3: 0x80003f18 });
      if (region !== 0) await client.ask({ command: 20, arg1: 0x07000000 | core, arg2: region, arg3: 0x3f18 });
      await client.ask({ command: 23, arg1: 0x3f180000 | id, arg2: 15 << 8, arg3: 0x67800000, data: image() });
      await client.ask({ command: 20, arg1: 0x0f000000 | id, arg2: 0x1f000000 | (region === 0 ? core : 0), arg3: 0x3f18 });
    };
    await flood(2, 0, 4);
    expect(await client.read(0x67800000, 64, { x: 1, y: 1 })).toEqual(image());
    expect(await state(1, 1, 1)).toBe(15);
    // Region of chip 1,0 alone: 4.0.0 does not look at it.
    await flood(2, 0x00030002, 6);
    await until(async () => (await state(1, 1, 1)) === 7 && (await state(1, 1, 0)) === 7);
    await client.close();
    await machine.close();
    await start({ scamp: "3.4.1" });
    await flood(4, 0x00030002, 8);
    await until(async () => (await state(2, 1, 0)) === 7);
    expect(await state(2, 1, 1)).toBe(15);
    const counted = await client.ask({ command: 22, arg1: 1, arg2: 0x0067ff1f, arg3: 0xffff });
    expect(word(counted.payload)).toBe(1);
  });

  it("does not start an application whose blocks did not all come", async () => {
    await client.ask({ command: 20, arg1: 0x06040200, arg2: 0xffff, arg3: 0x80003f18 });
    await client.ask({ command: 20, arg1: 0x07000002, arg2: 0xffff, arg3: 0x3f18 });
    await client.ask({ command: 23, arg1: 0x3f180004, arg2: 15 << 8, arg3: 0x67800000, data: image() });
    await client.ask({ command: 20, arg1: 0x0f000004, arg2: 0x1f000000, arg3: 0x3f18 });
    expect(await state(1)).toBe(15);
  });

  it("programs print to memory and to tag 0", async () => {
    await client.close();
    await machine.close();
    await start({ programs: { "30": () => hello("hi from"), "31": () => sdpEcho(), "32": () => memoryFiller(64) } });
    await client.ask({ command: 26, arg1: 0x00010000, arg2: client.port, arg3: 0 });
    await client.write(0x67800000, image(), { x: 1, y: 1 });
    client.send(client.request({ command: 19, x: 1, y: 1, arg1: 0x1e000002 }));
    const both = [await client.next(), await client.next()].map((datagram) => Buffer.from(datagram!));
    const text = both.find((datagram) => datagram[10] === 64)!;
    expect(text.toString("hex")).toBe(`00000700ff0100000101400000 00${Buffer.from("hi from 1,1,1\n").toString("hex")}`.replace(" ", ""));
    const iobuf = await client.word(0xe5007000 + 128 + 88, { x: 1, y: 1 });
    expect(iobuf).toBe(0x678ccc58);
    expect(await client.word(iobuf + 12, { x: 1, y: 1 })).toBe(14);
    expect(Buffer.from(await client.read(iobuf + 16, 14, { x: 1, y: 1 })).toString()).toBe("hi from 1,1,1\n");
    expect(Buffer.from(await client.read(0xe5007000 + 128 + 72, 16, { x: 1, y: 1 })).toString()).toBe("hello".padEnd(16, "\0"));
    // Messages to an echo: the transient tag carries the answer.
    await client.write(0x67800000, image());
    await client.ask({ command: 19, arg1: 0x1f000008 });
    await until(async () => (await state(3)) === 7);
    client.send(client.request({ command: 0x4241, p: 3, port: 2, data: Uint8Array.of(9) }));
    const echo = await client.next();
    expect([...echo!.subarray(4, 12)]).toEqual([0xff, 0x43, 0, 0, 0, 0, 0x41, 0x42]);
    await client.ask({ command: 19, arg1: 0x20000010 });
    await until(async () => (await state(4)) === 7);
    const address = await client.word(0xe5007000 + 128 * 4 + 112);
    expect(await client.word(address + 8)).toBe(0x04000002);
  });

  it("multicast packets follow the tables, straight on without entry, and are counted", async () => {
    await client.close();
    await machine.close();
    await start({ board: "spin5", programs: () => packetRing(3) });
    const entry = (key: number, route: number): Uint8Array => new Uint8Array(new Uint32Array([0, route, key, 0xffffffff]).buffer);
    const load = async (x: number, key: number, route: number): Promise<void> => {
      const first = word((await client.ask({ command: 28, x, arg1: 0x1e03, arg2: 1 })).payload);
      await client.write(0x67800000, entry(key, route), { x });
      await client.ask({ command: 29, x, arg1: 0x00011e02, arg2: 0x67800000, arg3: first });
    };
    await load(0, 0x100, 1);
    await load(2, 0x100, 1 << 7);
    await load(2, 0x101, 1 << 3);
    await load(0, 0x101, 1 << 7);
    for (const x of [0, 2]) {
      await client.write(0x67800000, image(), { x });
      await client.ask({ command: 19, x, arg1: 0x1e000002 });
      await until(async () => (await state(1, x, 0)) === 7);
    }
    await client.write(0xe5007080 + 120, Uint8Array.of(0, 1, 0, 0));
    await client.ask({ command: 22, arg1: 0, arg2: 0x000aff1e });
    expect(await client.word(0xe5007080 + 116, { x: 2 })).toBe(1);
    expect(await client.word(0xe5007080 + 116)).toBe(2);
    const counters = await client.read(0xe1000300, 64);
    // Two sent here (0x100 and, after the answer, 0x102 that no entry takes), one came in, one was dropped.
    expect([word(counters), word(counters, 4), word(counters, 32)]).toEqual([2, 1, 1]);
    expect(word(await client.read(0xe1000304, 4, { x: 1 }))).toBe(2);
    await client.write(0xf100002c, Uint8Array.of(255, 255, 255, 255));
    expect(await client.word(0xe1000300)).toBe(0);
  });

  it("routes name virtual cores to CMD_RTR, physical ones to the router", async () => {
    await client.close();
    await machine.close();
    await start({ board: "spin5", programs: () => packetRing(1), dead: { cores: [{ x: 0, y: 0, p: 3 }] } });
    const p = 5;
    const physical = (await client.read(0xf5007fa8, 20))[p]!;
    expect(physical).toBe(6);
    const first = word((await client.ask({ command: 28, arg1: 0x1e03, arg2: 2 })).payload);
    // A core, a link, and a core this chip does not have.
    const route = (1 << (6 + p)) | (1 << 23) | 4;
    await client.write(0x67800000, new Uint8Array(new Uint32Array([0, route, 0x100, 0xffffffff]).buffer));
    await client.ask({ command: 29, arg1: 0x00011e02, arg2: 0x67800000, arg3: first });
    const copy = await client.word(0xf5007fd4);
    expect(await client.word(copy + 16 * first + 4)).toBe(route);
    expect(await client.word(0xe1004000 + 4 * first)).toBe((1 << (6 + physical)) | 4);
    expect(await client.word(0xe1004000 + 4 * (first + 1))).toBe(0xff000000);
    // Each entry that is loaded is marked as the application's, not only the first of its block.
    await client.ask({ command: 29, arg1: 0x00011e02, arg2: 0x67800000, arg3: first + 1 });
    expect([...(await client.read(copy + 16 * (first + 1) + 2, 2))]).toEqual([30, 0x80]);
    // The entry for signals leads to the monitor, which passes them on.
    expect(((await client.word(copy + 4)) & 0xffffff) >> 6).toBe(1);
    expect(((await client.word(0xe1004000)) & 0xffffff) >> 6).toBe(1);
    // An entry written straight into the router's registers, as applications do.
    const registers = new Uint32Array([1 << (6 + physical), 0x200, 0xffffffff]);
    for (const [i, table] of [0xf1004000, 0xf1008000, 0xf100c000].entries())
      await client.write(table + 4 * (first + 1), new Uint8Array(registers.buffer, 4 * i, 4));
    await client.write(0x67800000, image());
    await client.ask({ command: 19, arg1: 0x1e000000 | (1 << p) | (1 << (p + 1)) });
    await until(async () => (await state(p)) === 7 && (await state(p + 1)) === 7);
    const users = 0xe5007000 + 112;
    for (const [i, key] of [0x100, 0x200].entries()) {
      await client.write(users + 128 * (p + 1) + 8, new Uint8Array(Uint32Array.of(key).buffer));
      await client.write(users + 128 * p + 8, new Uint8Array(Uint32Array.of(0x999).buffer));
      await client.ask({ command: 22, arg1: 0, arg2: 0x000aff1e });
      await until(async () => (await client.word(users + 128 * p)) === i + 1);
    }
    expect(await client.word(users + 128 * (p + 1))).toBe(0);
    // The fixed route: as it was given in the copy, physical in the register.
    await client.ask({ command: 29, arg1: 3, arg2: 1 << (6 + p) });
    expect(await client.word(0xf5007ff4)).toBe(1 << (6 + p));
    expect(await client.word(0xe1000084)).toBe(1 << (6 + physical));
  });
});
