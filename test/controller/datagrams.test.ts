import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { DatagramListener, OpenChannel } from "../../src/connections/index.js";
import { type Access, Controller, RemoteNetwork, type ServedController, serveController } from "../../src/controller/index.js";
import { SpinnError } from "../../src/errors.js";
import { Client } from "../../src/services/rpc/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { BMPTransceiver, Transceiver } from "../../src/transceiver/index.js";

/** A network that sends back what it gets, counts its channels, and tells of failures. */
class EchoNetwork {
  readonly opened: string[] = [];
  open = 0;
  readonly listeners = new Set<DatagramListener>();

  readonly way: OpenChannel = async (host, port) => {
    if (port === 666) throw new SpinnError("ERR_SPINN_UNREACHABLE", "no route", { hint: "none" });
    this.opened.push(`${host}:${port}`);
    this.open += 1;
    let own: DatagramListener | undefined;
    let closed = false;
    return {
      remote: `${host}:${port}`,
      closed: false,
      send: (datagram) => void setImmediate(() => own?.onDatagram(datagram)),
      subscribe: (listener) => {
        own = listener;
        this.listeners.add(listener);
        return () => {};
      },
      close: async () => {
        if (!closed) this.open -= 1;
        closed = true;
        own = undefined;
      },
    };
  };
}

const BOARD = { host: "board", port: 17893, bootPort: 54321, bmp: { host: "bmp", port: 17893 } };
/** A VER request. */
const LOOK = new Uint8Array(26);

describe("the target datagrams", () => {
  let network: EchoNetwork;
  let controller: Controller;
  let served: ServedController;
  const closers: (() => unknown)[] = [];

  beforeEach(async () => {
    network = new EchoNetwork();
    controller = new Controller({ ...BOARD, open: network.way, connect: { probeMs: 50 } });
    served = await serveController(controller, { port: 0, pollMs: 0 });
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await served.close();
  });

  const connect = async (port = served.port): Promise<Client> => {
    const client = await Client.connect("127.0.0.1", port, { target: "datagrams" });
    closers.push(() => client.close());
    return client;
  };
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await sleep(1);
  };

  it("sends, and gives what comes, to anybody who has the key", async () => {
    const [one, other] = [await connect(), await connect()];
    const { key, ...place } = (await one.call("describe")) as { key: string };
    expect(place).toEqual({
      allow: "disturb",
      host: "board",
      port: 17893,
      boot_port: 54321,
      bmp: { host: "bmp", port: 17893 },
      local: null,
    });
    const channel = await one.call("open", ["board", 17893]);
    const waiting = other.call("receive", [key, 10]);
    expect(await one.call("send", [[[channel, LOOK]]])).toBeNull();
    expect(await waiting).toEqual([[channel, Buffer.from(LOOK)]]);
    for (const listener of network.listeners) listener.onError?.(new SpinnError("ERR_SPINN_UNREACHABLE", "refused"));
    expect(await other.call("receive", [key])).toMatchObject([[channel, { code: "ERR_SPINN_UNREACHABLE", message: "refused" }]]);
    expect(await other.call("receive", [key, 0])).toEqual([]);
    await one.call("close", [channel]);
    expect(network.open).toBe(0);
    await one.call("close", [channel]);
    await one.call("send", [[[channel, LOOK]]]);
  });

  it("opens nothing but the machine's own ports", async () => {
    const client = await connect();
    for (const [host, port] of [
      ["board", 17893],
      ["board", 54321],
      ["bmp", 17893],
    ] as const) {
      expect(await client.call("open", [host, port])).toBe(network.opened.length);
    }
    expect(network.opened).toEqual(["board:17893", "board:54321", "bmp:17893"]);
    for (const [host, port] of [
      ["board", 53],
      ["bmp", 54321],
      ["127.0.0.1", 17893],
      ["board.example.org", 17893],
      ["", 17893],
      ["board", -1],
    ] as const) {
      await expect(client.call("open", [host, port]), `${host}:${port}`).rejects.toMatchObject({
        remoteMessage: expect.stringMatching(/does not belong to the machine/) as string,
      });
    }
    for (const wrong of [
      [1, 17893],
      ["board", "17893"],
      ["board", 1.5],
      ["x".repeat(1000), 1],
    ]) {
      await expect(client.call("open", wrong)).rejects.toMatchObject({ remoteClass: "ValueError" });
    }
    // The controller's own connection, by which it looks for the machine's other boards, is all that was opened besides.
    expect(new Set(network.opened.slice(3))).toEqual(new Set(["board:17893"]));
  });

  it("answers nonsense, and goes on", async () => {
    const client = await connect();
    const { key } = (await client.call("describe")) as { key: string };
    const channel = await client.call("open", ["board", 17893]);
    const wrong: [string, unknown[]][] = [
      ["send", [1]],
      ["send", [[1]]],
      ["send", [[[channel, "text"]]]],
      ["send", [[[channel]]]],
      ["send", [[[channel, new Uint8Array(1473)]]]],
      ["send", [Array.from({ length: 1025 }, () => [channel, LOOK])]],
      ["receive", [key, -1]],
      ["receive", [key, 31]],
      ["receive", [key, Number.NaN]],
      ["receive", [key, "1"]],
    ];
    for (const [method, args] of wrong) {
      await expect(client.call(method, args), method).rejects.toMatchObject({ remoteClass: "ValueError" });
    }
    await expect(client.call("receive", ["guess", 1])).rejects.toMatchObject({ code: "ERR_SPINN_REMOTE" });
    expect(await client.call("send", [[[99, LOOK]]])).toBeNull();
    expect(await client.call("close", ["x"])).toBeNull();
    for (let i = 1; i < 64; i += 1) await client.call("open", ["board", 17893]);
    await expect(client.call("open", ["board", 17893])).rejects.toMatchObject({
      remoteMessage: expect.stringMatching(/64 channels/) as string,
    });
    expect(await (await connect()).call("open", ["board", 17893])).toBe(1);
  });

  it("one receiver at a time", async () => {
    const [one, other] = [await connect(), await connect()];
    const { key } = (await one.call("describe")) as { key: string };
    const first = one.call("receive", [key, 0.2]);
    await expect(other.call("receive", [key, 0.2])).rejects.toMatchObject({
      remoteMessage: expect.stringMatching(/somebody else/) as string,
    });
    expect(await first).toEqual([]);
  });

  it("closes what a connection has opened when it is gone, and whoever receives hears of it", async () => {
    const [one, other] = [await connect(), await connect()];
    const { key } = (await one.call("describe")) as { key: string };
    for (let i = 0; i < 5; i += 1) await one.call("open", ["board", 17893]);
    const waiting = other.call("receive", [key, 10]);
    await one.close();
    await expect(waiting).rejects.toMatchObject({ code: "ERR_SPINN_REMOTE" });
    await until(() => network.open === 0);
  });

  it("a caller that never receives is kept no more than a socket's buffer would hold", async () => {
    const client = await connect();
    const { key } = (await client.call("describe")) as { key: string };
    const channel = await client.call("open", ["board", 17893]);
    for (let i = 0; i < 20; i += 1) await client.call("send", [Array.from({ length: 200 }, () => [channel, LOOK])]);
    await sleep(5);
    expect((await client.call("receive", [key, 0])) as unknown[]).toHaveLength(1024);
    expect(await client.call("receive", [key, 0])).toEqual([]);
  });

  it.each(["look", "change", "disturb"] as Access[])("that may %s", async (allow) => {
    const own = await serveController(new Controller({ ...BOARD, open: network.way }), { port: 0, pollMs: 0, allow });
    closers.push(() => own.close());
    const client = await connect(own.port);
    const { key } = (await client.call("describe")) as { key: string };
    const opened = await client.call("open", ["board", 54321]).catch((error: Error) => error.message);
    if (allow === "disturb") expect(opened).toBe(1);
    else expect(opened).toMatch(/ERR_SPINN_REFUSED/);
    const channel = await client.call("open", ["board", 17893]);
    const write = Uint8Array.from({ length: 26 }, (_, i) => (i === 10 ? 3 : 0));
    await client.call("send", [[[channel, write]]]);
    const [came] = (await client.call("receive", [key, 10])) as [number, unknown][];
    if (allow === "look") expect(came).toMatchObject([channel, { code: "ERR_SPINN_REFUSED", closed: true }]);
    else expect(came).toEqual([channel, Buffer.from(write)]);
    const runs = await Client.connect("127.0.0.1", own.port, { target: "runs" });
    closers.push(() => runs.close());
    expect(runs.methods.has("request_stop")).toBe(allow !== "look");
    expect(runs.methods.has("status")).toBe(true);
    const board = await Client.connect("127.0.0.1", own.port, { target: "board" });
    closers.push(() => board.close());
    await expect(board.call("power_off", [[]])).rejects.toThrow(allow === "disturb" ? /boards must be a list/ : /may disturb the machine/);
  });
});

describe("the network of a controller", () => {
  const HOST = "127.87.51.1";

  it("is a way for transceivers, and ends with the controller", async () => {
    await using machine = await SimulatedMachine.start({ board: "spin5", host: HOST, port: 0 });
    const { host, port } = machine.boards[0]!.address;
    const controller = new Controller({ host, port, bmp: machine.bmps[0]!.address });
    const served = await serveController(controller, { port: 0, pollMs: 0 });
    await using network = await RemoteNetwork.connect("127.0.0.1", served.port);
    expect({ ...network.board, allow: network.allow }).toEqual({ host, port, allow: "disturb" });
    const { open } = network;
    await using board = await Transceiver.connect({ ...network.board, open });
    await using bmp = await BMPTransceiver.connect({ ...network.bmp!, open });
    expect(await bmp.listBoards()).toEqual([0]);
    const data = Uint8Array.from({ length: 300_000 }, (_, i) => i * 7);
    await board.writeMemory({ x: 1, y: 1 }, 0x60240000, data);
    expect(await board.readMemory({ x: 1, y: 1 }, 0x60240000, data.length)).toEqual(data);
    await expect(open("127.0.0.1", 53, {})).rejects.toMatchObject({ code: "ERR_SPINN_REFUSED" });
    await expect(open(host, port, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    const reading = board.readMemory({ x: 1, y: 1 }, 0x60240000, 16 * 1024 * 1024);
    await served.close();
    await expect(reading).rejects.toMatchObject({
      code: "ERR_SPINN_UNREACHABLE",
      message: expect.stringMatching(/the connection to the controller 127\.0\.0\.1:\d+ was lost/) as string,
    });
    await expect(open(host, port, {})).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
  });

  it("closes its channels with itself", async () => {
    await using machine = await SimulatedMachine.start({ board: "spin3", host: HOST, port: 0 });
    const { host, port } = machine.boards[0]!.address;
    await using served = await serveController(new Controller({ host, port }), { port: 0, pollMs: 0 });
    const network = await RemoteNetwork.connect("127.0.0.1", served.port);
    const board = await Transceiver.connect({ host, port, open: network.open });
    await network.close();
    await expect(board.readVersion({ x: 0, y: 0 })).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
    await expect(network.open(host, port, {})).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
    await board.close();
    await network.close();
  });

  it("a server that passes nothing on is said to be none", async () => {
    const { RpcServer } = await import("../../src/services/rpc/index.js");
    const server = new RpcServer({ lab: { ping: () => true } });
    await server.start();
    await expect(RemoteNetwork.connect("127.0.0.1", server.port)).rejects.toMatchObject({ code: "ERR_SPINN_WRONG_DEVICE" });
    await server.stop();
  });
});
