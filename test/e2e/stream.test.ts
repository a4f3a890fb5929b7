import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventFrame, FrameFileReader, IMDServer } from "../../src/services/stream/index.js";
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
  [["frames"], /there is no "frames".*\n.*known are imd and events/],
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
  [["events", "--host", HOST, "--out", "/nonexistent/x"], /cannot be written/],
])("stream %j is refused before anything is sent", async (words, message) => {
  const run = await command(["stream", ...words]);
  expect(run).toMatchObject({ status: 2, stdout: "" });
  expect(run.stderr).toMatch(message);
});
