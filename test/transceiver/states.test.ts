import { describe, expect, it } from "vitest";
import { CoreState } from "../../src/machine/index.js";
import { Transceiver } from "../../src/transceiver/index.js";
import { Command, ReturnCode } from "../../src/wire/index.js";
import { type Script, type ScriptedBoard, words } from "./scripted-board.js";
import { setCore, startSpin3 } from "./scripted-spin3.js";

async function open(
  host: string,
  version: string,
  script?: Script,
): Promise<{ board: ScriptedBoard; transceiver: Transceiver } & AsyncDisposable> {
  const board = await startSpin3(host, version, script);
  const transceiver = await Transceiver.connect({ host, port: board.port });
  return {
    board,
    transceiver,
    async [Symbol.asyncDispose]() {
      await transceiver.close();
      await board.close();
    },
  };
}

describe("counting cores", () => {
  it("asks each board once on 4.x, again when it is busy", async () => {
    let asked = 0;
    await using setup = await open("127.41.5.1", "4.0.0", (request) => {
      if (request.command !== Command.COUNT) return "default";
      // Busy comes as RC_OK without data, the firmware's own way of hiding it.
      return asked++ < 2 ? {} : words(5, request.arg2, request.arg3);
    });
    expect(await setup.transceiver.countInState(30, CoreState.RUN)).toBe(5);
    expect(setup.board.count(Command.COUNT)).toBe(3);
  });

  it("reads the cores when some chips did not answer in time", async () => {
    await using setup = await open("127.41.5.2", "4.0.0", (request) =>
      request.command === Command.COUNT ? { ...words(1), code: ReturnCode.P2P_NOREPLY } : "default",
    );
    for (const p of [1, 2, 17]) setCore(setup.board, { x: 1, y: 1, p }, CoreState.RUN, 30);
    setCore(setup.board, { x: 0, y: 1, p: 4 }, CoreState.RUN, 31);
    expect(await setup.transceiver.countInState(30, CoreState.RUN)).toBe(3);
    expect(await setup.transceiver.countStates(30)).toEqual(new Map([[CoreState.RUN, 3]]));
  }, 30_000);

  it("asks the root by regions on 3.x", async () => {
    await using setup = await open("127.41.5.3", "3.4.1", (request) => (request.command === Command.SIG ? words(7) : "default"));
    expect(await setup.transceiver.countInState(30, CoreState.WAIT)).toBe(7);
    expect(setup.board.requests.find((request) => request.command === Command.SIG)).toMatchObject({ arg1: 1, arg2: 0x0065ff1e });
  });
});

describe("waiting", () => {
  const cores = [
    { x: 0, y: 1, p: 1 },
    { x: 1, y: 1, p: 2 },
  ];

  it("ends when every core is there", async () => {
    await using setup = await open("127.41.5.4", "4.0.0");
    for (const core of cores) setCore(setup.board, core, CoreState.INIT, 30);
    const wait = setup.transceiver.waitForCores(cores, [CoreState.RUN, CoreState.EXIT], { appId: 30, pollMs: 5 });
    setCore(setup.board, cores[0]!, CoreState.RUN, 30);
    setCore(setup.board, cores[1]!, CoreState.EXIT, 30);
    await wait;
  });

  it("ends in words when a core crashes", async () => {
    await using setup = await open("127.41.5.5", "4.0.0");
    setCore(setup.board, cores[0]!, CoreState.RUN, 30);
    setCore(setup.board, cores[1]!, CoreState.RTE, 30, 11);
    const wait = setup.transceiver.waitForCores(cores, [CoreState.EXIT], { appId: 30, pollMs: 5 });
    await expect(wait).rejects.toMatchObject({ code: "ERR_SPINN_STATE", message: expect.stringMatching(/core 1,1,2: RTE \(DIV0: .*zero/) });
  });

  it("names who is late", async () => {
    await using setup = await open("127.41.5.6", "4.0.0");
    for (const core of cores) setCore(setup.board, core, CoreState.SYNC0, 30);
    const wait = setup.transceiver.waitForCores(cores, [CoreState.RUN], { appId: 30, pollMs: 5, timeoutMs: 30 });
    await expect(wait).rejects.toMatchObject({
      code: "ERR_SPINN_STATE",
      message: expect.stringMatching(/2 of 2 cores are not in RUN: core 0,1,1: SYNC0/),
    });
  });

  it("by count does not take a core on its way for two", async () => {
    await using setup = await open("127.41.5.9", "4.0.0", (request) => {
      if (request.command !== Command.COUNT) return "default";
      // The first core is seen in RUN and, a moment later, in EXIT.
      return words(request.arg2 === CoreState.RUN || request.arg2 === CoreState.EXIT ? 1 : 0, request.arg2, 0);
    });
    setCore(setup.board, cores[0]!, CoreState.EXIT, 30);
    setCore(setup.board, cores[1]!, CoreState.INIT, 30);
    const wait = setup.transceiver.waitForCount(2, [CoreState.RUN, CoreState.EXIT], { appId: 30, pollMs: 5, timeoutMs: 60 });
    await expect(wait).rejects.toMatchObject({ code: "ERR_SPINN_STATE", message: expect.stringContaining("core 1,1,2: INIT") });
    const again = setup.transceiver.waitForCount(2, [CoreState.RUN, CoreState.EXIT], { appId: 30, pollMs: 5 });
    setCore(setup.board, cores[1]!, CoreState.RUN, 30);
    await again;
  });

  it("by count sees a crash too", async () => {
    await using setup = await open("127.41.5.7", "4.0.0", (request) => {
      if (request.command !== Command.COUNT) return "default";
      return words(request.arg2 === CoreState.WDOG ? 1 : 0, request.arg2, 0);
    });
    setCore(setup.board, cores[0]!, CoreState.WDOG, 30);
    const wait = setup.transceiver.waitForCount(2, [CoreState.EXIT], { appId: 30, pollMs: 5 });
    await expect(wait).rejects.toMatchObject({ code: "ERR_SPINN_STATE", message: expect.stringContaining("core 0,1,1: WDOG") });
  });

  it("ends at an abort", async () => {
    await using setup = await open("127.41.5.8", "4.0.0");
    const abort = new AbortController();
    const wait = setup.transceiver.waitForCores(cores, [CoreState.RUN], { appId: 30, signal: abort.signal });
    abort.abort();
    await expect(wait).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
  });
});
