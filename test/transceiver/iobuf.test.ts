import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Transceiver } from "../../src/transceiver/index.js";
import { ScriptedBoard } from "./scripted-board.js";

const core = { x: 0, y: 0, p: 3 };
const POINTER = 0xe5007000 + 3 * 128 + 88;
const BLOCKS = [0x678d0000, 0x678e0000, 0x678f0000] as const;
let board: ScriptedBoard;
let transceiver: Transceiver;

beforeAll(async () => {
  board = await ScriptedBoard.start({ host: "127.41.4.1" });
  transceiver = await Transceiver.connect({ host: board.host, port: board.port });
});

afterAll(async () => {
  await transceiver.close();
  await board.close();
});

function block(at: number, next: number, text: Uint8Array): void {
  board.pokeWords(at, [next, 0, 0, text.length]);
  board.poke(at + 16, text);
}

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

beforeEach(() => {
  board.pokeWords(0xf5007f50, [64]);
  board.pokeWords(POINTER, [BLOCKS[0]]);
});

describe("text of a core", () => {
  it("is nothing when it printed nothing", async () => {
    board.pokeWords(POINTER, [0]);
    expect(await transceiver.readIobuf(core)).toBe("");
  });

  it("comes from all its blocks, characters cut in two included", async () => {
    const bytes = text("grüße\n");
    block(BLOCKS[0], BLOCKS[1], bytes.subarray(0, 3));
    block(BLOCKS[1], BLOCKS[2], bytes.subarray(3));
    block(BLOCKS[2], 0, new Uint8Array());
    expect(await transceiver.readIobuf(core)).toBe("grüße\n");
  });

  it("survives bytes that are no text, and stops at the bound", async () => {
    block(BLOCKS[0], BLOCKS[1], Uint8Array.of(0xff, 0x41));
    block(BLOCKS[1], 0, text("0123456789"));
    expect(await transceiver.readIobuf(core)).toBe("\ufffdA0123456789");
    expect(await transceiver.readIobuf(core, { maxBytes: 5 })).toBe("\ufffdA012");
  });

  it("of many cores comes in the order asked", async () => {
    board.pokeWords(0xe5007000 + 4 * 128 + 88, [BLOCKS[2]]);
    block(BLOCKS[0], 0, text("three"));
    block(BLOCKS[2], 0, text("four"));
    const texts = await transceiver.readIobufs([{ ...core, p: 4 }, core]);
    expect(texts.map((entry) => entry.text)).toEqual(["four", "three"]);
  });

  it.each([
    ["a circle", (): void => block(BLOCKS[0], BLOCKS[0], text("x")), /circle/],
    ["a pointer out of memory", (): void => block(BLOCKS[0], 0x12345678, text("x")), /block at 0x12345678/],
    ["a length beyond the block", (): void => board.pokeWords(BLOCKS[0], [0, 0, 0, 65]), /65 characters where 64 fit/],
  ])("ends in words at %s", async (_name, damage, message) => {
    damage();
    await expect(transceiver.readIobuf(core)).rejects.toMatchObject({
      code: "ERR_SPINN_PROTOCOL",
      message: expect.stringMatching(message),
    });
  });
});
