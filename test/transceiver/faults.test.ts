import { describe, expect, it } from "vitest";
import { CoreState } from "../../src/machine/index.js";
import type { Faults } from "../../src/simulator/index.js";
import { applicationImage } from "./application-image.js";
import { simulate } from "./simulated.js";

const FAULTS: [string, Faults][] = [
  ["every seventh reply lost", { toHost: { loseEvery: 7 } }],
  ["loss both ways", { toBoard: { loss: 0.05 }, toHost: { loss: 0.05 } }],
  // Requests are not doubled here: SC&MP would free a block twice, and no host can help that.
  ["doubled and shuffled datagrams", { toBoard: { reorder: 0.2 }, toHost: { duplicate: 0.2, reorder: 0.2 } }],
  ["busy codes", { codes: [{ code: "P2P_BUSY", probability: 0.1 }] }],
];

let block = 0;

describe.each(["4.0.0", "3.4.1"])("with SC&MP %s and", (scamp) => {
  it.each(FAULTS)("%s, everything is still done, once", async (_name, faults) => {
    await using setup = await simulate(`127.44.${block++}.1`, { board: "spin3", scamp, seed: 5 }, { packetTimeoutMs: 60 });
    const { machine, transceiver } = setup;
    machine.setFaults(faults);
    const found = await transceiver.discover();
    expect(found.problems).toEqual([]);
    expect(found.machine.chips.size).toBe(4);

    const chip = { x: 1, y: 0 };
    const data = Uint8Array.from({ length: 6_003 }, (_, i) => i * 31);
    await transceiver.writeMemory(chip, 0x60300002, data);
    expect(await transceiver.readMemory(chip, 0x60300002, data.length)).toEqual(data);

    const addresses = new Set<number>();
    for (let tag = 1; tag <= 4; tag += 1) addresses.add(await transceiver.allocate(chip, 100 + tag, { appId: 30, tag }));
    expect(addresses.size).toBe(4);
    const used = (await transceiver.readHeap(chip)).blocks.filter((entry) => !entry.free);
    expect(used.map((entry) => entry.tag).sort((a, b) => a! - b!)).toEqual(Array.from({ length: 4 }, (_, i) => i + 1));
    for (const address of addresses) await transceiver.free(chip, address);
    expect((await transceiver.readHeap(chip)).blocks.filter((entry) => !entry.free)).toEqual([]);

    const entries = Array.from({ length: 5 }, (_, i) => ({ key: i << 8, mask: 0xffffff00, links: [], cores: [1] }));
    const base = await transceiver.loadRoutes(chip, entries, { appId: 30 });
    expect(base).toBe(1);
    expect(await transceiver.readRoutes(chip)).toHaveLength(6);

    const cores = [...found.machine.chips.values()].flatMap(({ x, y }) => [1, 2, 3].map((p) => ({ x, y, p })));
    await transceiver.load(applicationImage(3000), cores, { appId: 30 });
    expect((await transceiver.countStates(30)).get(CoreState.RUN)).toBe(cores.length);
  });

  it.each(FAULTS)("%s, an application scope leaves nothing behind", async (_name, faults) => {
    await using setup = await simulate(`127.44.${block++}.1`, { board: "spin3", scamp, seed: 6 }, { packetTimeoutMs: 60 });
    const { machine, transceiver } = setup;
    machine.setFaults(faults);
    const chip = { x: 0, y: 1 };
    const data = Uint8Array.from({ length: 3_000 }, (_, i) => i * 17);
    {
      await using app = transceiver.application(30);
      const io = await app.allocateIO(chip, data.length, { tag: 1 });
      for (let at = 0; at < data.length; at += 100) await io.write(data.subarray(at, at + 100));
      expect(await io.seek(0).read()).toEqual(data);
      await app.loadRoutingTables([{ ...chip, entries: [{ key: 0, mask: 0xffffff00, links: [], cores: [1] }] }]);
      await app.setIpTag(5, { host: "127.0.0.1", port: 50_010 });
      const programs = [
        { image: applicationImage(900), cores: [{ ...chip, p: 4 }] },
        { image: applicationImage(600, 2), cores: [{ x: 1, y: 1, p: 5 }] },
      ];
      await app.loadMany(programs);
      expect(await app.countInState(CoreState.RUN)).toBe(2);
    }
    expect(await transceiver.cores.readStatus(undefined, { appId: 30 })).toEqual([]);
    expect((await transceiver.readHeap(chip)).blocks.filter((entry) => !entry.free)).toEqual([]);
    expect((await transceiver.routers.readTables({ appId: 30 })).flatMap(({ entries }) => entries)).toEqual([]);
    expect((await transceiver.getIpTag(5)).inUse).toBe(false);
  });
});
