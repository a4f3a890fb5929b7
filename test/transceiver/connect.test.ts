import { createSocket } from "node:dgram";
import { describe, expect, it } from "vitest";
import { BMPTransceiver, Transceiver } from "../../src/transceiver/index.js";
import { ScriptedBoard } from "./scripted-board.js";

const host = "127.41.1.1";

describe("connecting", () => {
  it("finds SC&MP and its place", async () => {
    await using board = await ScriptedBoard.start({ host, version: "3.4.1" });
    await using transceiver = await Transceiver.connect({ host, port: board.port });
    expect(transceiver.version).toMatchObject({ name: "SC&MP", version: { major: 3, minor: 4, patch: 1 }, x: 0, y: 0 });
    expect(transceiver.remote).toBe(`${host}:${board.port}`);
  });

  it("waits while the machine is still booting", async () => {
    let asked = 0;
    await using board = await ScriptedBoard.start({ host, position: () => (asked++ < 6 ? [255, 255] : [0, 0]) });
    await using transceiver = await Transceiver.connect({ host, port: board.port });
    expect(transceiver.version.ready).toBe(true);
  });

  it("gives up on a machine that never stops booting", async () => {
    await using board = await ScriptedBoard.start({ host, position: () => [255, 255] });
    await expect(Transceiver.connect({ host, port: board.port, readyMs: 150 })).rejects.toMatchObject({ code: "ERR_SPINN_BOOT" });
  });

  it("says that nobody answers", async () => {
    await using board = await ScriptedBoard.start({ host, script: () => undefined });
    await expect(Transceiver.connect({ host, port: board.port, probeMs: 100 })).rejects.toMatchObject({
      code: "ERR_SPINN_TIMEOUT",
      message: expect.stringContaining("does not answer"),
      hint: expect.stringContaining("boot"),
    });
  });

  it("says that the port is closed", async () => {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) => socket.bind(0, host, resolve));
    const { port } = socket.address();
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    await expect(Transceiver.connect({ host, port })).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
  });

  it("tells a BMP from a board, both ways", async () => {
    await using bmp = await ScriptedBoard.start({ host, name: "BC&MP/Spin5-BMP", version: "2.1.2" });
    await using board = await ScriptedBoard.start({ host });
    await expect(Transceiver.connect({ host, port: bmp.port })).rejects.toMatchObject({
      code: "ERR_SPINN_WRONG_DEVICE",
      message: expect.stringContaining("BMP"),
    });
    await expect(BMPTransceiver.connect({ host, port: board.port })).rejects.toMatchObject({
      code: "ERR_SPINN_WRONG_DEVICE",
      message: expect.stringContaining("SpiNNaker board"),
    });
  });

  it("ends when it is aborted, and leaves nothing open", async () => {
    await using board = await ScriptedBoard.start({ host, script: () => undefined });
    const abort = new AbortController();
    const attempt = Transceiver.connect({ host, port: board.port, signal: abort.signal });
    abort.abort();
    await expect(attempt).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
  });
});
