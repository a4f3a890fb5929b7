import { describe, expect, it } from "vitest";
import { CoreState, type Link, MachineGeometry, VCPU_BASE, VCPU_SIZE } from "../../src/machine/index.js";
import { Transceiver } from "../../src/transceiver/index.js";
import { Command, type ScpRequestPacket } from "../../src/wire/index.js";
import { applicationImage } from "./application-image.js";
import { type Answer, type ScriptedBoard, words } from "./scripted-board.js";
import { setCore, startSpin3 } from "./scripted-spin3.js";

const geometry = MachineGeometry.spin3();
const BUFFER = 0x67800000;
const image = applicationImage(1000);
const cores = [...geometry.chips()].flatMap((chip) => [1, 2].map((p) => ({ ...chip, p })));

/** APP_COPY_RUN and AR as SC&MP 4.0.0 does them, over the scripted memory. `words` of the copy can be cut short. */
class Monitor {
  readonly board: ScriptedBoard;
  state: CoreState = CoreState.RUN;
  copies = 0;

  constructor(board: ScriptedBoard) {
    this.board = board;
  }

  copy(request: ScpRequestPacket, copied = request.arg2): Answer {
    const { destX: x, destY: y } = request;
    const from = geometry.neighbour(x, y, (request.arg1 & 7) as Link)!;
    this.copies += 1;
    this.board.poke(BUFFER, this.board.peek(BUFFER, copied, from.x, from.y), x, y);
    return {};
  }

  start(request: ScpRequestPacket): Answer {
    for (let p = 1; p < 18; p += 1) {
      if ((request.arg1 >>> p) & 1) setCore(this.board, { x: request.destX, y: request.destY, p }, this.state, request.arg1 >>> 24);
    }
    return {};
  }

  serve(request: ScpRequestPacket): Answer | "default" {
    if (request.command === Command.APP_COPY_RUN) return this.copy(request);
    return request.command === Command.AR ? this.start(request) : "default";
  }
}

async function open(host: string, script: (request: ScpRequestPacket, monitor: Monitor) => Answer | undefined | "default") {
  let monitor: Monitor | undefined;
  const board = await startSpin3(host, "4.0.0", (request) => (monitor === undefined ? "default" : script(request, monitor)));
  monitor = new Monitor(board);
  const transceiver = await Transceiver.connect({ host, port: board.port, packetTimeoutMs: 60 });
  return {
    board,
    monitor,
    transceiver,
    states: () => cores.map(({ x, y, p }) => board.peek(VCPU_BASE + VCPU_SIZE * p + 46, 1, x, y)[0]),
    async [Symbol.asyncDispose]() {
      await transceiver.close();
      await board.close();
    },
  };
}

const run = { appId: 30, verifyMs: 50 };

describe("loading on 4.x", () => {
  it("copies once to every chip and starts every core", async () => {
    await using setup = await open("127.47.1.1", (request, monitor) => monitor.serve(request));
    expect(await setup.transceiver.load(image, cores, run)).toEqual({ cores: 8, sizeBytes: 1000, refills: 0 });
    expect(setup.monitor.copies).toBe(3);
    expect(setup.board.count(Command.AR)).toBe(4);
    for (const { x, y } of geometry.chips()) expect(setup.board.peek(BUFFER, 1000, x, y)).toEqual(image);
  });

  it("notices a copy that stopped half way, which 4.0.0 does not report", async () => {
    let first = true;
    await using setup = await open("127.47.2.1", (request, monitor) => {
      if (request.command !== Command.APP_COPY_RUN || !first) return monitor.serve(request);
      first = false;
      return monitor.copy(request, 400);
    });
    await setup.transceiver.load(image, cores, run);
    expect(setup.monitor.copies).toBe(4);
    for (const { x, y } of geometry.chips()) expect(setup.board.peek(BUFFER, 1000, x, y)).toEqual(image);
  });

  it("does not start cores twice when the reply to a start is lost", async () => {
    await using setup = await open("127.47.3.1", (request, monitor) => {
      const answer = monitor.serve(request);
      return request.command === Command.AR && request.destX === 1 ? undefined : answer;
    });
    expect(await setup.transceiver.load(image, cores, run)).toMatchObject({ refills: 0 });
    expect(setup.board.count(Command.AR)).toBe(4);
  });

  it("tries again the cores whose start was lost on the way, and no others", async () => {
    const lost = new Set<number>();
    await using setup = await open("127.47.4.1", (request, monitor) => {
      const isFirst = request.command === Command.AR && request.destX === 1 && !lost.has(request.destY);
      if (isFirst) lost.add(request.destY);
      return isFirst ? undefined : monitor.serve(request);
    });
    expect(await setup.transceiver.load(image, cores, run)).toMatchObject({ refills: 1 });
    expect(setup.board.requests.filter(({ command, destX }) => command === Command.AR && destX === 0)).toHaveLength(2);
    expect(setup.states()).toEqual(Array(8).fill(CoreState.RUN));
  });

  it("goes round a link that does not work", async () => {
    await using setup = await open("127.47.5.1", (request, monitor) => {
      const bad = request.command === Command.APP_COPY_RUN && request.destX === 1 && request.destY === 1 && (request.arg1 & 7) === 4;
      // RC_SUM, as 4.0.0 delivers it: RC_OK and the sum the chip computed.
      return bad ? words(0x1234) : monitor.serve(request);
    });
    expect(await setup.transceiver.load(image, cores, run)).toMatchObject({ refills: 1 });
    expect(setup.states()).toEqual(Array(8).fill(CoreState.RUN));
  });

  it("names the cores that did not start, and why", async () => {
    await using setup = await open("127.47.6.1", (request, monitor) => {
      const bad = request.command === Command.APP_COPY_RUN && request.destX === 1 && request.destY === 1;
      return bad ? words(0x1234) : monitor.serve(request);
    });
    await expect(setup.transceiver.load(image, cores, { ...run, refills: 2 })).rejects.toMatchObject({
      code: "ERR_SPINN_LOAD",
      message: expect.stringMatching(/2 of 8 cores: core 1,1,1: IDLE \(copy to chip 1,1: .*checksum.*core 1,1,2/),
    });
    expect(setup.states().filter((state) => state === CoreState.RUN)).toHaveLength(6);
  });

  it("says why cores crashed", async () => {
    await using setup = await open("127.47.7.1", (request, monitor) => {
      if (request.command !== Command.AR) return monitor.serve(request);
      for (const p of [1, 2]) setCore(setup.board, { x: request.destX, y: request.destY, p }, CoreState.RTE, 30, 20);
      return {};
    });
    await expect(setup.transceiver.load(image, cores, run)).rejects.toMatchObject({
      code: "ERR_SPINN_LOAD",
      message: expect.stringMatching(/8 of 8 cores crashed .*VER/),
      hint: expect.stringContaining("spinnaker_tools"),
    });
  });

  it("refuses what cannot be loaded before anything is sent", async () => {
    await using setup = await open("127.47.8.1", (request, monitor) => monitor.serve(request));
    await setup.transceiver.discover();
    const before = setup.board.requests.length;
    const load = (bytes: Uint8Array, where: { x: number; y: number; p: number }[], appId = 30): Promise<unknown> =>
      setup.transceiver.load(bytes, where, { appId });
    await expect(load(new Uint8Array(64), cores)).rejects.toMatchObject({ code: "ERR_SPINN_FILE" });
    await expect(load(image, [])).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await expect(load(image, cores, 0)).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await expect(load(image, [{ x: 0, y: 0, p: 0 }])).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await expect(load(image, [{ x: 5, y: 0, p: 1 }])).rejects.toMatchObject({ code: "ERR_SPINN_MACHINE" });
    expect(setup.board.requests.length).toBe(before);
    setCore(setup.board, { x: 0, y: 1, p: 2 }, CoreState.RUN, 99);
    await expect(load(image, cores)).rejects.toMatchObject({ code: "ERR_SPINN_STATE", message: expect.stringContaining("0,1,2 RUN") });
    expect(setup.board.count(Command.WRITE)).toBe(0);
  });
});

describe("several programs as one application", () => {
  const programs = [
    { image, cores: cores.slice(0, 4) },
    { image: applicationImage(600, 2), cores: cores.slice(4) },
  ];

  /** START reaches core 1,1,1 only from `heardAt` on, the others at once. */
  function hearing(heardAt: number, then: CoreState) {
    let starts = 0;
    return {
      starts: () => starts,
      script(request: ScpRequestPacket, monitor: Monitor): Answer | "default" {
        monitor.state = CoreState.WAIT;
        if (request.command !== Command.SIG) return monitor.serve(request);
        expect(request.arg2).toBe(0x3ff1e);
        starts += 1;
        for (const core of cores) {
          const late = core.x === 1 && core.y === 1 && core.p === 1;
          if (late && starts < heardAt) continue;
          setCore(monitor.board, core, late ? then : CoreState.RUN, 30);
        }
        return {};
      },
    };
  }

  it("are started again where START was not heard", async () => {
    const ears = hearing(2, CoreState.RUN);
    await using setup = await open("127.47.20.1", ears.script);
    expect(await setup.transceiver.loadMany(programs, run)).toEqual({ cores: 8, sizeBytes: 1600, refills: 0 });
    expect(ears.starts()).toBe(2);
    expect(setup.states()).toEqual(Array(8).fill(CoreState.RUN));
  });

  it.each([
    ["are not started again when one crashed", 1, CoreState.RTE, "core 1,1,1: RTE", 1],
    ["end in an error when START is never heard", 9, CoreState.RUN, "core 1,1,1: WAIT app 30", 3],
  ] as const)("%s", async (_, heardAt, then, words, starts) => {
    const ears = hearing(heardAt, then);
    await using setup = await open(`127.47.21.${heardAt}`, ears.script);
    await expect(setup.transceiver.loadMany(programs, run)).rejects.toMatchObject({
      code: "ERR_SPINN_STATE",
      message: expect.stringContaining(words),
    });
    expect(ears.starts()).toBe(starts);
  });
});
