import { describe, expect, it } from "vitest";
import { formatCount } from "../../src/cli/stream.js";
import { eventLine, parseKeys } from "../../src/cli/stream-events.js";
import { imdLine, parseServer } from "../../src/cli/stream-imd.js";

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
      sources: [
        { ...source, lastStep: 5 },
        { ...source, lastStep: 9 },
      ],
    };
    expect(eventLine({ taken: 12_345, perSecond: 999.6, stats: seen })).toBe("12.3k events  step 9  1.00k/s  buffer 0%, none dropped");
    expect(eventLine({ taken: 1, perSecond: 0.25, stats: { ...seen, sources: [], droppedEvents: 64, malformed: 1 } })).toBe(
      "1 events  0.3/s  buffer 0%, 64 dropped, 1 malformed",
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
