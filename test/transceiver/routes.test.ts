import { describe, expect, it } from "vitest";
import type { RoutingEntry } from "../../src/machine/index.js";
import { Transceiver } from "../../src/transceiver/index.js";
import { Command, type ScpRequestPacket } from "../../src/wire/index.js";
import { type Answer, ScriptedBoard, words } from "./scripted-board.js";

const chip = { x: 0, y: 0 };
const COPY = 0x67880020;
const BUFFER = 0x67800000;
const routes: RoutingEntry[] = [
  { key: 0x10000, mask: 0xffff0000, links: [2], cores: [1] },
  { key: 0x20000, mask: 0xffff0000, links: [], cores: [17] },
];

/** SC&MP's copy of a router and the commands on it: rows are given out one after the other. */
class Router {
  readonly board: ScriptedBoard;
  next = 1;

  constructor(board: ScriptedBoard) {
    this.board = board;
    board.pokeWords(0xf5007fc8, [BUFFER]);
    board.pokeWords(0xf5007fd4, [COPY]);
    for (let i = 0; i < 1024; i += 1) board.pokeWords(COPY + 16 * i, [0, 0xff000000, 0xffffffff, 0]);
    this.#link();
  }

  serve(request: ScpRequestPacket): Answer | "default" {
    if (request.command === Command.ALLOC && (request.arg1 & 0xff) === 3) {
      const [base, count] = [this.next, request.arg2];
      if (base + count > 1024) return words(0);
      this.next += count;
      this.board.pokeWords(COPY + 16 * base, [(((0x8000 | ((request.arg1 >>> 8) & 0xff)) << 16) | this.next) >>> 0]);
      this.#link();
      return words(base);
    }
    if (request.command !== Command.RTR || (request.arg1 & 0xff) !== 2) return "default";
    for (let i = 0; i < request.arg1 >>> 16; i += 1) {
      this.board.poke(COPY + 16 * (request.arg3 + i) + 4, this.board.peek(request.arg2 + 16 * i + 4, 12));
    }
    return {};
  }

  /** The rest of the table is one free row. */
  #link(): void {
    if (this.next < 1024) this.board.pokeWords(COPY + 16 * this.next, [1024]);
  }
}

async function open(host: string): Promise<{ board: ScriptedBoard; transceiver: Transceiver; router: Router } & AsyncDisposable> {
  const board = await ScriptedBoard.start({ host });
  const router = new Router(board);
  board.script = (request) => router.serve(request);
  const transceiver = await Transceiver.connect({ host, port: board.port, packetTimeoutMs: 60 });
  return {
    board,
    transceiver,
    router,
    async [Symbol.asyncDispose]() {
      await transceiver.close();
      await board.close();
    },
  };
}

describe("routes", () => {
  it("are loaded, read back, and belong to their application", async () => {
    await using setup = await open("127.41.7.1");
    expect(await setup.transceiver.loadRoutes(chip, routes, { appId: 30 })).toBe(1);
    expect(await setup.transceiver.loadRoutes(chip, routes.slice(1), { appId: 31 })).toBe(3);
    const loaded = await setup.transceiver.readRoutes(chip);
    expect(loaded.map(({ index, appId, key }) => [index, appId, key])).toEqual([
      [1, 30, 0x10000],
      [2, undefined, 0x20000],
      [3, 31, 0x20000],
    ]);
    expect(loaded[0]).toMatchObject(routes[0]!);
  });

  it.each([
    ["reply", true],
    ["request", false],
  ])("take one row when the %s of the allocation is lost", async (_what, executed) => {
    await using setup = await open(executed ? "127.41.7.2" : "127.41.7.3");
    let lost = 0;
    setup.board.script = (request) => {
      const isFirst = request.command === Command.ALLOC && lost++ === 0;
      if (isFirst && !executed) return undefined;
      const answer = setup.router.serve(request);
      return isFirst ? undefined : answer;
    };
    expect(await setup.transceiver.loadRoutes(chip, routes, { appId: 30 })).toBe(1);
    expect(setup.router.next).toBe(3);
  });

  it("that do not fit, or are not what was loaded, end in words", async () => {
    await using setup = await open("127.41.7.4");
    const router = setup.router;
    router.next = 1023;
    setup.board.script = (request) => (request.command === Command.INFO ? words(1 << 14, ...Array(8).fill(0)) : router.serve(request));
    await expect(setup.transceiver.loadRoutes(chip, routes, { appId: 30 })).rejects.toMatchObject({
      code: "ERR_SPINN_MEMORY",
      message: expect.stringContaining("the longest row is 1"),
    });
    router.next = 1;
    setup.board.script = (request) => (request.command === Command.RTR ? {} : router.serve(request));
    await expect(setup.transceiver.loadRoutes(chip, routes, { appId: 30 })).rejects.toMatchObject({ code: "ERR_SPINN_VERIFY" });
    await expect(setup.transceiver.loadRoutes(chip, [], { appId: 30 })).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });
});

describe("router diagnostics", () => {
  it("are read by name and cleared by the register that clears", async () => {
    await using setup = await open("127.41.7.5");
    setup.board.pokeWords(0xe1000000, [0x40400101]);
    setup.board.pokeWords(
      0xe1000300,
      Array.from({ length: 16 }, (_, i) => i + 1),
    );
    const diagnostics = await setup.transceiver.readRouterDiagnostics(chip);
    expect(diagnostics).toMatchObject({ monitorCore: 1, wait1Cycles: 240, wait2Cycles: 240, errorStatus: 0 });
    expect(diagnostics.counters).toMatchObject({ localMulticast: 1, droppedMulticast: 9, user3: 16 });
    await setup.transceiver.clearRouterCounters(chip);
    expect([...setup.board.peek(0xf100002c, 4)]).toEqual([255, 255, 255, 255]);
    await setup.transceiver.writeRouterFilter(chip, 12, 0x01fe7cf1);
    expect(await setup.transceiver.readRouterFilter(chip, 12)).toBe(0x01fe7cf1);
    await expect(setup.transceiver.readRouterFilter(chip, 16)).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });

  it("do without the error status when its reply is lost: reading it twice would lose it", async () => {
    await using setup = await open("127.41.7.6");
    setup.board.script = (request) => (request.arg1 === 0xe1000014 ? undefined : "default");
    expect((await setup.transceiver.readRouterDiagnostics(chip)).errorStatus).toBeUndefined();
    expect(setup.board.requests.filter((request) => request.arg1 === 0xe1000014)).toHaveLength(1);
  });
});
