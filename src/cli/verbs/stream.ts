import { type Command, Option } from "commander";
import { MAX_APP_ID } from "../../machine/index.js";
import { parsePort, parseTimeout } from "../board.js";
import type { Verb } from "../job.js";
import { nearestWord } from "../nearest.js";
import { parseDuration, parseInteger } from "../number.js";
import type { EventStreamOptions } from "../stream-events.js";
import type { IMDStreamOptions } from "../stream-imd.js";
import type { SendOptions } from "../stream-send.js";
import { usage } from "../usage.js";
import { addViaOption } from "../via.js";

const SOURCES = ["imd", "events", "send"];
/** Longest that a timer of Node can wait, ms. */
const MAX_MS = 0x7fffffff;
const MAX_SIZE = 2 ** 40;

/** Options that mean something for these words only. The others are for whatever streams. */
const ONLY: Readonly<Record<string, readonly string[]>> = {
  imd: ["atoms", "buffer", "overflow", "every", "report", "timeout"],
  events: ["tag", "listen", "keys", "raster", "svg", "allBoards", "hold", "notify", "label", "runs", "host", "port", "timeout", "via"],
  send: ["core", "sdpPort", "reverse", "in", "rate", "wide", "host", "port", "timeout", "via"],
};
/** What send has no use for. */
const INWARD = ["for", "count", "out", "rotate", "keep", "force"];

export const verb: Verb = {
  configure: (command) =>
    void addViaOption(command, "else this computer's own network")
      .argument(
        "<source>",
        "imd: frames of a molecular simulation; events: live events (spikes) of boards. Each is a line of JSON on stdout, unless --out, --report, --raster or --svg takes them; with --ndjson it is in any case. send: events into a board",
      )
      .argument("[words...]", "imd: HOST:PORT where the simulation listens; send: keys")
      .option<readonly string[]>(
        "--host <host>",
        "board: address, name, host:port, or a name of the inventory (default: $SPINN_HOST, then its default); events: may be repeated",
        collect,
      )
      .option("--port <n>", "UDP port of the board (default: 17893)", parsePort)
      .option(
        "--timeout <time>",
        "how long the board may stay silent before it is taken for absent (default: 3s); imd: longest silence of the simulation (default: 60s)",
        parseTimeout,
      )
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
      .option("--all-boards", "events: also of the other boards of that machine, each through its own tag")
      .option(
        "--hold <app>",
        "events: when the buffer runs full, send PAUSE to this application, and CONT when there is room; without it events are dropped, and counted",
        (text) => parseInteger("--hold", text, 1, MAX_APP_ID),
      )
      .option(
        "--notify [address]",
        "events: wait for the tool chain on this port, or HOST:PORT, and follow its runs: its database says what is sent and from where (default: 127.0.0.1:19999)",
      )
      .option<readonly string[]>("--label <population>", "--notify: follow this population only; may be repeated", collect)
      .option("--runs <n>", "--notify: end when so many runs have paused", (text) => parseInteger("--runs", text, 1, 1_000_000))
      .option("--raster", "events: draw the populations as they spike, in the terminal")
      .option("--svg <file>", "events: write a raster plot at the end; --notify: of the last run")
      .option("--core <core>", "send: x,y,p of the core that takes events in")
      .option("--sdp-port <n>", "send: SDP port of that core (default: 1)", (text) => parseInteger("--sdp-port", text, 1, 7))
      .option("--reverse <port>", "send: UDP port of a reverse tag of the board instead", parsePort)
      .option("--in <file>", "send: events from a file, a line of JSON for each, as spinn stream events writes them; - is stdin")
      .option("--rate <n>", "send: events in a second (default: 7600, what the tool chain allows itself)", (text) =>
        parseInteger("--rate", text, 1, 10_000_000),
      )
      .option("--wide", "send: keys of 32 bits; else they are atom numbers of 16 bits, and the core has its own prefix"),
  examples: [
    "stream imd localhost:8888 --atoms 1000 --out run.frames # every frame of a simulation that waits for IMD",
    "stream events --host 192.168.240.1 --tag 2 --for 10s --svg raster.svg",
    "stream events --keys exc=0x800+100 --keys inh=0x1000+25 --raster # until Ctrl-C",
    "stream events --notify --label exc --raster --runs 1 # stands in for the tool chain's live connection",
    "stream events --host 192.168.240.1 --all-boards --out spikes.frames",
    "stream send 0 1 2 --core 0,0,3 --host 192.168.240.1 # atoms 0, 1 and 2 of the injector on that core fire",
    "stream send --in spikes.ndjson --wide --reverse 12345 --rate 1000",
    "stream events --count 1 --for 5s -q # status 1 when nothing comes",
  ],
  statuses: [1, 3, 4, 5, 7, 74],
  async run(job, command) {
    const [source = "", ...words] = command.args;
    if (!SOURCES.includes(source)) {
      const near = nearestWord(source, SOURCES);
      const known = `known are ${SOURCES.slice(0, -1).join(", ")} and ${SOURCES.at(-1)}`;
      throw usage(`stream: there is no "${source}"`, near === undefined ? known : `did you mean ${near}?`);
    }
    checkStray(command, source);
    if (source === "send") {
      const { streamSend } = await import("../stream-send.js");
      return await streamSend(job, command, words, command.opts<SendOptions>());
    }
    const [server, ...rest] = words;
    if (rest.length > 0) throw usage(`"${rest[0]}" is one word too many`);
    if (source === "imd") {
      const { streamIMD } = await import("../stream-imd.js");
      return await streamIMD(job, server, command.opts<IMDStreamOptions>());
    }
    if (server !== undefined) throw usage(`"${server}" is one word too many`, `name the board with --host ${server}`);
    const { parseKeys, streamEvents } = await import("../stream-events.js");
    const { parseNotify } = await import("../stream-notify.js");
    const { keys, notify, ...options } = command.opts<Given>();
    return await streamEvents(job, command, {
      ...options,
      ...(keys === undefined ? {} : { keys: keys.map(parseKeys) }),
      ...(notify === undefined ? {} : { notify: parseNotify(notify) }),
    });
  },
};

/** Options of events as they were typed. */
type Given = Omit<EventStreamOptions, "keys" | "notify"> & { readonly keys?: readonly string[]; readonly notify?: string | true };

/** Refuses options that mean something for another word only. */
function checkStray(command: Command, source: string): void {
  const mine = ONLY[source]!;
  for (const other of SOURCES) {
    const stray = ONLY[other]!.find((name) => !mine.includes(name) && command.getOptionValue(name) !== undefined);
    if (stray !== undefined) throw usage(`--${hyphenated(stray)} is an option of spinn stream ${other}`);
  }
  const stray = source === "send" ? INWARD.find((name) => command.getOptionValue(name) !== undefined) : undefined;
  if (stray !== undefined) throw usage(`--${stray} is no option of spinn stream send`);
}

function hyphenated(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function parseEnd(text: string): number {
  const ms = parseDuration("--for", text);
  if (ms > MAX_MS) throw usage(`--for: ${text} is too long`, "at most 596h");
  return Math.round(ms);
}
