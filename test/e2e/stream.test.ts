import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EIEIOConnection } from "../../src/connections/index.js";
import { EventFrame, FrameFileReader, IMDServer, NotificationSender } from "../../src/services/stream/index.js";
import { collect, command, jsonOf, type Run, SilentBoard, Simulated, spinn, start, temporaryFolder } from "./spinn.js";

/** Another block for each run, so that two of them on one computer do not meet. */
const BLOCK = `127.79.${process.ppid % 250}`;
const LISTEN = `${20_000 + (process.ppid % 10_000)}`;
const HOST = `${BLOCK}.1`;
const events = (...words: string[]): string[] => ["stream", "events", "--host", HOST, ...words];

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => folder[Symbol.asyncDispose]());

const linesOf = (run: Run): Record<string, unknown>[] =>
  run.stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

/** The command with its stderr awaited for some words. */
async function startUntil(
  words: readonly string[],
  seen: RegExp,
): Promise<{ child: ReturnType<typeof start>; stdout: () => string; stderr: () => string }> {
  const child = start(words);
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
  await expect.poll(stderr, { timeout: 10_000 }).toMatch(seen);
  return { child, stdout, stderr };
}

describe("live events of a simulated board", () => {
  let machine: Simulated;
  beforeAll(async () => {
    machine = await Simulated.start(["--board", "spin3", "--host", HOST, "--cores", "live", "--time-scale", "0.02"]);
    const load = await spinn(["load", "fixtures/apps/hello.aplx", "0,0,1", "1,1,2", "--host", HOST]);
    expect(load).toMatchObject({ status: 0 });
  });
  afterAll(async () => {
    expect(await machine.stop()).toBe(0);
  });

  it("a line of JSON for each event, in order", async () => {
    const run = await spinn(events("--count", "500", "--for", "10s"));
    expect(run.status).toBe(0);
    expect(run.stderr).toMatch(
      /^listening on 127\.0\.0\.1:\d+ for events of 127\.79\.\d+\.1, tag 1\n50\d events in .*, none dropped here\n$/,
    );
    const found = linesOf(run);
    expect(found.length).toBeGreaterThanOrEqual(500);
    expect(found[0]).toMatchObject({ schema: "spinn.stream.event", version: 1, source: HOST, step: expect.any(Number) });
    // One event in each step, atom after atom: so key and step tell the same, whatever a busy computer loses on the way.
    for (const first of [0x800, 0x01011000]) {
      const mine = found
        .map(({ key, step }) => ({ atom: (key as number) - first, step: step as number }))
        .filter(({ atom }) => atom >= 0 && atom < 100);
      expect(mine.length).toBeGreaterThan(100);
      expect(mine.map(({ atom }) => atom)).toEqual(mine.map(({ step }) => step % 100));
      expect(mine.every(({ step }, i) => i === 0 || step > mine[i - 1]!.step)).toBe(true);
    }
  });

  it("a binary file, a raster plot and a raster in text, with populations by name", async () => {
    const [out, svg] = [folder.file("a.frames"), folder.file("a.svg")];
    const keys = ["--keys", "exc=0x800+100", "--keys", "inh=0x01011000+100"];
    const run = await spinn(events("--count", "400", "--out", out, "--svg", svg, "--raster", ...keys));
    expect(run.status).toBe(0);
    const lines = run.stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(13);
    for (const line of lines.slice(0, 12)) expect(line).toMatch(/^[\u2800-\u28ff]{64}$/);
    expect(lines.slice(0, 12).join("")).toMatch(/[\u2801-\u28ff]/);
    const [, said] = /^(\d+) events in .*a\.frames has \d+ messages/.exec(lines[12]!)!;
    await using reader = await FrameFileReader.open(out);
    let count = 0;
    for await (const frame of reader) {
      expect(frame).toBeInstanceOf(EventFrame);
      count += (frame as EventFrame).count;
    }
    expect([count, reader.truncatedBytes]).toEqual([Number(said), 0]);
    const picture = await readFile(svg, "utf8");
    expect(picture).toMatch(/>exc<.*>inh</s);
    expect(picture).toContain(`(${said} spikes)`);
    const again = await spinn(events("--count", "1", "--out", out));
    expect(again).toMatchObject({ status: 2, stdout: "" });
    expect(again.stderr).toMatch(/is there already\n {2}take another name, or add --force/);
  });

  it("--json without lines is one object", async () => {
    const out = folder.file("b.frames");
    const run = await spinn(events("--for", "300ms", "--out", out, "--json"));
    expect(run.status).toBe(0);
    const object = jsonOf(run);
    expect(object).toMatchObject({
      schema: "spinn.stream",
      source: "events",
      board: `${HOST}:17893`,
      tag: 1,
      end: "time",
      droppedEvents: 0,
      malformed: 0,
    });
    expect(object["events"]).toBeGreaterThan(0);
    expect(object["file"]).toMatchObject({ path: out });
  });

  it("status 1 when fewer came than were asked for", async () => {
    const run = await spinn(events("--count", "1", "--for", "300ms", "--tag", "2", "-q"));
    expect(run).toEqual({ status: 1, stdout: "", stderr: "" });
  });

  it("a port that a tag points at already: no tag is set", async () => {
    const set = await spinn(["tags", "set", "1", `127.0.0.1:${LISTEN}`, "--strip", "--host", HOST]);
    expect(set.status).toBe(0);
    const run = await spinn(events("--listen", LISTEN, "--count", "20", "--for", "10s"));
    expect(run.status).toBe(0);
    expect(linesOf(run).length).toBeGreaterThanOrEqual(20);
    expect(run.stderr).toMatch(new RegExp(`^listening on 127.0.0.1:${LISTEN} for events of ${HOST}\\n`));
  });

  it("Ctrl-C ends it in good order: files are whole, and what is left is said", async () => {
    const [out, svg] = [folder.file("c.frames"), folder.file("c.svg")];
    const { child, stderr } = await startUntil(
      events("--out", out, "--svg", svg, "-v"),
      /events {2}step \d+ .*buffer \d+%, none dropped here/,
    );
    child.kill("SIGINT");
    const [status] = (await once(child, "close")) as [number];
    expect(status).toBe(130);
    expect(stderr()).toMatch(/interrupted; tag 1 of 127\.79\.\d+\.1 points at this computer/);
    await using reader = await FrameFileReader.open(out);
    let frames = 0;
    for await (const _ of reader) frames += 1;
    expect(frames).toBeGreaterThan(0);
    expect(reader.truncatedBytes).toBe(0);
    expect(await readFile(svg, "utf8")).toMatch(/<\/svg>\s*$/);
  });

  it("a reader that goes away ends it, and is no error", async () => {
    const { child } = await startUntil(events("-v"), /listening/);
    child.stdout!.destroy();
    const [status] = (await once(child, "exit")) as [number];
    expect(status).toBe(0);
  });
});

describe("live events of a machine of three boards", () => {
  /** Addresses of three digits, so that the ones in the database can be put in their place. */
  const block = `127.79.${100 + (process.ppid % 100)}`;
  const notify = `${block}.99:${LISTEN}`;
  let machine: Simulated;
  let database: string;
  beforeAll(async () => {
    machine = await Simulated.start(["--board", "triads:1x1", "--host", `${block}.1`, "--cores", "live", "--time-scale", "0.02"]);
    const load = await spinn(["load", "fixtures/apps/hello.aplx", "0,0,1", "4,8,1", "4,8,2", "--host", `${block}.1`]);
    expect(load).toMatchObject({ status: 0 });
    database = folder.file("run.sqlite3");
    const fixture = (await readFile("fixtures/tool-chain/7.sqlite3")).toString("latin1").replaceAll("127.79.200", block);
    await writeFile(database, fixture, "latin1");
  }, 60_000);
  afterAll(async () => {
    expect(await machine.stop()).toBe(0);
  });

  it.each([
    ["named one by one", ["--host", `${block}.1`, "--host", `${block}.2`]],
    ["found by one of them", ["--host", `${block}.2`, "--all-boards"]],
  ])("boards %s: each has its own tag", async (_, boards) => {
    const run = await spinn(["stream", "events", ...boards, "--for", "1s", "--out", folder.file("boards.frames"), "--force", "--json"]);
    expect(run.status).toBe(0);
    const { boards: sources } = jsonOf(run) as { boards: { address: string; events: number }[] };
    expect(sources.map(({ address }) => address).sort()).toEqual([`${block}.1`, `${block}.2`]);
    for (const { events: count } of sources) expect(count).toBeGreaterThan(0);
  });

  it("stands in for the tool chain's live connection", async () => {
    const words = ["stream", "events", "--notify", notify, "--runs", "1", "--label", "exc", "--ndjson"];
    const { child, stdout, stderr } = await startUntil(words, /waiting for the tool chain/);
    await using socket = await EIEIOConnection.open();
    const [host, port] = notify.split(":");
    const chain = new NotificationSender(socket, { host: host!, port: Number(port) });
    const refused = chain.announceDatabase("package.json", { timeoutMs: 300 });
    await expect(refused).rejects.toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
    await expect.poll(stderr).toMatch(/the tool chain was not answered: package\.json is no SQLite database/);
    await chain.announceDatabase(database, { timeoutMs: 10_000 });
    await chain.start();
    await expect.poll(() => stdout().split("\n").length, { timeout: 10_000 }).toBeGreaterThan(400);
    await chain.pause();
    const [status] = (await once(child, "close")) as [number];
    expect(status).toBe(0);
    expect(stderr()).toMatch(/run\.sqlite3: exc through tag 1 of \S+\.1, tag 1 of \S+\.2\nrun 1 started\nrun 1 paused\n/);
    const found = linesOf({ status, stdout: stdout(), stderr: "" });
    const result = found.pop();
    expect(result).toMatchObject({ schema: "spinn.stream", end: "source", database, databases: 2, starts: 1, pauses: 1, failed: 1 });
    // One population on two boards, one of which has another population too.
    expect(new Set(found.map(({ label }) => label))).toEqual(new Set(["exc"]));
    expect(new Set(found.map(({ source }) => source))).toEqual(new Set([`${block}.1`, `${block}.2`]));
    expect(found.every(({ atom, source }) => Number(atom) >= 100 === (source === `${block}.2`))).toBe(true);
  });

  it("events in: by a core, by a reverse tag, from words, a file and stdin", async () => {
    const host = ["--host", `${block}.2`];
    const { child, stdout } = await startUntil(["stream", "events", ...host, "--keys", "sent=0+2000"], /listening/);
    const words = await spinn(["stream", "send", "0x11", "18", "--core", "4,8,1", ...host]);
    expect(words).toMatchObject({ status: 0, stderr: "" });
    expect(words.stdout).toMatch(/^2 events in 1 message to core 4,8,1 of /);
    const file = folder.file("in.ndjson");
    await writeFile(file, '100\n{"key": 101, "payload": 5}\n\n{"schema":"spinn.stream.event","key":102,"label":"x"}');
    const read = await spinn(["stream", "send", "--in", file, "--wide", "--core", "4,8,1", "--json", ...host]);
    expect(jsonOf(read)).toMatchObject({ schema: "spinn.stream", source: "send", events: 3, messages: 3 });
    expect((await spinn(["tags", "reverse", "3", LISTEN, "4,8,1", "--on", "4,8", "--host", `${block}.1`])).status).toBe(0);
    const reverse = start(["stream", "send", "--in", "-", "--reverse", LISTEN, "--rate", "2000", ...host], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    reverse.stdin!.end(Array.from({ length: 300 }, (_, i) => `${1000 + i}\n`).join(""));
    expect(await once(reverse, "close")).toEqual([0, null]);
    const keys = (): number[] =>
      stdout()
        .split("\n")
        .filter((line) => line.includes('"label":"sent"'))
        .map((line) => (JSON.parse(line) as { key: number }).key);
    await expect.poll(() => keys().length, { timeout: 10_000 }).toBe(305);
    expect(keys()).toEqual([0x11, 18, 100, 101, 102, ...Array.from({ length: 300 }, (_, i) => 1000 + i)]);
    child.kill("SIGINT");
    await once(child, "close");
  });

  it("a line that is no event ends it, with its number", async () => {
    const file = folder.file("bad.ndjson");
    await writeFile(file, "1\n2\n-3\n");
    const run = await spinn(["stream", "send", "--in", file, "--core", "4,8,1", "--host", `${block}.2`]);
    expect(run).toMatchObject({ status: 2, stdout: "" });
    expect(run.stderr).toMatch(/line 3 of .*bad\.ndjson has no key from 0 to 0xffffffff/);
  });
});

it("a board that does not answer is status 3", async () => {
  await using _silent = await SilentBoard.listen(`${BLOCK}.9`);
  const run = await spinn(["stream", "events", "--host", `${BLOCK}.9`, "--timeout", "300ms"]);
  expect(run).toMatchObject({ status: 3, stdout: "" });
  expect(run.stderr).toMatch(/did not answer 6 requests for tag 1/);
});

describe("frames over IMD", () => {
  /** Serves frames until the client leaves or all are sent. */
  async function serve(frames: number, run: (address: string, server: IMDServer) => Promise<void>): Promise<void> {
    await using server = await IMDServer.listen(3, { host: `${BLOCK}.3` });
    const sending = (async () => {
      const frame = server.createFrame();
      for (let step = 0; step < frames; step += 1) {
        frame.positions!.fill(step);
        frame.setTime(0.5, 0.5 * step, step);
        if (!(await server.sendFrame(frame))) return;
      }
      await server.disconnect();
    })().catch(() => {});
    await run(`${BLOCK}.3:${server.port}`, server);
    await server.close();
    await sending;
  }

  it("a line of JSON for each frame, to the end of the simulation", async () => {
    await serve(20, async (address) => {
      const run = await spinn(["stream", "imd", address, "--atoms", "3"]);
      expect(run.status).toBe(0);
      expect(run.stderr).toMatch(/^20 frames in .*\/s, no pauses\n$/);
      const found = linesOf(run);
      expect(found.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i));
      expect(found[7]).toMatchObject({ schema: "spinn.stream.frame", version: 1, time: 3.5, positions: new Array(9).fill(7) });
    });
  });

  it("a small buffer pauses the simulation and loses nothing; file and report", async () => {
    const out = folder.file("imd.frames");
    await serve(2000, async (address, server) => {
      const run = await spinn(["stream", "imd", address, "--atoms", "3", "--buffer", "600", "--out", out, "--report", "--json"]);
      expect(run).toMatchObject({ status: 0, stderr: "" });
      const object = jsonOf(run);
      expect(object).toMatchObject({
        schema: "spinn.stream",
        source: "imd",
        end: "source",
        frames: 2000,
        lastStep: 1999,
        dropped: 0,
        protocol: 3,
      });
      expect(object["pauses"]).toBeGreaterThan(0);
      expect(server.pausesTaken).toBeGreaterThan(0);
      expect(object["trajectory"]).toMatchObject({ frames: 2000, missing: 0 });
    });
    await using reader = await FrameFileReader.open(out);
    const steps: (number | undefined)[] = [];
    for await (const frame of reader) if (!(frame instanceof EventFrame)) steps.push(frame.step);
    expect(steps).toEqual(Array.from({ length: 2000 }, (_, i) => i));
  });

  it("--count ends it; fewer frames than that are status 1; --report in words", async () => {
    await serve(Number.POSITIVE_INFINITY, async (address) => {
      const run = await spinn(["stream", "imd", address, "--atoms", "3", "--count", "5", "--report"]);
      expect(run).toMatchObject({ status: 0, stderr: "" });
      expect(run.stdout).toMatch(/^5 frames in .*\n +least +mean +most\n.*^displacement .*^force /ms);
    });
    await serve(5, async (address) => {
      const run = await spinn(["stream", "imd", address, "--atoms", "3", "--count", "6", "--ndjson"]);
      expect(run.status).toBe(1);
      expect(linesOf(run)).toHaveLength(6);
      expect(linesOf(run)[5]).toMatchObject({ schema: "spinn.stream", end: "source", frames: 5 });
      expect(run.stderr).toBe("6 frames were asked for\n");
    });
  });

  it("wrong atoms, a stranger, nobody: statuses 5, 5, 4", async () => {
    await serve(5, async (address) => {
      const run = await spinn(["stream", "imd", address, "--atoms", "4"]);
      expect(run.status).toBe(5);
      expect(run.stderr).toMatch(/sends .* of 3 atoms, 4 were expected/);
    });
    const stranger = createServer((socket) => socket.on("error", () => {}).end("SSH-2.0-OpenSSH_9.6\r\n".repeat(3))).listen(
      0,
      `${BLOCK}.4`,
    );
    await once(stranger, "listening");
    const { port } = stranger.address() as { port: number };
    expect((await spinn(["stream", "imd", `${BLOCK}.4:${port}`, "--atoms", "4"])).status).toBe(5);
    stranger.close();
    await once(stranger, "close");
    expect((await spinn(["stream", "imd", `${BLOCK}.4:${port}`, "--atoms", "4"])).status).toBe(4);
  });
});

it.each([
  [["frames"], /there is no "frames".*\n.*known are imd, events and send/],
  [["event"], /did you mean events/],
  [["imd"], /where the simulation listens is missing/],
  [["imd", `${BLOCK}.3`], /"127\.79\.\d+\.3" is no HOST:PORT/],
  [["imd", `${BLOCK}.3:8888`], /the number of atoms is missing/],
  [["imd", `${BLOCK}.3:8888`, "--atoms", "3", "--raster"], /--raster is an option of spinn stream events/],
  [["events", "--host", HOST, "--report"], /--report is an option of spinn stream imd/],
  [["events", HOST], /one word too many.*\n.*--host 127\.79\.\d+\.1/],
  [["events", "--host", HOST, "--raster"], /needs to know the rows/],
  [["events", "--host", HOST, "--keys", "a"], /names no keys/],
  [["events", "--host", HOST, "--keys", "a=0+10", "--keys", "b=9+1"], /the keys of a and b overlap/],
  [["events", "--host", HOST, "--for", "1000h"], /too long/],
  [["events", "--host", HOST, "--out", "fixtures/no-such-folder/x"], /cannot be written/],
  [["events", "--host", HOST, "--notify"], /--host says what the tool chain's database says/],
  [["events", "--notify", "--all-boards"], /--all-boards says what/],
  [["events", "--notify", "a:b:c"], /is no port/],
  [["events", "--host", HOST, "--label", "exc"], /--label goes with --notify/],
  [["events", "--host", HOST, "--runs", "1"], /--runs goes with --notify/],
  [["events", "--host", HOST, "--host", `${BLOCK}.2`, "--all-boards"], /name one with --host/],
  [["events", "--host", HOST, "--core", "0,0,1"], /--core is an option of spinn stream send/],
  [["send", "--host", HOST, "--core", "0,0,1"], /there is nothing to send/],
  [["send", "1", "--host", HOST], /where the events go is missing/],
  [["send", "1", "--host", HOST, "--core", "0,0,1", "--reverse", "5"], /both say where/],
  [["send", "1", "--host", HOST, "--core", "0,0"], /is a chip/],
  [["send", "x", "--host", HOST, "--core", "0,0,1"], /key/],
  [["send", "1", "--host", HOST, "--core", "0,0,1", "--in", "-"], /and a file of them/],
  [["send", "1", "--host", HOST, "--core", "0,0,1", "--out", "x"], /--out is no option of spinn stream send/],
  [["send", "65536", "--host", HOST, "--core", "0,0,1"], /key must be/],
])("stream %j is refused before anything is sent", async (words, message) => {
  const run = await command(["stream", ...words]);
  expect(run).toMatchObject({ status: 2, stdout: "" });
  expect(run.stderr).toMatch(message);
});
