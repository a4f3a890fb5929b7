import { describe, expect, it } from "vitest";
import { CoreState, Link, type RoutingEntry, Signal } from "../../src/machine/index.js";
import type { CoreProgram } from "../../src/simulator/index.js";
import type { Transceiver } from "../../src/transceiver/index.js";
import { applicationImage } from "./application-image.js";
import { simulate } from "./simulated.js";

let block = 0;
/** Every test has addresses of its own. */
const nextHost = (): string => `127.42.${block++}.1`;

const hello = (): CoreProgram => ({
  start(core) {
    core.print(`hello from ${core.x},${core.y},${core.p}\n`);
    core.print("é".repeat(300));
  },
});

/** All application cores of all chips. */
function allCores(transceiver: Transceiver): { x: number; y: number; p: number }[] {
  return [...transceiver.machine!.chips.values()].flatMap(({ x, y, coreCount }) =>
    Array.from({ length: coreCount - 1 }, (_, i) => ({ x, y, p: i + 1 })),
  );
}

describe.each(["4.0.0", "3.4.1"])("with SC&MP %s", (scamp) => {
  it.each([
    ["spin3", 4, 72],
    ["spin5", 48, 856],
  ] as const)("%s is discovered whole", async (board, chips, cores) => {
    await using setup = await simulate(nextHost(), { board, scamp });
    const { machine, problems } = await setup.transceiver.discover();
    expect(problems).toEqual([]);
    expect(machine.chips.size).toBe(chips);
    expect(Math.abs(machine.coreCount - cores)).toBeLessThanOrEqual(8);
    expect(machine.idleCores(0, 0).length).toBeGreaterThan(15);
    expect(setup.transceiver.connections).toHaveLength(1);
  });

  it("an application is loaded on every core, started, read and stopped", async () => {
    await using setup = await simulate(nextHost(), { board: "spin3", scamp, programs: hello });
    const { transceiver } = setup;
    await transceiver.discover();
    const cores = allCores(transceiver);
    const image = applicationImage(5000);
    expect(await transceiver.load(image, cores, { appId: 30, wait: true })).toEqual({ cores: cores.length, sizeBytes: 5000, refills: 0 });
    expect(await transceiver.countInState(30, CoreState.WAIT)).toBe(cores.length);
    await expect(transceiver.load(image, cores.slice(0, 1), { appId: 31 })).rejects.toMatchObject({ code: "ERR_SPINN_STATE" });
    for (const appId of [29, 30]) await transceiver.sendSignal(Signal.START, { appId });
    await transceiver.waitForCount(cores.length, [CoreState.RUN], { appId: 30, pollMs: 5, timeoutMs: 5000 });
    await transceiver.waitForCores(cores, [CoreState.RUN], { appId: 30, pollMs: 5, timeoutMs: 5000 });
    for (const { x, y, p, text } of await transceiver.readIobufs(cores.slice(0, 6))) {
      expect(text).toBe(`hello from ${x},${y},${p}\n${"é".repeat(300)}`);
    }
    expect((await transceiver.readApplication(30)).length).toBe(cores.length);
    await transceiver.stop(30);
    await transceiver.waitForCores([], [CoreState.IDLE], { appId: 30 });
    expect(await transceiver.countInState(30, CoreState.RUN)).toBe(0);
    expect(await transceiver.readIobuf(cores[0]!)).toBe("");
    // The same cores are free for the next application.
    await transceiver.load(applicationImage(1000, 2), cores, { appId: 31 });
    await transceiver.waitForCount(cores.length, [CoreState.RUN], { appId: 31, pollMs: 5, timeoutMs: 5000 });
  });

  it("SDRAM is taken, found, and given back", async () => {
    await using setup = await simulate(nextHost(), { board: "spin3", scamp });
    const { transceiver } = setup;
    const chip = { x: 1, y: 1 };
    const before = await transceiver.readSpace(chip);
    const first = await transceiver.allocate(chip, 1001, { appId: 30 });
    const second = await transceiver.allocate(chip, 64, { appId: 30, tag: 9 });
    expect(await transceiver.findByTag(chip, 30, 9)).toBe(second);
    await expect(transceiver.allocate(chip, 64, { appId: 30, tag: 9 })).rejects.toMatchObject({
      message: expect.stringContaining("tag 9 is taken"),
    });
    const heap = await transceiver.readHeap(chip);
    expect(heap.blocks.filter((entry) => !entry.free).map((entry) => [entry.address, entry.sizeBytes, entry.appId, entry.tag])).toEqual([
      [first, 1004, 30, 0],
      [second, 64, 30, 9],
    ]);
    await transceiver.free(chip, first);
    await expect(transceiver.free(chip, first)).rejects.toMatchObject({ code: "ERR_SPINN_MEMORY" });
    expect(await transceiver.freeAll(chip, 30)).toBe(1);
    expect(await transceiver.readSpace(chip)).toEqual(before);
    await expect(transceiver.allocate(chip, 0x7000000 + 0x800000, { appId: 30 })).rejects.toMatchObject({
      code: "ERR_SPINN_MEMORY",
      message: expect.stringContaining(`the largest block is ${before.largestBlock}`),
    });
  });

  it("routes are loaded, read back, freed and cleared", async () => {
    await using setup = await simulate(nextHost(), { board: "spin3", scamp });
    const { transceiver } = setup;
    const chip = { x: 0, y: 1 };
    const entries: RoutingEntry[] = Array.from({ length: 20 }, (_, i) => ({
      key: i << 8,
      mask: 0xffffff00,
      links: [Link.NORTH],
      cores: [1 + (i % 17)],
    }));
    const base = await transceiver.loadRoutes(chip, entries, { appId: 30 });
    const loaded = (await transceiver.readRoutes(chip)).filter((entry) => entry.index >= base);
    expect(loaded.map(({ key, mask, links, cores }) => ({ key, mask, links, cores }))).toEqual(entries);
    expect(loaded[0]!.appId).toBe(30);
    expect(await transceiver.freeRoutes(chip, 30)).toBe(1);
    expect((await transceiver.readRoutes(chip)).map((entry) => entry.index)).toEqual([0]);
    await transceiver.loadRoutes(chip, entries, { appId: 31 });
    await transceiver.clearRoutes(chip);
    expect((await transceiver.readRoutes(chip)).map((entry) => entry.index)).toEqual([0]);
    await expect(transceiver.loadRoutes(chip, Array(1024).fill(entries[0]), { appId: 30 })).rejects.toMatchObject({
      code: expect.any(String),
    });
    await transceiver.writeFixedRoute(chip, { links: [2], cores: [1] });
    expect(await transceiver.readFixedRoute(chip)).toEqual({ links: [2], cores: [1] });
    expect((await transceiver.readRouterDiagnostics(chip)).control & 1).toBe(1);
    await transceiver.clearRouterCounters(chip);
  });

  it("tags are set, listed and cleared", async () => {
    await using setup = await simulate(nextHost(), { board: "spin3", scamp });
    const { transceiver } = setup;
    await transceiver.setIpTag(1, { host: "127.0.0.1", port: 50_007, strip: true });
    await transceiver.setReverseIpTag(2, { port: 50_123, x: 1, y: 1, p: 3, sdpPort: 2 });
    expect(await transceiver.getIpTag(1)).toMatchObject({ inUse: true, host: "127.0.0.1", port: 50_007, strip: true });
    const tags = await transceiver.listIpTags();
    expect(
      tags
        .slice(0, 8)
        .filter((tag) => tag.inUse)
        .map((tag) => tag.tag),
    ).toEqual([1, 2]);
    expect(tags[2]).toMatchObject({ reverse: true, rxPort: 50_123, destination: { x: 1, y: 1, p: 3, sdpPort: 2 } });
    await transceiver.clearIpTag(1);
    await transceiver.clearIpTag(2);
    expect((await transceiver.getIpTag(1)).inUse).toBe(false);
    expect(await transceiver.readTagPool()).toMatchObject({ poolSize: 8, fixedSize: 8 });
  });

  it("memory, links, LEDs and cores of a board can be worked", async () => {
    await using setup = await simulate(nextHost(), { board: "spin5", scamp });
    const { transceiver } = setup;
    const chip = { x: 3, y: 4 };
    const data = Uint8Array.from({ length: 70_001 }, (_, i) => i * 13);
    await transceiver.writeMemory(chip, 0x60300001, data);
    expect(await transceiver.readMemory(chip, 0x60300001, data.length)).toEqual(data);
    expect(await transceiver.readMemory(chip, 0x70300001, 300)).toEqual(data.subarray(0, 300));
    await transceiver.fillMemory(chip, 0x60300003, 99_999, 0xdeadbeef);
    const filled = await transceiver.readMemory(chip, 0x60300000, 100_004);
    expect([...filled.subarray(0, 6)]).toEqual([0, data[0]!, data[1]!, 0xde, 0xef, 0xbe]);
    expect(filled[100_001]).toBe(0xbe);
    expect(filled[100_002]).toBe(0);
    await transceiver.writeMemory({ ...chip, p: 5 }, 0x00400010, data.subarray(0, 100));
    expect(await transceiver.readMemory({ ...chip, p: 5 }, 0x00400010, 100)).toEqual(data.subarray(0, 100));
    expect(await transceiver.readMemory({ ...chip, p: 6 }, 0x00400010, 100)).not.toEqual(data.subarray(0, 100));
    await transceiver.writeLinkMemory(chip, Link.EAST, 0x60400000, data.subarray(0, 600));
    expect(await transceiver.readMemory({ x: 4, y: 4 }, 0x60400000, 600)).toEqual(data.subarray(0, 600));
    expect(await transceiver.readLinkMemory(chip, Link.EAST, 0x60400001, 7)).toEqual(data.subarray(1, 8));
    await transceiver.setLeds(chip, { 0: "on" });
    const rom = await transceiver.readSerialRom({ x: 0, y: 0 }, 0, 300);
    expect([...rom.subarray(0, 4)]).toEqual([0x55, 0x3a, 0x00, 0x08]);
    expect(rom.length).toBe(300);
    expect(await transceiver.readSystemVariable(chip, "p2p_addr")).toBe(0x0304);
    const status = await transceiver.readChipStatus(chip);
    expect(status[0]).toMatchObject({ state: CoreState.RUN, appName: "scamp-3" });
    expect(status[1]).toMatchObject({ state: CoreState.IDLE });
    await expect(transceiver.readMemory({ x: 7, y: 0 }, 0x60000000, 4)).rejects.toMatchObject({ code: "ERR_SPINN_RETURN_CODE" });
  });
});
