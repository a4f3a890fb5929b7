import { describe, expect, it } from "vitest";
import { CoreState } from "../../src/machine/index.js";
import type { CoreContext, CoreProgram } from "../../src/simulator/index.js";
import { Transceiver } from "../../src/transceiver/index.js";
import { Command } from "../../src/wire/index.js";
import { applicationImage } from "./application-image.js";
import { ScriptedBoard } from "./scripted-board.js";
import { setCore, startSpin3 } from "./scripted-spin3.js";
import { simulate } from "./simulated.js";

const cores = [1, 2, 3].flatMap((p) => [
  { x: 0, y: 0, p },
  { x: 1, y: 1, p },
]);

/** A program of SpiNNFrontEndCommon's kind: ends on command 8 at port 3, and keeps the last of other messages in user1. */
const simulation = (): CoreProgram => {
  let core: CoreContext;
  return {
    start(own) {
      core = own;
    },
    onSdp({ destPort, data }) {
      if (destPort === 3 && data[0] === 8) core.setState(CoreState.EXIT);
      else core.memory.chip.writeWord(core.vcpu + 116, (destPort << 8) | data[0]!);
    },
  };
};

describe.each(["4.0.0", "3.4.1"])("the cores of a board with SC&MP %s", (scamp) => {
  it("are asked by set and state, have their fields read and written, and get messages", async () => {
    await using setup = await simulate(scamp === "4.0.0" ? "127.41.24.1" : "127.41.24.2", { board: "spin3", scamp, programs: simulation });
    const spinn = setup.transceiver;
    await spinn.load(applicationImage(400), cores, { appId: 30 });
    await spinn.waitForCores(cores, [CoreState.RUN], { appId: 30, pollMs: 5, timeoutMs: 5000 });
    const place = ({ x, y, p }: { x: number; y: number; p: number }): string => `${x},${y},${p}`;
    expect((await spinn.cores.readStatus(cores)).map(place)).toEqual(["0,0,1", "0,0,2", "0,0,3", "1,1,1", "1,1,2", "1,1,3"]);
    expect((await spinn.cores.readStatus(cores.slice(0, 1), { states: [CoreState.RUN] })).map(place)).toEqual(["0,0,1"]);
    expect(await spinn.cores.readStatus(cores, { notStates: [CoreState.RUN] })).toEqual([]);
    expect(await spinn.cores.readStatus(cores, { appId: 31 })).toEqual([]);
    const running = await spinn.cores.readStatus(undefined, { states: [CoreState.RUN] });
    expect(running.map(place)).toEqual((await spinn.cores.readStatus(cores)).map(place));

    const values = cores.map((core, i) => ({ ...core, value: 1000 + i }));
    await spinn.cores.writeField("user0", values);
    expect(await spinn.cores.readField("user0", cores)).toEqual(values);
    await expect(spinn.cores.writeField("user0", [...values, { ...cores[0]!, value: -1 }])).rejects.toMatchObject({
      code: "ERR_SPINN_ARGUMENT",
    });
    await expect(spinn.cores.readField("user9", cores)).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });

    spinn.cores.sendSdp(cores[1]!, 5, Uint8Array.of(77));
    await expect.poll(async () => (await spinn.cores.readField("user1", [cores[1]!]))[0]!.value).toBe((5 << 8) | 77);
    spinn.cores.updateProvenanceAndExit(cores.slice(0, 4));
    await spinn.waitForCores(cores.slice(0, 4), [CoreState.EXIT], { appId: 30, pollMs: 5, timeoutMs: 5000 });
    expect(await spinn.countInState(30, CoreState.RUN)).toBe(2);
    await expect(spinn.cores.readStatus([{ x: 0, y: 0, p: 0 }])).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });
});

describe("messages to cores", () => {
  it("are SpiNNMan's bytes for update_provenance_and_exit", async () => {
    await using board = await ScriptedBoard.start({ host: "127.41.24.3" });
    await using spinn = await Transceiver.connect({ host: board.host, port: board.port });
    spinn.cores.updateProvenanceAndExit([{ x: 1, y: 2, p: 3 }]);
    await spinn.readVersion({ x: 0, y: 0 });
    expect(board.messages.map((message) => Buffer.from(message).toString("hex"))).toEqual(["000007ff63ff0201000008000000"]);
    expect(() => spinn.cores.sendSdp({ x: 0, y: 0, p: 1 }, 8, new Uint8Array(1))).toThrow(
      expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }),
    );
    expect(() => spinn.cores.sendSdp({ x: 0, y: 0, p: 1 }, 1, new Uint8Array(273))).toThrow(
      expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }),
    );
  });
});

describe("findFreeAppId", () => {
  it("takes the lowest that no core has, from one look at each chip", async () => {
    await using board = await startSpin3("127.41.24.4", "4.0.0");
    await using spinn = await Transceiver.connect({ host: board.host, port: board.port });
    for (const [i, appId] of [17, 18, 20].entries()) setCore(board, { x: 1, y: 0, p: i + 1 }, CoreState.RUN, appId);
    await spinn.discover();
    const before = board.requests.length;
    expect(await spinn.cores.findFreeAppId()).toBe(19);
    const reads = board.requests.slice(before).filter(({ command }) => command === Command.READ);
    expect(new Set(reads.map(({ destX, destY, arg1 }) => `${destX},${destY},${arg1}`)).size).toBe(4 * 9);
    setCore(board, { x: 1, y: 1, p: 1 }, CoreState.RUN, 19);
    expect(await spinn.cores.findFreeAppId()).toBe(21);
  });
});
