import { describe, expect, it } from "vitest";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { BMPTransceiver, commands } from "../../src/transceiver/index.js";
import { Command, ReturnCode } from "../../src/wire/index.js";
import { type Script, ScriptedBoard, words } from "./scripted-board.js";

async function open(
  host: string,
  script: Script,
  packetTimeout?: number,
): Promise<{ board: ScriptedBoard; bmp: BMPTransceiver } & AsyncDisposable> {
  const board = await ScriptedBoard.start({ host, name: "BC&MP/Spin5-BMP", version: "2.1.2", script });
  const bmp = await BMPTransceiver.connect({ host, port: board.port, ...(packetTimeout === undefined ? {} : { probeMs: packetTimeout }) });
  return {
    board,
    bmp,
    async [Symbol.asyncDispose]() {
      await bmp.close();
      await board.close();
    },
  };
}

/** Sensors of a board whose rails are on, or off. */
function sensors(on: boolean): { payload: Uint8Array } {
  const payload = new Uint8Array(48);
  const view = new DataView(payload.buffer);
  for (const at of [2, 4, 6]) view.setUint16(at, on ? 0x7b9 : 3, true);
  view.setUint16(8, on ? 0xb8b : 3, true);
  view.setUint16(12, 0xe1a, true);
  view.setUint16(14, 0xcd6, true);
  view.setInt16(16, 0x1d20, true);
  return { payload };
}

describe("BMPTransceiver", () => {
  it("switches boards on and looks whether they are", async () => {
    await using setup = await open("127.41.6.1", ({ command, arg3 }) => {
      if (command === Command.POWER) return {};
      if (command === Command.BMP_INFO) return sensors(true);
      return command === Command.LINK_READ ? words(0x20 | arg3) : "default";
    });
    await setup.bmp.powerOn([0, 2], { settleMs: 1 });
    expect(setup.board.requests.find((request) => request.command === Command.POWER)).toMatchObject({ destCpu: 0, arg1: 1, arg2: 5 });
    expect(setup.board.count(Command.LINK_READ)).toBe(6);
    expect((await setup.bmp.readSensors(0)).temperatureTop).toBeCloseTo(29.125);
  });

  it("names what is not on", async () => {
    await using setup = await open("127.41.6.2", ({ command, destCpu }) => {
      if (command === Command.POWER) return {};
      if (command === Command.BMP_INFO) return sensors(destCpu !== 1);
      return command === Command.LINK_READ ? words(3) : "default";
    });
    await expect(setup.bmp.powerOn([0, 1], { settleMs: 1 })).rejects.toMatchObject({
      code: "ERR_SPINN_STATE",
      message: expect.stringMatching(/board 0: FPGA 0 says it is empty.*board 1: 1.2 V A rail/),
    });
  });

  it("asks one of the boards that are meant, lists those that answer, works LEDs board by board", async () => {
    await using setup = await open("127.41.6.3", ({ command, destCpu }) => {
      if (command === Command.VER && destCpu > 2) return { code: ReturnCode.ROUTE };
      return command === Command.VER ? "default" : {};
    });
    await setup.bmp.powerOff([1, 2]);
    await setup.bmp.reset([2], "pulse", { fpgas: true });
    await setup.bmp.setLeds([0, 1], { 7: "on" });
    const [off, reset, ...leds] = setup.board.requests.filter((request) => request.command !== Command.VER);
    expect(off).toMatchObject({ command: Command.POWER, destCpu: 1, arg1: 0, arg2: 6 });
    expect(reset).toMatchObject({ command: Command.RESET, destCpu: 2, arg1: 6, arg2: 4 });
    expect(leds.map((request) => request.destCpu)).toEqual([0, 1]);
    expect(await setup.bmp.listBoards()).toEqual([0, 1, 2]);
  });

  it("tells addresses, up-time and who was heard, and takes any command", async () => {
    await using machine = await SimulatedMachine.start({ host: "127.41.6.5", port: 0, board: { triads: [1, 1] }, timeScale: 0.01 });
    await using bmp = await BMPTransceiver.connect(machine.bmps[0]!.address);
    const { bmp: own, spinnaker } = await bmp.readAddresses(0);
    expect([own.valid, spinnaker.valid]).toEqual([true, true]);
    expect(spinnaker.mac).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    expect(await bmp.listHeard()).toEqual(await bmp.listBoards());
    expect(await bmp.readUptime(0)).toMatchObject({ uptimeSeconds: expect.any(Number), watchdogResets: 0 });
    expect(await bmp.call(commands.getBmpVersion(1))).toMatchObject({ name: "BC&MP", board: 1 });
    const flash = await bmp.call(commands.readSerialFlash(0, 0, 16));
    expect(flash).toHaveLength(16);
  });

  it("says that nobody answers", async () => {
    await expect(open("127.41.6.4", () => undefined, 80)).rejects.toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
  });
});
