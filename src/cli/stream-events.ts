import type { Command } from "commander";
import { type DatagramChannel, EIEIOConnection, type OpenChannel, UDPConnection } from "../connections/index.js";
import { Signal } from "../machine/index.js";
import {
  type DatagramPort,
  type EventFrame,
  eventFrameToJson,
  FrameFileWriter,
  type Holdable,
  KeyMap,
  type KeyRange,
  LiveEvents,
  type LiveEventsStats,
  liveTag,
} from "../services/stream/index.js";
import { Transceiver } from "../transceiver/index.js";
import { SCP_PORT } from "../wire/index.js";
import { chooseBoard, inventoryPath, resolveBoard } from "./board.js";
import { writeOutputFile } from "./file.js";
import { formatBytes, formatDuration, plural } from "./format.js";
import { readInventory } from "./inventory.js";
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
import { type EventSource, fromToolChain, type NotifyAddress } from "./stream-notify.js";
import { EventPictures } from "./stream-raster.js";
import { asUsage, usage } from "./usage.js";

export interface EventStreamOptions extends StreamOptions {
  readonly host?: readonly string[];
  readonly port?: number;
  readonly via?: string;
  readonly allBoards?: boolean;
  readonly hold?: number;
  readonly notify?: NotifyAddress;
  readonly label?: readonly string[];
  readonly runs?: number;
  readonly tag?: number;
  readonly listen?: number;
  readonly keys?: readonly KeyRange[];
  readonly raster?: boolean;
  readonly svg?: string;
  readonly timeout?: number;
}

interface Board {
  readonly host: string;
  readonly port: number;
  /** How datagrams get there; `undefined` for this computer's own network. */
  readonly open?: OpenChannel | undefined;
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

/** Follows the live events of boards: of those that are named, or of those that the tool chain names. */
export async function streamEvents(job: Job, command: Command, options: EventStreamOptions): Promise<number> {
  checkOptions(options);
  const keyMap = options.keys === undefined ? undefined : asUsage(() => new KeyMap(options.keys!));
  if (options.raster) {
    if (keyMap === undefined && options.notify === undefined)
      throw usage("--raster needs to know the rows", "name the keys: --keys exc=0x800+100");
    if (options.ndjson) throw usage("--raster and --ndjson both want stdout");
  }
  await checkOut(options);
  const boards = options.notify === undefined ? await chooseBoards(job, command, options) : [];
  const pictures = new EventPictures(job.terminal, options);
  pictures.show(keyMap, `Live events of ${boards.map(({ host }) => host).join(", ")}`);
  if (options.svg === undefined) return await run(job, boards, pictures, options);
  let status: number = ExitStatus.DONE;
  // The picture is written on Ctrl-C too, so the interrupt is looked at behind it.
  await writeOutputFile(options.svg, async () => {
    status = await run(job, boards, pictures, options);
    return new TextEncoder().encode(pictures.toSVG());
  });
  job.signal.throwIfAborted();
  return status;
}

function checkOptions(options: EventStreamOptions): void {
  const { notify, label, runs, host = [] } = options;
  if (notify === undefined) {
    if (label !== undefined)
      throw usage("--label goes with --notify", "without the tool chain's database, name keys: --keys exc=0x800+100");
    if (runs !== undefined) throw usage("--runs goes with --notify");
    if (options.allBoards && host.length > 1) throw usage("--all-boards finds the boards of one machine: name one with --host");
    if (options.listen !== undefined && options.allBoards) throw usage("--listen sets no tags: leave --all-boards out");
    return;
  }
  const stray = (["tag", "listen", "keys", "allBoards", "hold", "via"] as const).find((name) => options[name] !== undefined);
  if (host.length > 0 || stray !== undefined) {
    const name = host.length > 0 ? "host" : stray === "allBoards" ? "all-boards" : stray;
    throw usage(`--${name} says what the tool chain's database says`, "leave it out, or leave --notify out");
  }
}

/** The boards to listen to, by `--host` (several times), or all Ethernet chips of the one machine. */
async function chooseBoards(job: Job, command: Command, options: EventStreamOptions): Promise<readonly Board[]> {
  const { host: hosts = [], allBoards, port } = options;
  const inventory = hosts.length > 1 ? await readInventory(inventoryPath()) : undefined;
  const said = hosts.length > 1 ? hosts.map((host) => resolveBoard(host, inventory)) : [await chooseBoard(job, command)];
  const boards: Board[] = said.map((board) => ({
    host: board.host,
    port: port ?? board.port ?? SCP_PORT,
    open: "open" in board ? (board.open as OpenChannel | undefined) : undefined,
  }));
  if (boards[0]!.open !== undefined && options.listen !== undefined) {
    throw usage("--listen and --via: the board sends to the controller, not here");
  }
  if (!allBoards) return boards;
  const [first] = boards;
  await using transceiver = await Transceiver.connect({ ...first!, signal: job.signal });
  const { machine } = await transceiver.discover({ signal: job.signal });
  const found = Array.from(machine.ethernetChips(), ({ ethernet }) => ({ ...first!, host: ethernet!.ip }));
  job.say(`${first!.host} is one of ${plural(found.length, "board")}: ${found.map(({ host }) => host).join(" ")}`);
  return found;
}

async function run(job: Job, boards: readonly Board[], pictures: EventPictures, options: EventStreamOptions): Promise<number> {
  const lines = options.ndjson === true || !(options.out !== undefined || options.raster || options.svg !== undefined);
  await using source =
    options.notify === undefined ? await fromBoards(job, boards, options) : await fromToolChain(job, options.notify, pictures, options);
  const { live } = source;
  await using file = options.out === undefined ? undefined : await FrameFileWriter.forEvents(options.out, fileOptions(options));
  const outcome = await follow<EventFrame>(job, options, {
    next: (signal) => source.next(signal),
    async take(frame) {
      const { keyMap } = pictures;
      // Others may send through the same tag.
      const isWanted = (event: { readonly label?: unknown }): boolean => options.label === undefined || event.label !== undefined;
      if (lines) writeLines(job, "stream.event", eventFrameToJson(frame, keyMap).filter(isWanted));
      pictures.add(frame);
      await file?.write(frame);
      return options.label === undefined ? frame.count : countKnown(frame, keyMap);
    },
    draw: () => pictures.update(),
    line: (taken, perSecond) => eventLine({ taken, perSecond, stats: live.stats }),
  });
  await file?.close();
  pictures.finish();
  tell(job, { source, lines, outcome, stats: live.stats, file, options });
  if (options.svg === undefined) job.signal.throwIfAborted();
  const enough = outcome.end === "count" || outcome.end === "reader" || options.count === undefined;
  if (!enough && !job.signal.aborted) job.say(`${plural(options.count!, "event")} were asked for`);
  return enough ? ExitStatus.DONE : ExitStatus.NO;
}

function countKnown({ count, keys }: EventFrame, keyMap: KeyMap | undefined): number {
  let known = 0;
  for (let i = 0; i < count; i += 1) if (keyMap !== undefined && keyMap.indexOf(keys[i]!) >= 0) known += 1;
  return known;
}

/** The tag of each board is aimed at one socket of ours, or some port is listened on. */
async function fromBoards(job: Job, boards: readonly Board[], options: EventStreamOptions): Promise<EventSource> {
  const { tag = 1, listen, timeout = DEFAULT_TIMEOUT_MS } = options;
  const { connection, addresses, local } = await portTo(boards, listen, job.signal);
  const tagOptions = { attempts: TAG_ATTEMPTS, replyTimeoutMs: Math.max(1, timeout / TAG_ATTEMPTS) };
  const each = addresses.map((address, i) => liveTag(connection, address, tag, { ...tagOptions, port: boards[i]!.port }));
  const setTag = async (signal: AbortSignal): Promise<void> =>
    void (await Promise.all(each.map((set) => set(AbortSignal.any([signal, job.signal])))));
  // Signals go by a connection of their own, which repeats what gets lost.
  let board: Transceiver | undefined;
  let live: LiveEvents;
  try {
    if (options.hold !== undefined) board = await Transceiver.connect({ ...boards[0]!, signal: job.signal });
    live = await LiveEvents.open(connection, {
      boards: addresses,
      ...(board === undefined ? {} : { hold: holdOf(board, options.hold!) }),
      ...(listen === undefined ? { setTag } : {}),
    });
  } catch (error) {
    await Promise.all([connection.close(), board?.close()]);
    throw error;
  }
  const names = boards.map(({ host }) => host).join(", ");
  if (listen === undefined) job.leftBehind = `tag ${tag} of ${names} points at this computer until somebody sets it anew`;
  job.say(`listening ${local} for events of ${names}${listen === undefined ? `, tag ${tag}` : ""}`);
  return {
    live,
    next: (signal) => live.getFrame({ signal }),
    data: () => ({ board: `${boards[0]!.host}:${boards[0]!.port}`, tag: listen === undefined ? tag : null }),
    hint: `does a core of ${names} send through tag ${tag}? spinn tags --host ${boards[0]!.host} shows what the tag has sent`,
    [Symbol.asyncDispose]: async () => {
      await live.close();
      await board?.close();
    },
  };
}

/** Where events come in: a socket of our own, or channels of the controller, whose address the boards are told then. */
export async function portTo(boards: readonly Board[], listen: number | undefined, signal: AbortSignal) {
  if (boards[0]!.open !== undefined) {
    const channels: [Board, DatagramChannel][] = [];
    for (const board of boards) channels.push([board, await board.open!(board.host, board.port, { signal })]);
    return { connection: portOver(channels), addresses: boards.map(({ host }) => host), local: "through the controller" };
  }
  const { own, addresses } = await waysTo(boards, signal);
  const connection = await EIEIOConnection.open({ localHost: own, localPort: listen, signal });
  return { connection, addresses, local: `on ${connection.local}` };
}

/** A port whose peers are at the other ends of channels. */
function portOver(channels: readonly (readonly [Board, DatagramChannel])[]): DatagramPort {
  return {
    onMessage: (listener) => {
      const offs = channels.map(([{ host, port }, channel]) =>
        channel.subscribe({ onDatagram: (datagram) => listener(datagram, { address: host, port }) }),
      );
      return () => {
        for (const off of offs) off();
      };
    },
    send: async (datagram, port, host) => channels.find(([board]) => board.host === host && board.port === port)?.[1].send(datagram),
    close: async () => void (await Promise.all(channels.map(([, channel]) => channel.close()))),
  };
}

/** An application waits and goes on by signals. Ctrl-C does not keep it from going on. */
function holdOf(board: Transceiver, appId: number): Holdable {
  return { pause: () => board.sendSignal(Signal.PAUSE, { appId }), resume: () => board.sendSignal(Signal.CONT, { appId }) };
}

/** The boards' IPv4 addresses, and which of our own addresses leads to all of them: only there is listened. Nothing is sent. */
export async function waysTo(
  boards: readonly Board[],
  signal: AbortSignal,
): Promise<{ readonly addresses: readonly string[]; readonly own: string }> {
  const addresses: string[] = [];
  const own = new Set<string>();
  for (const { host, port } of boards) {
    await using udp = await UDPConnection.open({ remoteHost: host, remotePort: port, signal });
    addresses.push(udp.remoteAddress!);
    own.add(udp.local.slice(0, udp.local.lastIndexOf(":")));
  }
  return { addresses, own: own.size === 1 ? [...own][0]! : "0.0.0.0" };
}

interface Result {
  readonly source: EventSource;
  readonly lines: boolean;
  readonly outcome: StreamOutcome;
  readonly stats: LiveEventsStats;
  readonly file: FrameFileWriter | undefined;
  readonly options: EventStreamOptions;
}

function tell(job: Job, { source, lines, outcome, stats, file, options }: Result): void {
  const { end, taken, seconds } = outcome;
  const { messages, droppedEvents, malformed, foreign, tagFailures, pauses, holdFailures } = stats;
  const late = stats.sources.reduce((sum, each) => sum + each.late, 0);
  const data = {
    source: "events",
    ...source.data(),
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
    boards: stats.sources,
    ...(options.hold === undefined ? {} : { pauses, holdFailures }),
    ...(file === undefined ? {} : { file: { path: options.out, frames: file.frames, bytes: file.bytesWritten } }),
    ...(options.svg === undefined ? {} : { svg: options.svg }),
  };
  const to = file === undefined ? "" : `; ${options.out} has ${plural(file.frames, "message")}, ${formatBytes(file.bytesWritten)}`;
  const from = stats.sources.length > 1 ? ` of ${stats.sources.length} boards` : "";
  const words = `${plural(taken, "event")}${from} in ${formatDuration(1000 * seconds)}, ${formatCount(taken / seconds)}/s${lossWords(stats)}${to}`;
  sayOutcome(job, data, words, lines);
  if (taken === 0) job.say(`nothing came: ${source.hint}`);
}

export interface EventLineState {
  readonly taken: number;
  readonly perSecond: number;
  readonly stats: Pick<LiveEventsStats, "frames" | "empty" | "droppedEvents" | "malformed" | "sources" | "pauses">;
}

/** `12.3k events  step 512  1.00k/s  buffer 0%  no losses here`: a board keeps real time, so there are drops instead of pauses. */
export function eventLine({ taken, perSecond, stats }: EventLineState): string {
  const steps = stats.sources.flatMap(({ lastStep }) => (lastStep === undefined ? [] : [lastStep]));
  const at = steps.length === 0 ? "" : `  step ${Math.max(...steps)}`;
  return `${formatCount(taken)} events${at}  ${formatCount(perSecond)}/s  ${formatFill(stats)}${lossWords(stats)}`;
}

function lossWords({ droppedEvents, malformed, pauses }: Pick<LiveEventsStats, "droppedEvents" | "malformed" | "pauses">): string {
  const paused = pauses === 0 ? "" : `, ${plural(pauses, "pause")}`;
  const dropped = `, ${droppedEvents === 0 ? "none" : formatCount(droppedEvents)} dropped here`;
  return paused + (malformed === 0 ? dropped : `${dropped}, ${formatCount(malformed)} malformed`);
}
