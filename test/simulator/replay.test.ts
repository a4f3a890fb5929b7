import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Exchange,
  MAY_DIFFER,
  type ReplayOptions,
  type ReplayReport,
  readCapture,
  replaySession,
  type Session,
  SimulatedMachine,
  type SimulatedMachineOptions,
  sessionOf,
} from "../../src/simulator/index.js";
import { requestText } from "../../src/simulator/replay/request-text.js";
import { bootImage, sendImage } from "./boot-image.js";
import { TestClient, until, word } from "./client.js";

/** A capture of one UDP datagram, as somebody else writes it. */
function capture({
  bigEndian = false,
  nanoseconds = false,
  type = 101,
  link = new Uint8Array() as Uint8Array,
  ipOptions = 0,
  data = Uint8Array.of(1, 2, 3) as Uint8Array,
  whole = 0,
  fragment = 0,
  protocol = 17,
  udpLength = 0,
} = {}): Uint8Array {
  const header = 20 + ipOptions;
  const length = link.length + header + 8 + data.length;
  const bytes = new Uint8Array(40 + length);
  const view = new DataView(bytes.buffer);
  const little = !bigEndian;
  view.setUint32(0, nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4, little);
  view.setUint32(20, type, little);
  view.setUint32(24, 5, little);
  view.setUint32(28, nanoseconds ? 7_000_000 : 7000, little);
  view.setUint32(32, length, little);
  view.setUint32(36, whole === 0 ? length : whole, little);
  bytes.set(link, 40);
  const ip = 40 + link.length;
  bytes.set([0x40 | (header / 4)], ip);
  view.setUint16(ip + 2, header + 8 + data.length);
  view.setUint16(ip + 6, fragment);
  bytes.set([64, protocol], ip + 8);
  bytes.set([10, 0, 0, 1, 10, 0, 0, 2], ip + 12);
  const udp = ip + header;
  view.setUint16(udp, 50_000);
  view.setUint16(udp + 2, 17_893);
  view.setUint16(udp + 4, udpLength === 0 ? 8 + data.length : udpLength);
  bytes.set(data, udp + 8);
  return bytes;
}

const mac = (...type: number[]): Uint8Array => Uint8Array.from([...new Array<number>(12).fill(2), ...type]);
const cooked = Uint8Array.from([...new Array<number>(14).fill(0), 8, 0]);
const cooked2 = Uint8Array.from([8, 0, ...new Array<number>(18).fill(0)]);
const found = { from: { host: "10.0.0.1", port: 50_000 }, to: { host: "10.0.0.2", port: 17_893 }, data: Uint8Array.of(1, 2, 3) };

describe("a capture file", () => {
  const kinds: [string, Parameters<typeof capture>[0]][] = [
    ["raw IP, microseconds", {}],
    ["of the other byte order", { bigEndian: true }],
    ["with nanoseconds", { nanoseconds: true }],
    ["with nanoseconds, of the other byte order", { nanoseconds: true, bigEndian: true }],
    ["of Ethernet", { type: 1, link: mac(8, 0) }],
    ["of Ethernet with a VLAN", { type: 1, link: mac(0x81, 0, 0, 5, 8, 0) }],
    ["of Linux cooked packets", { type: 113, link: cooked }],
    ["of the second kind of them", { type: 276, link: cooked2 }],
    ["of BSD loopback packets", { type: 0, link: Uint8Array.of(2, 0, 0, 0) }],
    ["with options in the IP header", { ipOptions: 8 }],
  ];
  it.each(kinds)("%s is read", (_, form) => {
    const { datagrams, skipped, isCutOff } = readCapture(capture(form));
    expect(datagrams).toEqual([{ timeMs: 0, ...found }]);
    expect([skipped, isCutOff]).toEqual([{ other: 0, cut: 0, fragments: 0, malformed: 0 }, false]);
  });

  it("with other things in it: they are counted", () => {
    const skipped = (form: Parameters<typeof capture>[0]) => {
      const read = readCapture(capture(form));
      expect(read.datagrams).toEqual([]);
      return read.skipped;
    };
    expect(skipped({ protocol: 6 }).other).toBe(1);
    expect(skipped({ type: 1, link: mac(0x86, 0xdd) }).other).toBe(1);
    expect(skipped({ whole: 1500 }).cut).toBe(1);
    expect(skipped({ fragment: 0x2000 }).fragments).toBe(1);
    expect(skipped({ fragment: 5 }).fragments).toBe(1);
    expect(skipped({ udpLength: 5000 }).malformed).toBe(1);
    expect(skipped({ udpLength: 7 }).malformed).toBe(1);
  });

  it("that is none says what it is", () => {
    expect(() => readCapture(new Uint8Array(10))).toThrow(/10 bytes/);
    expect(() => readCapture(new Uint8Array(100))).toThrow(/first bytes/);
    expect(() => readCapture(Uint8Array.from({ length: 60 }, (_, i) => [0x0a, 0x0d, 0x0d, 0x0a][i] ?? 0))).toThrow(/pcapng/);
    expect(() => readCapture(capture({ type: 105 }))).toThrow(/link type 105/);
  });

  it("cut off or damaged anywhere is read as far as it goes, without an exception of another kind", () => {
    const bytes = capture({ type: 1, link: mac(8, 0), data: new Uint8Array(40) });
    for (let length = 24; length < bytes.length; length += 1) {
      const read = readCapture(bytes.subarray(0, length));
      expect([read.datagrams.length, read.isCutOff]).toEqual([0, length > 24]);
    }
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 6 }), (changes) => {
        const damaged = bytes.slice();
        for (const [at, value] of changes) damaged[at] = value;
        try {
          for (const { data } of sessionOf(readCapture(damaged)).exchanges.map(({ request }) => ({ data: request })))
            expect(data.length).toBeLessThanOrEqual(40);
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_SPINN_FILE" });
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("a recorded session", () => {
  let folder: string;
  let session: Session;
  let boards: Session;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "spinn-replay-"));
    session = await record({ board: "spin5" }, async (machine) => {
      await using client = await TestClient.open(machine.boards[0]!.address);
      await using bmp = await TestClient.open(machine.bmps[0]!.address);
      await client.ask({ command: 0, x: 255, y: 255 });
      await client.ask({ command: 31, x: 1, y: 1 });
      const block = await client.ask({ command: 28, x: 1, y: 1, arg1: 30 << 8, arg2: 1000 });
      const address = word(block.payload);
      await client.write(
        address,
        Uint8Array.from({ length: 600 }, (_, i) => i),
        { x: 1, y: 1 },
      );
      await client.read(address, 600, { x: 1, y: 1 });
      await client.read(0xf5007f00, 256);
      await client.read(0xe5007000, 256);
      // A tag that names a host far away, and the tags then.
      await client.ask({ command: 26, arg1: (1 << 16) | 2, arg2: 50_000, arg3: 0x0100000a });
      await client.ask({ command: 26, arg1: 2 << 16, arg2: 8 });
      for (const p of [0, 1, 2, 3, 5]) await bmp.ask({ command: 48, arg1: p });
      client.send(client.request({ command: 0, flags: 0x07 }));
      await until(() => machine.boards[0]!.counters.received === 14);
    });
    boards = await record({ board: { triads: [1, 1] }, host: "127.77.8.1", booted: false }, async (machine) => {
      await sendImage(machine.boards[1]!.boot.address, bootImage("3.1.7"));
      await machine.ready;
      for (const { address } of machine.boards) {
        await using client = await TestClient.open(address);
        await client.ask({ command: 0, x: 255, y: 255 });
        await client.read(0xf5007f00, 256, { x: 8, y: 4 });
      }
    });
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function record(options: SimulatedMachineOptions, work: (machine: SimulatedMachine) => Promise<void>): Promise<Session> {
    const path = join(folder, "session.pcap");
    const machine = await SimulatedMachine.start({ port: 0, timeScale: 0, record: path, ...options });
    await work(machine);
    await machine.close();
    return sessionOf(readCapture(readFileSync(path)));
  }

  async function onMachine(what: Session, options: SimulatedMachineOptions, more: ReplayOptions = {}): Promise<ReplayReport> {
    await using machine = await SimulatedMachine.start({ port: 0, timeScale: 0, ...options });
    return await replaySession(what, routeOf(what, machine), { pace: 0, timeoutMs: 300, ...more });
  }

  function routeOf({ targets }: Session, machine: SimulatedMachine) {
    const hosts = [...new Set(targets.filter(({ kind }) => kind !== "bmp").map(({ host }) => host))];
    return ({ kind, target }: Exchange) => {
      const board = machine.boards[hosts.indexOf(target.host)];
      return kind === "bmp" ? machine.bmps[0]?.address : kind === "boot" ? board?.boot.address : board?.address;
    };
  }

  it("has its requests, each with its answer", () => {
    expect(session.targets.map(({ kind }) => kind).sort()).toEqual(["bmp", "board"]);
    expect(session.exchanges).toHaveLength(19);
    expect(session.exchanges.filter(({ answer }) => answer === undefined)).toHaveLength(1);
    expect([session.unsolicited, session.foreign]).toEqual([0, 0]);
    const texts = session.exchanges.map(requestText);
    expect(texts[0]).toBe("VER 255,255,0 0x00000000 0x00000000 0x00000000");
    expect(texts[3]).toMatch(/^WRITE 1,1,0 0x60[0-9a-f]{6} 0x00000100 0x00000002 and 256 bytes$/);
    expect(texts.at(-2)).toMatch(/^BMP_INFO slot 0 0x00000005/);
    expect(boards.exchanges.filter(({ kind }) => kind === "boot").map(requestText)[0]).toBe("boot START 0x00000000 0x00000003");
    expect(boards.targets.filter(({ kind }) => kind === "board")).toHaveLength(3);
  });

  it("is answered the same by a fresh machine; strictly, the clock differs", async () => {
    const report = await onMachine(session, { board: "spin5" });
    expect(report).toMatchObject({ sent: 19, compared: 18, same: 18, different: 0, extra: 0, skipped: 0, redirected: 1, differences: [] });
    expect(MAY_DIFFER.join()).toMatch(/clocks/);
    const strict = await onMachine(session, { board: "spin5" }, { strict: true });
    expect(strict.different).toBeGreaterThan(0);
    expect(strict.differences.map(({ request }) => request).join()).toMatch(/READ 0,0,0 0xf5007f00/);
  });

  it("is answered otherwise by another machine: the request in words, and the bytes that differ", async () => {
    const told: string[] = [];
    const report = await onMachine(session, { board: "spin5", scamp: "3.4.1" }, { onDifference: ({ request }) => told.push(request) });
    expect(report.different).toBeGreaterThan(0);
    expect(told).toHaveLength(report.different);
    const [first] = report.differences;
    expect(first).toMatchObject({ number: 1, kind: "bytes", at: [42, 44, 46] });
    expect(first?.expected?.length).toBe(first?.seen?.length);
  });

  it("of several boards, booted through the second of them, is the same on another such machine", async () => {
    const options = { board: { triads: [1, 1] as const }, host: "127.77.9.1", port: 0, booted: false, timeScale: 0 };
    await using machine = await SimulatedMachine.start(options);
    const route = routeOf(boards, machine);
    const part = (boot: boolean) => ({ ...boards, exchanges: boards.exchanges.filter(({ kind }) => (kind === "boot") === boot) });
    await replaySession(part(true), route, { pace: 0 });
    await machine.ready;
    const report = await replaySession(part(false), route, { pace: 0 });
    expect(report.differences).toEqual([]);
    expect(report.same).toBe(6);
  });

  it("without an answer is a difference; with nobody there it ends soon", async () => {
    const lossy = await onMachine(session, { board: "spin5", faults: { toHost: { loseEvery: 11 } } }, { timeoutMs: 50 });
    expect(lossy.differences.map(({ kind }) => kind)).toContain("missing");
    await expect(onMachine(session, { board: "spin5", booted: false }, { timeoutMs: 10 })).rejects.toMatchObject({
      code: "ERR_SPINN_TIMEOUT",
    });
  });

  it("ends when it is told to", async () => {
    const abort = new AbortController();
    const onProgress = (done: number): void => {
      if (done === 3) abort.abort();
    };
    await expect(onMachine(session, { board: "spin5" }, { signal: abort.signal, onProgress })).rejects.toMatchObject({
      code: "ERR_SPINN_ABORTED",
    });
  });

  it("sends nothing to an address of the recording: a tag leads to the one who replays", async () => {
    await using machine = await SimulatedMachine.start({ port: 0, timeScale: 0 });
    const { address } = machine.boards[0]!;
    await replaySession(session, ({ kind }) => (kind === "board" ? address : undefined), { pace: 0 });
    expect(machine.boards[0]!.tags.entries[2]).toMatchObject({ ip: "127.0.0.1" });
    expect(machine.boards[0]!.tags.entries[2]!.port).not.toBe(50_000);
  });
});
