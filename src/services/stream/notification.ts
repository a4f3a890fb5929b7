import { setTimeout as delay } from "node:timers/promises";
import { abortError, SpinnError, throwIfAborted } from "../../errors.js";
import { decodeEieioCommand, EieioCommandNumber, eieioSignal, encodeEieioCommand, isEieioCommand } from "../../wire/index.js";
import type { DatagramPort, DatagramSource } from "./datagram-port.js";

/** UDP port on which listeners wait for the tool chain (SpiNNFrontEndCommon `notification_port`). */
export const NOTIFICATION_PORT = 19999;

export interface NotificationHandlers {
  /**
   * The tool chain has written its database at `path` (`undefined`: none). Read all you need; the tool chain is told to go on when this
   * resolves, and is not told when it throws. The path comes from outside: look at it before you open it.
   */
  readonly onDatabase?: ((path: string | undefined, from: DatagramSource) => void | Promise<void>) | undefined;
  /** The simulation starts, or resumes. */
  readonly onStart?: (() => void | Promise<void>) | undefined;
  /** The simulation paused, or ended: it does not tell which. */
  readonly onPause?: (() => void | Promise<void>) | undefined;
  /** A handler threw. Default: counted only. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface NotificationStats {
  readonly databases: number;
  readonly starts: number;
  readonly pauses: number;
  /** Notifications that do not follow the order database, start, pause; a start twice is ignored, the others are obeyed. */
  readonly unexpected: number;
  readonly malformed: number;
  /** Notifications thrown away because more than 64 waited for a handler. */
  readonly dropped: number;
  readonly failed: number;
}

/** Where a listener stands: nothing heard yet, database read, simulation running, simulation paused or over. */
export type NotificationPhase = "waiting" | "ready" | "running" | "paused";

/** Notifications that may wait for a handler. */
const MAX_WAITING = 64;

/**
 * The listener's side of the tool chain's notification protocol: database, start, pause, again and again on one socket. None of its
 * datagrams is ever repeated, so one may be missed: a database notification sets everything straight again, in whatever phase.
 */
export class NotificationListener implements AsyncDisposable {
  readonly #port: DatagramPort;
  readonly #handlers: NotificationHandlers;
  readonly #off: () => void;
  readonly #stats = { databases: 0, starts: 0, pauses: 0, unexpected: 0, malformed: 0, dropped: 0, failed: 0 };
  #phase: NotificationPhase = "waiting";
  #waiting = 0;
  #tail: Promise<void> = Promise.resolve();
  #closed = false;

  /** `port` then belongs to this object and is closed with it. */
  constructor(port: DatagramPort, handlers: NotificationHandlers) {
    this.#port = port;
    this.#handlers = handlers;
    this.#off = port.onMessage((datagram, from) => this.#take(datagram, from));
  }

  get phase(): NotificationPhase {
    return this.#phase;
  }

  get stats(): NotificationStats {
    return { ...this.#stats };
  }

  /** Stops listening, waits for the handler under way, closes the port. Idempotent. */
  async close(): Promise<void> {
    if (!this.#closed) this.#off();
    this.#closed = true;
    await this.#tail;
    await this.#port.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(datagram: Uint8Array, from: DatagramSource): void {
    let work: () => Promise<void>;
    try {
      const command = decodeEieioCommand(datagram);
      if (command.kind === "database") work = () => this.#database(command.path, { ...from });
      else if (command.kind === "other" && command.command === EieioCommandNumber.START_RESUME_NOTIFICATION) work = () => this.#start();
      else if (command.kind === "other" && command.command === EieioCommandNumber.STOP_PAUSE_NOTIFICATION) work = () => this.#pause();
      else {
        this.#stats.unexpected += 1;
        return;
      }
    } catch {
      this.#stats.malformed += 1;
      return;
    }
    if (this.#waiting >= MAX_WAITING) {
      this.#stats.dropped += 1;
      return;
    }
    this.#waiting += 1;
    this.#tail = this.#tail.then(work).then(
      () => {
        this.#waiting -= 1;
      },
      (error: unknown) => {
        this.#waiting -= 1;
        this.#stats.failed += 1;
        this.#handlers.onError?.(error);
      },
    );
  }

  async #database(path: string | undefined, from: DatagramSource): Promise<void> {
    this.#stats.databases += 1;
    this.#phase = "waiting";
    await this.#handlers.onDatabase?.(path, from);
    this.#phase = "ready";
    if (!this.#closed) await this.#port.send(encodeEieioCommand({ kind: "database", path: undefined }), from.port, from.address);
  }

  async #start(): Promise<void> {
    if (this.#phase === "running") {
      this.#stats.unexpected += 1;
      return;
    }
    if (this.#phase === "waiting") this.#stats.unexpected += 1;
    this.#phase = "running";
    this.#stats.starts += 1;
    await this.#handlers.onStart?.();
  }

  async #pause(): Promise<void> {
    if (this.#phase !== "running") this.#stats.unexpected += 1;
    this.#phase = "paused";
    this.#stats.pauses += 1;
    await this.#handlers.onPause?.();
  }
}

/** The tool chain's side: tells listeners about a database, a start, a pause. */
export class NotificationSender {
  readonly #port: DatagramPort;
  readonly #listener: { readonly host: string; readonly port: number };

  constructor(port: DatagramPort, listener: { readonly host: string; readonly port?: number | undefined }) {
    this.#port = port;
    this.#listener = { host: listener.host, port: listener.port ?? NOTIFICATION_PORT };
  }

  /**
   * Announces a database and waits until the listener has read it. Any command that can be read counts as its answer.
   * Nothing is repeated, as the protocol has it. Throws `ERR_SPINN_TIMEOUT`, `ERR_SPINN_ABORTED`.
   *
   * @param options.timeoutMs longest wait, default 60000: a listener may read a large database
   */
  async announceDatabase(
    path: string,
    options: { readonly timeoutMs?: number; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { signal, timeoutMs = 60_000 } = options;
    throwIfAborted(signal);
    const done = new AbortController();
    let confirmed = false;
    const off = this.#port.onMessage((datagram, from) => {
      if (from.port !== this.#listener.port || !isEieioCommand(datagram)) return;
      confirmed = true;
      done.abort();
    });
    try {
      await this.#send(encodeEieioCommand({ kind: "database", path }));
      const signals = signal === undefined ? [done.signal] : [done.signal, signal];
      await delay(timeoutMs, undefined, { signal: AbortSignal.any(signals) }).catch(() => {});
    } finally {
      off();
    }
    if (confirmed) return;
    if (signal?.aborted) throw abortError(signal);
    const { host, port } = this.#listener;
    throw new SpinnError("ERR_SPINN_TIMEOUT", `the listener at ${host}:${port} did not confirm the database within ${timeoutMs} ms`);
  }

  start(): Promise<void> {
    return this.#send(encodeEieioCommand(eieioSignal(EieioCommandNumber.START_RESUME_NOTIFICATION)));
  }

  pause(): Promise<void> {
    return this.#send(encodeEieioCommand(eieioSignal(EieioCommandNumber.STOP_PAUSE_NOTIFICATION)));
  }

  #send(datagram: Uint8Array): Promise<void> {
    return this.#port.send(datagram, this.#listener.port, this.#listener.host);
  }
}
