import { describe, expect, it } from "vitest";
import { Job } from "../../src/cli/job.js";
import { follow, formatCount, type StreamOptions, type StreamOutcome, writeLines } from "../../src/cli/stream.js";
import { eventLine, parseKeys } from "../../src/cli/stream-events.js";
import { imdLine, parseServer } from "../../src/cli/stream-imd.js";
import { type OutputStream, Terminal } from "../../src/cli/terminal.js";
import { abortError, SpinnError } from "../../src/errors.js";

describe("the line of a person who watches", () => {
  const stats = { frames: 200, empty: 138, pausesSent: 0, pausedMs: 0, bytesRead: 12 * 1024 * 1024, dropped: 0 };

  it("imd: frames, step, rate, buffer, pauses", () => {
    expect(imdLine({ taken: 1204, perSecond: 330.4, step: 512, paused: false, stats })).toBe(
      "1.20k frames  step 512  330/s  12.0 MB  buffer 31%  no pauses",
    );
    const held = { ...stats, empty: 0, pausesSent: 3, pausedMs: 1234, dropped: 2 };
    expect(imdLine({ taken: 7, perSecond: 0, step: undefined, paused: true, stats: held })).toBe(
      "7 frames  0/s  12.0 MB  buffer 100%  3 pauses (1.2 s), paused now, 2 dropped",
    );
  });

  it("events: the newest step of all boards, and what was dropped", () => {
    const source = { address: "a", messages: 1, events: 1, late: 0 };
    const seen = {
      frames: 4096,
      empty: 4096,
      droppedEvents: 0,
      malformed: 0,
      pauses: 0,
      sources: [
        { ...source, lastStep: 5 },
        { ...source, lastStep: 9 },
      ],
    };
    expect(eventLine({ taken: 12_345, perSecond: 999.6, stats: seen })).toBe("12.3k events  step 9  1.00k/s  buffer 0%, none dropped here");
    expect(eventLine({ taken: 1, perSecond: 0.25, stats: { ...seen, sources: [], droppedEvents: 64, malformed: 1 } })).toBe(
      "1 events  0.3/s  buffer 0%, 64 dropped here, 1 malformed",
    );
    expect(eventLine({ taken: 1, perSecond: 0.25, stats: { ...seen, sources: [], pauses: 2 } })).toMatch(
      /buffer 0%, 2 pauses, none dropped here$/,
    );
  });
});

it("counts in three digits", () => {
  expect([0, 0.44, 9.96, 10, 999, 999.6, 9994, 9996, 99_949, 99_951, 999_499, 999_501, 12_345_678].map(formatCount)).toEqual([
    "0",
    "0.4",
    "10",
    "10",
    "999",
    "1.00k",
    "9.99k",
    "10.0k",
    "99.9k",
    "100k",
    "999k",
    "1.00M",
    "12.3M",
  ]);
});

it("addresses of simulations and keys of populations", () => {
  expect(parseServer("localhost:8888")).toEqual({ host: "localhost", port: 8888 });
  for (const text of [undefined, "localhost", ":8888", "localhost:", "a b:1", "localhost:0", "localhost:65536"]) {
    expect(() => parseServer(text), text).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
  }
  expect(parseKeys("layer 2=0x800+1K")).toEqual({ label: "layer 2", firstKey: 0x800, count: 1024 });
  for (const text of ["exc", "exc=", "exc=0x800", "exc=0x800+", "=1+1", "exc=800g+1"]) {
    expect(() => parseKeys(text), text).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
  }
});

describe("the loop", () => {
  /** A stdout that holds everything back until it is told to take it, and a job that writes to it. */
  function desk() {
    const stdout = {
      written: [] as string[],
      writableLength: 0,
      waiting: [] as (() => void)[],
      fail: (_: NodeJS.ErrnoException): void => {},
      write(data: string | Uint8Array, done?: () => void) {
        stdout.written.push(String(data));
        stdout.writableLength += data.length;
        if (done !== undefined) stdout.waiting.push(done);
      },
      on: (_: "error", listener: (error: NodeJS.ErrnoException) => void) => {
        stdout.fail = listener;
      },
      take() {
        stdout.writableLength = 0;
        for (const done of stdout.waiting.splice(0)) done();
      },
    };
    const stderr: OutputStream = { writableLength: 0, write: () => {}, on: () => {} };
    const interrupt = new AbortController();
    const job = new Job("stream", {}, new Terminal({ stdin: {}, stdout, stderr }), interrupt.signal, { json: false, verbose: false });
    return { stdout, interrupt, job };
  }

  /** Numbers from 0, and then nothing, or an error. */
  function numbers(upTo: number, error?: SpinnError) {
    let next = 0;
    return (signal: AbortSignal): Promise<number> => {
      if (next < upTo) return Promise.resolve(next++);
      if (error !== undefined) return Promise.reject(error);
      return new Promise((_, reject) => {
        const onAbort = (): void => reject(abortError(signal));
        if (signal.aborted) onAbort();
        else signal.addEventListener("abort", onAbort, { once: true });
      });
    };
  }

  const run = (job: Job, options: StreamOptions, next: (signal: AbortSignal) => Promise<number>): Promise<StreamOutcome> =>
    follow(job, options, { next, take: () => 1, line: () => "" });

  it("ends for each of its reasons", async () => {
    expect(await run(desk().job, { count: 3 }, numbers(9))).toMatchObject({ end: "count", taken: 3 });
    expect(await run(desk().job, { for: 20 }, numbers(9))).toMatchObject({ end: "time", taken: 9 });
    const over = new SpinnError("ERR_SPINN_END_OF_STREAM", "EOF");
    expect(await run(desk().job, { count: 9 }, numbers(4, over))).toMatchObject({ end: "source", taken: 4 });
    const lost = new SpinnError("ERR_SPINN_INCOMPLETE", "cut");
    await expect(run(desk().job, {}, numbers(4, lost))).rejects.toBe(lost);
    // The frame that is on its way in is still taken.
    const left = desk();
    const reading = run(left.job, {}, numbers(2));
    left.stdout.fail(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    expect(await reading).toMatchObject({ end: "reader", taken: 1 });
    const broken = desk();
    const stopped = run(broken.job, { for: 60_000 }, numbers(2));
    broken.interrupt.abort("SIGINT");
    expect(await stopped).toMatchObject({ end: "interrupt", taken: 1 });
  });

  it("a stdout that is slow holds the source back, and an interrupt does not wait for it", async () => {
    const { job, stdout, interrupt } = desk();
    let asked = 0;
    const feed = {
      next: () => {
        asked += 1;
        return Promise.resolve("x".repeat(100_000));
      },
      take: (text: string) => {
        writeLines(job, "stream.test", [{ text }]);
        return 1;
      },
      line: () => "",
    };
    const following = follow(job, {}, feed);
    await expect.poll(() => stdout.waiting.length).toBe(1);
    expect(asked).toBe(3);
    stdout.take();
    await expect.poll(() => stdout.waiting.length).toBe(1);
    expect(asked).toBe(6);
    expect(JSON.parse(stdout.written[0]!)).toMatchObject({ schema: "spinn.stream.test", version: 1 });
    interrupt.abort("SIGINT");
    expect(await following).toMatchObject({ end: "interrupt", taken: 6 });
  });
});
