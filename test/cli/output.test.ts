import { describe, expect, it } from "vitest";
import { formatDump } from "../../src/cli/dump.js";
import { formatBytes, formatDuration, formatRanges, formatTime, plural } from "../../src/cli/format.js";
import { toJson } from "../../src/cli/job.js";
import { ProgressLine, progressWords } from "../../src/cli/progress.js";
import { formatPairs, formatTable, shownWidth } from "../../src/cli/table.js";

const HEAD = [{ title: "core" }, { title: "id", align: "right" as const }, { title: "state" }];

describe("tables", () => {
  it("aligned, empty places as -, no blanks at line ends", () => {
    const rows = [
      ["0,0,1", "7", "RUN"],
      ["10,10,17", "255", ""],
    ];
    expect(formatTable(HEAD, rows)).toBe("core       id  state\n0,0,1       7  RUN\n10,10,17  255  -\n");
  });

  it("colours take no width", () => {
    const red = "\u001b[31mRTE\u001b[39m";
    expect(shownWidth(red)).toBe(3);
    expect(formatTable(HEAD, [["0,0,1", red, "x"]])).toBe(`core    id  state\n0,0,1  ${red}  x\n`);
  });

  it("too wide for the terminal: a block per row, nothing cut off", () => {
    const text = formatTable(HEAD, [["0,0,1", "7", "a rather long state"]], 20);
    expect(text).toBe("core   0,0,1\nid     7\nstate  a rather long state\n");
  });

  it("pairs with several lines keep their column", () => {
    expect(
      formatPairs([
        ["a", "1"],
        ["long", "2\n3"],
      ]),
    ).toBe("a     1\nlong  2\n      3\n");
  });
});

describe("progress", () => {
  const stream = (isTTY: boolean, columns = 80) => {
    const written: string[] = [];
    return { written, isTTY, columns, write: (text: string) => written.push(text) };
  };
  const progress = (done: number, total = 1000) => ({ what: "read", done, total, unit: "bytes" as const });

  it("a stream that is no terminal gets nothing", () => {
    const pipe = stream(false);
    const line = new ProgressLine(pipe, { now: () => 0 });
    line.update(progress(1));
    line.note("waiting");
    line.clear();
    expect(pipe.written).toEqual([]);
  });

  it("draws after a quarter of a second, at most ten times a second, and takes the line away", () => {
    let now = 0;
    const terminal = stream(true);
    const line = new ProgressLine(terminal, { now: () => now });
    for (now = 0; now <= 1000; now += 10) line.update(progress(now));
    expect(terminal.written.length).toBeGreaterThan(5);
    expect(terminal.written.length).toBeLessThanOrEqual(8);
    expect(terminal.written.every((text) => text.startsWith("\r\u001b[2Kread"))).toBe(true);
    line.clear();
    expect(terminal.written.at(-1)).toBe("\r\u001b[2K");
    const count = terminal.written.length;
    line.clear();
    expect(terminal.written).toHaveLength(count);
  });

  it("says amount, rate and time left, as far as the terminal has room", () => {
    const half = { what: "read", done: 4 << 20, total: 8 << 20, unit: "bytes" as const };
    expect(progressWords(half, 2000, 100)).toBe("read  [##########----------]  4.0 MB/8.0 MB  2.0 MB/s  2.0 s left");
    expect(progressWords(half, 2000, 40)).toBe("read  4.0 MB/8.0 MB  2.0 s left");
    expect(progressWords(half, 2000, 4)).toBe("50%");
    for (let columns = 1; columns < 90; columns += 1) expect(progressWords(half, 2000, columns).length).toBeLessThanOrEqual(columns);
    expect(progressWords({ what: "load", done: 0, total: 0, unit: "cores" }, 0, 80)).toContain("0/0 cores");
  });
});

describe("words", () => {
  it("sizes, times, ranges", () => {
    expect([0, 1023, 1024, 1536, 1 << 20, 5.5 * 2 ** 30].map(formatBytes)).toEqual([
      "0 B",
      "1023 B",
      "1.0 KB",
      "1.5 KB",
      "1.0 MB",
      "5.5 GB",
    ]);
    expect([5, 1500, 61_000, 7_260_000].map(formatDuration)).toEqual(["5 ms", "1.5 s", "1 min 1 s", "2 h 1 min"]);
    expect(formatRanges([5, 1, 2, 3, 9])).toBe("1-3 5 9");
    expect(plural(1, "core")).toBe("1 core");
    expect(plural(2, "oddity", "oddities")).toBe("2 oddities");
    expect(formatTime(0)).toBe("-");
    expect(formatTime(1_700_000_000)).toBe("2023-11-14 22:13:20 UTC");
  });

  it("dumps: an odd end, words in the order of the board, eight to a line where there is little room", () => {
    const bytes = Uint8Array.from({ length: 18 }, (_, i) => 0x40 + i);
    expect(formatDump(0x60000000, bytes, "hex")).toBe(
      "0x60000000  40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f  |@ABCDEFGHIJKLMNO|\n0x60000010  50 51                                            |PQ|\n",
    );
    expect(formatDump(0x60000000, bytes.subarray(0, 6), "words")).toBe("0x60000000  43424140 4544\n");
    expect(formatDump(0, bytes, "hex", 60).split("\n")).toHaveLength(4);
  });

  it("JSON carries numbers of 64 bits as text", () => {
    expect(toJson({ clock: 2n ** 63n, map: new Map([["a", 1]]) })).toBe('{"clock":"9223372036854775808","map":{"a":1}}');
  });
});
