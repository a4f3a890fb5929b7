import { describe, expect, it } from "vitest";
import { readMemory } from "../../src/commands/index.js";
import { MachineGeometry } from "../../src/machine/index.js";
import { connect } from "../../src/transceiver/connect.js";
import { Command } from "../../src/wire/index.js";
import { ScriptedBoard } from "./scripted-board.js";

const near = Array.from({ length: 5 }, (_, y) => ({ x: 0, y: y % 4 }));
const far = [
  { x: 4, y: 8 },
  { x: 5, y: 9 },
  { x: 11, y: 0 },
];

/** A machine of three boards of which the first and the second have a connection. */
async function open(host: string) {
  const first = await ScriptedBoard.start({ host: `${host}.1` });
  const second = await ScriptedBoard.start({ host: `${host}.2` });
  const session = await connect({ host: first.host, port: first.port });
  session.geometry = MachineGeometry.triads(1, 1);
  session.adopt({ x: 0, y: 0 }, session.entry);
  session.adopt({ x: 4, y: 8 }, await session.open(second.host, second.port, undefined));
  return {
    first,
    second,
    session,
    async [Symbol.asyncDispose]() {
      await session.close();
      await Promise.all([first.close(), second.close()]);
    },
  };
}

describe("a session", () => {
  it("sends a chip's requests through its own board, or through the first connection", async () => {
    await using setup = await open("127.46.1");
    for (const chip of [...far, { x: 8, y: 4 }, { x: 255, y: 255 }]) await setup.session.call(readMemory(chip, 0x60000000, 4));
    const targets = (board: ScriptedBoard): string[] =>
      board.requests.filter(({ command }) => command === Command.READ).map(({ destX, destY }) => `${destX},${destY}`);
    expect(targets(setup.second)).toEqual(["4,8", "5,9", "11,0"]);
    expect(targets(setup.first)).toEqual(["8,4", "255,255"]);
  });

  it("lets a slow board hold up nobody else", async () => {
    await using setup = await open("127.46.2");
    const done: string[] = [];
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const work = async ({ x, y }: { x: number; y: number }): Promise<void> => {
      if (x >= 4 && y >= 8) await gate;
      done.push(`${x},${y}`);
      if (done.length === near.length) release();
    };
    await setup.session.forEach([...far.slice(0, 2), ...near], work);
    expect(done).toHaveLength(near.length + 2);
    expect(done.slice(-2).sort()).toEqual(["4,8", "5,9"]);
  });

  it("ends everything at the first failure, and throws that", async () => {
    await using setup = await open("127.46.3");
    let aborted = 0;
    const work = async ({ x, y }: { x: number; y: number }, { signal }: { signal: AbortSignal }): Promise<void> => {
      if (x === 0 && y === 3) throw new Error("this one");
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
      aborted += 1;
    };
    await expect(setup.session.forEach([...near.slice(0, 4), ...far.slice(0, 2)], work)).rejects.toThrow("this one");
    expect(aborted).toBe(5);
  });
});
