import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { CoreState, SV } from "../../src/machine/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { BMPTransceiver, Transceiver } from "../../src/transceiver/index.js";

const image = readFileSync(new URL("../../fixtures/apps/hello.aplx", import.meta.url));

/** A boot image as far as anybody looks at it: the name and version of SC&MP, and start values. */
function bootImage(): Uint8Array {
  const boot = new Uint8Array(4608);
  boot.set(new TextEncoder().encode("SC&MP/SpiNNaker\x004.0.0\0"), 4200);
  const values = {
    iobuf_size: 16384,
    sdram_bufs: 8388608,
    sysbuf_size: 32768,
    sysram_heap: 1024,
    sdram_heap: 1048576,
    num_buf: 7,
    link_en: 63,
  };
  for (const [name, value] of Object.entries(values)) SV.write(boot.subarray(384, 512), name, value);
  return boot;
}

describe("a day in the lab", () => {
  it("power on, boot, load, run, stop, power off", async () => {
    await using machine = await SimulatedMachine.start({ host: "127.48.1.1", port: 0, board: "spin5", booted: false, timeScale: 0.01 });
    const board = machine.boards[0]!.address;
    await using bmp = await BMPTransceiver.connect(machine.bmps[0]!.address);
    await bmp.powerOff([0]);
    const off = await bmp.readSensors(0);
    expect(off.voltage12a).toBeLessThan(0.6);
    await bmp.powerOn([0], { settleMs: 5 });
    expect((await bmp.readSensors(0)).voltage12a).toBeCloseTo(1.2, 1);

    const quick = { packetsPerSecond: 2000, settleMs: 10, probeMs: 60 };
    const booted = await Transceiver.boot(bootImage(), { ...board, bootPort: machine.bootAddress.port, boardVersion: 5, ...quick });
    expect(booted.version.version.major).toBe(4);
    await using transceiver = await Transceiver.connect(board);
    const { machine: found } = await transceiver.discover();
    const cores = [...found.chips.values()].map(({ x, y }) => ({ x, y, p: 1 }));
    await transceiver.load(image, cores, { appId: 17, wait: true });
    await transceiver.waitForCount(48, [CoreState.WAIT], { appId: 17, pollMs: 5, timeoutMs: 5000 });
    await transceiver.stop(17);
    expect(await transceiver.readApplication(17)).toEqual([]);

    await bmp.reset([0]);
    await expect(Transceiver.connect({ ...board, probeMs: 60 })).rejects.toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
    await bmp.setLeds([0], { 7: "on" });
    expect(await bmp.listBoards()).toEqual([0]);
  });
});
