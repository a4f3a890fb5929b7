import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { MachineGeometry } from "../../src/machine/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { MachineNetwork } from "../../src/simulator/network.js";
import { fullTable, sparseTable } from "../../src/simulator/p2p.js";
import { bootImage, sendImage } from "./boot-image.js";
import { TestClient, until, word } from "./client.js";

describe("a machine of three boards", () => {
  it("is one machine behind three addresses", async () => {
    await using machine = await SimulatedMachine.start({ board: { triads: [1, 1] }, host: "127.77.2.1", port: 0 });
    expect(machine.boards.map((board) => [board.chip, board.address.host])).toEqual([
      [{ x: 0, y: 0 }, "127.77.2.1"],
      [{ x: 4, y: 8 }, "127.77.2.2"],
      [{ x: 8, y: 4 }, "127.77.2.3"],
    ]);
    await using first = await TestClient.open(machine.boards[0]!.address);
    await using second = await TestClient.open(machine.boards[1]!.address);
    expect([...(await first.read(0xf5007f02, 2))]).toEqual([12, 12]);
    expect([...(await first.read(0xf5007ff0, 4, { x: 4, y: 8 }))]).toEqual([127, 77, 2, 2]);
    const info = await second.ask({ command: 31, x: 5, y: 0 });
    expect([...info.payload.subarray(30, 32)]).toEqual([8, 4]);
    expect([info.destX, info.destY]).toEqual([4, 8]);
    // 255,255 is the root whichever board is asked.
    expect((await second.ask({ command: 0, x: 255, y: 255 })).srcX).toBe(0);
    // 4.0.0: an Ethernet chip has no way to ordinary chips of other boards.
    expect((await second.ask({ command: 0, x: 9, y: 5 })).returnCode).toBe(0x87);
    expect((await first.ask({ command: 0, x: 9, y: 5 })).returnCode).toBe(0x80);
    // Each Ethernet chip counts the idle cores of its own board: none of application 30.
    expect((await second.ask({ command: 15, x: 4, y: 8, arg1: 0, arg2: 15 })).payload[0]! > 0).toBe(true);
  });

  it("loses a board and runs on", async () => {
    await using machine = await SimulatedMachine.start({ board: { triads: [1, 1] }, host: "127.77.3.1", port: 0, timeScale: 0 });
    await using client = await TestClient.open(machine.boards[0]!.address);
    const link = { command: 17, arg1: 0xf5007f00, arg2: 8, arg3: 3 };
    expect((await client.ask(link)).payload.length).toBe(8);
    machine.setPower(false, [1]);
    // Over the edge of the board: masked by 4.0.0, so an OK without data.
    expect((await client.ask(link)).payload.length).toBe(0);
    expect((await client.ask({ ...link, y: 3, arg3: 2 })).payload.length).toBe(8);
    expect(machine.isReady).toBe(true);
    expect((await client.ask({ command: 0, x: 4, y: 8 })).returnCode).toBe(0x8b);
    expect((await client.ask({ command: 0, x: 8, y: 4 })).returnCode).toBe(0x80);
    // The board that counts as 0,0 goes: the third runs on, with tables that still know the others.
    machine.setPower(false, [0]);
    expect(machine.isReady).toBe(true);
    await using third = await TestClient.open(machine.boards[2]!.address);
    expect((await third.ask({ command: 0, x: 8, y: 4 })).returnCode).toBe(0x80);
    expect((await third.ask({ command: 31, x: 9, y: 5 })).payload.length).toBe(38);
    expect((await third.ask({ command: 0, x: 255, y: 255 })).returnCode).toBe(0x8b);
    expect((await third.ask({ command: 0, x: 0, y: 0 })).returnCode).toBe(0x8b);
    machine.setPower(false, [2]);
    expect(machine.isReady).toBe(false);
  });

  it("is booted through any of its boards, and counts from that one", async () => {
    await using machine = await SimulatedMachine.start({
      board: { triads: [1, 1] },
      host: "127.77.4.1",
      port: 0,
      booted: false,
      timeScale: 0,
      dead: { chips: [{ x: 5, y: 9 }] },
    });
    expect(machine.boards.every(({ boot }) => boot.isWaiting)).toBe(true);
    await sendImage(machine.boards[1]!.boot.address, bootImage("4.0.0"));
    await machine.ready;
    expect(machine.boards.map(({ chip }) => chip)).toEqual([
      { x: 8, y: 4 },
      { x: 0, y: 0 },
      { x: 4, y: 8 },
    ]);
    await using second = await TestClient.open(machine.boards[1]!.address);
    const version = await second.ask({ command: 0, x: 255, y: 255 });
    expect([version.srcX, version.srcY, version.payload[3], version.payload[2]]).toEqual([0, 0, 0, 0]);
    expect([...(await second.read(0xf5007ff0, 4, { x: 8, y: 4 }))]).toEqual([127, 77, 4, 1]);
    expect((await second.ask({ command: 0, x: 1, y: 1 })).returnCode).toBe(0x87);
    expect(machine.boards.some(({ boot }) => boot.isWaiting)).toBe(false);
  });

  it("boots a board again while the others run: it is a machine of its own", async () => {
    await using machine = await SimulatedMachine.start({ board: { triads: [1, 1] }, host: "127.77.5.1", port: 0, timeScale: 0 });
    machine.reset([1]);
    const [first, second] = [machine.boards[0]!, machine.boards[1]!];
    expect([first.isBooted, second.isBooted, second.boot.isWaiting]).toEqual([true, false, true]);
    await sendImage(second.boot.address, bootImage("3.1.7"));
    await until(() => second.isBooted);
    await using one = await TestClient.open(first.address);
    await using two = await TestClient.open(second.address);
    expect([...(await two.read(0xf5007f02, 2))]).toEqual([8, 8]);
    expect([...(await one.read(0xf5007f02, 2))]).toEqual([12, 12]);
    expect((await two.ask({ command: 31, x: 4, y: 7 })).payload.length).toBe(36);
    expect((await one.ask({ command: 0, x: 4, y: 8 })).returnCode).toBe(0x8b);
    expect((await one.ask({ command: 0, x: 8, y: 4 })).returnCode).toBe(0x80);
  });

  it("loses the root while it boots, and the other boards wait again", async () => {
    await using machine = await SimulatedMachine.start({
      board: { triads: [1, 1] },
      host: "127.77.6.1",
      port: 0,
      booted: false,
      timeScale: 0.05,
    });
    await sendImage(machine.bootAddress, bootImage("4.0.0"));
    await until(() => !machine.boards[2]!.boot.isWaiting);
    machine.setPower(false, [0]);
    await until(() => machine.boards[1]!.boot.isWaiting && machine.boards[2]!.boot.isWaiting);
    expect(machine.boards[0]!.boot.isWaiting).toBe(false);
    expect(machine.isReady).toBe(false);
  });

  it("counts as the firmware does: chips across the edge of the torus are not asked", async () => {
    await using machine = await SimulatedMachine.start({ board: { triads: [1, 1] }, host: "127.77.7.1", port: 0, timeScale: 0 });
    const idle = async (index: number): Promise<number> => {
      const { address, chip } = machine.boards[index]!;
      await using client = await TestClient.open(address);
      return word((await client.ask({ command: 15, ...chip, arg1: 0, arg2: 15 })).payload);
    };
    const cores = (index: number, inside: (x: number, y: number) => boolean): number =>
      machine.geometry
        .chipsOnBoard(machine.boards[index]!.home)
        .filter(({ x, y }) => inside(x, y))
        .reduce((sum, { x, y }) => sum + machine.chip(x, y).coreCount - 1, 0);
    expect(await idle(0)).toBe(cores(0, () => true));
    // The second board reaches over the upper edge: y = 8..11, then 0..3.
    expect(await idle(1)).toBe(cores(1, (_, y) => y >= 8));
    expect(await idle(1)).toBeLessThan(cores(1, () => true));
    expect(await idle(2)).toBe(cores(2, (x) => x >= 8));
  });

  it("records every datagram for Wireshark", async () => {
    const folder = mkdtempSync(join(tmpdir(), "spinn-"));
    try {
      const path = join(folder, "board.pcap");
      const machine = await SimulatedMachine.start({ board: "spin3", port: 0, record: path });
      const client = await TestClient.open(machine.boards[0]!.address);
      const request = client.request({ command: 0 });
      client.send(request);
      const reply = await client.next();
      await client.close();
      await machine.close();
      const file = readFileSync(path);
      expect([file.readUInt32LE(0), file.readUInt32LE(20)]).toEqual([0xa1b2c3d4, 101]);
      const length = file.readUInt32LE(32);
      expect(length).toBe(28 + request.length);
      expect([file[40], file.readUInt16BE(42), file[49]]).toEqual([0x45, length, 17]);
      const next = 40 + length;
      expect(file.subarray(next + 16 + 28)).toEqual(reply);
      expect(file.readUInt16BE(next + 16 + 20)).toBe(machine.boards[0]!.address.port);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a machine with open edges", () => {
  it("is booted from its corner, or from another board, which then is the root at another place", async () => {
    await using machine = await SimulatedMachine.start({
      board: { open: [16, 16] },
      host: "127.77.10.1",
      port: 0,
      booted: false,
      timeScale: 0.02,
    });
    expect(machine.geometry.ethernetChips).toHaveLength(3);
    await sendImage(machine.boards[2]!.boot.address, bootImage("4.0.0"));
    await using third = await TestClient.open(machine.boards[2]!.address);
    const places: number[][] = [];
    while (!machine.isReady) {
      third.send(third.request({ command: 0, x: 255, y: 255 }));
      const reply = await third.next(20);
      if (reply !== undefined && reply[10] === 0x80) places.push([reply[17]!, reply[16]!]);
    }
    expect(places[0]).toEqual([255, 255]);
    // Fresh sockets: answers to the polling may still be on their way.
    await using host = await TestClient.open(machine.boards[0]!.address);
    await using root = await TestClient.open(machine.boards[2]!.address);
    const version = await host.ask({ command: 0, x: 255, y: 255 });
    expect([version.srcX, version.srcY]).toEqual([8, 4]);
    expect([...(await host.read(0xf5007f02, 2))]).toEqual([16, 16]);
    expect([...(await host.read(0xf5007f2e, 2))]).toEqual([4, 8]);
    // The right edge is joined to nothing: chip 15,11 has no neighbour to the east.
    expect((await root.ask({ command: 31, x: 9, y: 5 })).payload[1]! & 0x3f).toBe(0x3f);
    expect((await root.ask({ command: 31, x: 15, y: 11 })).payload[1]! & 0x01).toBe(0);
    await expect(SimulatedMachine.start({ board: { open: [16, 12] }, port: 0 })).rejects.toThrow(/open edges.*16 x 12/);
  });
});

describe("P2P tables", () => {
  const network = new MachineNetwork(MachineGeometry.triads(1, 1), { chips: [{ x: 2, y: 2 }] }, true);

  it("lead everywhere in as many steps as the shortest way, with full tables", () => {
    for (const to of [network.chips[5]!, network.chips[100]!]) {
      const tree = network.tree(to);
      for (const from of network.chips) {
        const link = fullTable(network, from).route(to.x, to.y);
        const wanted = tree[network.index(from.x, from.y)]!;
        expect(link >= 6).toBe(wanted >= 6);
      }
    }
    expect(fullTable(network, { x: 0, y: 0 }).route(2, 2)).toBe(6);
  });

  it("of 4.0.0 know all from the root, the Ethernet chips from everywhere, and the own board from its Ethernet chip", () => {
    const root = sparseTable(network, { x: 0, y: 0 });
    for (const { x, y } of network.chips) expect(root.route(x, y)).not.toBe(6);
    for (const chip of network.chips.slice(0, 40)) {
      const table = sparseTable(network, chip);
      expect(table.route(chip.x, chip.y)).toBe(7);
      for (const { x, y } of network.geometry.ethernetChips) expect(table.route(x, y)).not.toBe(6);
    }
    const other = sparseTable(network, { x: 4, y: 8 });
    for (const { x, y } of network.geometry.chipsOnBoard({ x: 4, y: 8 })) if (network.hasChip(x, y)) expect(other.route(x, y)).not.toBe(6);
    expect(other.route(9, 5)).toBe(6);
  });
});

it("an unbooted board says hello to whom it is told to", async () => {
  await using host = await TestClient.open({ host: "127.0.0.1", port: 9 });
  await using machine = await SimulatedMachine.start({
    board: "spin3",
    port: 0,
    booted: false,
    timeScale: 0.01,
    helloTo: { host: "127.0.0.1", port: host.port },
  });
  expect((await host.next())?.toString("hex")).toBe("000100000041020100000000000043505453");
  expect(await host.next()).toBeDefined();
  await until(() => machine.bootCounters.sent >= 2);
  // The ROM speaks to the host it has heard from, to nobody else: here to the same address, while the port stays.
  const before = machine.bootCounters.sent;
  await sendImage(machine.bootAddress, bootImage("4.0.0"));
  await machine.ready;
  expect(machine.bootCounters.sent - before).toBeLessThan(3);
});
