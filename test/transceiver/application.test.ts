import { describe, expect, it } from "vitest";
import { CoreState, type RoutingEntry } from "../../src/machine/index.js";
import { type Application, Transceiver } from "../../src/transceiver/index.js";
import { Command } from "../../src/wire/index.js";
import { applicationImage } from "./application-image.js";
import { words } from "./scripted-board.js";
import { setCore, startSpin3 } from "./scripted-spin3.js";
import { simulate } from "./simulated.js";

const chip = { x: 1, y: 0 };
const other = { x: 0, y: 1 };
const routes: RoutingEntry[] = [{ key: 0x100, mask: 0xffffff00, links: [2], cores: [4] }];
const cores = [1, 2, 3].flatMap((p) => [
  { ...chip, p },
  { ...other, p },
]);
let host = 0;
const nextHost = (): string => {
  host += 1;
  return `127.41.21.${host}`;
};

/** Everything that can be taken on a chip. */
async function takenOn(spinn: Transceiver, appId: number): Promise<unknown> {
  const blocks = async (at: typeof chip) => (await spinn.readHeap(at)).blocks.filter((block) => block.appId === appId).length;
  const tables = await spinn.routers.readTables({ appId });
  const tags = (await spinn.listIpTags()).slice(0, 8).filter((tag) => tag.inUse);
  return {
    blocks: [await blocks(chip), await blocks(other)],
    routes: tables.reduce((sum, { entries }) => sum + entries.length, 0),
    tags: tags.map(({ tag }) => tag),
    cores: (await spinn.cores.readStatus(undefined, { appId })).length,
  };
}

/** Takes something of everything. */
async function takeAll(app: Application): Promise<void> {
  await app.load(applicationImage(2000), cores);
  await app.allocate(chip, 100);
  await app.allocateIO(chip, 100, { tag: 7 });
  await app.allocateMany([
    { ...chip, sizeBytes: 40 },
    { ...other, sizeBytes: 40, tag: 1 },
  ]);
  await app.loadRoutes(chip, routes);
  await app.loadRoutingTables([{ ...other, entries: [...routes, ...routes] }]);
  await app.setIpTag(3, { host: "127.0.0.1", port: 50_009 });
  await app.setReverseIpTag(4, { port: 50_124, x: 1, y: 0, p: 3, sdpPort: 2 });
}

describe.each(["4.0.0", "3.4.1"])("an application scope on SC&MP %s", (scamp) => {
  it("gives back all it took when it is left, and nothing of others", async () => {
    await using setup = await simulate(nextHost(), { board: "spin3", scamp });
    const spinn = setup.transceiver;
    await spinn.allocate(chip, 64, { appId: 31 });
    await spinn.loadRoutes(chip, routes, { appId: 31 });
    {
      await using app = spinn.application(30);
      await takeAll(app);
      expect(await takenOn(spinn, 30)).toEqual({ blocks: [3, 1], routes: 3, tags: [3, 4], cores: 6 });
      await app.waitForCores(cores, [CoreState.RUN], { pollMs: 5, timeoutMs: 5000 });
      await app.waitForCount(6, [CoreState.RUN], { pollMs: 5, timeoutMs: 5000 });
      expect(await app.countInState(CoreState.RUN)).toBe(6);
      expect(await app.readStatus()).toHaveLength(6);
    }
    expect(await takenOn(spinn, 30)).toEqual({ blocks: [0, 0], routes: 0, tags: [], cores: 0 });
    expect(await takenOn(spinn, 31)).toEqual({ blocks: [1, 0], routes: 1, tags: [], cores: 0 });
  });

  it("does so when its body throws, and lets the error through", async () => {
    await using setup = await simulate(nextHost(), { board: "spin3", scamp });
    const spinn = setup.transceiver;
    const body = async (): Promise<void> => {
      await using app = spinn.application(30);
      await takeAll(app);
      throw new Error("the body's own");
    };
    await expect(body()).rejects.toThrow("the body's own");
    expect(await takenOn(spinn, 30)).toEqual({ blocks: [0, 0], routes: 0, tags: [], cores: 0 });
  });

  it("starts several programs together", async () => {
    await using setup = await simulate(nextHost(), { board: "spin3", scamp });
    const spinn = setup.transceiver;
    await using app = spinn.application(await spinn.cores.findFreeAppId());
    expect(app.appId).toBe(17);
    const [first, second] = [cores.slice(0, 2), cores.slice(2)];
    const seen: number[] = [];
    const programs = [
      { image: applicationImage(2000), cores: first },
      { image: applicationImage(900, 2), cores: second },
    ];
    const twice = [...programs, { image: applicationImage(900), cores: cores.slice(1, 2) }];
    await expect(app.loadMany(twice)).rejects.toMatchObject({
      code: "ERR_SPINN_ARGUMENT",
      message: "core 0,1,1 shall run two programs",
    });
    expect(await app.loadMany(programs, { onProgress: ({ done }) => seen.push(done), wait: true })).toEqual({
      ...{ cores: 6, sizeBytes: 2900, refills: 0 },
    });
    expect(seen).toEqual([2, 6]);
    expect(await app.countInState(CoreState.WAIT)).toBe(6);
    expect(await spinn.cores.findFreeAppId()).toBe(18);
    await app.start();
    await app.waitForCores(cores, [CoreState.RUN], { pollMs: 5, timeoutMs: 5000 });
    await app.stop();
    await spinn.loadMany(programs, { appId: 40 });
    expect((await spinn.cores.readStatus(cores, { appId: 40, states: [CoreState.RUN] })).map(({ x, y, p }) => ({ x, y, p }))).toEqual(
      [...cores].sort((a, b) => a.x - b.x || a.p - b.p),
    );
    expect(await spinn.cores.readStatus(undefined, { appId: 40, notStates: [CoreState.RUN] })).toEqual([]);
  });

  it("ends what is under way when it is left, before it stops the rest", async () => {
    await using setup = await simulate(nextHost(), { board: "spin3", scamp });
    const spinn = setup.transceiver;
    await spinn.discover();
    const others: Promise<unknown>[] = [];
    const body = async (): Promise<void> => {
      await using app = spinn.application(30);
      const io = await app.allocateIO(chip, 64);
      await io.write(Uint8Array.of(1));
      others.push(app.load(applicationImage(60_000), cores), app.waitForCount(99, [CoreState.RUN]));
      others.push(app.allocateMany([chip, other, chip, other].map((at) => ({ ...at, sizeBytes: 1000 }))));
      others.push(app.waitForCount(1, [CoreState.IDLE]).then(() => io.write(Uint8Array.of(2))));
      for (const each of others) each.catch(() => undefined);
      await Promise.all([...others, Promise.reject(new Error("one of many"))]);
    };
    await expect(body()).rejects.toThrow("one of many");
    const codes = (await Promise.allSettled(others)).map((end) => (end.status === "rejected" ? end.reason.code : "done"));
    expect(codes).toEqual(Array(4).fill("ERR_SPINN_ABORTED"));
    expect(await takenOn(spinn, 30)).toEqual({ blocks: [0, 0], routes: 0, tags: [], cores: 0 });
  });

  it("closes the windows it gave out: their memory is somebody else's now", async () => {
    await using setup = await simulate(nextHost(), { board: "spin3", scamp });
    const app = setup.transceiver.application(30);
    const [first, second] = [await app.allocateIO(chip, 64), await app.allocateIO(chip, 64)];
    await first.write(Uint8Array.of(1, 2, 3));
    await second.free();
    const slice = first.slice(1);
    await app.stop();
    await expect(slice.write(Uint8Array.of(4))).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
    expect(await setup.transceiver.readMemory(chip, first.address, 3)).not.toEqual(Uint8Array.of(1, 2, 3));
    await first.close();
  });

  it("is over when it has been left", async () => {
    await using setup = await simulate(nextHost(), { board: "spin3", scamp });
    const app = setup.transceiver.application(30);
    await Promise.all([app.stop(), app.stop()]);
    const closed = { code: "ERR_SPINN_CLOSED", message: "app 30 has been stopped" };
    await expect(app.allocate(chip, 4)).rejects.toMatchObject(closed);
    await expect(app.load(applicationImage(400), cores)).rejects.toMatchObject(closed);
    await expect(app.setIpTag(1, { port: 5000 })).rejects.toMatchObject(closed);
    await expect(app.countInState(CoreState.RUN)).rejects.toMatchObject(closed);
    expect(() => setup.transceiver.application(0)).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
  });
});

describe("leaving an application scope", () => {
  async function open(hearsStop: (stops: number) => boolean) {
    const at = nextHost();
    let stops = 0;
    const board = await startSpin3(at, "4.0.0", ({ command }) => {
      if (command === Command.ALLOC) return words(0x60640018);
      if (command !== Command.SIG) return "default";
      stops += 1;
      if (hearsStop(stops)) setCore(board, { ...chip, p: 5 }, CoreState.IDLE, 0);
      return {};
    });
    setCore(board, { ...chip, p: 5 }, CoreState.RUN, 30);
    const spinn = await Transceiver.connect({ host: at, port: board.port });
    return {
      spinn,
      board,
      stops: () => stops,
      async [Symbol.asyncDispose]() {
        await spinn.close();
        await board.close();
      },
    };
  }

  it("sends STOP again to a chip that missed it", async () => {
    await using setup = await open((stops) => stops === 2);
    const app = setup.spinn.application(30);
    await app.allocate(chip, 100);
    await app.stop();
    expect(setup.stops()).toBe(2);
    // One allocation, then SDRAM and routes of the application on the one chip that was used.
    const frees = setup.board.requests.filter(({ command }) => command === Command.ALLOC).slice(1);
    expect(frees.map(({ destX, destY, arg1 }) => [destX, destY, arg1])).toEqual([
      [1, 0, 0x1e02],
      [1, 0, 0x1e05],
    ]);
  });

  it("names cores that do not stop, after giving back the rest", async () => {
    await using setup = await open(() => false);
    const app = setup.spinn.application(30, { stopMs: 30 });
    await app.allocate(chip, 100);
    await expect(app.stop()).rejects.toMatchObject({
      code: "ERR_SPINN_STATE",
      message: "app 30 did not stop on 1 core: core 1,0,5: RUN app 30",
    });
    expect(setup.board.count(Command.ALLOC)).toBe(3);
  });
});
