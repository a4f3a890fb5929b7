import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { bootControl, bootStart, encodeBoot } from "../../src/wire/index.js";
import { blocks, bootImage } from "./boot-image.js";
import { TestClient, until } from "./client.js";

describe("an unbooted board", () => {
  let machine: SimulatedMachine;
  let scp: TestClient;
  let boot: TestClient;

  beforeEach(async () => {
    machine = await SimulatedMachine.start({ board: "spin5", port: 0, booted: false, timeScale: 0.02 });
    scp = await TestClient.open(machine.boards[0]!.address);
    boot = await TestClient.open(machine.bootAddress);
  });
  afterEach(async () => {
    await scp.close();
    await boot.close();
    await machine.close();
  });

  it("is silent, boots from blocks in any order, passes through 255,255 and takes values and version from the image", async () => {
    const image = bootImage("3.1.7");
    scp.send(scp.request({ command: 0, x: 255, y: 255 }));
    await until(() => machine.boards[0]!.counters.dropped.unbooted === 1);
    boot.send(encodeBoot(bootStart(4)));
    const [a, b, c, d] = blocks(image) as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
    for (const block of [d, b, a]) boot.send(block);
    boot.send(encodeBoot(bootControl()));
    await until(() => machine.bootCounters.received === 5);
    expect(machine.version).toBe("4.0.0");
    boot.send(c);
    boot.send(encodeBoot(bootControl()));
    await until(() => machine.version === "3.1.7");
    const seen: number[] = [];
    while (seen.at(-1) !== 0) {
      scp.send(scp.request({ command: 0, x: 255, y: 255 }));
      const reply = await scp.next(20);
      if (reply !== undefined) seen.push(reply[17]!);
    }
    expect(seen[0]).toBe(255);
    await machine.ready;
    // A fresh socket: answers to the polling may still be on their way.
    await using host = await TestClient.open(machine.boards[0]!.address);
    expect(await host.word(0xf5007f4c)).toBe(0x60240000);
    expect([...(await host.read(0xf5007f24, 2))]).toEqual([150, 0]);
    expect((await host.ask({ command: 31 })).payload.length).toBe(36);
    expect((await host.ask({ command: 99 })).returnCode).toBe(0x83);
    expect(boot.received).toEqual([]);
    // Boot packets to a booted board do nothing.
    const before = machine.bootCounters.dropped.nobodyListens;
    boot.send(encodeBoot(bootStart(4)));
    await until(() => machine.bootCounters.dropped.nobodyListens === before + 1);
  });

  it("ignores garbage on the boot port", async () => {
    for (const bytes of [new Uint8Array(), new Uint8Array(5), new Uint8Array(65507).fill(255), new Uint8Array(18)]) boot.send(bytes);
    await until(() => machine.bootCounters.received === 4);
    expect(machine.isReady).toBe(false);
  });

  it("rejects ready when it is closed before it is booted", async () => {
    const ready = machine.ready;
    await machine.close();
    await expect(ready).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  });
});
