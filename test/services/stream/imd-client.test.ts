import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import {
  createIMDFrame,
  encodeIMDFrame,
  encodeIMDHandshake,
  encodeIMDSessionInfo,
  IMDClient,
  type IMDClientOptions,
  type IMDSessionInfo,
  imdSessionInfoV2,
} from "../../../src/services/stream/index.js";
import {
  atomsOf,
  expectedFrames,
  fixtures,
  hexOf,
  type ScriptedServer,
  scriptedServer,
  serverBytes,
  shown,
  unhex,
} from "./imd-fixtures.js";

const GO = "0000000300000000";
const DISCONNECT = "0000000000000000";
const PAUSE = "0000000700000000";
const RESUME = "0000000b00000000";

const XONLY: IMDSessionInfo = { ...imdSessionInfoV2("little"), version: 3, energies: false };
const HELLO3 = Buffer.concat([encodeIMDHandshake(3, "little"), encodeIMDSessionInfo(XONLY)]);

/** Frame k of two atoms, x only: every coordinate is k. */
const frameOf = (k: number, nAtoms = 2): Uint8Array => {
  const frame = createIMDFrame(XONLY, nAtoms);
  frame.positions!.fill(k);
  return encodeIMDFrame(frame);
};

const join = (server: ScriptedServer, nAtoms = 2, options: IMDClientOptions = {}): Promise<IMDClient> =>
  IMDClient.connect("127.0.0.1", server.port, nAtoms, { timeoutMs: 5000, ...options });

/** All frames until the end, and how it ended. */
async function drain(client: IMDClient): Promise<{ frames: ReturnType<typeof shown>[]; end: SpinnError }> {
  const frames: ReturnType<typeof shown>[] = [];
  for (;;) {
    try {
      frames.push(shown(await client.getIMDFrame()));
    } catch (error) {
      return { frames, end: error as SpinnError };
    }
  }
}

async function failure(promise: Promise<unknown>): Promise<SpinnError> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(SpinnError);
  return error as SpinnError;
}

describe("golden sessions over a socket", () => {
  const sessions = fixtures.sessions.filter((session) => session.complete && expectedFrames(session).length > 0);

  test.each(sessions.map((session) => [session.name, session] as const))("%s, all in one write", async (_, session) => {
    await using server = await scriptedServer((socket) => socket.end(serverBytes(session)));
    await using client = await join(server, atomsOf(session));
    const { frames, end } = await drain(client);
    expect(frames).toEqual(expectedFrames(session));
    expect(end.code).toBe("ERR_SPINN_END_OF_STREAM");
    expect(end.message).toMatch(/^EOF/);
    expect(client.ended).toBe(end);
    await client.stop();
    expect(hexOf(await server.receivedBytes(16))).toBe(GO + DISCONNECT);
  });

  test("a name whose first address does not answer", async () => {
    await using server = await scriptedServer((socket) => socket.end(Buffer.concat([HELLO3, frameOf(0), frameOf(1)])));
    await using client = await IMDClient.connect("localhost", server.port, 2, { timeoutMs: 5000 });
    expect((await drain(client)).frames.length).toBe(2);
  });

  test("single-threaded reads one frame at a time, and never pauses", async () => {
    const session = fixtures.sessions.find(({ name }) => name === "v3/little/rate-wait")!;
    await using server = await scriptedServer((socket) => socket.end(serverBytes(session)));
    await using client = await join(server, atomsOf(session), { multithreaded: false });
    const { frames } = await drain(client);
    expect(frames).toEqual(expectedFrames(session));
    expect(client.stats).toMatchObject({ frames: 1, pausesSent: 0 });
  });
});

describe("malformed servers", () => {
  test.each(fixtures.malformed.map((item) => [item.name, item] as const))("%s", async (_, item) => {
    await using server = await scriptedServer((socket) => {
      const bytes = unhex(item.server_hex);
      if (item.server_then === "closes") socket.end(bytes);
      else socket.write(bytes);
    });
    const joining = join(server, item.client_atoms, { timeoutMs: 100, handshakeTimeoutMs: 2000 });
    if (/^(hs|info)-/.test(item.name) && item.expect.startsWith("refuse")) {
      const error = await failure(joining);
      expect(error.code).toBe(/cut|no-info/.test(item.name) ? "ERR_SPINN_INCOMPLETE" : "ERR_SPINN_PROTOCOL");
      return;
    }
    await using client = await joining;
    const { frames, end } = await drain(client);
    const expected = item.expect.match(/(\d) frames/)?.[1] ?? (item.expect === "accept" ? "4" : "0");
    expect(frames.length).toBe(Number(expected));
    const code = /refuse/.test(item.expect)
      ? "ERR_SPINN_PROTOCOL"
      : /incomplete/.test(item.expect)
        ? "ERR_SPINN_INCOMPLETE"
        : /time-out/.test(item.expect)
          ? "ERR_SPINN_TIMEOUT"
          : "ERR_SPINN_END_OF_STREAM";
    expect(end.code).toBe(code);
    if (item.name === "v2-energies-alone") expect(frames.at(-1)!.energiesAge).toBe("fresh");
    if (item.name === "v2-no-energies") expect(frames.map((frame) => frame.energiesAge)).toEqual(["fresh", "fresh", "old", "fresh"]);
  });

  test("a server that never speaks", async () => {
    await using server = await scriptedServer(() => {});
    const error = await failure(join(server, 2, { handshakeTimeoutMs: 50 }));
    expect(error).toMatchObject({ code: "ERR_SPINN_TIMEOUT", hint: /one client at a time/ });
  });

  test("nobody listens", async () => {
    let port = 0;
    {
      await using server = await scriptedServer(() => {});
      port = server.port;
    }
    expect((await failure(IMDClient.connect("127.0.0.1", port, 2))).code).toBe("ERR_SPINN_UNREACHABLE");
    // A name with more than one address fails with an error that has no message of its own.
    expect(await failure(IMDClient.connect("localhost", port, 2))).toMatchObject({
      code: "ERR_SPINN_UNREACHABLE",
      message: /ECONNREFUSED/,
    });
  });

  test("a frame that drips for ever ends by its own limit", async () => {
    await using server = await scriptedServer((socket) => {
      socket.write(HELLO3);
      const frame = frameOf(0, 1000);
      let at = 0;
      const timer = setInterval(() => socket.write(frame.subarray(at, ++at)), 5);
      socket.on("close", () => clearInterval(timer));
    });
    await using client = await join(server, 1000, { timeoutMs: 1000, frameTimeoutMs: 100 });
    const { end } = await drain(client);
    expect(end).toMatchObject({ code: "ERR_SPINN_TIMEOUT", message: /did not end within 100 ms/ });
  });

  test("a reset connection is told apart from an end", async () => {
    await using server = await scriptedServer((socket) => {
      socket.write(HELLO3);
      socket.once("data", () => socket.resetAndDestroy());
    });
    await using client = await join(server);
    const { end } = await drain(client);
    expect(end).toMatchObject({ code: "ERR_SPINN_INCOMPLETE", message: /lost/ });
  });
});

describe("before connecting", () => {
  test.each([
    ["port", ["127.0.0.1", 0, 2, {}], /port/],
    ["host", ["", 8888, 2, {}], /host/],
    ["nAtoms", ["127.0.0.1", 8888, 0, {}], /nAtoms/],
    ["nAtoms", ["127.0.0.1", 8888, 2_000_000_000, {}], /nAtoms/],
    ["proportion", ["127.0.0.1", 8888, 2, { pauseEmptyProportion: 2 }], /pauseEmptyProportion/],
    ["timeout", ["127.0.0.1", 8888, 2, { timeoutMs: 0 }], /timeoutMs/],
    ["buffer", ["127.0.0.1", 8888, 2, { bufferSizeBytes: -1 }], /bufferSizeBytes/],
    ["socket buffer", ["127.0.0.1", 8888, 2, { socketBufferSize: 1.5 }], /socketBufferSize/],
    ["a buffer that holds no coordinates", ["127.0.0.1", 8888, 1_000_000, {}], /holds no frame of 1000000/],
  ] as const)("a wrong %s never reaches the server", async (_, args, message) => {
    const error = await failure(IMDClient.connect(...(args as unknown as Parameters<typeof IMDClient.connect>)));
    expect(error.code).toBe("ERR_SPINN_ARGUMENT");
    expect(error.message).toMatch(message);
  });

  test("a buffer found too small after the handshake leaves with GO and DISCONNECT, so that the run survives", async () => {
    const info: IMDSessionInfo = { ...XONLY, velocities: true, forces: true };
    await using server = await scriptedServer((socket) =>
      socket.write(Buffer.concat([encodeIMDHandshake(3, "little"), encodeIMDSessionInfo(info)])),
    );
    const error = await failure(join(server, 1000, { bufferSizeBytes: 20_000 }));
    expect(error).toMatchObject({ code: "ERR_SPINN_ARGUMENT", hint: /36000/ });
    expect(hexOf(await server.receivedBytes(16))).toBe(GO + DISCONNECT);
  });

  test("an aborted signal", async () => {
    await using server = await scriptedServer(() => {});
    expect((await failure(join(server, 2, { signal: AbortSignal.abort() }))).code).toBe("ERR_SPINN_ABORTED");
    const abort = new AbortController();
    const joining = join(server, 2, { signal: abort.signal });
    setImmediate(() => abort.abort());
    expect((await failure(joining)).code).toBe("ERR_SPINN_ABORTED");
    expect(server.received().length).toBe(0);
  });
});

/** Sends frames as long as the client has not paused it, one per turn of the loop; a toggle in version 2. */
function pausable(version: 2 | 3, log: string[], total: number): (socket: Socket) => void {
  return (socket) => {
    socket.write(version === 3 ? HELLO3 : encodeIMDHandshake(2, "little"));
    let going = false;
    let paused = false;
    let sent = 0;
    const send = (): void => {
      if (!going || paused || socket.destroyed) return;
      if (sent === total) {
        socket.end();
        return;
      }
      socket.write(frameOf(sent));
      sent += 1;
      setImmediate(send);
    };
    let rest = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      for (; rest.length >= 8; rest = rest.subarray(8)) {
        const type = rest.readInt32BE(0);
        log.push(`${type}`);
        if (type === 3) going = true;
        if (type === 7) paused = version === 3 ? true : !paused;
        if (type === 11) paused = false;
        if (type === 0) going = false;
      }
      send();
    });
  };
}

describe("back-pressure", () => {
  test.each([2, 3] as const)("version %i: a slow consumer pauses the server, nothing is lost, memory stays", async (version) => {
    const log: string[] = [];
    const total = 300;
    await using server = await scriptedServer(pausable(version, log, total));
    await using client = await join(server, 2, { frames: 20 });
    const seen: number[] = [];
    for await (const frame of client) {
      seen.push(frame.positions![0]!);
      // Ten turns of the loop for each frame, in which the server could send ten.
      for (let i = 0; i < 10; i += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(seen).toEqual(Array.from({ length: total }, (_, k) => k));
    expect(client.stats.pausesSent).toBeGreaterThan(3);
    expect(client.stats.frames).toBe(20);
    const commands = log.filter((type) => type !== "3" && type !== "0");
    const resume = version === 3 ? "11" : "7";
    expect(commands.length).toBeGreaterThan(6);
    commands.forEach((type, index) => {
      expect(type).toBe(index % 2 === 0 ? "7" : resume);
    });
    expect(client.stats.pausedMs).toBeGreaterThan(0);
  });

  test.each(fixtures.watermarks.filter((mark) => mark.frames_in_buffer > 1))(
    "marks on the wire: $frames_in_buffer frames, $pause_empty_proportion / $unpause_empty_proportion",
    async (mark) => {
      // One frame goes out only when the one before has been counted by the client, so nothing is under way at the pause.
      let socketOfServer: Socket | undefined;
      await using server = await scriptedServer((socket) => {
        socketOfServer = socket;
        socket.write(HELLO3);
      });
      await using client = await join(server, 2, {
        frames: mark.frames_in_buffer,
        pauseEmptyProportion: mark.pause_empty_proportion,
        unpauseEmptyProportion: mark.unpause_empty_proportion,
      });
      let sent = 0;
      while (!client.paused) {
        socketOfServer!.write(frameOf(sent));
        sent += 1;
        while (client.stats.pushed < sent) await new Promise((resolve) => setImmediate(resolve));
      }
      expect(client.stats).toMatchObject({ full: mark.pause_sent_when_full_reaches, empty: mark.then_empty });
      expect(hexOf(await server.receivedBytes(16))).toBe(GO + PAUSE);
      let gets = 0;
      while (client.paused) {
        gets += 1;
        client.tryGetIMDFrame();
      }
      expect(gets).toBe(mark.resume_sent_on_get_number);
      expect(hexOf(await server.receivedBytes(24))).toBe(GO + PAUSE + RESUME);
    },
  );

  test("block: never a PAUSE, the socket is left unread", async () => {
    const log: string[] = [];
    await using server = await scriptedServer(pausable(3, log, 200));
    await using client = await join(server, 2, { frames: 4, overflow: "block" });
    const seen: number[] = [];
    for await (const frame of client) seen.push(frame.positions![0]!);
    expect(seen.length).toBe(200);
    expect(log.filter((type) => type === "7" || type === "11")).toEqual([]);
  });

  test("paused by the user: silence is not a time-out, and both reasons must be gone", async () => {
    const log: string[] = [];
    await using server = await scriptedServer(pausable(3, log, 1_000_000));
    await using client = await join(server, 2, { frames: 8, timeoutMs: 60 });
    client.pause();
    client.pause();
    while (!log.includes("7")) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(client.ended).toBeUndefined();
    expect(client.paused).toBe(true);
    // Fill the rest is not possible while the server stands still; resume, and frames come again.
    client.resume();
    expect(client.paused).toBe(client.stats.empty <= 2);
    await client.getIMDFrame();
    await client.stop();
    expect(log.filter((type) => type === "7").length).toBe(client.stats.pausesSent);
  });

  test("silence while running is a time-out", async () => {
    await using server = await scriptedServer((socket) => socket.write(Buffer.concat([HELLO3, frameOf(0)])));
    await using client = await join(server, 2, { timeoutMs: 60 });
    const { frames, end } = await drain(client);
    expect(frames.length).toBe(1);
    expect(end).toMatchObject({ code: "ERR_SPINN_TIMEOUT", message: /between frames, after 1 frames/ });
  });

  test("a full buffer is not silence either", async () => {
    await using server = await scriptedServer((socket) =>
      socket.write(Buffer.concat([HELLO3, ...Array.from({ length: 40 }, (_, k) => frameOf(k))])),
    );
    await using client = await join(server, 2, { frames: 2, overflow: "block", timeoutMs: 60 });
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(client.ended).toBeUndefined();
    const { frames, end } = await drain(client);
    expect(frames.length).toBe(40);
    expect(end.code).toBe("ERR_SPINN_TIMEOUT");
  });
});

describe("leaving", () => {
  test("stop(): DISCONNECT is sent, what waits can be read, then ERR_SPINN_CLOSED", async () => {
    await using server = await scriptedServer((socket) =>
      socket.write(Buffer.concat([HELLO3, frameOf(0), frameOf(1), frameOf(2).subarray(0, 9)])),
    );
    const client = await join(server);
    while (client.stats.pushed < 2) await new Promise((resolve) => setImmediate(resolve));
    await client.stop();
    await client.stop();
    const { frames, end } = await drain(client);
    expect(frames.length).toBe(2);
    expect(end.code).toBe("ERR_SPINN_CLOSED");
    expect(hexOf(server.received())).toBe(GO + DISCONNECT);
    expect(() => client.pause()).toThrow(/stopped/);
    expect(() => client.setTrate(1)).toThrow(/stopped/);
    await expect(client.sendForces([0], [0, 0, 0])).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  });

  test("stop() wakes a get that waits", async () => {
    await using server = await scriptedServer((socket) => socket.write(HELLO3));
    const client = await join(server);
    const waiting = failure(client.getIMDFrame());
    await client.stop();
    expect((await waiting).code).toBe("ERR_SPINN_CLOSED");
  });

  test("a server that does not close is left after lingerMs", async () => {
    await using server = await scriptedServer((socket) => {
      socket.write(HELLO3);
      socket.removeAllListeners("end");
    });
    const client = await join(server, 2, { lingerMs: 30 });
    await client.stop();
    expect(client.ended?.code).toBe("ERR_SPINN_CLOSED");
  });

  test("leaving the loop stops the client", async () => {
    const log: string[] = [];
    await using server = await scriptedServer(pausable(3, log, 1_000_000));
    const client = await join(server, 2, { frames: 8 });
    for await (const frame of client) if (frame.sequence === 3) break;
    expect(client.ended?.code).toBe("ERR_SPINN_CLOSED");
    expect(client.stats.onLoan).toBe(0);
  });

  test("a signal ends the stream as aborted", async () => {
    await using server = await scriptedServer((socket) => socket.write(HELLO3));
    const abort = new AbortController();
    await using client = await join(server, 2, { signal: abort.signal });
    const waiting = failure(client.getIMDFrame());
    abort.abort();
    expect((await waiting).code).toBe("ERR_SPINN_ABORTED");
  });

  test("an interrupt stops the client, and its handlers are gone afterwards", async () => {
    await using server = await scriptedServer((socket) => socket.write(HELLO3));
    const before = process.listeners("SIGINT");
    const client = await join(server, 2, { stopOnInterrupt: true });
    const [handler] = process.listeners("SIGINT").filter((listener) => !before.includes(listener));
    const waiting = failure(client.getIMDFrame());
    handler!("SIGINT");
    expect((await waiting).code).toBe("ERR_SPINN_CLOSED");
    expect(process.listeners("SIGINT")).toEqual(before);
    const plain = await join(server);
    expect(process.listeners("SIGINT")).toEqual(before);
    await plain.stop();
  });

  test("explicit leases survive stop()", async () => {
    await using server = await scriptedServer((socket) => socket.end(Buffer.concat([HELLO3, frameOf(0), frameOf(1)])));
    await using client = await join(server, 2, { lease: "explicit", frames: 4 });
    const first = await client.getIMDFrame();
    const second = await client.getIMDFrame();
    expect([first.positions![0], second.positions![0]]).toEqual([0, 1]);
    await client.stop();
    client.release(first);
    expect(() => client.release(first)).toThrow(SpinnError);
  });
});

test("after stop() no timer and no socket is left", async () => {
  const count = (): Record<string, number> => {
    const left: Record<string, number> = {};
    for (const name of process.getActiveResourcesInfo()) if (/TCP|Timeout/.test(name)) left[name] = (left[name] ?? 0) + 1;
    return left;
  };
  const settled = async (): Promise<Record<string, number>> => {
    for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
    return count();
  };
  const before = await settled();
  {
    await using server = await scriptedServer((socket) => socket.write(Buffer.concat([HELLO3, frameOf(0)])));
    await using client = await join(server, 2, { signal: new AbortController().signal });
    await client.getIMDFrame();
    expect(await settled()).not.toEqual(before);
  }
  // What an earlier test or the runner had open may have gone meanwhile.
  for (const [name, left] of Object.entries(await settled())) expect(left, name).toBeLessThanOrEqual(before[name] ?? 0);
});

describe("commands", () => {
  test("version 3: what each sends", async () => {
    await using server = await scriptedServer((socket) => socket.write(HELLO3));
    await using client = await join(server, 2, { continueAfterDisconnect: false, trate: 7 });
    client.setTrate(10);
    client.setWait(false);
    client.pause();
    client.resume();
    await client.sendForces([1], [1, 0, -1]);
    await client.clearForces([1]);
    client.kill();
    const zeros = "000000".repeat(8);
    const expected = [
      `${GO}0000000800000007`,
      "0000001000000001",
      "000000080000000a",
      "0000001000000000",
      `${PAUSE}${RESUME}`,
      "0000000600000001010000000000803f00000000000080bf",
      `000000060000000101000000${zeros.slice(0, 24)}`,
      "0000000500000000",
    ].join("");
    expect(hexOf(await server.receivedBytes(expected.length / 2))).toBe(expected);
    await expect(client.sendForces([2], [0, 0, 0])).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await client.stop();
    expect(hexOf(server.received())).toBe(expected + DISCONNECT);
  });

  test("version 2 never sees a packet type of 10 or above, and forces go in its byte order", async () => {
    await using server = await scriptedServer((socket) => socket.write(encodeIMDHandshake(2, "big")));
    await using client = await join(server, 2, { continueAfterDisconnect: true });
    expect(() => client.setWait(true)).toThrow(/version 3/);
    client.pause();
    client.resume();
    await client.sendForces([1], [1, 0, -1]);
    const expected = `${GO}${PAUSE}${PAUSE}0000000600000001000000013f80000000000000bf800000`;
    expect(hexOf(await server.receivedBytes(expected.length / 2))).toBe(expected);
    expect(client.getIMDSessionInfo()).toEqual({
      version: 2,
      byteOrder: "big",
      time: false,
      energies: true,
      box: false,
      positions: true,
      wrapped: false,
      velocities: false,
      forces: false,
    });
  });

  test("a server that reads nothing does not make commands pile up without bound", async () => {
    const nAtoms = 100_000;
    await using server = await scriptedServer((socket) => {
      socket.pause();
      socket.removeAllListeners("data");
      socket.write(HELLO3);
    });
    await using client = await join(server, nAtoms, { frames: 1 });
    const all = Array.from({ length: nAtoms }, (_, i) => i);
    const outcomes: Promise<unknown>[] = [];
    for (let i = 0; i < 24; i += 1) outcomes.push(client.clearForces(all).catch((error: unknown) => error));
    const refused = await outcomes.at(-1)!;
    expect(refused).toMatchObject({ code: "ERR_SPINN_REFUSED", message: /does not read/ });
  });
});
