import { describe, expect, it } from "vitest";
import { SDRAM_USER_BASE } from "../../src/machine/index.js";
import { commands, Transceiver } from "../../src/transceiver/index.js";
import { Command, ReturnCode } from "../../src/wire/index.js";
import { ScriptedBoard, words } from "./scripted-board.js";
import { startSpin3 } from "./scripted-spin3.js";
import { simulate } from "./simulated.js";

const all = [0, 1].flatMap((x) => [0, 1].map((y) => ({ x, y })));

describe.each(["4.0.0", "3.4.1"])("the chips of a board with SC&MP %s", (scamp) => {
  const four = scamp === "4.0.0";

  it("give SDRAM together, or not at all", async () => {
    await using setup = await simulate(`127.41.23.${four ? 1 : 11}`, { board: "spin3", scamp });
    const spinn = setup.transceiver;
    const wanted = [...all, { x: 0, y: 0 }].map((chip, i) => ({ ...chip, sizeBytes: 100 + i, ...(i === 4 ? { tag: 9 } : {}) }));
    const addresses = await spinn.chips.allocate(wanted, { appId: 30 });
    for (const [i, { x, y, sizeBytes }] of wanted.entries()) {
      const block = (await spinn.readHeap({ x, y })).blocks.find(({ address }) => address === addresses[i]);
      expect(block).toMatchObject({ appId: 30, sizeBytes: (sizeBytes + 3) & ~3, tag: i === 4 ? 9 : 0 });
    }
    const before = await Promise.all(all.map((chip) => spinn.readSpace(chip)));
    const tooMuch = [...all.map((chip) => ({ ...chip, sizeBytes: 64 })), { x: 1, y: 1, sizeBytes: 128 << 20 }];
    await expect(spinn.chips.allocate(tooMuch, { appId: 30 })).rejects.toMatchObject({ code: "ERR_SPINN_MEMORY" });
    expect(await Promise.all(all.map((chip) => spinn.readSpace(chip)))).toEqual(before);
    const stop = AbortSignal.abort();
    await expect(spinn.chips.allocate(tooMuch, { appId: 30, signal: stop })).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    expect(await Promise.all(all.map((chip) => spinn.readSpace(chip)))).toEqual(before);
  });

  it("take the same bytes everywhere", async () => {
    await using setup = await simulate(`127.41.23.${four ? 2 : 12}`, { board: "spin3", scamp });
    const spinn = setup.transceiver;
    const data = Uint8Array.from({ length: 1003 }, (_, i) => i * 3);
    const seen: number[] = [];
    const onProgress = ({ done, total }: { done: number; total: number }): unknown => seen.push(done / total);
    await spinn.chips.writeMemory(SDRAM_USER_BASE + 1, data, { verify: true, onProgress });
    expect(seen).toEqual([0.25, 0.5, 0.75, 1]);
    const found = await spinn.readMany(all.map((chip) => ({ ...chip, address: SDRAM_USER_BASE + 1, length: 1003 })));
    for (const bytes of found) expect(bytes).toEqual(data);
    await expect(spinn.chips.writeMemory(0x90000000, data)).rejects.toMatchObject({ code: "ERR_SPINN_MEMORY" });
  });

  it("tell their system variables, and take a watchdog setting", async () => {
    await using setup = await simulate(`127.41.23.${four ? 3 : 13}`, { board: "spin3", scamp });
    const { chips } = setup.transceiver;
    const system = await chips.readSystem({ x: 1, y: 1 });
    expect(system).toMatchObject({ p2p_addr: 0x0101, p2p_dims: 0x0202, cpu_clk: 200, root_chip: 0, num_cpus: expect.any(Number) });
    expect(await chips.readVariable("eth_up")).toEqual(all.map(({ x, y }) => ({ x, y, value: x + y === 0 ? 1 : 0 })));
    const wdog = async (): Promise<unknown[]> => (await chips.readVariable("soft_wdog")).map(({ value }) => value);
    await chips.setWatchdog(7, { chips: [{ x: 0, y: 1 }] });
    expect((await wdog())[1]).toBe(7);
    await chips.setWatchdog(false);
    expect(await wdog()).toEqual([0, 0, 0, 0]);
    await chips.setWatchdog(true);
    expect(await wdog()).toEqual([3, 3, 3, 3]);
    for (const wrong of [0, 256, 1.5]) {
      await expect(chips.setWatchdog(wrong)).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    }
    await expect(chips.readVariable("watchdog")).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await expect(chips.writeVariable("soft_wdog", 256)).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });

  it("say how their clocks drift, where the firmware measures it", async () => {
    await using setup = await simulate(`127.41.23.${four ? 4 : 14}`, { board: "spin3", scamp });
    const { chips } = setup.transceiver;
    await chips.writeVariable("clock_drift", -1311, { chips: [{ x: 1, y: 0 }] });
    if (!four) {
      await expect(chips.readClockDrift()).rejects.toMatchObject({ code: "ERR_SPINN_REFUSED", hint: "boot SC&MP 4" });
      return;
    }
    const drift = await chips.readClockDrift();
    expect(drift[0]).toEqual({ x: 0, y: 0, cyclesPerMicrosecond: 0, partsPerMillion: 0 });
    expect(drift[2]).toMatchObject({ x: 1, y: 0 });
    expect(drift[2]!.cyclesPerMicrosecond).toBeCloseTo(-0.01, 4);
    expect(drift[2]!.partsPerMillion).toBeCloseTo(-50, 0);
  });

  it("show their P2P tables", async () => {
    await using setup = await simulate(`127.41.23.${four ? 5 : 15}`, { board: "spin5", scamp });
    const { chips } = setup.transceiver;
    const root = await chips.readP2PTable({ x: 0, y: 0 });
    expect([root.width, root.height, [...root.chips()].length]).toEqual([8, 8, 48]);
    expect(root.linkTo({ x: 0, y: 0 })).toBe("here");
    expect(root.linkTo({ x: 7, y: 0 })).toBeUndefined();
    expect(root.linkTo({ x: 8, y: 0 })).toBeUndefined();
    const far = await chips.readP2PTable({ x: 7, y: 7 });
    expect(far.linkTo({ x: 0, y: 0 })).toBe(setup.transceiver.machine!.chip(7, 7).parentLink);
    expect([...far.chips()].length).toBe(four ? [...far.chips()].length : 48);
  });
});

it("a block that was refused on one chip leaves those of the others free again", async () => {
  const host = "127.41.23.20";
  await using board = await startSpin3(host, "4.0.0", ({ command, arg1, destX }) => {
    if (command !== Command.ALLOC) return "default";
    if ((arg1 & 0xff) === 6) return words(5000, 4000);
    if ((arg1 & 0xff) === 1) return {};
    return words(destX === 1 ? 0 : 0x60640018);
  });
  // A heap of one used block behind the allocation: freeing looks it up first.
  board.pokeWords(0xf5007f4c, [0x60640000]);
  board.pokeWords(0x60640000, [0, 0x60640010]);
  board.pokeWords(0x60640010, [0x60640080, 0xffff1e00]);
  board.pokeWords(0x60640080, [0, 0]);
  await using spinn = await Transceiver.connect({ host, port: board.port });
  const wanted = [
    { x: 0, y: 0, sizeBytes: 100 },
    { x: 1, y: 0, sizeBytes: 100 },
  ];
  await expect(spinn.chips.allocate(wanted, { appId: 30 })).rejects.toMatchObject({
    code: "ERR_SPINN_MEMORY",
    message: expect.stringContaining("chip 1,0 gives no 100 bytes"),
  });
  const frees = board.requests.filter(({ command, arg1 }) => command === Command.ALLOC && (arg1 & 0xff) === 1);
  expect(frees.map(({ destX, destY, arg2 }) => [destX, destY, arg2])).toEqual([[0, 0, 0x60640018]]);
});

it("the commands are there for requests that have no method", async () => {
  await using board = await ScriptedBoard.start({
    host: "127.41.23.21",
    script: ({ command }) => (command === Command.LED ? { code: ReturnCode.OK } : "default"),
  });
  await using spinn = await Transceiver.connect({ host: board.host, port: board.port });
  await spinn.call(commands.setLeds({ x: 1, y: 1 }, { 0: "on" }));
  expect(board.requests.at(-1)).toMatchObject({ command: Command.LED, destX: 1, destY: 1, arg1: 3 });
});
