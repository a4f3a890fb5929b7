import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { TestClient, word } from "./client.js";

describe("a booted board and its memory", () => {
  let machine: SimulatedMachine;
  let client: TestClient;

  beforeAll(async () => {
    machine = await SimulatedMachine.start({ board: "spin5", port: 0, maskErrors: false });
    client = await TestClient.open(machine.boards[0]!.address);
  });
  afterAll(async () => {
    await client.close();
    await machine.close();
  });

  it("answers VER from 255,255 with the real chip as source", async () => {
    const reply = await client.ask({ command: 0, x: 255, y: 255 });
    expect([reply.srcX, reply.srcY, reply.returnCode, reply.flags]).toEqual([0, 0, 0x80, 7]);
    expect(Buffer.from(reply.payload).toString("hex")).toBe("000000000001ffff00f153655343264d502f5370694e4e616b657200342e302e3000");
  });

  it.each([1, 2, 3, 255, 256])("reads back %i bytes exactly", async (length) => {
    const bytes = Uint8Array.from({ length }, (_, i) => 255 - (i % 251));
    for (const offset of [0, 1, 2, 3]) {
      await client.write(0x60240100 + offset, bytes, { x: 3, y: 4 });
      expect(await client.read(0x70240100 + offset, length, { x: 3, y: 4 })).toEqual(bytes);
    }
  });

  it("crosses pages and reads unwritten SDRAM as zeros", async () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    await client.write(0x60003f80, bytes);
    expect(await client.read(0x60003f80, 256)).toEqual(bytes);
    expect(await client.read(0x61003f80, 256)).toEqual(new Uint8Array(256));
  });

  it("lays out the system variables as a booted chip does", async () => {
    expect([...(await client.read(0xf5007f02, 2))]).toEqual([8, 8]);
    expect(await client.word(0xf5007f50)).toBe(16384);
    expect(await client.word(0xf5007f4c)).toBe(0x60640000);
    expect(await client.word(0xf5007fc8)).toBe(0x67800000);
    expect(await client.word(0xf5007fcc)).toBe(0xe5007000);
    expect(await client.word(0xf5007fd0)).toBe(0x67840000);
    expect(await client.word(0xf5007fd4)).toBe(0x67880020);
    expect(await client.word(0xf5007fd8)).toBe(0x67840018);
    expect(await client.word(0xf5007fdc)).toBe(0x67884038);
    expect(await client.word(0xf5007fe4)).toBe(0x678c4040);
    expect(await client.word(0x67840018 + 4 * 1000)).toBe(0x8000ffff);
    expect(await client.word(0x67880014)).toBe(0x8000ffff);
    expect(await client.word(0xf2000000)).toBe(0x59111012);
  });

  it("summarises a chip in INFO", async () => {
    const reply = await client.ask({ command: 31, x: 0, y: 0 });
    expect(reply.payload.length).toBe(38);
    expect(word(reply.payload)).toBe(0x02ffc712);
    expect(word(reply.payload, 4)).toBe(119275488);
    expect(word(reply.payload, 8)).toBe(22236);
    expect([...reply.payload.subarray(12, 30)]).toEqual([7, ...new Array<number>(17).fill(15)]);
    expect([...reply.payload.subarray(30)]).toEqual([0, 0, 127, 0, 0, 1, 7, 0]);
    const other = await client.ask({ command: 31, x: 7, y: 7 });
    expect([...other.payload.subarray(30)]).toEqual([0, 0, 0, 0, 0, 0, 4, 0]);
  });

  it("keeps a P2P table", async () => {
    const column = await client.read(0xe1010000, 4);
    expect(word(column)).toBe(0x00db6497);
  });

  it("refuses what the firmware refuses", async () => {
    expect((await client.ask({ command: 2, arg1: 0x60000000, arg2: 257 })).returnCode).toBe(0x84);
    expect((await client.ask({ command: 99 })).returnCode).toBe(0x83);
    expect((await client.ask({ command: 0, p: 20 })).returnCode).toBe(0x88);
    expect((await client.ask({ command: 0, port: 3 })).returnCode).toBe(0x85);
    expect((await client.ask({ command: 0, x: 7, y: 0 })).returnCode).toBe(0x87);
    client.send(client.request({ command: 0 }).subarray(0, 20));
    expect((await client.next())?.[10]).toBe(0x81);
  });

  it("an unaligned word kills the monitor of that chip alone", async () => {
    client.send(client.request({ command: 2, x: 1, y: 0, arg1: 0x60000001, arg2: 4, arg3: 2 }));
    expect((await client.ask({ command: 0, x: 1, y: 0 })).returnCode).toBe(0x8b);
    expect((await client.ask({ command: 0 })).returnCode).toBe(0x80);
    expect(machine.boards[0]!.counters.dropped.monitorDead).toBe(1);
  });

  it("loses the ninth of a burst", async () => {
    await using fresh = await SimulatedMachine.start({ board: "spin3", port: 0 });
    await using host = await TestClient.open(fresh.boards[0]!.address);
    for (let i = 0; i < 9; i += 1) host.send(host.request({ command: 0 }));
    for (let i = 0; i < 8; i += 1) expect(await host.next()).toBeDefined();
    expect(fresh.boards[0]!.counters.dropped.noTransientTag).toBe(1);
  });
});
