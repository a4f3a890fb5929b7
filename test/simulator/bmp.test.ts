import { readFileSync } from "node:fs";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { TestClient, until, word } from "./client.js";

const VECTORS = new URL("../../fixtures/bmp-vectors.json", import.meta.url);
// Readings, serial numbers and addresses are the board's own; these replies are compared by length.
const OWN = ["adc", "info-", "read-words", "write-words", "read-back", "fill", "iptag-get", "rig-read", "rig-write", "power-off"];

describe("the board management processor", () => {
  let machine: SimulatedMachine;
  let client: TestClient;

  beforeEach(async () => {
    machine = await SimulatedMachine.start({ board: "spin5", port: 0, timeScale: 0.001 });
    client = await TestClient.open(machine.bmps[0]!.address);
  });
  afterEach(async () => {
    await client.close();
    await machine.close();
  });

  it("answers the recorded requests of a board without backplane as the firmware did", async () => {
    const file = JSON.parse(readFileSync(VECTORS, "utf8"));
    const vectors: { name: string; hex: string }[] = file.vectors ?? file;
    const replies = new Map(vectors.filter(({ name }) => name.endsWith("-reply")).map(({ name, hex }) => [name.slice(0, -6), hex]));
    let compared = 0;
    for (const { name, hex } of vectors) {
      const expected = replies.get(name);
      if (expected === undefined || name.startsWith("frame-") || OWN.some((own) => name.startsWith(own))) continue;
      client.send(Buffer.from(hex, "hex"));
      const reply = await client.next();
      expect([name, reply?.toString("hex")]).toEqual([name, expected]);
      compared += 1;
    }
    expect(compared).toBeGreaterThan(30);
  });

  it("says plausible things about its board", async () => {
    const info = async (op: number): Promise<Uint8Array> => (await client.ask({ command: 48, arg1: op })).payload;
    expect((await info(0)).length).toBe(32);
    expect((await info(1)).length).toBe(256);
    expect([...(await info(2))].slice(0, 3)).toEqual([1, 0, 0]);
    const status = new DataView(Uint8Array.from(await info(3)).buffer);
    expect(status.byteLength).toBe(48);
    expect((status.getUint16(8, true) * 2.5) / 4096).toBeCloseTo(1.8, 1);
    expect(status.getInt16(16, true) / 256).toBeCloseTo(29.1, 0);
    expect([...(await info(4)).subarray(8, 12)]).toEqual([127, 0, 0, 1]);
    expect((await info(5)).length).toBe(32);
  });

  it("power off silences the board, power on leaves it unbooted", async () => {
    await using scp = await TestClient.open(machine.boards[0]!.address);
    expect((await scp.ask({ command: 0 })).returnCode).toBe(0x80);
    expect((await client.ask({ command: 57, arg1: 0, arg2: 1 })).returnCode).toBe(0x80);
    const { dropped } = machine.boards[0]!.counters;
    scp.send(scp.request({ command: 0 }));
    await until(() => dropped.unpowered === 1);
    expect(word((await client.ask({ command: 17, arg1: 0x40004, arg2: 4, arg3: 1 })).payload)).toBe(0xffffffff);
    expect((await client.ask({ command: 57, arg1: 1, arg2: 1 })).returnCode).toBe(0x80);
    scp.send(scp.request({ command: 0 }));
    await until(() => dropped.unbooted === 1);
    expect(machine.isReady).toBe(false);
    expect(word((await client.ask({ command: 17, arg1: 0x40004, arg2: 4, arg3: 1 })).payload) & 3).toBe(1);
  });
});

it("the flash memories hold addresses and the list of dead parts", async () => {
  const dead = { chips: [{ x: 2, y: 3 }], cores: [{ x: 1, y: 0, p: 4 }], links: [{ x: 0, y: 0, link: 2 as const }] };
  await using machine = await SimulatedMachine.start({ board: "spin5", port: 0, dead });
  await using client = await TestClient.open(machine.bmps[0]!.address);
  const words = await client.read(0x1e00, 16);
  expect([0, 4, 8, 12].map((at) => word(words, at))).toEqual([3, 1 << 20, (1 << 27) | 16, ((2 << 27) | (3 << 24) | 0xffffff) >>> 0]);
  const sector = await client.read(0x1000, 0x1000);
  expect(~word(sector, 0xffc) >>> 0).toBe(crc32(sector.subarray(0, 0xffc)));
  expect([...sector.subarray(32 + 8, 32 + 12)]).toEqual([127, 0, 0, 1]);
  const boot = (await client.ask({ command: 53, arg1: 0, arg2: 44 })).payload;
  expect(Buffer.from(boot.subarray(0, 8)).toString("hex")).toBe("553a0008f5007fe0");
});

it("one BMP passes orders on to the others of its frame", async () => {
  await using machine = await SimulatedMachine.start({ board: { triads: [1, 1] }, host: "127.77.1.1", port: 0, timeScale: 0.001 });
  await using client = await TestClient.open(machine.bmps[0]!.address);
  const reply = await client.ask({ command: 0, p: 2 });
  expect([reply.srcCpu, word(reply.payload)]).toEqual([2, 0x01010202]);
  expect([...(await client.ask({ command: 48, arg1: 2 })).payload].slice(0, 4)).toEqual([1, 5, 5, 0]);
  await client.ask({ command: 57, p: 1, arg1: 0, arg2: 2 });
  await until(() => !machine.boards[1]!.powered);
  expect(machine.boards[0]!.powered).toBe(true);
  expect((await client.ask({ command: 0, p: 7 })).returnCode).toBe(0x87);
});

describe("the firmware of a BMP", () => {
  it("has a boot block and two code blocks that check", async () => {
    await using machine = await SimulatedMachine.start({ board: "spin5", port: 0 });
    await using client = await TestClient.open(machine.bmps[0]!.address);
    const boot = await client.read(0, 32);
    let sum = 0;
    for (let at = 0; at < 32; at += 4) sum = (sum + word(boot, at)) >>> 0;
    expect([sum, word(boot, 24)]).toEqual([0, 0x020102]);
    for (const base of [0x10000, 0x20000]) {
      const block = await client.read(base, 260);
      expect([word(block, 4 * 54), word(block, 4 * 55)]).toEqual([0x020102, 256]);
      expect(~word(block, 256) >>> 0).toBe(crc32(block.subarray(0, 256)));
    }
  });

  it("copies its flash, stands still, and switches its board on when the watchdog has reset it", async () => {
    await using machine = await SimulatedMachine.start({ board: "spin5", port: 0, timeScale: 0.01 });
    const bmp = machine.bmps[0]!;
    await using client = await TestClient.open(bmp.address);
    client.send(client.request({ command: 49, arg1: 0x70000, arg2: 0x10000, arg3: 512 }));
    await until(() => bmp.controller.isStuck);
    client.send(client.request({ command: 0 }));
    await until(() => bmp.counters.dropped.nobodyListens === 1);
    await until(() => machine.boards[0]!.boot.isWaiting);
    expect((await client.ask({ command: 0 })).returnCode).toBe(0x80);
    expect(await client.read(0x70000, 256)).toEqual(await client.read(0x10000, 256));
  });
});
