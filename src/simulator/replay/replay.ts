import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { abortError, SpinnError, throwIfAborted } from "../../errors.js";
import { Command } from "../../wire/index.js";
import { octets } from "../tags.js";
import type { Endpoint } from "./capture.js";
import { mayDiffer, TextBlocks } from "./may-differ.js";
import { requestText } from "./request-text.js";
import { answerKey, type Exchange, keyOf, requestKey, type Session } from "./session.js";

export interface ReplayOptions {
  /** How long an answer may take longer than in the recording, ms. Default 1000. */
  readonly timeoutMs?: number;
  /** Multiplies the pauses of the recording: 1 keeps them (10 s at most), 0 waits for nothing but answers. Default 1. */
  readonly pace?: number;
  /** Compare every byte, also those that may differ. Default false. */
  readonly strict?: boolean;
  /** Told of each difference when it is found. */
  readonly onDifference?: (difference: Difference) => void;
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** An answer that is not the recorded one. */
export interface Difference {
  /** Place of the request in the session, from 1. */
  readonly number: number;
  readonly timeMs: number;
  /** Where the request went in the recording. */
  readonly target: Endpoint;
  /** The request in words. */
  readonly request: string;
  readonly kind: "bytes" | "missing" | "extra";
  readonly expected: Uint8Array | undefined;
  readonly seen: Uint8Array | undefined;
  /** Offsets of bytes that differ; a byte that only one of them has differs. */
  readonly at: readonly number[];
}

export interface ReplayReport {
  /** Requests sent. */
  readonly sent: number;
  /** Requests for which there was no place to send them to. */
  readonly skipped: number;
  /** Answers of the recording that were compared. */
  readonly compared: number;
  readonly same: number;
  /** All differences; {@link ReplayReport.differences} holds the first ones. */
  readonly different: number;
  /** Answers to requests that have none in the recording: lost there, or asked too early. No difference unless strict. */
  readonly extra: number;
  /** Datagrams that answer nothing. */
  readonly unsolicited: number;
  /** Tag requests whose address was replaced by the own one, so that a board sends to nobody else. */
  readonly redirected: number;
  readonly differences: readonly Difference[];
}

/** Differences kept with all their bytes. */
const MAX_KEPT = 1000;
const MAX_PAUSE_MS = 10_000;
const DEFAULT_TIMEOUT_MS = 1000;
/** So many first answers that do not come: nobody is there. */
const DEAF = 5;
/** A client and a target each; more than any session has. */
const MAX_SOCKETS = 1024;

/**
 * Sends a recorded session again, in its order, each request when the one before has its answer, and compares the answers byte for byte but
 * for {@link MAY_DIFFER}. Sends to nothing but what `route` names; requests to set a tag are changed to name this host.
 * Throws `ERR_SPINN_TIMEOUT` when nobody answers at all, `ERR_SPINN_ABORTED`.
 */
export async function replaySession(
  session: Session,
  route: (exchange: Exchange) => Endpoint | undefined,
  options: ReplayOptions = {},
): Promise<ReplayReport> {
  const player = new Player(options);
  try {
    return await player.play(session, route);
  } finally {
    await player.close();
  }
}

interface Line {
  readonly socket: Socket;
  /** Requests of which an answer may come, the oldest first. Bounded by the session. */
  readonly open: Map<string, ((answer: Uint8Array) => void)[]>;
}

class Player {
  readonly #options: ReplayOptions;
  readonly #lines = new Map<string, Line>();
  readonly #differences: Difference[] = [];
  readonly #counts = { sent: 0, skipped: 0, compared: 0, same: 0, different: 0, extra: 0, unsolicited: 0, redirected: 0 };
  readonly #text = new TextBlocks();
  #missing = 0;

  constructor(options: ReplayOptions) {
    this.#options = options;
  }

  async play(session: Session, route: (exchange: Exchange) => Endpoint | undefined): Promise<ReplayReport> {
    const { pace = 1, signal, onProgress } = this.#options;
    let last = { recordedMs: session.exchanges[0]?.timeMs ?? 0, atMs: performance.now() };
    for (const exchange of session.exchanges) {
      throwIfAborted(signal);
      const pause = Math.min(MAX_PAUSE_MS, (exchange.timeMs - last.recordedMs) * pace) - (performance.now() - last.atMs);
      if (pause >= 1) await sleep(pause, signal);
      last = { recordedMs: exchange.timeMs, atMs: performance.now() };
      const to = route(exchange);
      if (to === undefined) this.#counts.skipped += 1;
      else await this.#exchange(exchange, to);
      onProgress?.(exchange.number, session.exchanges.length);
    }
    return { ...this.#counts, differences: this.#differences };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#lines.values()].map(({ socket }) => new Promise<void>((resolve) => socket.close(() => resolve()))));
  }

  async #exchange(exchange: Exchange, to: Endpoint): Promise<void> {
    const line = await this.#line(exchange, to);
    const key = exchange.kind === "boot" || exchange.kind === "raw" ? undefined : requestKey(exchange.request);
    let arrived: (answer: Uint8Array) => void = () => undefined;
    const answer = new Promise<Uint8Array>((resolve) => {
      arrived = resolve;
    });
    if (key !== undefined) {
      const list = line.open.get(key) ?? [];
      list.push(exchange.answer === undefined ? (bytes) => this.#extra(exchange, bytes) : (bytes) => arrived(bytes));
      line.open.set(key, list);
    }
    this.#counts.sent += 1;
    const { socket } = line;
    // What cannot be sent shows as an answer that does not come.
    socket.send(this.#redirected(exchange, socket), () => undefined);
    if (exchange.answer === undefined) return;
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = this.#options;
    const seen = await within(answer, exchange.latencyMs + timeoutMs, signal);
    if (seen === undefined) line.open.delete(key ?? "");
    this.#compare(exchange, exchange.answer, seen, to);
  }

  #compare(exchange: Exchange, expected: Uint8Array, seen: Uint8Array | undefined, to: Endpoint): void {
    this.#counts.compared += 1;
    if (seen === undefined) {
      this.#missing += 1;
      this.#differ(exchange, "missing", expected, undefined, []);
      if (this.#missing === DEAF && this.#counts.compared === DEAF)
        throw new SpinnError("ERR_SPINN_TIMEOUT", `${keyOf(to)} answers nothing`, { board: keyOf(to), hint: "is it there, and booted?" });
      return;
    }
    const free = [...mayDiffer(exchange.request, expected, exchange.kind), ...this.#text.ranges(exchange.request, expected)];
    const at = differentBytes(expected, seen, this.#options.strict === true ? [] : free);
    if (at.length === 0) this.#counts.same += 1;
    else this.#differ(exchange, "bytes", expected, seen, at);
  }

  #extra(exchange: Exchange, seen: Uint8Array): void {
    this.#counts.extra += 1;
    if (this.#options.strict === true) this.#differ(exchange, "extra", undefined, seen, []);
  }

  #differ(
    exchange: Exchange,
    kind: Difference["kind"],
    expected: Uint8Array | undefined,
    seen: Uint8Array | undefined,
    at: readonly number[],
  ): void {
    const { number, timeMs, target } = exchange;
    const difference = { number, timeMs, target, request: requestText(exchange), kind, expected, seen, at };
    this.#counts.different += 1;
    if (this.#differences.length < MAX_KEPT) this.#differences.push(difference);
    this.#options.onDifference?.(difference);
  }

  /** A tag that names the recorded host would make the board send there: it gets our own address. */
  #redirected({ request, kind }: Exchange, socket: Socket): Uint8Array {
    const isTag = (kind === "board" || kind === "bmp") && request.length >= 26 && (request[10]! | (request[11]! << 8)) === Command.IPTAG;
    const bytes = request.slice();
    if (!isTag || bytes[16]! > 1 || bytes.subarray(22, 26).every((byte) => byte === 0)) return bytes;
    const { address, port } = socket.address();
    bytes.set(octets(address), 22);
    // The port of a reverse tag is one of the board's own.
    const isReverse = kind === "board" && ((bytes[17]! >>> 5) & 1) === 1;
    if (!isReverse) bytes.set([port & 0xff, port >>> 8], 18);
    this.#counts.redirected += 1;
    return bytes;
  }

  /** A socket for each client of the recording and each place it spoke to, connected: it can send nowhere else. */
  async #line({ client, target }: Exchange, to: Endpoint): Promise<Line> {
    const key = `${keyOf(client)} ${keyOf(target)}`;
    const known = this.#lines.get(key);
    if (known !== undefined) return known;
    if (this.#lines.size >= MAX_SOCKETS)
      throw new SpinnError("ERR_SPINN_FILE", `the session has more than ${MAX_SOCKETS} pairs of addresses`);
    const socket = createSocket("udp4");
    const line: Line = { socket, open: new Map() };
    socket.on("message", (data) => {
      const waiting = line.open.get(answerKey(data) ?? "");
      const next = waiting?.shift();
      if (next === undefined) this.#counts.unsolicited += 1;
      else next(data);
    });
    const connected = once(socket, "connect");
    socket.connect(to.port, to.host);
    try {
      await connected;
    } catch (cause) {
      socket.close();
      throw new SpinnError("ERR_SPINN_UNREACHABLE", `${keyOf(to)} cannot be reached: ${(cause as Error).message}`, {
        board: keyOf(to),
        cause,
      });
    }
    // A closed port: the answers are missing, which is told.
    socket.on("error", () => undefined);
    this.#lines.set(key, line);
    return line;
  }
}

function differentBytes(expected: Uint8Array, seen: Uint8Array, free: readonly (readonly [number, number])[]): number[] {
  const at: number[] = [];
  for (let i = 0; i < Math.max(expected.length, seen.length); i += 1) {
    if (expected[i] !== seen[i] && !free.some(([from, to]) => i >= from && i < to && i < expected.length && i < seen.length)) at.push(i);
  }
  return at;
}

function within<T>(promise: Promise<T>, ms: number, signal: AbortSignal | undefined): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    const abort = (): void => settle(() => reject(abortError(signal!)));
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      end();
    };
    const timer = setTimeout(() => settle(() => resolve(undefined)), ms);
    signal?.addEventListener("abort", abort);
    void promise.then((value) => settle(() => resolve(value)));
  });
}

async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await within(new Promise<never>(() => undefined), ms, signal);
}
