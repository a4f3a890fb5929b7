import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import { BMPConnection, BootConnection, SCAMPConnection, UDPConnection } from "../../src/connections/index.js";
import { bootStart, decodeScpRequest, encodeSdp, type SdpMessage } from "../../src/wire/index.js";
import { ask, echo, echoed, reply } from "./memory-network.js";

const peers: Socket[] = [];
afterEach(() => {
  for (const peer of peers.splice(0)) peer.close();
});

async function peer(onMessage: (socket: Socket, datagram: Buffer, port: number) => void = () => {}): Promise<number> {
  const socket = createSocket("udp4");
  peers.push(socket);
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  socket.on("message", (datagram, { port }) => onMessage(socket, datagram, port));
  return socket.address().port;
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

it("sends and receives whole datagrams, counts them, and closes once", async () => {
  const port = await peer((socket, datagram, back) => socket.send(datagram, back, "127.0.0.1"));
  const connection = await UDPConnection.open({ remoteHost: "localhost", remotePort: port });
  const received = new Promise<Uint8Array>((resolve) => connection.subscribe({ onDatagram: resolve }));
  connection.send(Uint8Array.of(1, 2, 3));
  expect([...(await received)]).toEqual([1, 2, 3]);
  expect(connection.counters).toEqual({ datagramsSent: 1, datagramsReceived: 1, sendErrors: 0, refusals: 0 });
  expect(connection.remote).toBe(`localhost:${port}`);
  expect(connection.remoteAddress).toBe("127.0.0.1");
  expect(connection.receiveBufferBytes).toBeGreaterThan(0);
  const closed: string[] = [];
  connection.subscribe({ onDatagram: () => {}, onClose: () => closed.push("closed") });
  await Promise.all([connection.close(), connection.close()]);
  expect(closed).toEqual(["closed"]);
  expect(connection.closed).toBe(true);
  connection.send(Uint8Array.of(1)); // after close: nothing happens
});

it("reports a failed send instead of dropping it in silence", async () => {
  const connection = await UDPConnection.open({ remoteHost: "127.0.0.1", remotePort: await peer() });
  const error = new Promise<Error>((resolve) => connection.subscribe({ onDatagram: () => {}, onError: resolve }));
  connection.send(new Uint8Array(70_000));
  expect((await error).message).toMatch(/EMSGSIZE/);
  expect(connection.counters.sendErrors).toBe(1);
  await connection.close();
});

it("a closed port is an error of the request, quickly, and no crash", async () => {
  const connection = await SCAMPConnection.open({ host: "127.0.0.1", port: await freePort() });
  await expect(connection.pipeline.call(ask(1))).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
  await expect(connection.pipeline.call(ask(1, { repeatable: false }))).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
  expect(connection.pipeline.counters.refusals).toBeGreaterThanOrEqual(3);
  await connection.close();
});

it("unknown names, used ports, foreign addresses and bad ports are refused in words", async () => {
  await expect(UDPConnection.open({ remoteHost: "no-such-host.invalid", remotePort: 1 })).rejects.toMatchObject({
    code: "ERR_SPINN_UNREACHABLE",
    message: 'the host name "no-such-host.invalid" is unknown',
  });
  const port = await peer();
  await expect(UDPConnection.open({ localPort: port })).rejects.toMatchObject({ code: "ERR_SPINN_ADDRESS_IN_USE" });
  await expect(UDPConnection.open({ localHost: "192.0.2.1" })).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  await expect(UDPConnection.open({ remoteHost: "127.0.0.1", remotePort: 0 })).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  await expect(UDPConnection.open({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
});

it("drops datagrams of strangers", async () => {
  let stranger: Socket | undefined;
  const port = await peer((socket, datagram, back) => {
    stranger!.send(Uint8Array.of(66), back, "127.0.0.1", () => socket.send(datagram, back, "127.0.0.1"));
  });
  await peer();
  stranger = peers[1]!;
  const connection = await UDPConnection.open({ remoteHost: "127.0.0.1", remotePort: port });
  const first = new Promise<Uint8Array>((resolve) => connection.subscribe({ onDatagram: resolve }));
  connection.send(Uint8Array.of(7));
  expect([...(await first)]).toEqual([7]);
  await connection.close();
});

it("an unconnected one listens on loopback and sends to anybody", async () => {
  await using listening = await UDPConnection.open();
  expect(listening.local).toMatch(/^127\.0\.0\.1:/);
  await using sender = await UDPConnection.open();
  const received = new Promise<Uint8Array>((resolve) => listening.subscribe({ onDatagram: resolve }));
  sender.sendTo(Uint8Array.of(5), listening.localPort, "127.0.0.1");
  expect([...(await received)]).toEqual([5]);
  await using connected = await UDPConnection.open({ remoteHost: "127.0.0.1", remotePort: listening.localPort });
  expect(() => connected.sendTo(Uint8Array.of(5), 1, "127.0.0.1")).toThrow(/belongs to/);
});

it("SCAMP: replies go to the pipeline, messages of cores and their text to the SDP side", async () => {
  const text: SdpMessage = {
    ...{ flags: 7, tag: 0, destPort: 7, destCpu: 31, srcPort: 0, srcCpu: 3, destX: 0, destY: 0, srcX: 1, srcY: 1 },
    data: Uint8Array.of(64, 0, 0, 0, 104, 105, 10),
  };
  const port = await peer((socket, datagram, back) => {
    if (datagram[4] === 0x23) {
      socket.send(encodeSdp({ ...text, srcPort: 1, data: Uint8Array.of(1, 2) }), back, "127.0.0.1");
      return;
    }
    const request = decodeScpRequest(datagram);
    socket.send(encodeSdp(text), back, "127.0.0.1");
    socket.send(reply(request, echo(request)), back, "127.0.0.1");
  });
  await using connection = await SCAMPConnection.open({ host: "127.0.0.1", port });
  const messages: SdpMessage[] = [];
  let enough = () => {};
  const both = new Promise<void>((resolve) => {
    enough = resolve;
  });
  connection.sdp.onMessage((message) => {
    messages.push(message);
    if (messages.length === 2) enough();
  });
  expect(await connection.pipeline.call(ask(77))).toBe(echoed(77));
  connection.sdp.send({ x: 1, y: 1, p: 3, port: 1, data: Uint8Array.of(9) });
  await both;
  expect(messages.map((m) => [m.srcPort, m.srcCpu, ...m.data.subarray(0, 2)])).toEqual([
    [0, 3, 64, 0],
    [1, 3, 1, 2],
  ]);
  expect(connection.pipeline.counters).toMatchObject({ succeeded: 1, unknown: 1, foreign: 0 });
});

it("BMP: one request at a time, the board number as core", async () => {
  let most = 0;
  let open = 0;
  const port = await peer((socket, datagram, back) => {
    open += 1;
    most = Math.max(most, open);
    const request = decodeScpRequest(datagram);
    setImmediate(() => {
      open -= 1;
      socket.send(reply(request, echo(request)), back, "127.0.0.1");
    });
  });
  await using connection = await BMPConnection.open({ host: "127.0.0.1", port });
  const values = await Promise.all([1, 2, 3].map((i) => connection.pipeline.call(ask(i, { p: i }))));
  expect(values).toEqual([1, 2, 3].map(echoed));
  expect(most).toBe(1);
});

it("boot: messages go out as they are", async () => {
  let arrived: (bytes: Buffer) => void = () => {};
  const got = new Promise<Buffer>((resolve) => {
    arrived = resolve;
  });
  const port = await peer((_socket, datagram) => arrived(datagram));
  await using connection = await BootConnection.open({ host: "127.0.0.1", port });
  connection.send(bootStart(30));
  expect((await got).toString("hex")).toBe("00010000000100000000000000000000001d");
});
