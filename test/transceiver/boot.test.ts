import { describe, expect, it } from "vitest";
import { SV } from "../../src/machine/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { type Progress, Transceiver } from "../../src/transceiver/index.js";
import { ScriptedBoard } from "./scripted-board.js";

/** What a boot image looks like to whoever checks one: SC&MP's name and version, and start values at 384. */
function bootImage(version: string, sizeBytes = 5000): Uint8Array {
  const image = new Uint8Array(sizeBytes);
  image.set(new TextEncoder().encode(`SC&MP/SpiNNaker\0${version}\0`), 4200);
  const sv = image.subarray(384, 512);
  const values = {
    iobuf_size: 16384,
    sdram_bufs: 8388608,
    sysbuf_size: 32768,
    sysram_heap: 1024,
    sdram_heap: 1048576,
    num_buf: 7,
    link_en: 63,
  };
  for (const [name, value] of Object.entries({ ...values, peek_time: 200, cpu_clk: 200, mem_clk: 130 })) SV.write(sv, name, value);
  return image;
}

const quick = { packetsPerSecond: 2000, settleMs: 10, probeMs: 60 };

describe("booting", () => {
  it("brings up a machine, which then says what the image said", async () => {
    await using machine = await SimulatedMachine.start({ host: "127.45.1.1", port: 0, board: "spin5", booted: false, timeScale: 0.02 });
    const { host, port } = machine.boards[0]!.address;
    const seen: Progress[] = [];
    const options = { host, port, bootPort: machine.bootAddress.port, boardVersion: 5, ...quick };
    const result = await Transceiver.boot(bootImage("3.4.1"), {
      ...options,
      systemVariables: { sdram_heap: 0 },
      onProgress: (progress) => seen.push(progress),
    });
    expect(result).toMatchObject({ alreadyBooted: false, attempts: 1, version: { x: 0, y: 0, version: { major: 3, minor: 4, patch: 1 } } });
    expect(seen.at(-1)).toEqual({ what: "boot", done: 7, total: 7, unit: "packets" });
    await using transceiver = await Transceiver.connect({ host, port });
    expect(await transceiver.readSystemVariable({ x: 2, y: 2 }, "hw_ver")).toBe(5);
    expect(await transceiver.readSystemVariable({ x: 2, y: 2 }, "sdram_heap")).toBe(0x60240000);

    const again = await Transceiver.boot(bootImage("4.0.0"), options);
    expect(again).toMatchObject({ alreadyBooted: true, attempts: 0, version: { version: { major: 3 } } });
  });

  it("gives up in words when nothing comes up", async () => {
    await using machine = await SimulatedMachine.start({ host: "127.45.2.1", port: 0, board: "spin3", booted: false, timeScale: 0.02 });
    machine.setPower(false);
    const { host, port } = machine.boards[0]!.address;
    const options = { host, port, bootPort: machine.bootAddress.port, ...quick, attempts: 2, readyMs: 100 };
    await expect(Transceiver.boot(bootImage("4.0.0"), options)).rejects.toMatchObject({
      code: "ERR_SPINN_BOOT",
      message: expect.stringContaining("sent 2 times"),
    });
  });

  it("does nothing to a BMP", async () => {
    await using bmp = await ScriptedBoard.start({ host: "127.45.3.1", name: "BC&MP/Spin5-BMP" });
    const attempt = Transceiver.boot(bootImage("4.0.0"), { host: bmp.host, port: bmp.port, bootPort: 9, ...quick });
    await expect(attempt).rejects.toMatchObject({ code: "ERR_SPINN_WRONG_DEVICE" });
  });

  it("ends at an abort", async () => {
    await using machine = await SimulatedMachine.start({ host: "127.45.4.1", port: 0, board: "spin3", booted: false, timeScale: 0.02 });
    const { host, port } = machine.boards[0]!.address;
    const abort = new AbortController();
    const onProgress = (progress: Progress): void => {
      if (progress.done === 3) abort.abort();
    };
    const options = { host, port, bootPort: machine.bootAddress.port, ...quick, signal: abort.signal, onProgress };
    await expect(Transceiver.boot(bootImage("4.0.0"), options)).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    expect(machine.isReady).toBe(false);
  });
});
