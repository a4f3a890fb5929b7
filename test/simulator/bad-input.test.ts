import { createSocket } from "node:dgram";
import { describe, expect, it } from "vitest";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { TestClient, until } from "./client.js";

const start = () => SimulatedMachine.start({ board: "spin5", port: 0, timeScale: 0 });

describe("a machine that is treated badly goes on, and counts it", () => {
  it("garbage and datagrams of 65,507 bytes at the board, its boot ROM and its BMP", async () => {
    await using machine = await start();
    const board = machine.boards[0]!;
    const bmp = machine.bmps[0]!;
    for (const [target, counters] of [
      [board.address, board.counters],
      [board.boot.address, board.boot.counters],
      [bmp.address, bmp.counters],
    ] as const) {
      await using client = await TestClient.open(target);
      client.send(new Uint8Array(65_507).fill(0x55));
      for (let length = 0; length < 20; length += 1) client.send(new Uint8Array(length).fill(0x55));
      await until(() => counters.received === 21);
      expect(counters.droppedTotal).toBeGreaterThan(0);
      expect(client.received).toEqual([]);
    }
    expect([board.counters.dropped.tooLong, bmp.counters.dropped.tooLong]).toEqual([1, 1]);
    await using client = await TestClient.open(board.address);
    expect((await client.ask({ command: 0 })).returnCode).toBe(0x80);
  });

  it("a flood at full speed: each datagram is answered or dropped for a reason, and nothing piles up", async () => {
    await using machine = await start();
    const { address, counters } = machine.boards[0]!;
    await using client = await TestClient.open(address);
    const request = client.request({ command: 2, arg1: 0x60240000, arg2: 256, arg3: 2 });
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 20_000; i += 1) {
      client.send(request);
      if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    // The network may have lost some on the way; what came in is accounted for to the last one.
    await new Promise((resolve) => client.socket.send(request, address.port, address.host, resolve));
    let seen = -1;
    await until(() => {
      const still = seen === counters.received;
      seen = counters.received;
      return still && counters.sent + counters.droppedTotal === counters.received;
    });
    expect(counters.received).toBeGreaterThan(100);
    expect(counters.dropped.noTransientTag).toBeGreaterThan(0);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 << 20);
    await using other = await TestClient.open(address);
    expect((await other.ask({ command: 0 })).returnCode).toBe(0x80);
  });

  it("clients that vanish before their answers come: all transient tags come back", async () => {
    await using machine = await start();
    const board = machine.boards[0]!;
    for (let round = 0; round < 3; round += 1) {
      const socket = createSocket("udp4");
      const client = await TestClient.open(board.address);
      const datagrams = Array.from({ length: 8 }, () => client.request({ command: 0 }));
      await client.close();
      for (const datagram of datagrams)
        await new Promise((resolve) => socket.send(datagram, board.address.port, board.address.host, resolve));
      socket.close();
      await until(() => board.counters.received === 8 * (round + 1));
      await until(() => board.counters.sent + board.counters.droppedTotal === 8 * (round + 1));
    }
    await using client = await TestClient.open(board.address);
    expect((await client.ask({ command: 0 })).returnCode).toBe(0x80);
    expect(board.tags.firstFree()).toBe(8);
  });

  it("two clients at once with the same sequence numbers each get their own answers", async () => {
    await using machine = await start();
    const board = machine.boards[0]!;
    await using one = await TestClient.open(board.address);
    await using two = await TestClient.open(board.address);
    await one.write(0x60240000, new Uint8Array(256).fill(1));
    await two.write(0x60250000, new Uint8Array(256).fill(2));
    for (let i = 0; i < 40; i += 1) {
      const [first, second] = await Promise.all([one.read(0x60240000, 1024 * (i % 2) + 256), two.read(0x60250000, 256)]);
      expect([first[0], second[0], second[255]]).toEqual([1, 2, 2]);
    }
    expect(one.received.concat(two.received)).toEqual([]);
  });
});
