import { abortError, checkInteger, SpinnError, throwIfAborted } from "../../errors.js";
import type { Allocator } from "./allocator.js";
import type { JobMachine } from "./job-machine.js";
import type { JobRequest } from "./job-request.js";
import type { JobStatus } from "./job-status.js";
import { Keepalive } from "./keepalive.js";
import { orAborted } from "./or-aborted.js";
import type { OpenProxied } from "./proxied-channel.js";
import type { BoardProxy } from "./proxy.js";
import type { Place } from "./where-is.js";

export interface JobOptions {
  /** Longest wait in the server's queue; default null: as long as it takes, until `signal` fires. */
  readonly queueTimeoutMs?: number | null | undefined;
  /** Longest wait for boards to be switched; default 120 000 ms (a server tries for some 60 s: 10 s for a board, 15 s and 30 s of pauses). */
  readonly powerTimeoutMs?: number | undefined;
  /** How often the server is asked when it says nothing by itself; default 5000 ms. */
  readonly pollMs?: number | undefined;
}

export interface WaitOptions extends Pick<JobOptions, "queueTimeoutMs" | "powerTimeoutMs"> {
  readonly signal?: AbortSignal | undefined;
}

/** Without a keepalive time to go by: a server that was silent for this long is given up. */
const OUTAGE_MS = 60_000;
const UNSEEN: JobStatus = { state: "unknown", power: null, keepaliveMs: null, reason: null, startTime: null, keepaliveHost: null };

/**
 * Boards held on an allocation server: kept alive from a thread of its own, watched, and given back by `close()`, by `await using`, and when
 * the process ends. Ends early when the server says so or is silent for longer than the keepalive time: then `lost` fires.
 */
export class Job {
  readonly id: number;
  readonly #allocator: Allocator;
  readonly #options: JobOptions;
  readonly #keepaliveMs: number | null;
  readonly #keepalive: Keepalive;
  readonly #closing = new AbortController();
  readonly #lost = new AbortController();
  /** Bounded by the calls that wait at the time. */
  readonly #waiting = new Set<() => void>();
  readonly #unwatch: () => void;
  readonly #watching: Promise<void>;
  #status = UNSEEN;
  #lastAnswerAt = performance.now();
  #changed = true;
  #wake: () => void = () => {};
  #closed: Promise<void> | undefined;
  #onClosed: (() => Promise<void>) | undefined;
  /** The one that is open, or being opened. */
  #proxy: Promise<BoardProxy> | undefined;

  /** Takes over a job that was created on `allocator`, with the keepalive time that was asked for. */
  constructor(allocator: Allocator, jobId: number, keepaliveMs: number | null, options: JobOptions = {}) {
    this.id = jobId;
    this.#allocator = allocator;
    this.#options = options;
    this.#keepaliveMs = keepaliveMs;
    this.#keepalive = new Keepalive(allocator.keepalivePlan(jobId), keepaliveMs);
    this.#unwatch = allocator.watchJob(jobId, () => {
      this.#changed = true;
      this.#wake();
    });
    this.#watching = this.#watch();
  }

  /** Creates a job. Its boards come later: see {@link whenReady}. Throws what `createJob` of the allocator throws. */
  static async create(
    allocator: Allocator,
    request: JobRequest,
    options: JobOptions & { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Job> {
    const jobId = await allocator.createJob(request, { signal: options.signal });
    return new Job(allocator, jobId, request.keepaliveMs === undefined ? 60_000 : request.keepaliveMs, options);
  }

  /** As last heard. */
  get status(): JobStatus {
    return this.#status;
  }

  /**
   * Fires when the boards are gone without close() having been called. Its reason is a SpinnError: `ERR_SPINN_REMOTE` when the server ended
   * the job (with its words), `ERR_SPINN_UNREACHABLE` when it was silent for longer than the keepalive time.
   */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** The server, for messages. */
  get where(): string {
    return this.#allocator.where;
  }

  /**
   * Waits until the boards are allocated and switched on; resolves with them. Throws the reason of {@link lost}, `ERR_SPINN_TIMEOUT` (queue),
   * `ERR_SPINN_BOOT` (the boards do not come on), `ERR_SPINN_ABORTED`, `ERR_SPINN_CLOSED`. The job stays: close it.
   */
  async whenReady(options: WaitOptions = {}): Promise<JobMachine> {
    const queueTimeoutMs = options.queueTimeoutMs ?? this.#options.queueTimeoutMs ?? null;
    await this.#until(
      ({ state }) => state === "power" || state === "ready",
      queueTimeoutMs,
      options.signal,
      () =>
        this.#late("ERR_SPINN_TIMEOUT", `is still waiting for boards after ${queueTimeoutMs} ms`, "ask for fewer boards, or wait longer"),
    );
    await this.#switched(true, options);
    return this.machine({ signal: options.signal });
  }

  /** Its boards. Throws `ERR_SPINN_STATE` while none are allocated. */
  async machine({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<JobMachine> {
    this.#checkHeld();
    const machine = await this.#allocator.jobMachine(this.id, { signal });
    if (machine !== null) return machine;
    this.#checkHeld();
    throw new SpinnError("ERR_SPINN_STATE", `${this.#name} has no boards`, { hint: "wait for whenReady() first" });
  }

  /** Switches the boards on, or resets them when they are on; resolves when the server says that it is done. Throws as {@link whenReady}. */
  async powerOn(options: WaitOptions = {}): Promise<void> {
    await this.#setPower(true, options);
  }

  /** Switches the boards off, keeping them allocated. Throws as {@link whenReady}. */
  async powerOff(options: WaitOptions = {}): Promise<void> {
    await this.#setPower(false, options);
  }

  /** A chip of the job under all its names; null where the job has no board. */
  async whereIs(
    chip: { readonly x: number; readonly y: number },
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Place | null> {
    checkInteger("chip.x", chip.x, 0, 255);
    checkInteger("chip.y", chip.y, 0, 255);
    this.#checkHeld();
    return this.#allocator.whereIsChip(this.id, chip, { signal });
  }

  /**
   * The way to the boards where the server wants datagrams to go through it: the option `open` of `connect` and of boot. `undefined` where boards
   * are reached directly. The connection is opened when it is first needed, again when it was lost, and closed with the job.
   */
  async way({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<OpenProxied | undefined> {
    this.#checkHeld();
    if ((await this.#allocator.hasProxy?.(this.id, { signal })) !== true) return undefined;
    return async (host, port, options) => (await this.proxy(options)).open(host, port, options);
  }

  /**
   * The connection that carries datagrams, for channels without a fixed peer ({@link BoardProxy.listen}). Throws `ERR_SPINN_STATE` where there is
   * none, and what {@link BoardProxy.open} throws.
   */
  async proxy({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<BoardProxy> {
    this.#checkHeld();
    const old = await this.#proxy?.catch(() => undefined);
    if (old?.lost !== undefined) this.#proxy = undefined;
    this.#proxy ??= this.#openProxy();
    return orAborted(this.#proxy, signal);
  }

  /**
   * Gives the boards back. Idempotent. When the server cannot be told, it throws why: the job then ends at the server when its keepalive
   * runs out, since nothing keeps it alive any more. A job that is lost needs nothing.
   */
  close(reason = "closed by its owner"): Promise<void> {
    this.#closed ??= this.#close(reason);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Has `also` run at the end of close(), whatever came before: for what was opened for this job alone. */
  andClose(also: () => Promise<void>): this {
    this.#onClosed = also;
    return this;
  }

  get #name(): string {
    return `job ${this.id} of the allocation server at ${this.#allocator.where}`;
  }

  async #close(reason: string): Promise<void> {
    this.#closing.abort(new SpinnError("ERR_SPINN_CLOSED", `${this.#name} was closed`));
    this.#wake();
    for (const check of [...this.#waiting]) check();
    try {
      await this.#watching;
      this.#unwatch();
      await (await this.#proxy?.catch(() => undefined))?.close();
      // The thread goes last: as long as the server was not told, the end of the process would still end the job.
      if (!this.#lost.signal.aborted) await this.#allocator.destroyJob(this.id, reason);
      else if (this.#lost.signal.reason.code === "ERR_SPINN_UNREACHABLE") await this.#allocator.destroyJob(this.id, reason).catch(() => {});
    } finally {
      await this.#keepalive.stop();
      await this.#onClosed?.();
    }
  }

  async #openProxy(): Promise<BoardProxy> {
    const { signal } = this.#closing;
    try {
      const { connections } = await this.machine({ signal });
      const proxy = await this.#allocator.openProxy?.(this.id, connections, { signal });
      if (proxy) return proxy;
      throw new SpinnError("ERR_SPINN_STATE", `${this.#name} has no proxy: its boards are reached directly, or are gone`);
    } catch (error) {
      this.#proxy = undefined;
      throw error;
    }
  }

  async #setPower(on: boolean, options: WaitOptions): Promise<void> {
    this.#checkHeld();
    await this.#allocator.setPower(this.id, on, { signal: options.signal });
    // What was heard before the command says nothing about it.
    this.#take(await this.#allocator.jobStatus(this.id, { signal: options.signal }));
    await this.#switched(on, options);
  }

  #switched(on: boolean, options: WaitOptions): Promise<void> {
    const powerTimeoutMs = options.powerTimeoutMs ?? this.#options.powerTimeoutMs ?? 120_000;
    return this.#until(
      ({ state, power }) => state === "ready" && power === on,
      powerTimeoutMs,
      options.signal,
      () =>
        this.#late(
          "ERR_SPINN_BOOT",
          `has boards that are not ${on ? "on" : "off"} after ${powerTimeoutMs} ms`,
          "close the job and ask again: other boards may be better; tell whoever looks after the machine",
        ),
    );
  }

  #late(code: "ERR_SPINN_TIMEOUT" | "ERR_SPINN_BOOT", what: string, hint: string): SpinnError {
    return new SpinnError(code, `${this.#name} ${what}`, { hint });
  }

  #checkHeld(): void {
    throwIf(this.#lost.signal);
    throwIf(this.#closing.signal);
  }

  async #until(
    test: (status: JobStatus) => boolean,
    timeoutMs: number | null,
    signal: AbortSignal | undefined,
    late: () => SpinnError,
  ): Promise<void> {
    throwIfAborted(signal);
    this.#checkHeld();
    if (test(this.#status)) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: unknown): void => {
        this.#waiting.delete(check);
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = (): void => settle(abortError(signal!));
      const check = (): void => {
        const over = [this.#lost.signal, this.#closing.signal].find(({ aborted }) => aborted);
        if (over !== undefined) settle(over.reason);
        else if (test(this.#status)) settle();
      };
      const timer = timeoutMs === null ? undefined : setTimeout(() => settle(late()), timeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(check);
    });
  }

  /** Keeps `status` true until the job ends or is closed. */
  async #watch(): Promise<void> {
    const { signal } = this.#closing;
    const pollMs = this.#options.pollMs ?? 5000;
    while (!signal.aborted && !this.#lost.signal.aborted) {
      this.#changed = false;
      try {
        this.#take(await this.#allocator.jobStatus(this.id, { signal }));
      } catch (cause) {
        if (signal.aborted) return;
        this.#missed(cause);
      }
      if (this.#changed || signal.aborted || this.#lost.signal.aborted) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pollMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #take(status: JobStatus): void {
    if (this.#lost.signal.aborted) return;
    this.#status = status;
    this.#lastAnswerAt = performance.now();
    if (status.state === "destroyed") {
      const why = status.reason ?? "no reason was given";
      this.#lose(new SpinnError("ERR_SPINN_REMOTE", `${this.#name} was ended: ${why}`, { hint: hintFor(why, this.#keepaliveMs) }));
    } else if (status.state === "unknown") {
      const hint = "it ended long ago, or the server was started again without its old state";
      this.#lose(new SpinnError("ERR_SPINN_REMOTE", `${this.#name} is not known there any more`, { hint }));
    }
    for (const check of [...this.#waiting]) check();
  }

  #missed(cause: unknown): void {
    const limitMs = this.#keepaliveMs ?? OUTAGE_MS;
    const silentMs = Math.min(performance.now() - this.#lastAnswerAt, this.#keepalive.silentMs);
    if (silentMs <= limitMs) return;
    const message = `the allocation server at ${this.#allocator.where} is silent for ${Math.round(silentMs)} ms: ${this.#name} must be taken for lost`;
    this.#lose(new SpinnError("ERR_SPINN_UNREACHABLE", message, { cause, hint: "is the server running? what was on the boards is gone" }));
    for (const check of [...this.#waiting]) check();
  }

  #lose(error: SpinnError): void {
    this.#lost.abort(error);
    this.#wake();
    // Nothing left to keep alive; and a job that only seems lost is to end at the server too.
    void this.#keepalive.stop();
  }
}

function throwIf(signal: AbortSignal): void {
  if (signal.aborted) throw signal.reason;
}

/** What to do about the reasons that servers give. */
function hintFor(reason: string, keepaliveMs: number | null): string {
  if (/timed out/i.test(reason)) {
    return `no sign of life came to the server for ${keepaliveMs} ms: was this computer asleep or off the network? a longer keepaliveMs helps`;
  }
  if (/no suitable machine/i.test(reason))
    return "no machine could ever hold this request: look at the machines, their sizes, tags and dead boards";
  if (/machine configuration failed|BMP/i.test(reason))
    return "the boards could not be switched: ask again, and tell whoever looks after the machine";
  if (/machine removed/i.test(reason)) return "the machine was taken out of service: ask again";
  return "somebody else ended it: ask the owner of the server";
}
