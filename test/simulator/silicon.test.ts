import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "vitest";
import { SiliconMachine, type SiliconMachineOptions } from "../../src/simulator/index.js";
import { bootBlock, bootControl, bootStart, encodeBoot } from "../../src/wire/index.js";

/** A monitor of our own stands in for SC&MP: fixtures/firmware/monitor.c says what it answers. */
const image = new Uint8Array(readFileSync(new URL("../../fixtures/firmware/monitor.boot", import.meta.url)));
const open: AsyncDisposable[] = [];

afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

async function start(options: SiliconMachineOptions): Promise<SiliconMachine> {
  const machine = await SiliconMachine.start({ board: "spin3", port: 0, speed: Number.POSITIVE_INFINITY, ...options });
  open.push(machine);
  return machine;
}

/** Sends a datagram to the first board and gives what comes back. */
async function ask(machine: SiliconMachine, ...bytes: number[]): Promise<number[]> {
  const socket = createSocket("udp4");
  try {
    const { host, port } = machine.boards[0]!.address;
    socket.send(Uint8Array.from(bytes), port, host);
    const [reply] = (await once(socket, "message")) as [Buffer];
    return [...reply];
  } finally {
    socket.close();
  }
}

const word = (bytes: readonly number[]): number => Buffer.from(bytes).readUInt32LE(0);
const [E, R, C, S] = ["e", "r", "c", "s"].map((letter) => letter.charCodeAt(0)) as [number, number, number, number];

describe("a machine of emulated chips", () => {
  it.each(["compiled", "interpreter"] as const)("spreads its image over all chips and answers the host (%s)", async (engine) => {
    const machine = await start({ image, engine });
    await machine.ready;
    expect(machine.chips.every((chip) => chip.started)).toBe(true);
    expect(await ask(machine, E, 1, 2, 3, 250)).toEqual([E, 1, 2, 3, 250]);
    const long = Array.from({ length: 1000 }, (_, i) => (i === 0 ? E : i & 0xff));
    expect(await ask(machine, ...long)).toEqual(long);
    expect(machine.boards[0]!.counters).toMatchObject({ received: 2, sent: 2 });
  });

  it("takes the image over the boot port, in any order and only when it is whole", async () => {
    const machine = await start({});
    const socket = createSocket("udp4");
    const { host, port } = machine.bootAddress;
    const send = (bytes: Uint8Array): Promise<void> => new Promise((resolve) => socket.send(bytes, port, host, () => resolve()));
    const padded = new Uint8Array(2048);
    padded.set(image);
    padded[0x180 + 0x40] = 1;
    await send(encodeBoot(bootStart(2)));
    await send(encodeBoot(bootBlock(1, padded.subarray(1024))));
    await send(encodeBoot(bootControl()));
    await send(encodeBoot(bootBlock(0, padded.subarray(0, 1024))));
    expect(machine.chips.some((chip) => chip.started)).toBe(false);
    await send(encodeBoot(bootControl()));
    socket.close();
    await machine.ready;
    expect(await ask(machine, E, 9)).toEqual([E, 9]);
  });

  it("reads a neighbour's memory through its router, and nothing over a dead link", async () => {
    const machine = await start({ image, dead: { links: [{ x: 0, y: 0, link: 1 }] } });
    await machine.ready;
    machine.chip(1, 0)!.memory.writeWord(0x6000_0100, 0x1234_5678);
    expect(word(await ask(machine, R, 0, 0, 0, 0x00, 0x01, 0x00, 0x60))).toBe(0x1234_5678);
    // The chip's own name for itself, from the neighbour's system controller.
    expect(word(await ask(machine, R, 2, 0, 0, 0x00, 0x00, 0x00, 0xf2))).toBe(0x5911_1012);
    expect(await ask(machine, R, 1, 0, 0, 0x00, 0x01, 0x00, 0x60)).toEqual([]);
  });

  it("starts application cores by their reset lines and clocks; a dead one stays silent", async () => {
    const machine = await start({ image, dead: { cores: [{ x: 0, y: 0, p: 7 }] } });
    await machine.ready;
    expect(word(await ask(machine, C, 5))).toBe(0x105);
    expect(word(await ask(machine, C, 17))).toBe(0x111);
    expect(word(await ask(machine, C, 7))).toBe(0);
    expect(machine.chip(0, 0)!.cores[5]!.cpu.waiting).toBe(true);
  });

  it("has a serial ROM behind its pins", async () => {
    const machine = await start({ image });
    await machine.ready;
    const bytes = await ask(machine, S, 44);
    // Marker, where the settings go, the settings, end: each word high byte first.
    expect(bytes.slice(0, 8)).toEqual([0x55, 0x3a, 0x00, 0x08, 0xf5, 0x00, 0x7f, 0xe0]);
    expect(bytes.slice(16, 20)).toEqual([1, 0, 0, 127]);
    expect(bytes.slice(40)).toEqual([0xaa, 0xaa, 0xaa, 0xaa]);
  });

  it("is silent without supply, and has new chips in their boot ROM with it", async () => {
    const machine = await start({ image });
    await machine.ready;
    machine.setPower(false);
    expect(machine.chips).toEqual([]);
    expect(() => machine.boot(image)).toThrow(expect.objectContaining({ code: "ERR_SPINN_STATE" }));
    machine.setPower(true);
    expect(machine.chips.some((chip) => chip.started)).toBe(false);
    machine.boot(image);
    await machine.ready;
    expect(await ask(machine, E, 4)).toEqual([E, 4]);
    expect(() => machine.boot(image)).toThrow(expect.objectContaining({ code: "ERR_SPINN_STATE" }));
  });

  it("refuses what is no image of SC&MP", async () => {
    const machine = await start({});
    for (const bad of [new Uint8Array(100), new Uint8Array(4096), new Uint8Array(40_000)]) {
      expect(() => machine.boot(bad)).toThrow(
        expect.objectContaining({ code: "ERR_SPINN_FILE", hint: expect.stringContaining("scamp.boot") }),
      );
    }
  });

  it("does the same from the same image: as many instructions at the same clock", async () => {
    const counts = await Promise.all(
      [1, 2].map(async () => {
        const machine = await start({ image, bootSpeed: 0 });
        machine.machine.advance(6_000_000);
        return machine.machine.instructions;
      }),
    );
    expect(counts[0]).toBe(counts[1]);
    expect(counts[0]).toBeGreaterThan(1_000_000);
  });
});
