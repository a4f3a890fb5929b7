import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeIMDHeader, IMDClient, IMDServer, type IMDServerOptions } from "../../../src/services/stream/index.js";
import { hexOf, shown } from "./imd-fixtures.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

const join = (server: IMDServer, nAtoms: number): Promise<IMDClient> =>
  IMDClient.connect("127.0.0.1", server.port, nAtoms, { timeoutMs: 5000 });

/** A bare connection: what it got, and whether it was closed. */
async function raw(server: IMDServer): Promise<{ socket: Socket; got: () => string; closed: Promise<void> }> {
  const chunks: Buffer[] = [];
  const socket = connect({ port: server.port, host: "127.0.0.1", noDelay: true });
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", () => {});
  const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return { socket, got: () => hexOf(Buffer.concat(chunks)), closed };
}

describe("frames", () => {
  const kinds = [
    { version: 3, byteOrder: "little" },
    { version: 3, byteOrder: "big" },
    { version: 3, byteOrder: "big", blocks: ["forces"] },
    { version: 3, blocks: ["time"] },
    { version: 2, byteOrder: "little" },
    { version: 2, byteOrder: "big" },
  ] as const satisfies readonly IMDServerOptions[];

  test.each(kinds)("our client reads what our server sends: %o", async (options) => {
    await using server = await IMDServer.listen(3, options);
    const frame = server.createFrame();
    const sent: ReturnType<typeof shown>[] = [];
    const serving = (async () => {
      for (let step = 0; step < 50; step += 1) {
        for (const array of [frame.box, frame.positions, frame.velocities, frame.forces])
          array?.set(Array.from(array, (_, i) => step + i / 4));
        if (server.session.time) frame.setTime(0.5, step * 0.5, step);
        // In version 2 energies come now and then.
        if (server.session.version === 3) frame.energiesAge = "fresh";
        else frame.energiesAge = step % 5 === 0 ? "fresh" : step === 0 ? "none" : "old";
        if (server.session.energies && (server.session.version === 3 || step % 5 === 0)) {
          const e = {
            temperature: 300,
            total: step,
            potential: 1,
            vanDerWaals: 2,
            coulomb: 3,
            bonds: 4,
            angles: 5,
            dihedrals: 6,
            impropers: 7,
          };
          frame.setEnergies({ step, ...e });
        }
        sent.push(shown(frame));
        expect(await server.sendFrame(frame)).toBe(true);
      }
      await server.disconnect();
    })();
    await using client = await join(server, 3);
    expect(client.getIMDSessionInfo()).toEqual(server.session);
    const got: ReturnType<typeof shown>[] = [];
    for await (const each of client) got.push(shown(each));
    await serving;
    expect(got).toEqual(sent);
    expect(client.ended?.code).toBe("ERR_SPINN_END_OF_STREAM");
  });

  test("a slow client pauses the server and loses nothing", async () => {
    await using server = await IMDServer.listen(1000, { blocks: ["time", "positions"] });
    const frame = server.createFrame();
    const serving = (async () => {
      for (let step = 0; step < 400; step += 1) {
        frame.setTime(1, step, step);
        await server.sendFrame(frame);
      }
      await server.disconnect();
    })();
    await using client = await IMDClient.connect("127.0.0.1", server.port, 1000, { frames: 8 });
    let expected = 0;
    for await (const each of client) {
      expect(each.step).toBe(expected);
      expected += 1;
      await turn();
      await turn();
    }
    await serving;
    expect(expected).toBe(400);
    expect(client.stats.pausesSent).toBeGreaterThan(1);
    expect(server.pausesTaken).toBeGreaterThan(1);
  });
});

describe("commands", () => {
  test("rate: only steps that divide; below 1 goes back to the default", async () => {
    await using server = await IMDServer.listen(1, { blocks: ["time"] });
    const frame = server.createFrame();
    await using client = await join(server, 1);
    const run = async (): Promise<number[]> => {
      const sent: number[] = [];
      for (let step = 0; step < 20; step += 1) {
        frame.setTime(1, step, step);
        if (await server.sendFrame(frame)) sent.push(step);
      }
      return sent;
    };
    client.setTrate(5);
    await until(() => server.trate === 5);
    expect(await run()).toEqual([0, 5, 10, 15]);
    client.setTrate(0);
    await until(() => server.trate === 1);
    expect((await run()).length).toBe(20);
  });

  test.each(["little", "big"] as const)("forces and kill, %s", async (byteOrder) => {
    let kills = 0;
    let changes = 0;
    const count = { onKill: () => (kills += 1), onForces: () => (changes += 1) };
    await using server = await IMDServer.listen(3, { byteOrder, onKill: () => void count.onKill(), onForces: () => void count.onForces() });
    await using client = await join(server, 3);
    await client.sendForces([2, 0], [1, 2, 3, -1, -2, -3]);
    await until(() => changes === 1);
    expect([...server.appliedForces]).toEqual([-1, -2, -3, 0, 0, 0, 1, 2, 3]);
    await client.clearForces();
    await until(() => changes === 2);
    expect([...server.appliedForces]).toEqual(new Array(9).fill(0));
    client.kill();
    await until(() => kills === 1);
  });

  test("without a client: waits, or goes on as the last client wished", async () => {
    await using server = await IMDServer.listen(1);
    const frame = server.createFrame();
    const abort = new AbortController();
    const waiting = server.sendFrame(frame, { signal: abort.signal });
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    const client = await join(server, 1);
    await server.waitForClient();
    client.setWait(false);
    expect(await server.sendFrame(frame)).toBe(true);
    await client.stop();
    await until(() => !server.connected);
    expect(await server.sendFrame(frame)).toBe(false);
  });

  test("a second client waits without a handshake until the first leaves", async () => {
    await using server = await IMDServer.listen(1);
    const first = await join(server, 1);
    const second = await raw(server);
    await server.waitForClient();
    await server.sendFrame(server.createFrame());
    await first.getIMDFrame();
    expect(second.got()).toBe("");
    await first.stop();
    await until(() => second.got() !== "");
    expect(second.got()).toBe("00000004030000000000000a0000000701010101000101");
    second.socket.destroy();
    await second.closed;
  });
});

describe("bad clients", () => {
  test.each([
    ["the first packet is not GO", [encodeIMDHeader(7)]],
    ["an unknown packet", [encodeIMDHeader(3), encodeIMDHeader(99)]],
    ["a packet of a server", [encodeIMDHeader(3), encodeIMDHeader(2, 1)]],
    ["forces on too many atoms", [encodeIMDHeader(3), encodeIMDHeader(6, 2147483647)]],
    ["forces on -1 atoms", [encodeIMDHeader(3), encodeIMDHeader(6, -1)]],
    ["a force on an atom that is not there", [encodeIMDHeader(3), encodeIMDHeader(6, 1), Uint8Array.of(9, 0, 0, 0, ...new Uint8Array(12))]],
    ["DISCONNECT", [encodeIMDHeader(3), encodeIMDHeader(0)]],
    ["a plain close", []],
  ] as const)("%s: closed, and the next one is served", async (name, packets) => {
    await using server = await IMDServer.listen(4, { goTimeoutMs: 2000 });
    const bad = await raw(server);
    bad.socket.write(Buffer.concat(packets));
    if (name === "a plain close") bad.socket.end();
    await bad.closed;
    await using good = await join(server, 4);
    const sending = server.sendFrame(server.createFrame());
    await good.getIMDFrame();
    expect(await sending).toBe(true);
  });

  test("no GO in time", async () => {
    await using server = await IMDServer.listen(1, { goTimeoutMs: 30 });
    const silent = await raw(server);
    await silent.closed;
    expect(server.connected).toBe(false);
  });

  test("commands cut at any place are put together", async () => {
    await using server = await IMDServer.listen(2);
    const dripping = await raw(server);
    const bytes = Buffer.concat([
      encodeIMDHeader(3),
      encodeIMDHeader(6, 1),
      Buffer.from("010000000000803f0000004000004040", "hex"),
      encodeIMDHeader(7),
    ]);
    for (const byte of bytes) {
      dripping.socket.write(Uint8Array.of(byte));
      await turn();
    }
    await until(() => server.paused);
    expect([...server.appliedForces]).toEqual([0, 0, 0, 1, 2, 3]);
    dripping.socket.destroy();
    await dripping.closed;
  });
});

test("garbage from clients never ends the server", async () => {
  await using server = await IMDServer.listen(2, { goTimeoutMs: 50 });
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.boolean(), async (garbage, afterGo) => {
      const bad = await raw(server);
      bad.socket.write(afterGo ? Buffer.concat([encodeIMDHeader(3), garbage]) : garbage);
      bad.socket.end();
      await bad.closed;
    }),
    { numRuns: 30 },
  );
  await using good = await join(server, 2);
  await server.waitForClient();
  const sending = server.sendFrame(server.createFrame());
  await good.getIMDFrame();
  expect(await sending).toBe(true);
});

test("after close nothing works and nothing hangs; a taken port is told", async () => {
  const server = await IMDServer.listen(1);
  await expect(IMDServer.listen(1, { port: server.port })).rejects.toMatchObject({ code: "ERR_SPINN_ADDRESS_IN_USE" });
  const waiting = server.waitForClient();
  const refused = expect(waiting).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  await server.close();
  await server.close();
  await refused;
  await expect(server.sendFrame(server.createFrame())).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  await expect(IMDServer.listen(0)).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  await expect(IMDServer.listen(1, { blocks: [] })).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
});
