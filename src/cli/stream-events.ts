import type { Command } from "commander";
import { EIEIOConnection, UDPConnection } from "../connections/index.js";
import {
  type EventFrame,
  eventFrameToJson,
  FrameFileWriter,
  KeyMap,
  type KeyRange,
  LiveEvents,
  type LiveEventsStats,
  liveTag,
  RasterPlot,
} from "../services/stream/index.js";
import { SCP_PORT } from "../wire/index.js";
import { chooseBoard } from "./board.js";
import { writeOutputFile } from "./file.js";
import { formatBytes, formatDuration, plural } from "./format.js";
import type { Job } from "./job.js";
import { parseNumber } from "./number.js";
import { ExitStatus } from "./status.js";
import {
  checkOut,
  fileOptions,
  follow,
  formatCount,
  formatFill,
  type StreamOptions,
  type StreamOutcome,
  sayOutcome,
  writeLines,
} from "./stream.js";
import { RasterScreen } from "./stream-raster.js";
import { usage } from "./usage.js";

export interface EventStreamOptions extends StreamOptions {
  readonly tag?: number;
  readonly listen?: number;
  readonly keys?: readonly KeyRange[];
  readonly raster?: boolean;
  readonly svg?: string;
  readonly timeout?: number;
}

/** Requests for the tag until the board is taken for absent. */
const TAG_ATTEMPTS = 6;
const DEFAULT_TIMEOUT_MS = 3000;

/** A population: `LABEL=FIRST+COUNT`, e.g. `exc=0x800+100`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseKeys(text: string): KeyRange {
  const match = /^([^=]+)=(\w+)\+(\w+)$/.exec(text);
  if (match === null) throw usage(`--keys: "${text}" names no keys`, "write LABEL=FIRST+COUNT, e.g. exc=0x800+100");
  return { label: match[1]!, firstKey: parseNumber("first key", match[2]!), count: parseNumber("number of keys", match[3]!) };
}

/** Follows the live events of a board. */
export async function streamEvents(job: Job, command: Command, options: EventStreamOptions): Promise<number> {
  const keyMap = options.keys === undefined ? undefined : new KeyMap(options.keys);
  if (options.raster) {
    if (keyMap === undefined) throw usage("--raster needs to know the rows", "name the keys: --keys exc=0x800+100");
    if (options.ndjson) throw usage("--raster and --ndjson both want stdout");
  }
  await checkOut(options);
  const { host, port = SCP_PORT } = await chooseBoard(job, command);
  if (options.svg === undefined) return await run(job, host, port, keyMap, undefined, options);
  const plot = new RasterPlot(keyMap, { title: `Live events of ${host}` });
  let status: number = ExitStatus.DONE;
  // The picture is written on Ctrl-C too, so the interrupt is looked at behind it.
  await writeOutputFile(options.svg, async () => {
    status = await run(job, host, port, keyMap, plot, options);
    return new TextEncoder().encode(plot.toSVG());
  });
  job.signal.throwIfAborted();
  return status;
}

async function run(
  job: Job,
  host: string,
  port: number,
  keyMap: KeyMap | undefined,
  plot: RasterPlot | undefined,
  options: EventStreamOptions,
): Promise<number> {
  const { tag = 1 } = options;
  const lines = options.ndjson === true || !(options.out !== undefined || options.raster || options.svg !== undefined);
  const { address, own } = await wayTo(host, port, job.signal);
  const connection = await EIEIOConnection.open({ localHost: own, localPort: options.listen, signal: job.signal });
  const set = liveTag(connection, address, tag, {
    port,
    attempts: TAG_ATTEMPTS,
    replyTimeoutMs: Math.max(1, (options.timeout ?? DEFAULT_TIMEOUT_MS) / TAG_ATTEMPTS),
  });
  await using live = await LiveEvents.open(connection, {
    boards: [address],
    ...(options.listen === undefined ? { setTag: (signal) => set(AbortSignal.any([signal, job.signal])) } : {}),
  });
  if (options.listen === undefined) job.leftBehind = `tag ${tag} of ${host} points at this computer until somebody sets it anew`;
  job.say(`listening on ${connection.local} for events of ${host}${options.listen === undefined ? `, tag ${tag}` : ""}`);
  await using file = options.out === undefined ? undefined : await FrameFileWriter.forEvents(options.out, fileOptions(options));
  const screen = options.raster ? new RasterScreen(job.terminal, keyMap!) : undefined;
  const outcome = await follow<EventFrame>(job, options, {
    next: (signal) => live.getFrame({ signal }),
    async take(frame) {
      if (lines) writeLines(job, "stream.event", eventFrameToJson(frame, keyMap));
      plot?.add(frame);
      screen?.add(frame);
      await file?.write(frame);
      return frame.count;
    },
    ...(screen === undefined ? {} : { draw: () => screen.update() }),
    line: (taken, perSecond) => eventLine({ taken, perSecond, stats: live.stats }),
  });
  const { stats } = live;
  await file?.close();
  screen?.finish();
  tell(job, { host, port, tag, lines, outcome, stats, file, options });
  if (options.svg === undefined) job.signal.throwIfAborted();
  const enough = outcome.end === "count" || outcome.end === "reader" || options.count === undefined;
  if (!enough && !job.signal.aborted) job.say(`${plural(options.count!, "event")} were asked for`);
  return enough ? ExitStatus.DONE : ExitStatus.NO;
}

/** The board's IPv4 address, and which of our own addresses leads to it: only there is listened. Nothing is sent. */
export async function wayTo(host: string, port: number, signal: AbortSignal): Promise<{ readonly address: string; readonly own: string }> {
  await using udp = await UDPConnection.open({ remoteHost: host, remotePort: port, signal });
  return { address: udp.remoteAddress!, own: udp.local.slice(0, udp.local.lastIndexOf(":")) };
}

interface Result {
  readonly host: string;
  readonly port: number;
  readonly tag: number;
  readonly lines: boolean;
  readonly outcome: StreamOutcome;
  readonly stats: LiveEventsStats;
  readonly file: FrameFileWriter | undefined;
  readonly options: EventStreamOptions;
}

function tell(job: Job, { host, port, tag, lines, outcome, stats, file, options }: Result): void {
  const { end, taken, seconds } = outcome;
  const { messages, droppedEvents, malformed, foreign, tagFailures } = stats;
  const late = stats.sources.reduce((sum, source) => sum + source.late, 0);
  const data = {
    source: "events",
    board: `${host}:${port}`,
    tag: options.listen === undefined ? tag : null,
    end,
    events: taken,
    seconds,
    eventsPerSecond: taken / seconds,
    messages,
    droppedEvents,
    late,
    malformed,
    foreign,
    tagFailures,
    ...(file === undefined ? {} : { file: { path: options.out, frames: file.frames, bytes: file.bytesWritten } }),
    ...(options.svg === undefined ? {} : { svg: options.svg }),
  };
  const to = file === undefined ? "" : `; ${options.out} has ${plural(file.frames, "message")}, ${formatBytes(file.bytesWritten)}`;
  const words = `${plural(taken, "event")} in ${formatDuration(1000 * seconds)}, ${formatCount(taken / seconds)}/s${lossWords(stats)}${to}`;
  sayOutcome(job, data, words, lines);
  if (taken === 0)
    job.say(`nothing came: does a core of ${host} send through tag ${tag}? spinn tags --host ${host} shows what the tag has sent`);
}

export interface EventLineState {
  readonly taken: number;
  readonly perSecond: number;
  readonly stats: Pick<LiveEventsStats, "frames" | "empty" | "droppedEvents" | "malformed" | "sources">;
}

/** `12.3k events  step 512  1.00k/s  buffer 0%  no losses here`: a board keeps real time, so there are drops instead of pauses. */
export function eventLine({ taken, perSecond, stats }: EventLineState): string {
  const steps = stats.sources.flatMap(({ lastStep }) => (lastStep === undefined ? [] : [lastStep]));
  const at = steps.length === 0 ? "" : `  step ${Math.max(...steps)}`;
  return `${formatCount(taken)} events${at}  ${formatCount(perSecond)}/s  ${formatFill(stats)}${lossWords(stats)}`;
}

function lossWords({ droppedEvents, malformed }: Pick<LiveEventsStats, "droppedEvents" | "malformed">): string {
  const dropped = `, ${droppedEvents === 0 ? "none" : formatCount(droppedEvents)} dropped here`;
  return malformed === 0 ? dropped : `${dropped}, ${formatCount(malformed)} malformed`;
}
