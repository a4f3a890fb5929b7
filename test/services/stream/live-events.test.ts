import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { SpinnError } from "../../../src/errors.js";
import {
  EventSender,
  KeyMap,
  LiveEvents,
  LiveRuns,
  liveTag,
  NotificationListener,
  NotificationSender,
  type Pacer,
  readEvents,
} from "../../../src/services/stream/index.js";
import {
  decodeEieioData,
  decodeScpRequest,
  decodeSdp,
  type EieioDataInput,
  encodeEieioData,
  encodeScpReply,
  type ScpRequestPacket,
} from "../../../src/wire/index.js";
import { type UdpPort, udpPort } from "./udp.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

/** A board: a port that answers CMD_IPTAG and sends live packets to whoever it was aimed at. */
async function board(
  answer: (request: ScpRequestPacket, count: number) => number | undefined = () => 0x80,
  { x, y, address, at }: { x: number; y: number; address?: string; at?: number } = { x: 0, y: 0 },
): Promise<UdpPort & { readonly requests: ScpRequestPacket[]; emit(message: EieioDataInput | Uint8Array): Promise<void> }> {
  const port = await udpPort(address, at);
  const requests: ScpRequestPacket[] = [];
  let aimed: { port: number; address: string } | undefined;
  port.onMessage((datagram, from) => {
    const request = decodeScpRequest(datagram);
    requests.push(request);
    const returnCode = answer(request, requests.length);
    if (returnCode === undefined) return;
    if (returnCode === 0x80 && request.command === 26) aimed = { ...from };
    // A reply goes to the Ethernet chip, and says so.
    const reply = {
      ...request,
      destX: x,
      destY: y,
      flags: 0x07,
      destPort: 7,
      destCpu: 31,
      srcPort: 0,
      srcCpu: 0,
      returnCode,
      payload: new Uint8Array(4),
    };
    void port.send(encodeScpReply(reply), from.port, from.address);
  });
  return {
    ...port,
    requests,
    emit: (message) => port.send(message instanceof Uint8Array ? message : encodeEieioData(message), aimed!.port, aimed!.address),
  };
}

const TIMED = { type: 2, payloadIsTime: true } as const;

describe("tag", () => {
  test("the request leaves the socket that then gets the events, with strip and use-sender, for the chip that has the Ethernet", async () => {
    await using peer = await board(undefined, { x: 4, y: 8 });
    const own = await udpPort();
    await using live = await LiveEvents.open(own, { setTag: liveTag(own, peer.address, 3, { port: peer.port }) });
    expect(peer.requests).toMatchObject([
      { command: 0, destX: 255, destY: 255, tag: 0xff, flags: 0x87 },
      { command: 26, destX: 4, destY: 8, arg1: 0x50010003, arg2: 0, arg3: 0, tag: 0xff, flags: 0x87 },
    ]);
    await peer.emit({ ...TIMED, payloadBase: 7, keys: [0x1001, 0x1002] });
    const frame = await live.getFrame();
    expect([...frame.keys.subarray(0, frame.count)]).toEqual([0x1001, 0x1002]);
    expect([frame.step, frame.source, frame.late]).toEqual([7, peer.address, false]);
    // The replies to the requests came by the same socket and are no events.
    expect(live.stats).toMatchObject({ messages: 1, events: 2, emptyMessages: 2, malformed: 0 });
  });

  test("a lost request is sent again, with a sequence number of its own; a dead board is a time-out", async () => {
    await using peer = await board((_, count) => (count < 3 ? undefined : 0x80));
    await using own = await udpPort();
    const options = { port: peer.port, replyTimeoutMs: 20 };
    await liveTag(own, peer.address, 1, options)(new AbortController().signal);
    expect(peer.requests.map(({ command }) => command)).toEqual([0, 0, 0, 26]);
    expect(new Set(peer.requests.map(({ sequence }) => sequence)).size).toBe(4);
    await using dead = await board(() => undefined);
    const failing = liveTag(own, dead.address, 1, { port: dead.port, replyTimeoutMs: 5, attempts: 3 })(new AbortController().signal);
    await expect(failing).rejects.toMatchObject({ code: "ERR_SPINN_TIMEOUT", request: /IPTAG set 1/ });
    expect(dead.requests.length).toBe(3);
  });

  test("a refusal, an abort, a wrong tag", async () => {
    await using peer = await board(() => 0x84);
    await using own = await udpPort();
    await expect(liveTag(own, peer.address, 1, { port: peer.port })(new AbortController().signal)).rejects.toMatchObject({
      code: "ERR_SPINN_RETURN_CODE",
      returnCode: 0x84,
    });
    await using silent = await board(() => undefined);
    const abort = new AbortController();
    const waiting = liveTag(own, silent.address, 1, { port: silent.port })(abort.signal);
    setImmediate(() => abort.abort());
    await expect(waiting).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    expect(() => liveTag(own, peer.address, 8)).toThrow(/tag/);
    const port = await udpPort();
    await expect(LiveEvents.open(port, { setTag: liveTag(port, peer.address, 1, { port: peer.port }) })).rejects.toBeInstanceOf(SpinnError);
    // The port was closed with the failed stream.
    await expect(port.send(new Uint8Array(2), peer.port, peer.address)).rejects.toThrow();
  });

  test("the tag is refreshed; a failed refresh is counted and the stream goes on", async () => {
    let calls = 0;
    const own = await udpPort();
    const live = await LiveEvents.open(own, {
      refreshMs: 5,
      setTag: async () => {
        calls += 1;
        if (calls > 1) throw new Error("no answer");
      },
    });
    await until(() => calls >= 3);
    expect(live.stats.tagFailures).toBeGreaterThan(0);
    expect(live.stats.onLoan).toBe(0);
    await live.close();
    const after = calls;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(calls).toBe(after);
  });
});

async function pair(options: Parameters<typeof LiveEvents.open>[1] = {}): Promise<{
  live: LiveEvents;
  send: (message: EieioDataInput | Uint8Array) => Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const own = await udpPort();
  const peer = await udpPort();
  const live = await LiveEvents.open(own, options);
  return {
    live,
    send: (message) => peer.send(message instanceof Uint8Array ? message : encodeEieioData(message), own.port, own.address),
    [Symbol.asyncDispose]: async () => {
      await live.close();
      await peer.close();
    },
  };
}

describe("events", () => {
  test("every golden packet of a board comes through, full ones of 264 bytes too", async () => {
    const { vectors } = JSON.parse(readFileSync(new URL("../../../fixtures/eieio.json", import.meta.url), "utf8")) as {
      vectors: { name: string; hex: string; fields: { spinnManDecodes?: { elements: { key: number; payload?: number }[] } } }[];
    };
    const packets = vectors.filter(({ name }) => name.startsWith("lpg-"));
    expect(packets.length).toBeGreaterThan(10);
    await using link = await pair();
    for (const packet of packets) {
      await link.send(Uint8Array.from(Buffer.from(packet.hex, "hex")));
      const frame = await link.live.getFrame();
      const got = Array.from({ length: frame.count }, (_, i) => [frame.keys[i], frame.payloads?.[i]]);
      expect(got).toEqual(packet.fields.spinnManDecodes!.elements.map(({ key, payload }) => [key, payload]));
    }
  });

  test("in words: populations by the key map", async () => {
    const keyMap = KeyMap.fromRows([
      { label: "a", key: 0x1001, atom: 1 },
      { label: "a", key: 0x1000, atom: 0 },
      { label: "b", key: 0x2000, atom: 5 },
    ]);
    await using link = await pair();
    await link.send({ ...TIMED, payloadBase: 9, keys: [0x1001, 0x2000, 0x3000] });
    expect([...readEvents(await link.live.getFrame(), keyMap)]).toEqual([
      { step: 9, key: 0x1001, payload: undefined, label: "a", atom: 1 },
      { step: 9, key: 0x2000, payload: undefined, label: "b", atom: 5 },
      { step: 9, key: 0x3000, payload: undefined, label: undefined, atom: undefined },
    ]);
    await link.send({ type: 3, keys: [0x1000], payloads: [77] });
    expect([...readEvents(await link.live.getFrame())]).toEqual([
      { step: undefined, key: 0x1000, payload: 77, label: undefined, atom: undefined },
    ]);
  });

  test("late messages are marked, for each board alone", async () => {
    await using link = await pair();
    for (const step of [3, 4, 2, 4, 5]) await link.send({ ...TIMED, payloadBase: step, keys: [step] });
    await until(() => link.live.stats.messages === 5);
    const seen: [number | undefined, boolean][] = [];
    for (let frame = link.live.tryGetFrame(); frame !== undefined; frame = link.live.tryGetFrame()) seen.push([frame.step, frame.late]);
    expect(seen).toEqual([
      [3, false],
      [4, false],
      [2, true],
      [4, false],
      [5, false],
    ]);
    expect(link.live.stats.sources).toEqual([{ address: "127.0.0.1", messages: 5, events: 5, lastStep: 5, late: 1 }]);
  });

  test("a slow consumer: the oldest go, are counted, and leave a gap", async () => {
    await using link = await pair({ frames: 4 });
    for (let i = 0; i < 10; i += 1) await link.send({ type: 2, keys: [i, i] });
    await until(() => link.live.stats.messages === 10);
    expect(link.live.stats).toMatchObject({ dropped: 6, droppedEvents: 12, full: 4, events: 20 });
    const frame = await link.live.getFrame();
    expect([frame.keys[0], frame.sequence]).toEqual([6, 6]);
  });

  test("or the newest", async () => {
    await using link = await pair({ frames: 2, overflow: "drop-newest" });
    for (let i = 0; i < 5; i += 1) await link.send({ type: 2, keys: [i] });
    await until(() => link.live.stats.dropped === 3);
    expect(link.live.stats).toMatchObject({ droppedEvents: 3, full: 2 });
    expect((await link.live.getFrame()).keys[0]).toBe(0);
  });

  test("a board cannot be paused", async () => {
    const own = await udpPort();
    await expect(LiveEvents.open(own, { overflow: "pause" as "drop-oldest" })).rejects.toThrow(/cannot be paused/);
    await own.close();
  });

  test("hold: one command at a time, the last wish wins, a resume that failed is tried again, close() lets go", async () => {
    const log: string[] = [];
    const gates: ((error?: Error) => void)[] = [];
    const command = (name: string) => (): Promise<void> => {
      log.push(name);
      return new Promise((resolve, reject) => gates.push((error) => (error === undefined ? resolve() : reject(error))));
    };
    const hold = { pause: command("pause"), resume: command("resume") };
    await using both = await pair({ frames: 4, hold });
    const { live, send } = both;
    const fill = async (): Promise<void> => {
      const { messages } = live.stats;
      for (let i = 0; i < 3; i += 1) await send({ type: 2, keys: [i] });
      await until(() => live.stats.messages === messages + 3);
    };
    await fill();
    expect(log).toEqual(["pause"]);
    for (let i = 0; i < 3; i += 1) await live.getFrame();
    // The pause is not answered yet: nothing else is sent.
    expect([log.length, live.paused]).toEqual([1, false]);
    gates[0]!();
    await until(() => log.length === 2);
    expect([log[1], live.paused]).toEqual(["resume", true]);
    gates[1]!(new Error("no answer"));
    await until(() => log.length === 3);
    expect([log[2], live.stats.holdFailures]).toEqual(["resume", 1]);
    gates[2]!();
    await until(() => !live.paused);
    await fill();
    gates[3]!();
    await until(() => live.paused);
    const closing = live.close();
    await until(() => log.length === 5);
    gates[4]!();
    await closing;
    expect(log).toEqual(["pause", "resume", "resume", "pause", "resume"]);
    expect(live.stats).toMatchObject({ pauses: 2, resumes: 2, holdFailures: 1 });
  });

  test("bad datagrams are counted and cost no frame", async () => {
    const commands: number[] = [];
    await using link = await pair({ frames: 2, onCommand: (datagram) => commands.push(datagram[0]!) });
    await link.send({ type: 2, keys: [1] });
    await link.send({ type: 2, keys: [2] });
    await until(() => link.live.stats.full === 2);
    const good = encodeEieioData({ type: 2, keys: [1, 2, 3] });
    for (const bad of [new Uint8Array(), Uint8Array.of(5), good.subarray(0, -1), Uint8Array.of(1, 0xf8), Uint8Array.of(255, 0x0c)]) {
      await link.send(bad);
    }
    await link.send(Uint8Array.of(6, 0x40, 0, 0, 8, 0, 1, 255, 0, 0, 0, 0));
    await link.send(Uint8Array.of(0, 8));
    await until(() => link.live.stats.emptyMessages === 1);
    expect(link.live.stats).toMatchObject({ malformed: 5, commands: 1, dropped: 0, full: 2 });
    expect(commands).toEqual([6]);
  });

  test("only from the boards that were asked for", async () => {
    await using link = await pair({ boards: ["127.9.9.9"] });
    await link.send({ type: 2, keys: [1] });
    await until(() => link.live.stats.foreign === 1);
    expect(link.live.stats.messages).toBe(0);
  });

  test("the loop ends with close(), and what waits is read first", async () => {
    const link = await pair();
    for (let i = 0; i < 3; i += 1) await link.send({ type: 2, keys: [i] });
    await until(() => link.live.stats.messages === 3);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const frame of link.live) seen.push(frame.keys[0]!);
    })();
    await until(() => seen.length === 3);
    await link.live.close();
    await link.live.close();
    await reading;
    expect(seen).toEqual([0, 1, 2]);
    await expect(link.live.getFrame()).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
    await link[Symbol.asyncDispose]();
  });
});

test("key map: neighbours are joined, holes and overlaps are seen", () => {
  const map = new KeyMap([
    { label: "b", firstKey: 0x20000, count: 10, firstAtom: 100 },
    { label: "a", firstKey: 0, count: 5 },
  ]);
  expect([map.find(0), map.find(4), map.find(5), map.find(0x20009), map.find(0xffffffff)]).toEqual([
    { label: "a", atom: 0 },
    { label: "a", atom: 4 },
    undefined,
    { label: "b", atom: 109 },
    undefined,
  ]);
  expect(map.keyOf("b", 105)).toBe(0x20005);
  expect(() => map.keyOf("b", 5)).toThrow(/no key/);
  expect(
    () =>
      new KeyMap([
        { label: "a", firstKey: 0, count: 5 },
        { label: "b", firstKey: 4, count: 1 },
      ]),
  ).toThrow(/overlap/);
  expect(() => new KeyMap([{ label: "a", firstKey: 0xffffffff, count: 2 }])).toThrow(/number of keys/);
  expect(new KeyMap([]).find(1)).toBeUndefined();
  const rows = Array.from({ length: 300 }, (_, i) => ({ label: i < 100 ? "a" : "b", key: 1000 + i, atom: i % 100 }));
  expect(KeyMap.fromRows(rows.toReversed()).ranges).toEqual([
    { label: "a", firstKey: 1000, count: 100, firstAtom: 0 },
    { label: "b", firstKey: 1100, count: 100, firstAtom: 0 },
    { label: "b", firstKey: 1200, count: 100, firstAtom: 0 },
  ]);
});

describe("sending", () => {
  /** Lets nobody through without a permit, and writes down what was asked. */
  function pacer(): Pacer & { readonly asked: number[]; permit: () => void } {
    const asked: number[] = [];
    const waiting: (() => void)[] = [];
    return {
      asked,
      permit: () => waiting.shift()?.(),
      consume: (tokens, { signal }) => {
        asked.push(tokens);
        return new Promise<void>((resolve, reject) => {
          waiting.push(resolve);
          signal?.addEventListener("abort", () => reject(new SpinnError("ERR_SPINN_ABORTED", "aborted")), { once: true });
        });
      },
    };
  }

  test("by reverse tag: atom numbers in 16 bits, each message waits for its tokens", async () => {
    await using peer = await udpPort();
    await using own = await udpPort();
    const pace = pacer();
    const sender = new EventSender(own, { host: peer.address, port: peer.port }, pace);
    const messages: Uint8Array[] = [];
    peer.onMessage((datagram) => messages.push(Uint8Array.from(datagram)));
    const keys = Uint32Array.from({ length: 300 }, (_, i) => i);
    const sending = sender.send(keys);
    await turn();
    expect([pace.asked, sender.messagesSent]).toEqual([[127], 0]);
    for (let i = 1; i <= 3; i += 1) {
      pace.permit();
      await until(() => messages.length === i);
    }
    await sending;
    expect(pace.asked).toEqual([127, 127, 46]);
    expect(messages.flatMap((message) => [...decodeEieioData(message).keys])).toEqual([...keys]);
    expect([sender.messagesSent, sender.eventsSent]).toEqual([3, 300]);
    expect(messages[0]!.slice(0, 2)).toEqual(Uint8Array.of(127, 0));
  });

  test("wrapped in SDP to a core: the golden datagram", async () => {
    await using peer = await udpPort();
    await using own = await udpPort();
    const core = { x: 2, y: 3, p: 5 };
    const sender = new EventSender(own, { host: peer.address, port: peer.port, core }, { consume: () => Promise.resolve() });
    const coming = peer.next();
    await sender.send([0, 1, 2]);
    expect(Buffer.from((await coming).datagram).toString("hex")).toBe("000007002500030200000300000001000200");
  });

  test("32 bit keys with payloads", async () => {
    await using peer = await udpPort();
    await using own = await udpPort();
    const pace = { consume: () => Promise.resolve() };
    const sender = new EventSender(own, { host: peer.address, port: peer.port, core: { x: 0, y: 0, p: 4 } }, pace, { keyBits: 32 });
    const coming = peer.next();
    await sender.send([0xdeadbeef], { payloads: [7] });
    expect(decodeEieioData(decodeSdp((await coming).datagram).data)).toMatchObject({
      type: 3,
      keys: Uint32Array.of(0xdeadbeef),
      payloads: Uint32Array.of(7),
    });
  });

  test("wrong values are refused before anything is sent; waiting can be aborted", async () => {
    await using own = await udpPort();
    const pace = pacer();
    const sender = new EventSender(own, { host: "127.0.0.1", port: 9 }, pace);
    await expect(sender.send([1, 65536])).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await expect(sender.send([1], { payloads: [] })).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    expect(pace.asked).toEqual([]);
    const abort = new AbortController();
    const sending = sender.send([1], { signal: abort.signal });
    abort.abort();
    await expect(sending).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    expect(() => new EventSender(own, { host: "x", port: 0 }, pace)).toThrow(/port/);
    expect(() => new EventSender(own, { host: "x", core: { x: 0, y: 0, p: 1 }, sdpPort: 0 }, pace)).toThrow(/sdpPort/);
  });
});

describe("notifications", () => {
  test("database, start, pause, and again", async () => {
    await using toolchain = await udpPort();
    const own = await udpPort();
    const log: string[] = [];
    let release = (): void => {};
    await using listener = new NotificationListener(own, {
      onDatabase: async (path) => {
        log.push(`database ${path}`);
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      },
      onStart: () => void log.push("start"),
      onPause: () => void log.push("pause"),
    });
    const sender = new NotificationSender(toolchain, { host: own.address, port: own.port });
    for (const path of ["/a/döner.sqlite3", "/b"]) {
      const announced = sender.announceDatabase(path, { timeoutMs: 5000 });
      await until(() => log.at(-1) === `database ${path}`);
      // The tool chain must not go on before the database was read.
      await turn();
      expect(listener.phase).toBe("waiting");
      release();
      await announced;
      expect(listener.phase).toBe("ready");
      await sender.start();
      await until(() => listener.phase === "running");
      await sender.pause();
      await until(() => listener.phase === "paused");
    }
    expect(log).toEqual(["database /a/döner.sqlite3", "start", "pause", "database /b", "start", "pause"]);
    expect(listener.stats).toEqual({ databases: 2, starts: 2, pauses: 2, unexpected: 0, malformed: 0, dropped: 0, failed: 0 });
  });

  test("lost and doubled datagrams do not end it", async () => {
    await using toolchain = await udpPort();
    const own = await udpPort();
    await using listener = new NotificationListener(own, {});
    const sender = new NotificationSender(toolchain, { host: own.address, port: own.port });
    await sender.start();
    await sender.start();
    await sender.pause();
    await toolchain.send(Uint8Array.of(1), own.port, own.address);
    await toolchain.send(Uint8Array.of(1, 0x40, 0xff), own.port, own.address);
    await toolchain.send(Uint8Array.of(2, 0), own.port, own.address);
    await toolchain.send(Uint8Array.of(3, 0x40), own.port, own.address);
    await sender.announceDatabase("/x", { timeoutMs: 5000 });
    expect(listener.stats).toMatchObject({ starts: 1, pauses: 1, databases: 1, unexpected: 3, malformed: 3 });
    expect(listener.phase).toBe("ready");
  });

  test("a handler that throws: no confirmation, the tool chain's wait ends by itself, the next one works", async () => {
    await using toolchain = await udpPort();
    const own = await udpPort();
    const errors: unknown[] = [];
    let broken = true;
    await using listener = new NotificationListener(own, {
      onDatabase: () => {
        if (broken) throw new Error("cannot read");
      },
      onError: (error) => errors.push(error),
    });
    const sender = new NotificationSender(toolchain, { host: own.address, port: own.port });
    await expect(sender.announceDatabase("/x", { timeoutMs: 40 })).rejects.toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
    expect(errors).toHaveLength(1);
    broken = false;
    await sender.announceDatabase("/x", { timeoutMs: 5000 });
    expect(listener.stats).toMatchObject({ databases: 2, failed: 1 });
  });

  test("a flood while a handler works is bounded", async () => {
    await using toolchain = await udpPort();
    const own = await udpPort();
    let release = (): void => {};
    await using listener = new NotificationListener(own, {
      onDatabase: () =>
        new Promise<void>((resolve) => {
          release = resolve;
        }),
    });
    const sender = new NotificationSender(toolchain, { host: own.address, port: own.port });
    const announced = sender.announceDatabase("/x", { timeoutMs: 5000 });
    for (let i = 0; i < 80; i += 1) await sender.pause();
    await until(() => listener.stats.dropped === 17);
    release();
    await announced;
    await until(() => listener.stats.pauses === 63);
  });
});

describe("runs of the tool chain", () => {
  const DATABASE = "fixtures/tool-chain/7.sqlite3";

  /** The two boards of the database, and the tool chain. */
  async function lab(labels?: readonly string[]) {
    const first = await board(undefined, { x: 0, y: 0, address: "127.79.200.1" });
    const second = await board(undefined, { x: 4, y: 8, address: "127.79.200.2", at: first.port });
    const [chain, notifications, events] = [await udpPort(), await udpPort(), await udpPort("0.0.0.0")];
    const log: string[] = [];
    const runs = await LiveRuns.open(notifications, events, {
      labels,
      tagOptions: { port: first.port },
      onRun: ({ keyMap, tags }) => void log.push(`run of ${keyMap.ranges.length} ranges, ${tags.length} tags`),
      onStart: () => void log.push("start"),
      onPause: () => void log.push("pause"),
      onError: (error) => void log.push(String((error as SpinnError).message)),
    });
    const sender = new NotificationSender(chain, { host: "127.0.0.1", port: notifications.port });
    const close = async (): Promise<void> => {
      await runs.close();
      await Promise.all([first, second, chain].map((port) => port.close()));
    };
    return { first, second, events, runs, sender, log, [Symbol.asyncDispose]: close };
  }

  test("the database is read, the tag of each board is set on its own chip, then it is confirmed; again for the next run", async () => {
    await using it = await lab();
    // Before a database nobody is listened to.
    await it.first.send(encodeEieioData({ type: 2, keys: [1] }), it.events.port, "127.0.0.1");
    for (let run = 1; run <= 2; run += 1) {
      await it.sender.announceDatabase(DATABASE, { timeoutMs: 5000 });
      expect(it.log.at(-1)).toBe("run of 4 ranges, 2 tags");
      for (const { requests, chip } of [
        { ...it.first, chip: [0, 0] },
        { ...it.second, chip: [4, 8] },
      ]) {
        expect(requests).toHaveLength(2 * run);
        const last = requests.at(-1)!;
        expect([last.command, last.arg1, last.destX, last.destY]).toEqual([26, 0x50010001, ...chip]);
      }
      await it.sender.start();
      await it.second.emit({ ...TIMED, payloadBase: run, keys: [0x04080801] });
      const frame = await it.runs.live.getFrame();
      expect([...readEvents(frame, it.runs.run!.keyMap)]).toEqual([
        { step: run, key: 0x04080801, payload: undefined, label: "exc", atom: 101 },
      ]);
      await it.sender.pause();
      await until(() => it.log.at(-1) === "pause");
    }
    expect(it.runs.live.stats).toMatchObject({ foreign: 1, events: 2 });
  });

  test("only the boards of the populations that are wanted", async () => {
    await using one = await lab(["inh"]);
    await one.sender.announceDatabase(DATABASE, { timeoutMs: 5000 });
    expect([one.first.requests.length, one.second.requests.length]).toEqual([0, 2]);
    expect(one.runs.run!.keyMap.ranges.map(({ label }) => label)).toEqual(["inh"]);
  });

  test("what cannot be followed is told, and not confirmed; the next one is", async () => {
    await using it = await lab(["nobody"]);
    for (const [path, words] of [
      [DATABASE, /no live events of "nobody"/],
      ["fixtures/tool-chain/nothing.sqlite3", /cannot be read/],
      ["", /without a database/],
    ] as const) {
      await expect(it.sender.announceDatabase(path, { timeoutMs: 100 })).rejects.toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
      await until(() => words.test(it.log.at(-1) ?? ""));
    }
    expect(it.runs.notifications.stats).toMatchObject({ databases: 3, failed: 3 });
    expect(it.runs.run).toBeUndefined();
  });
});
