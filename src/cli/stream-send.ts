import { createReadStream } from "node:fs";
import type { Command } from "commander";
import { TokenBucket } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import { EventSender, type EventTarget, REFERENCE_EVENTS_PER_SECOND } from "../services/stream/index.js";
import { SCP_PORT } from "../wire/index.js";
import { chooseBoard } from "./board.js";
import { formatDuration, plural } from "./format.js";
import type { Job } from "./job.js";
import { parseNumber } from "./number.js";
import { parsePlace } from "./place.js";
import { ExitStatus } from "./status.js";
import { formatCount } from "./stream.js";
import { portTo } from "./stream-events.js";
import { usage } from "./usage.js";

export interface SendOptions {
  readonly core?: string;
  readonly sdpPort?: number;
  readonly reverse?: number;
  readonly in?: string;
  readonly rate?: number;
  readonly wide?: boolean;
}

/** Events of one message's worth of input: all of them with payloads, or none. */
interface Batch {
  readonly keys: number[];
  readonly payloads: number[] | undefined;
}

/** The most that a message holds. */
const BATCH = 127;
/** A line longer than this is no event, characters. */
const MAX_LINE = 64 * 1024;
/** Between two drawings of the line on a terminal, ms. */
const DRAW_MS = 100;

/** Sends events into a running simulation, at a pace that a core can take. */
export async function streamSend(job: Job, command: Command, keys: readonly string[], options: SendOptions): Promise<number> {
  const given = keys.map((key) => parseNumber("key", key));
  if ((given.length === 0) === (options.in === undefined)) {
    throw usage(
      given.length === 0 ? "there is nothing to send" : "keys are named, and a file of them",
      "write keys behind send, or --in FILE with a line of JSON for each event (- is stdin)",
    );
  }
  const to = parseTarget(options);
  const { rate = REFERENCE_EVENTS_PER_SECOND, wide } = options;
  const { host, port = SCP_PORT, open } = await chooseBoard(job, command);
  if (open !== undefined && "port" in to)
    throw usage("--reverse and --via: a controller passes on what goes to SC&MP", "send through it to the injector itself: --core x,y,p");
  const { addresses, connection } = await portTo([{ host, port, open }], undefined, job.signal);
  await using _port = { [Symbol.asyncDispose]: () => connection.close() };
  const [address] = addresses as [string];
  const target: EventTarget = "port" in to ? { host: address, port: to.port } : { host: address, port, ...to };
  // At a low rate a message must not wait until all its tokens are there at once.
  const eventsPerMessage = Math.max(1, Math.min(BATCH, Math.floor(rate / 10)));
  const bucket = new TokenBucket(eventsPerMessage, rate);
  const sender = new EventSender(connection, target, bucket, { keyBits: wide ? 32 : 16, eventsPerMessage });
  const startedAt = performance.now();
  const line = setInterval(() => job.terminal.progress.note(`${formatCount(sender.eventsSent)} events sent`), DRAW_MS);
  try {
    const batches = options.in === undefined ? [{ keys: given, payloads: undefined }] : readBatches(job, options.in);
    for await (const batch of batches) await sender.send(batch.keys, { payloads: batch.payloads, signal: job.signal });
  } finally {
    clearInterval(line);
    job.terminal.progress.clear();
    job.leftBehind = `${plural(sender.eventsSent, "event")} were sent`;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const { eventsSent: events, messagesSent: messages } = sender;
  const data = { source: "send", board: `${host}:${port}`, target: to, events, messages, seconds, eventsPerSecond: events / seconds };
  const where = "port" in to ? `port ${to.port} of ${host}` : `core ${options.core} of ${host}`;
  job.result(data, () => `${plural(events, "event")} in ${plural(messages, "message")} to ${where} in ${formatDuration(1000 * seconds)}\n`);
  return ExitStatus.DONE;
}

function parseTarget({
  core,
  reverse,
  sdpPort,
}: SendOptions): { port: number } | { core: { x: number; y: number; p: number }; sdpPort: number } {
  if ((core === undefined) === (reverse === undefined)) {
    throw usage(
      core === undefined ? "where the events go is missing" : "--core and --reverse both say where the events go",
      "give --core x,y,p of the injector, or --reverse PORT of a reverse tag (spinn tags reverse sets one)",
    );
  }
  if (reverse !== undefined) {
    if (sdpPort !== undefined) throw usage("--sdp-port goes with --core", "a reverse tag has its own: spinn tags reverse --sdp-port");
    return { port: reverse };
  }
  const { x, y, p } = parsePlace(core!);
  if (p === undefined) throw usage(`--core: "${core}" is a chip`, "a core is written x,y,p, e.g. 0,0,3");
  return { core: { x, y, p }, sdpPort: sdpPort ?? 1 };
}

/** Events of a file, a line for each, as they come: what is there goes out before more is waited for. */
async function* readBatches(job: Job, path: string): AsyncGenerator<Batch> {
  const input = path === "-" ? job.terminal.input : createReadStream(path, { encoding: "utf8" });
  if (input === undefined) throw usage("--in -: there is nothing on stdin");
  input.setEncoding("utf8");
  let number = 0;
  let rest = "";
  try {
    for await (const chunk of input) {
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop()!;
      if (rest.length > MAX_LINE) throw lineError(path, number + lines.length + 1, "is too long for an event");
      yield* batchesOf(lines, path, number);
      number += lines.length;
      job.signal.throwIfAborted();
    }
  } catch (cause) {
    if (cause instanceof SpinnError || job.signal.aborted) throw cause;
    throw new SpinnError("ERR_SPINN_FILE", `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  yield* batchesOf([rest], path, number);
}

function* batchesOf(lines: readonly string[], path: string, before: number): Generator<Batch> {
  let batch: Batch | undefined;
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const { key, payload } = parseLine(line, path, before + i + 1);
    if (batch !== undefined && (batch.keys.length === BATCH || (batch.payloads === undefined) !== (payload === undefined))) {
      yield batch;
      batch = undefined;
    }
    batch ??= { keys: [], payloads: payload === undefined ? undefined : [] };
    batch.keys.push(key);
    if (payload !== undefined) batch.payloads!.push(payload);
  }
  if (batch !== undefined) yield batch;
}

/** A number, or an object with `key` and perhaps `payload`: the lines of `spinn stream events` too. */
function parseLine(line: string, path: string, number: number): { readonly key: number; readonly payload: number | undefined } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw lineError(path, number, "is no JSON");
  }
  const object = (typeof value === "object" && value !== null ? value : { key: value }) as {
    readonly key?: unknown;
    readonly payload?: unknown;
  };
  const { key, payload } = object;
  if (!isWord(key)) throw lineError(path, number, "has no key from 0 to 0xffffffff");
  if (payload !== undefined && !isWord(payload)) throw lineError(path, number, "has a payload that is no number from 0 to 0xffffffff");
  return { key, payload };
}

function isWord(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffffffff;
}

function lineError(path: string, number: number, what: string): SpinnError {
  return new SpinnError("ERR_SPINN_ARGUMENT", `line ${number} of ${path} ${what}`, {
    hint: 'write a line for each event: 5 or {"key": 5, "payload": 1}',
  });
}
