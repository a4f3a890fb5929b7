import { createSocket } from "node:dgram";
import { once } from "node:events";
import { expect, it } from "vitest";
import { ConnectionListener, EIEIOConnection, UDPConnection } from "../../src/connections/index.js";
import { type DatagramPort, EventSender, LiveEvents } from "../../src/services/stream/index.js";
import { decodeEieioData, EieioType, encodeEieioData } from "../../src/wire/index.js";

const message = (...keys: number[]): Uint8Array => encodeEieioData({ type: EieioType.KEY_32, keys });

it("hands every datagram on with its sender, and serves a pool of callbacks", async () => {
  await using connection = await EIEIOConnection.open();
  expect(connection.local).toBe(`127.0.0.1:${connection.localPort}`);
  await using one = await UDPConnection.open({ localHost: "127.79.1.1" });
  await using two = await UDPConnection.open({ localHost: "127.79.1.2" });
  await using pool = new ConnectionListener(connection, { nProcesses: 1 });
  const pooled: number[][] = [];
  pool.addCallback((datagram) => pooled.push([...decodeEieioData(datagram).keys]));
  pool.start();
  const seen: string[] = [];
  const both = new Promise<void>((resolve) => {
    connection.onMessage((datagram, from) => {
      seen.push(`${from.address}:${from.port} ${decodeEieioData(datagram).keys.join()}`);
      if (seen.length === 2) resolve();
    });
  });
  one.sendTo(message(1, 2), connection.localPort, "127.0.0.1");
  two.sendTo(message(3), connection.localPort, "127.0.0.1");
  await both;
  expect(seen.sort()).toEqual([`127.79.1.1:${one.localPort} 1,2`, `127.79.1.2:${two.localPort} 3`]);
  await expect.poll(() => pooled.length).toBe(2);
  expect(connection.udp.counters).toMatchObject({ datagramsReceived: 2, sendErrors: 0 });
});

it("a receiver that was taken off hears nothing more", async () => {
  await using connection = await EIEIOConnection.open();
  await using peer = await UDPConnection.open();
  let first = 0;
  const off = connection.onMessage(() => {
    first += 1;
  });
  const heard = (): Promise<void> => new Promise((resolve) => connection.onMessage(() => resolve()));
  let next = heard();
  peer.sendTo(message(1), connection.localPort, "127.0.0.1");
  await next;
  off();
  next = heard();
  peer.sendTo(message(2), connection.localPort, "127.0.0.1");
  await next;
  expect(first).toBe(1);
});

it("sending resolves when it has left and rejects when it could not", async () => {
  const connection = await EIEIOConnection.open();
  const peer = createSocket("udp4").bind(0, "127.0.0.1");
  await once(peer, "listening");
  const arrived = once(peer, "message") as Promise<[Buffer]>;
  await connection.send(message(7), peer.address().port, "127.0.0.1");
  expect([...(await arrived)[0]]).toEqual([...message(7)]);
  peer.close();
  await expect(connection.send(new Uint8Array(70_000), 9, "127.0.0.1")).rejects.toMatchObject({
    code: "ERR_SPINN_PROTOCOL",
    message: expect.stringContaining("EMSGSIZE"),
  });
  expect(connection.udp.counters).toMatchObject({ datagramsSent: 2, sendErrors: 1 });
  // Closed while the system looks up the address: Node never calls back then.
  const late = connection.send(message(8), 9, "127.0.0.1");
  const refused = expect(late).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  await Promise.all([connection.close(), connection.close()]);
  await refused;
  await expect(connection.send(message(9), 9, "127.0.0.1")).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
});

it("a connection with a fixed peer is refused", async () => {
  await using fixed = await UDPConnection.open({ remoteHost: "127.0.0.1", remotePort: 9 });
  await expect(new EIEIOConnection(fixed).send(message(1), 9, "127.0.0.1")).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
});

it("is the port that live events want, as it stands", async () => {
  const connection = await EIEIOConnection.open();
  const port: DatagramPort = connection;
  await using live = await LiveEvents.open(port, { boards: ["127.79.1.3"] });
  await using board = await EIEIOConnection.open({ localHost: "127.79.1.3" });
  await using stranger = await EIEIOConnection.open({ localHost: "127.79.1.4" });
  const target = { host: "127.0.0.1", port: connection.localPort };
  const unlimited = { consume: () => Promise.resolve(true) };
  await new EventSender(stranger, target, unlimited, { keyBits: 32 }).send([1]);
  await new EventSender(board, target, unlimited, { keyBits: 32 }).send([2, 3]);
  const frame = await live.getFrame();
  expect([frame.source, ...frame.keys.subarray(0, frame.count)]).toEqual(["127.79.1.3", 2, 3]);
  expect(live.stats).toMatchObject({ foreign: 1, messages: 1 });
  await live.close();
  expect(connection.udp.closed).toBe(true);
});
