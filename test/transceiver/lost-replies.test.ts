import { describe, expect, it } from "vitest";
import { Transceiver } from "../../src/transceiver/index.js";
import { Command, type ScpRequestPacket } from "../../src/wire/index.js";
import { type Answer, ScriptedBoard, words } from "./scripted-board.js";

const chip = { x: 0, y: 0 };
const HEAP = 0x60640000;

async function open(host: string, version: string): Promise<{ board: ScriptedBoard; transceiver: Transceiver } & AsyncDisposable> {
  const board = await ScriptedBoard.start({ host, version });
  // A short ceiling: a request that must not be repeated waits this long for its lost reply.
  const transceiver = await Transceiver.connect({ host, port: board.port, packetTimeoutMs: 60 });
  return {
    board,
    transceiver,
    async [Symbol.asyncDispose]() {
      await transceiver.close();
      await board.close();
    },
  };
}

/** A tiny allocator behind CMD_ALLOC: tags, retry flag, and a list of who got what. */
class Allocator {
  readonly blocks: { address: number; size: number; appId: number; tag: number }[] = [];
  readonly retryFlag: boolean;

  constructor(retryFlag: boolean) {
    this.retryFlag = retryFlag;
  }

  serve(request: ScpRequestPacket): Answer {
    const [operation, appId, extra] = [request.arg1 & 0xff, (request.arg1 >>> 8) & 0xff, (request.arg1 >>> 16) & 0xff];
    const holder = (tag: number) => this.blocks.find((block) => block.appId === appId && block.tag === tag);
    if (operation === 7) return words(holder(request.arg2)?.address ?? 0);
    if (operation === 6) return words(5000, 4000);
    const held = request.arg3 === 0 ? undefined : holder(request.arg3);
    if (held !== undefined) return words(this.retryFlag && extra === 4 && held.size === request.arg2 ? held.address : 0);
    if (request.arg2 > 4000) return words(0);
    const address = HEAP + 24 + this.blocks.length * 0x1000;
    this.blocks.push({ address, size: request.arg2, appId, tag: request.arg3 });
    return words(address);
  }
}

const isAllocation = (request: ScpRequestPacket): boolean => request.command === Command.ALLOC && (request.arg1 & 0xff) === 0;

describe("an allocation whose reply is lost", () => {
  it.each(["4.0.0", "3.4.1"])("with a tag takes one block on %s", async (version) => {
    await using setup = await open("127.41.3.1", version);
    const allocator = new Allocator(version === "4.0.0");
    let lost = 0;
    setup.board.script = (request) => {
      if (request.command !== Command.ALLOC) return "default";
      const answer = allocator.serve(request);
      return isAllocation(request) && lost++ === 0 ? undefined : answer;
    };
    const address = await setup.transceiver.allocate(chip, 100, { appId: 30, tag: 7 });
    expect(allocator.blocks).toHaveLength(1);
    expect(address).toBe(allocator.blocks[0]!.address);
  });

  it("whose request was lost already is asked for again on 3.4.1", async () => {
    await using setup = await open("127.41.3.2", "3.4.1");
    const allocator = new Allocator(false);
    let lost = 0;
    setup.board.script = (request) => {
      if (request.command !== Command.ALLOC) return "default";
      return isAllocation(request) && lost++ === 0 ? undefined : allocator.serve(request);
    };
    await setup.transceiver.allocate(chip, 100, { appId: 30, tag: 7 });
    expect(allocator.blocks).toHaveLength(1);
    expect(setup.board.requests.filter(isAllocation)).toHaveLength(2);
  });

  it("without a tag is never repeated", async () => {
    await using setup = await open("127.41.3.3", "4.0.0");
    setup.board.script = (request) => (isAllocation(request) ? undefined : "default");
    await expect(setup.transceiver.allocate(chip, 100, { appId: 30 })).rejects.toMatchObject({
      code: "ERR_SPINN_OUTCOME_UNKNOWN",
      hint: expect.stringContaining("tag"),
    });
    expect(setup.board.requests.filter(isAllocation)).toHaveLength(1);
  });
});

describe("a refused allocation", () => {
  it("says what is free, or who has the tag", async () => {
    await using setup = await open("127.41.3.4", "4.0.0");
    const allocator = new Allocator(true);
    setup.board.script = (request) => (request.command === Command.ALLOC ? allocator.serve(request) : "default");
    await expect(setup.transceiver.allocate(chip, 4004, { appId: 30 })).rejects.toMatchObject({
      code: "ERR_SPINN_MEMORY",
      message: expect.stringContaining("the largest block is 4000"),
    });
    await setup.transceiver.allocate(chip, 40, { appId: 30, tag: 1 });
    await expect(setup.transceiver.allocate(chip, 80, { appId: 30, tag: 1 })).rejects.toMatchObject({
      code: "ERR_SPINN_MEMORY",
      message: expect.stringContaining("tag 1 is taken"),
    });
    await expect(setup.transceiver.allocate(chip, 40, { appId: 0 })).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });
});

/** A heap of one used block (app 30, tag 7), one free one, and the end. */
function writeHeap(board: ScriptedBoard, used: boolean): void {
  board.pokeWords(0xf5007f4c, [HEAP]);
  board.pokeWords(HEAP, [HEAP + 0x110, HEAP + 16, HEAP + 0x1000, 0xf00]);
  board.pokeWords(HEAP + 16, [HEAP + 0x110, used ? 0xffff1e07 : HEAP + 0x110]);
  board.pokeWords(HEAP + 0x110, [HEAP + 0x1000, 0]);
  board.pokeWords(HEAP + 0x1000, [0, 0]);
}

const isFree = (request: ScpRequestPacket): boolean => request.command === Command.ALLOC && (request.arg1 & 0xff) === 1;

describe("freeing", () => {
  it("is not done twice when the reply is lost", async () => {
    await using setup = await open("127.41.3.5", "4.0.0");
    writeHeap(setup.board, true);
    setup.board.script = (request) => {
      if (!isFree(request)) return "default";
      writeHeap(setup.board, false);
      return undefined;
    };
    await setup.transceiver.free(chip, HEAP + 24);
    expect(setup.board.requests.filter(isFree)).toHaveLength(1);
  });

  it("is done again when the request never arrived", async () => {
    await using setup = await open("127.41.3.6", "4.0.0");
    writeHeap(setup.board, true);
    let lost = 0;
    setup.board.script = (request) => {
      if (!isFree(request)) return "default";
      return lost++ === 0 ? undefined : {};
    };
    await setup.transceiver.free(chip, HEAP + 24);
    expect(setup.board.requests.filter(isFree)).toHaveLength(2);
  });

  it("refuses what is no block in use, without asking the board to", async () => {
    await using setup = await open("127.41.3.7", "4.0.0");
    writeHeap(setup.board, true);
    for (const address of [HEAP + 28, HEAP + 0x118, 0x60000000]) {
      await expect(setup.transceiver.free(chip, address)).rejects.toMatchObject({ code: "ERR_SPINN_MEMORY" });
    }
    expect(setup.board.requests.filter(isFree)).toHaveLength(0);
  });

  it("lists heaps, and says when one is damaged", async () => {
    await using setup = await open("127.41.3.8", "4.0.0");
    writeHeap(setup.board, true);
    expect(await setup.transceiver.readHeap(chip)).toEqual({
      freeBytes: 0xf00,
      blocks: [
        { address: HEAP + 24, sizeBytes: 0xf8, free: false, appId: 30, tag: 7 },
        { address: HEAP + 0x118, sizeBytes: 0xee8, free: true, appId: undefined, tag: undefined },
      ],
    });
    setup.board.pokeWords(HEAP + 0x110, [HEAP + 16]);
    await expect(setup.transceiver.readHeap(chip)).rejects.toMatchObject({ message: expect.stringContaining("damaged") });
    setup.board.pokeWords(HEAP + 0x110, [0x50000000]);
    await expect(setup.transceiver.readHeap(chip)).rejects.toMatchObject({ message: expect.stringContaining("damaged") });
  });
});
