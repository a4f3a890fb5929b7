import { Option } from "commander";
import { addBoardOptions, parsePort } from "../board.js";
import type { Verb } from "../job.js";
import { nearestWord } from "../nearest.js";
import { parseDuration, parseInteger } from "../number.js";
import type { EventStreamOptions } from "../stream-events.js";
import type { IMDStreamOptions } from "../stream-imd.js";
import { usage } from "../usage.js";

const SOURCES = ["imd", "events"];
/** Longest that a timer of Node can wait, ms. */
const MAX_MS = 0x7fffffff;
const MAX_SIZE = 2 ** 40;

/** Options that mean something for one source only. */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  imd: ["atoms", "buffer", "overflow", "every", "report"],
  events: ["tag", "listen", "keys", "raster", "svg", "host", "port"],
};

export const verb: Verb = {
  configure: (command) =>
    void addBoardOptions(command)
      .argument(
        "<source>",
        "imd: frames of a molecular simulation; events: live events (spikes) of a board. Each is a line of JSON on stdout, unless --out, --report, --raster or --svg takes them; with --ndjson it is in any case",
      )
      .argument("[server]", "imd: HOST:PORT where the simulation listens; --timeout is its longest silence then, 60s by default")
      .option("--for <time>", "end after this time", parseEnd)
      .option("--count <n>", "end when so many frames or events came; fewer are status 1", (text) =>
        parseInteger("--count", text, 1, 2 ** 48),
      )
      .option("-o, --out <file>", "write everything to a compact binary file (FrameFileReader of spinnkit/stream reads it)")
      .option("--rotate <size>", "--out: begin a new file, name.0000.ext and so on, at this size", (text) =>
        parseInteger("--rotate", text, 1024, MAX_SIZE),
      )
      .option("--keep <n>", "--rotate: keep so many files, the oldest go", (text) => parseInteger("--keep", text, 1, 1_000_000))
      .option("--force", "--out: replace a file that is there")
      .option("--atoms <n>", "imd: atoms in the group that the simulation sends", (text) => parseInteger("--atoms", text, 1, 100_000_000))
      .option("--buffer <size>", "imd: memory for frames that wait (default: 10M)", (text) => parseInteger("--buffer", text, 1, MAX_SIZE))
      .addOption(
        new Option(
          "--overflow <policy>",
          "imd: when the buffer runs full, pause the simulation, stop reading, or drop frames (default: pause)",
        ).choices(["pause", "block", "drop-oldest", "drop-newest"]),
      )
      .option("--every <steps>", "imd: ask for a frame every so many steps", (text) => parseInteger("--every", text, 1, 0x7fffffff))
      .option("--report", "imd: say at the end what energies and coordinates did")
      .option("--tag <n>", "events: IP tag that the board sends through; it is aimed here and stays so (default: 1)", (text) =>
        parseInteger("--tag", text, 0, 7),
      )
      .option("--listen <port>", "events: own UDP port that a tag points at already; no tag is set then", parsePort)
      .option<readonly string[]>("--keys <label=first+count>", "events: keys of a population, e.g. exc=0x800+100; may be repeated", collect)
      .option("--raster", "events: draw the populations as they spike, in the terminal")
      .option("--svg <file>", "events: write a raster plot at the end"),
  examples: [
    "stream imd localhost:8888 --atoms 1000 --out run.frames # every frame of a simulation that waits for IMD",
    "stream events --host 192.168.240.1 --tag 2 --for 10s --svg raster.svg",
    "stream events --keys exc=0x800+100 --keys inh=0x1000+25 --raster # until Ctrl-C",
    "stream events --count 1 --for 5s -q # status 1 when nothing comes",
  ],
  statuses: [1, 3, 4, 5, 7, 74],
  async run(job, command) {
    const [source = "", server, ...rest] = command.args;
    if (!SOURCES.includes(source)) {
      const near = nearestWord(source, SOURCES);
      throw usage(`stream: there is no "${source}"`, near === undefined ? `known are ${SOURCES.join(" and ")}` : `did you mean ${near}?`);
    }
    for (const other of SOURCES.filter((name) => name !== source)) {
      const stray = ONLY[other]!.find((name) => command.getOptionValue(name) !== undefined);
      if (stray !== undefined) throw usage(`--${stray} is an option of spinn stream ${other}`);
    }
    if (rest.length > 0) throw usage(`"${rest[0]}" is one word too many`);
    if (source === "imd") {
      const { streamIMD } = await import("../stream-imd.js");
      return await streamIMD(job, server, command.opts<IMDStreamOptions>());
    }
    if (server !== undefined) throw usage(`"${server}" is one word too many`, `name the board with --host ${server}`);
    const { parseKeys, streamEvents } = await import("../stream-events.js");
    const { keys, ...options } = command.opts<Omit<EventStreamOptions, "keys"> & { readonly keys?: readonly string[] }>();
    return await streamEvents(job, command, { ...options, ...(keys === undefined ? {} : { keys: keys.map(parseKeys) }) });
  },
};

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function parseEnd(text: string): number {
  const ms = parseDuration("--for", text);
  if (ms > MAX_MS) throw usage(`--for: ${text} is too long`, "at most 596h");
  return Math.round(ms);
}
