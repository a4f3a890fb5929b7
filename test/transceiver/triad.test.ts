import { describe, expect, it } from "vitest";
import { CoreState, chipKey } from "../../src/machine/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { Transceiver } from "../../src/transceiver/index.js";
import { applicationImage } from "./application-image.js";
import { simulate } from "./simulated.js";

const triads = { triads: [1, 1] } as const;
const ethernets = [
  { x: 0, y: 0 },
  { x: 4, y: 8 },
  { x: 8, y: 4 },
];

describe.each(["4.0.0", "3.4.1"])("a machine of three boards with SC&MP %s", (scamp) => {
  const third = scamp === "4.0.0" ? 1 : 2;

  it("is discovered through the root, then every board through its own Ethernet", async () => {
    await using setup = await simulate(`127.43.${third}.1`, { board: triads, scamp });
    const { machine, problems } = await setup.transceiver.discover();
    expect(problems).toEqual([]);
    expect(machine.chips.size).toBe(144);
    expect(setup.transceiver.connections).toHaveLength(3);
    expect([...machine.ethernetChips()].map(({ x, y }) => ({ x, y }))).toEqual(ethernets);
    const before = setup.machine.boards.map((board) => board.counters.received);
    await setup.transceiver.readMemory({ x: 5, y: 9 }, 0x60240000, 10_000);
    const after = setup.machine.boards.map((board, i) => board.counters.received - before[i]!);
    expect(after[0]).toBe(0);
    expect(after[1]).toBeGreaterThanOrEqual(40);
    expect(after[2]).toBe(0);
    // Once more: connections are kept, not opened again.
    await setup.transceiver.discover();
    expect(setup.transceiver.connections).toHaveLength(3);
  });

  it("has its boards worked side by side, and given back together", async () => {
    await using setup = await simulate(`127.43.${third + 20}.1`, { board: triads, scamp });
    const { transceiver } = setup;
    const { machine } = await transceiver.discover();
    const chips = [...machine.chips.values()].map(({ x, y }) => ({ x, y }));
    const free = await transceiver.readSpace({ x: 5, y: 9 });
    {
      await using app = transceiver.application(30);
      const addresses = await app.allocateMany(chips.map((chip) => ({ ...chip, sizeBytes: 64 })));
      expect(new Set(addresses).size).toBe(1);
      await app.loadRoutingTables(chips.map((chip, i) => ({ ...chip, entries: [{ key: i, mask: 0xffffffff, links: [], cores: [1] }] })));
      await transceiver.chips.writeMemory(addresses[0]!, Uint8Array.of(1, 2, 3, 4));
      expect((await transceiver.routers.readTables({ appId: 30 })).map(({ entries }) => entries[0]!.key)).toEqual(chips.map((_, i) => i));
    }
    expect(await transceiver.readSpace({ x: 5, y: 9 })).toEqual(free);
    expect((await transceiver.routers.readTables({ appId: 30 })).flatMap(({ entries }) => entries)).toEqual([]);

    for (const { x, y } of ethernets) expect(await transceiver.routers.leadFixedRoutesTo({ x, y, p: 3 })).toBe(48);
    // A chip near the edge of its board: its own Ethernet chip is where it must lead.
    let at = { x: 8, y: 3 };
    const { nearestEthernet } = machine.chip(at.x, at.y);
    for (let hops = 0; at.x !== nearestEthernet.x || at.y !== nearestEthernet.y; hops += 1) {
      expect(hops).toBeLessThan(10);
      at = machine.geometry.neighbour(at.x, at.y, (await transceiver.readFixedRoute(at)).links[0]!)!;
    }
    // All chips of the machine to one core instead.
    expect(await transceiver.routers.leadFixedRoutesTo({ x: 0, y: 0, p: 3 }, { chips })).toBe(144);
  });

  it("runs an application on all boards", async () => {
    await using setup = await simulate(`127.43.${third + 10}.1`, { board: triads, scamp });
    const { transceiver } = setup;
    const { machine } = await transceiver.discover();
    const cores = [...machine.chips.values()].flatMap(({ x, y }) => [1, 2, 16].map((p) => ({ x, y, p })));
    await transceiver.load(applicationImage(2000), cores, { appId: 30 });
    expect(await transceiver.countInState(30, CoreState.RUN)).toBe(cores.length);
    expect(await transceiver.countStates(30)).toEqual(new Map([[CoreState.RUN, cores.length]]));
    await transceiver.stop(30);
    expect(await transceiver.readApplication(30)).toEqual([]);
  });
});

describe("a board of a machine", () => {
  it("that does not answer on its own address is served through the first", async () => {
    await using setup = await simulate("127.43.21.1", { board: triads });
    const { machine, problems } = await setup.transceiver.discover({
      probeMs: 60,
      locate: ({ x, ip }) => ({ host: x === 4 ? "127.43.99.99" : ip }),
    });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/Ethernet chip 4,8: .*served through 127.43.21.1/);
    expect(machine.chips.size).toBe(144);
    expect(setup.transceiver.connections).toHaveLength(2);
    expect(await setup.transceiver.readSystemVariable({ x: 5, y: 9 }, "p2p_addr")).toBe(chipKey(5, 9));
  });

  it("of another machine is not taken", async () => {
    await using other = await SimulatedMachine.start({ host: "127.43.22.1", port: 0, board: "spin3", booted: false });
    await using setup = await simulate("127.43.23.1", { board: triads });
    const { host, port } = other.boards[0]!.address;
    const { problems } = await setup.transceiver.discover({
      probeMs: 60,
      locate: ({ x, ip }) => (x === 8 ? { host, port } : { host: ip }),
    });
    expect(problems).toHaveLength(1);
    expect(setup.transceiver.connections).toHaveLength(2);
  });

  it("may have dead chips, cores and links", async () => {
    const dead = {
      chips: [{ x: 1, y: 1 }],
      cores: [{ x: 2, y: 2, p: 3 }],
      links: [{ x: 3, y: 3, link: 0 as const }],
    };
    await using setup = await simulate("127.43.24.1", { board: "spin5", dead });
    const { machine, problems } = await setup.transceiver.discover();
    expect(problems).toEqual([]);
    expect(machine.chips.size).toBe(47);
    expect(machine.chip(2, 2).coreCount).toBe(17);
    expect(machine.hasLink(3, 3, 0)).toBe(false);
    expect(machine.hasLink(4, 3, 3)).toBe(false);
    expect(() => machine.chip(1, 1)).toThrow(/no chip 1,1/);
    const cores = [...machine.chips.values()].map(({ x, y }) => ({ x, y, p: 1 }));
    await setup.transceiver.load(applicationImage(800), cores, { appId: 30 });
    expect(await setup.transceiver.countInState(30, CoreState.RUN)).toBe(47);
  });

  it("is found through the first method that needs it", async () => {
    await using setup = await simulate("127.43.25.1", { board: "spin3" });
    expect(setup.transceiver.machine).toBeUndefined();
    const counts = await Promise.all([setup.transceiver.countInState(30, 7), setup.transceiver.countInState(30, 5)]);
    expect(counts).toEqual([0, 0]);
    expect(setup.transceiver.machine?.chips.size).toBe(4);
  });

  it("that is switched off says so", async () => {
    await using machine = await SimulatedMachine.start({ host: "127.43.26.1", port: 0, board: "spin3", booted: false });
    await expect(Transceiver.connect({ ...machine.boards[0]!.address, probeMs: 80 })).rejects.toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
  });
});
