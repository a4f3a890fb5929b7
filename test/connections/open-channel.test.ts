import { describe, expect, it } from "vitest";
import { BMPConnection, BootConnection, type OpenChannel, SCAMPConnection } from "../../src/connections/index.js";
import { SpinnError } from "../../src/errors.js";
import { ask, echo, echoed, MemoryChannel } from "./memory-network.js";

/** A way to a network in memory, which notes who was asked for. */
function memoryWay(make = () => new MemoryChannel(echo)) {
  const opened: [string, number, MemoryChannel][] = [];
  const open: OpenChannel = async (host, port) => {
    const channel = make();
    opened.push([host, port, channel]);
    return channel;
  };
  return { opened, open };
}

describe("connections over a way of one's own", () => {
  it("ask it for host and port, and close what it gave", async () => {
    const { opened, open } = memoryWay();
    const scamp = await SCAMPConnection.open({ host: "board", open });
    expect(await scamp.pipeline.call(ask(5))).toBe(echoed(5));
    const bmp = await BMPConnection.open({ host: "bmp", port: 1234, open });
    expect(await bmp.pipeline.call(ask(6))).toBe(echoed(6));
    const boot = await BootConnection.open({ host: "board", open });
    expect(opened.map(([host, port]) => `${host}:${port}`)).toEqual(["board:17893", "bmp:1234", "board:54321"]);
    for (const connection of [scamp, bmp, boot]) await connection.close();
    expect(opened.map(([, , channel]) => channel.closed)).toEqual([true, true, true]);
  });

  it("throw what it throws", async () => {
    const open: OpenChannel = () => Promise.reject(new SpinnError("ERR_SPINN_REFUSED", "not yours"));
    await expect(SCAMPConnection.open({ host: "board", open })).rejects.toMatchObject({ code: "ERR_SPINN_REFUSED" });
  });

  it("a way that is lost ends everything with its reason, and says what may have happened", async () => {
    const silent = memoryWay(() => new MemoryChannel(() => undefined));
    const { pipeline } = await SCAMPConnection.open({ host: "board", open: silent.open });
    const read = pipeline.call(ask(1));
    const once = pipeline.call(ask(2, { repeatable: false }));
    const lost = new SpinnError("ERR_SPINN_UNREACHABLE", "the proxy is gone", { hint: "start it again" });
    silent.opened[0]![2].lose(lost);
    await expect(read).rejects.toMatchObject({
      code: "ERR_SPINN_UNREACHABLE",
      message: "request 1: the proxy is gone",
      hint: "start it again",
    });
    await expect(once).rejects.toMatchObject({ code: "ERR_SPINN_OUTCOME_UNKNOWN", message: "request 2: the proxy is gone" });
    await expect(pipeline.call(ask(3))).rejects.toBe(lost);
  });

  it("what a way has refused to carry was not executed", async () => {
    const silent = memoryWay(() => new MemoryChannel(() => undefined));
    const { pipeline } = await SCAMPConnection.open({ host: "board", open: silent.open });
    const once = pipeline.call(ask(2, { repeatable: false }));
    silent.opened[0]![2].lose(new SpinnError("ERR_SPINN_REFUSED", "only looking is allowed"));
    await expect(once).rejects.toMatchObject({ code: "ERR_SPINN_REFUSED" });
  });
});
