import { describe, expect, it } from "vitest";
import { type ChipInfo, decodeRouterFilter, LINKS, Link, Machine, oppositeLink, type RoutingEntry } from "../../src/machine/index.js";
import type { CoreContext, CoreProgram } from "../../src/simulator/index.js";
import { Transceiver } from "../../src/transceiver/index.js";
import { Command } from "../../src/wire/index.js";
import { applicationImage } from "./application-image.js";
import { ScriptedBoard } from "./scripted-board.js";
import { simulate } from "./simulated.js";

const route = (key: number, links: Link[], cores: number[]): RoutingEntry => ({ key, mask: 0xffffffff, links, cores });
const chip = { x: 0, y: 0 };

describe.each(["4.0.0", "3.4.1"])("the routers of a board with SC&MP %s", (scamp) => {
  const block = scamp === "4.0.0" ? 0 : 10;

  it("take the tables of many chips at once, and give them back by application", async () => {
    await using setup = await simulate(`127.41.22.${block + 1}`, { board: "spin5", scamp });
    const { routers } = setup.transceiver;
    const { machine } = await setup.transceiver.discover();
    const tables = [...machine.chips.values()].map(({ x, y }, i) => ({
      ...{ x, y },
      entries: Array.from({ length: i % 4 }, (_, n) => route((i << 8) | n, [Link.NORTH], [1 + n])),
    }));
    const seen: number[] = [];
    const bases = await routers.loadTables(tables, { appId: 30, onProgress: ({ done }) => seen.push(done) });
    expect(bases).toEqual(tables.map(({ entries }) => (entries.length === 0 ? undefined : 1)));
    expect(seen.at(-1)).toBe(48);
    await routers.loadTables([{ x: 1, y: 0, entries: [route(7, [], [3])] }], { appId: 31 });
    const found = await routers.readTables({ appId: 30 });
    expect(found.map(({ x, y, entries }) => ({ x, y, entries: entries.map(({ index: _, appId: __, ...entry }) => entry) }))).toEqual(
      tables,
    );
    // Every entry says whose it is, not only the first of a row.
    expect(found.flatMap(({ entries }) => entries).every((entry) => entry.appId === 30)).toBe(true);
    expect((await routers.readTables({ chips: [{ x: 1, y: 0 }], appId: 31 }))[0]!.entries).toHaveLength(1);
    await expect(routers.loadTables([tables[1]!, tables[1]!], { appId: 30 })).rejects.toMatchObject({
      code: "ERR_SPINN_ARGUMENT",
      message: "chip 0,1 has two routing tables",
    });
    await setup.transceiver.stop(30);
    expect((await routers.readTables({ appId: 30 })).flatMap(({ entries }) => entries)).toEqual([]);
    await routers.reset();
    expect((await routers.readTables()).every(({ entries }) => entries.length === 1)).toBe(true);
  });

  it("count what passes while something is going on", async () => {
    const program = (): CoreProgram => {
      let core: CoreContext;
      return {
        start(own) {
          core = own;
        },
        onSdp({ data }) {
          for (let i = 0; i < data[0]!; i += 1) core.sendMulticast(0x1000);
        },
      };
    };
    await using setup = await simulate(`127.41.22.${block + 2}`, { board: "spin3", scamp, programs: program });
    const spinn = setup.transceiver;
    await spinn.load(applicationImage(400), [{ ...chip, p: 1 }], { appId: 30 });
    await spinn.routers.loadTables(
      [
        { x: 0, y: 0, entries: [route(0x1000, [Link.EAST], [])] },
        { x: 1, y: 0, entries: [route(0x1000, [], [2])] },
      ],
      { appId: 30 },
    );
    const ask = async (): Promise<void> => {
      spinn.cores.sendSdp({ ...chip, p: 1 }, 1, Uint8Array.of(5));
      // A later request on the same socket: when it is answered the message has been dealt with.
      await expect.poll(async () => (await spinn.readRouterCounters({ x: 1, y: 0 })).externalMulticast).toBeGreaterThanOrEqual(5);
    };
    const counts = await spinn.routers.countDuring(ask, { chips: [chip, { x: 1, y: 0 }, { x: 1, y: 1 }] });
    expect(counts.map(({ counters }) => [counters.localMulticast, counters.externalMulticast, counters.droppedMulticast])).toEqual([
      [5, 0, 0],
      [0, 5, 0],
      [0, 0, 0],
    ]);
    await spinn.routers.clearCounters({ counters: ["externalMulticast"] });
    const after = await spinn.routers.readCounters();
    expect(after.map(({ counters }) => counters.externalMulticast)).toEqual([0, 0, 0, 0]);
    expect(after[0]!.counters.localMulticast).toBe(5);
    await spinn.routers.reset();
    expect((await spinn.routers.readCounters())[0]!.counters.localMulticast).toBe(0);
    expect(decodeRouterFilter(await spinn.readRouterFilter(chip, "user3"))).toMatchObject({
      ...{ packetTypes: ["multicast"], defaultRouted: ["defaultRouted"], sources: ["local"] },
    });
    await spinn.routers.setFilter("user0", { packetTypes: ["p2p"], destinations: ["link2"] }, { chips: [{ x: 1, y: 1 }] });
    expect(await spinn.readRouterFilter({ x: 1, y: 1 }, 12)).toBe(0x20fcf2);
    expect(await spinn.readRouterFilter(chip, "user0")).toBe(0);
    await expect(spinn.routers.setFilter("droppedP2P", 0)).rejects.toMatchObject({ code: "ERR_SPINN_REFUSED" });
    await spinn.writeRouterFilter(chip, "droppedP2P", 0x0001fcf2, { replace: true });
    await expect(spinn.readRouterFilter(chip, "user9" as "user0")).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });

  it("lead the fixed routes of a board to one core", async () => {
    await using setup = await simulate(`127.41.22.${block + 3}`, { board: "spin5", scamp });
    const spinn = setup.transceiver;
    expect(await spinn.routers.leadFixedRoutesTo({ x: 0, y: 0, p: 2 })).toBe(48);
    const machine = spinn.machine!;
    const physical = machine.chip(0, 0).virtualToPhysical![2]!;
    expect(await spinn.readFixedRoute(chip)).toEqual({ links: [], cores: [physical] });
    for (const start of [
      { x: 7, y: 7 },
      { x: 4, y: 0 },
      { x: 0, y: 3 },
    ] as { x: number; y: number }[]) {
      let at = start;
      for (let hops = 0; at.x !== 0 || at.y !== 0; hops += 1) {
        expect(hops).toBeLessThan(8);
        const { links, cores } = await spinn.readFixedRoute(at);
        expect([links.length, cores.length]).toEqual([1, 0]);
        at = machine.geometry.neighbour(at.x, at.y, links[0]!)!;
      }
    }
    await expect(spinn.routers.leadFixedRoutesTo({ x: 0, y: 0, p: 18 })).rejects.toMatchObject({ code: "ERR_SPINN_MACHINE" });
  });
});

describe("golden words of router work", () => {
  it("clear chosen counters and leave all counting, as sark_hw.c has the register", async () => {
    await using board = await ScriptedBoard.start({ host: "127.41.22.30" });
    await using spinn = await Transceiver.connect({ host: board.host, port: board.port });
    const written = (): [number, string][] =>
      board.requests.filter(({ command }) => command === Command.WRITE).map(({ arg1, data }) => [arg1, Buffer.from(data).toString("hex")]);
    await spinn.clearRouterCounters(chip);
    await spinn.clearRouterCounters(chip, { counters: ["localMulticast", "user3", 8] });
    await spinn.writeRouterFilter(chip, "user1", { packetTypes: ["fixedRoute"], sources: ["local"] });
    expect(written()).toEqual([
      [0xf100002c, "ffffffff"],
      [0xf100002c, "ffff0181"],
      [0xe1000234, "f87cff01"],
    ]);
  });

  it("say what the error status means", async () => {
    await using board = await ScriptedBoard.start({ host: "127.41.22.31" });
    board.pokeWords(0xe1000014, [0x90000003]);
    await using spinn = await Transceiver.connect({ host: board.host, port: board.port });
    expect((await spinn.readRouterDiagnostics(chip)).errors).toEqual({ count: 3, kinds: ["error", "framing"] });
  });
});

it("a machine whose links are known from one side has no fixed route over them", () => {
  const info = (x: number, y: number, links: number): ChipInfo => ({
    ...{ x, y, links, coreCount: 18, coreStates: [], ethernet: undefined, nearestEthernet: chip, parentLink: undefined },
    ...{ largestSdramBlock: 0, largestSysramBlock: 0, freeRouterEntries: 0, virtualToPhysical: LINKS.map((p) => p) },
  });
  const oneWay = new Machine(2, 2, chip, [info(0, 0, 0), info(1, 0, 1 << oppositeLink(Link.EAST))]);
  expect([...oneWay.deadLinks()]).toContainEqual({ x: 0, y: 0, link: Link.EAST });
});
