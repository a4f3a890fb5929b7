import { checkInteger, type SpinnError, throwIfAborted } from "../errors.js";
import type { ScpRequest } from "../wire/request.js";
import { ReturnCode, returnCodeInfo } from "../wire/return-code.js";
import { SCP_REPLY_OFFSET } from "../wire/scp.js";
import type { DatagramChannel, DatagramListener } from "./datagram-channel.js";
import { Failures } from "./failures.js";
import { type PipelineCounters, PipelineTally } from "./pipeline-counters.js";
import { BulkRun, type RequestRun, SingleRun } from "./request-run.js";
import { RoundTrip } from "./round-trip.js";
import { SendWindow } from "./send-window.js";
import { Fate, SequenceTable } from "./sequence-table.js";
import { Slot, SlotList } from "./slot.js";
import type { TokenBucket } from "./token-bucket.js";

export interface SCPRequestPipeLineOptions {
  /**
   * Send window: requests that may be unanswered, 1..1024. `null`: found automatically, never above the 8 that a board can hold.
   * Default 1, as in SpiNNMan.
   */
  readonly nChannels?: number | null;
  /**
   * Receive window: once the send window has been full, replies are taken until so many are unanswered. `null`: one less than the send
   * window, so that it slides. Default 0 for `nChannels` 1, else `null`.
   */
  readonly intermediateChannelWaits?: number | null;
  /** Repeats of one request before it fails. Default 10, as in SpiNNMan. */
  readonly nRetries?: number;
  /** Ceiling of the wait for one reply, ms. Default 1000, as in SpiNNMan. The wait itself follows the measured round trips (RFC 6298). */
  readonly packetTimeoutMs?: number;
  /** Codes that are retried and, when the retries are used up, taken as the answer. Default none. */
  readonly nonFailRetryCodes?: readonly number[];
  /** Takes one token per datagram sent, repeats included. Default none. */
  readonly tokenBucket?: TokenBucket;
  /** Closes the pipeline when it fires. */
  readonly signal?: AbortSignal | undefined;
}

export type SCPCallback<T> = (value: T) => void;
export type SCPErrorCallback = (request: ScpRequest<unknown>, error: Error, connection: DatagramChannel) => void;

/**
 * Replies of the same core that may overtake a missing one before it is taken for lost (TCP's three duplicate ACKs, RFC 5681). Only replies
 * to requests sent a quarter of a round trip later count, and at least `REORDER_MS` later: a burst may arrive shuffled (RACK, RFC 8985).
 */
const OVERTAKEN_LIMIT = 3;
const REORDER_MS = 0.1;
/**
 * Early repeats of one request. Beyond them it waits for its deadline, which doubles: a board that is overrun drops the repeat as it dropped
 * the request, round trip after round trip, and would use up the retries within milliseconds while others are served.
 */
const EARLY_REPEAT_LIMIT = 5;
/**
 * A request whose caller has gone keeps its place until the board has answered, or for so long, ms: SC&MP gives up a transient tag after
 * 2.56 s (time-out code 9), so the place is free on the board too.
 */
const ABANDONED_MS = 2560;
/** First pause after a busy code, ms; doubles with each one, up to `BUSY_CEILING_MS`, spread by up to a quarter so that several do not come back together. SpiNNMan stops everything for 100 ms. */
const BUSY_PAUSE_MS = 1;
const BUSY_CEILING_MS = 100;
/** Refusals in a row after which nobody is believed to listen. Pause between the probes, ms. */
const REFUSAL_LIMIT = 3;
const REFUSAL_PAUSE_MS = 20;
/** Rest of a cleanly answered sequence number, in waits: a duplicate made by the network comes within this time. */
const CLEAN_REST_WAITS = 4;

/**
 * Windowed SCP requests over one connection: sends up to a window of them, matches replies by sequence number and sender, sends again only
 * what is late (each request has a deadline of its own), never repeats what must not be repeated, and ends every request exactly once.
 *
 * The pipeline keeps no object per packet: slots with their own buffers, a typed array from sequence number to slot, one timer for all
 * deadlines. What is left per request is the request itself and what dgram makes. Promises begin at {@link call} and {@link run}.
 */
export class SCPRequestPipeLine {
  readonly connection: DatagramChannel;
  readonly #failures: Failures;
  readonly #nRetries: number;
  /** Repeats of a request that may be early ones: half of its retries at most. */
  readonly #earlyRepeats: number;
  readonly #packetTimeoutMs: number;
  readonly #nonFailRetryCodes: ReadonlySet<number>;
  readonly #bucket: TokenBucket | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #unsubscribe: () => void;

  readonly #window: SendWindow;
  readonly #roundTrip: RoundTrip;
  readonly #sequences = new SequenceTable();
  readonly #tally = new PipelineTally();
  readonly #idle: Slot[] = [];
  readonly #inFlight = new SlotList();
  /** Bounded by the callers: one entry per call or transfer that has requests left. */
  readonly #runs: RequestRun[] = [];
  #turn = 0;
  #pumping = false;
  /** The next request, pulled before the window and the bucket are asked for it. */
  #staged: ScpRequest<unknown> | undefined;
  #stagedRun: RequestRun | undefined;
  #awaitingToken = false;
  #tokenInHand = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #lastReceivedMs = Number.NEGATIVE_INFINITY;
  #refusalsInARow = 0;
  #lastRefusal: SpinnError | undefined;
  /** Why the way to the board is gone, when nobody here has closed it. */
  #lost: SpinnError | undefined;
  #finishers: (() => void)[] = [];
  /** Slot of each index while it is in flight. */
  readonly #slotsInUse: (Slot | undefined)[] = [];
  readonly #closing = new AbortController();

  constructor(connection: DatagramChannel, options: SCPRequestPipeLineOptions = {}) {
    const nChannels = options.nChannels === undefined ? 1 : options.nChannels;
    const waits = options.intermediateChannelWaits === undefined ? (nChannels === 1 ? 0 : null) : options.intermediateChannelWaits;
    this.connection = connection;
    this.#failures = new Failures(connection.remote);
    this.#window = new SendWindow(nChannels, waits);
    this.#nRetries = checkInteger("nRetries", options.nRetries ?? 10, 0, 1000);
    this.#earlyRepeats = Math.min(EARLY_REPEAT_LIMIT, Math.ceil(this.#nRetries / 2));
    this.#packetTimeoutMs = checkInteger("packetTimeoutMs", options.packetTimeoutMs ?? 1000, 1, 3_600_000);
    this.#nonFailRetryCodes = new Set(options.nonFailRetryCodes);
    this.#bucket = options.tokenBucket;
    this.#roundTrip = new RoundTrip(this.#packetTimeoutMs);
    for (let index = this.#window.capacity - 1; index >= 0; index -= 1) this.#idle.push(new Slot(index));
    const listener: DatagramListener = {
      onDatagram: (datagram) => this.#onDatagram(datagram),
      onError: (error) => this.#onChannelError(error),
      onClose: (error) => this.#end(error),
    };
    this.#unsubscribe = connection.subscribe(listener);
    this.#signal = options.signal;
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (this.#signal?.aborted) this.close();
  }

  /** Sends one request; resolves with what its reply says, rejects with a `SpinnError`. */
  call<T>(request: ScpRequest<T>, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<T> {
    return new Promise((resolve, reject) => {
      throwIfAborted(options.signal);
      this.#enter(new SingleRun(request, options.signal, resolve, reject));
    });
  }

  /**
   * Sends many requests, pulled from `requests` as the window has room; each request's `decode` puts its result in its place. Resolves when
   * all have been answered, rejects with the first failure and stops pulling. Transfers on one pipeline take turns.
   */
  run(requests: Iterable<ScpRequest<unknown>>, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(options.signal);
      this.#enter(new BulkRun(requests, options.signal, resolve, reject));
    });
  }

  /**
   * SpiNNMan's form: resolves when the request is in the window (that is the back-pressure) or has failed before; the outcome goes to the
   * callbacks. An error thrown by `callback` goes to `errorCallback`; one thrown by `errorCallback` becomes a process warning.
   */
  sendRequest<T>(
    request: ScpRequest<T>,
    callback?: SCPCallback<T>,
    errorCallback?: SCPErrorCallback,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(options.signal);
      const fail = (error: unknown): void => {
        resolve();
        this.#reportFailure(request, error as Error, errorCallback);
      };
      const succeed = (value: T): void => {
        try {
          callback?.(value);
        } catch (error) {
          this.#reportFailure(request, error as Error, errorCallback);
        }
      };
      try {
        this.#enter(new SingleRun(request, options.signal, succeed, fail, resolve));
      } catch (error) {
        reject(error);
      }
    });
  }

  /** Resolves when no request is in flight or waiting: each has been answered or has failed. */
  finish(): Promise<void> {
    if (this.#quiet) return Promise.resolve();
    return new Promise((resolve) => this.#finishers.push(resolve));
  }

  /** Fails what is in flight and waiting with `ERR_SPINN_CLOSED`; leaves no timer. Does not close the connection. */
  close(): void {
    this.#end(undefined);
  }

  #end(lost: SpinnError | undefined): void {
    if (this.#closed) return;
    this.#lost = lost;
    this.#closing.abort();
    this.#unsubscribe();
    this.#signal?.removeEventListener("abort", this.#onAbort);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const error = lost ?? this.#failures.closed();
    this.#failAll((slot) => (lost === undefined ? error : this.#failures.lost(lost, slot)));
    if (this.#staged !== undefined) this.#stagedRun!.broken(error);
    this.#staged = undefined;
    for (const run of this.#runs.splice(0)) run.broken(error);
    this.#settleFinishers();
  }

  get closed(): boolean {
    return this.#closed;
  }

  get #closed(): boolean {
    return this.#closing.signal.aborted;
  }

  /** Send window now. */
  get nChannels(): number {
    return this.#window.size;
  }
  /** Datagrams sent again, whatever the reason. */
  get nResent(): number {
    return this.#tally.resent;
  }
  /** Datagrams sent again because of a return code. */
  get nRetryCodeResent(): number {
    return this.#tally.retryCodeResent;
  }
  /** Deadlines that passed. */
  get nTimeouts(): number {
    return this.#tally.timeouts;
  }

  get counters(): PipelineCounters {
    return {
      ...this.#tally,
      inFlight: this.#inFlight.size,
      window: this.#window.size,
      roundTripMs: this.#roundTrip.smoothedMs,
      waitMs: this.#roundTrip.waitMs(1),
    };
  }

  // ---- down: runs, window, socket ----------------------------------------------------------------------------------------------------

  #enter(run: RequestRun): void {
    if (this.#closed) {
      run.broken(this.#lost ?? this.#failures.closed());
      return;
    }
    run.onAbandoned = this.#onAbandoned;
    this.#runs.push(run);
    this.#pump();
  }

  /** Fills the window from the runs in turn. Not re-entrant: a callback that sends only adds a run, the loop below finds it. */
  #pump(): void {
    if (this.#pumping || this.#awaitingToken) return;
    this.#pumping = true;
    while (this.#window.admits(this.#inFlight.size) && this.#stage()) {
      if (!this.#takeToken()) break;
      this.#sendStaged();
    }
    this.#pumping = false;
    if (this.#finishers.length > 0) this.#settleFinishers();
  }

  /** Pulls the next request of the run whose turn it is into `#staged`. `false`: there is none. */
  #stage(): boolean {
    if (this.#staged !== undefined && !this.#stagedRun!.over) return true;
    this.#staged = undefined;
    while (this.#runs.length > 0) {
      if (this.#turn >= this.#runs.length) this.#turn = 0;
      const run = this.#runs[this.#turn]!;
      let request: ScpRequest<unknown> | undefined;
      try {
        request = run.over ? undefined : run.next();
      } catch (error) {
        run.broken(error);
      }
      if (request === undefined || run.exhausted) this.#runs.splice(this.#turn, 1);
      else this.#turn += 1;
      if (request === undefined) continue;
      this.#staged = request;
      this.#stagedRun = run;
      return true;
    }
    return false;
  }

  #sendStaged(): void {
    const request = this.#staged!;
    const run = this.#stagedRun!;
    this.#staged = undefined;
    const now = performance.now();
    const slot = this.#idle[this.#idle.length - 1]!;
    const sequence = this.#sequences.take(slot.index, now);
    if (sequence < 0) {
      // 65,536 numbers in flight or resting: needs some 30,000 lost requests a second. Fail loudly rather than mix replies up.
      run.failed(request, this.#failures.noSequenceNumber(request));
      return;
    }
    this.#idle.pop();
    this.#slotsInUse[slot.index] = slot;
    slot.load(request, run, sequence, now);
    this.#transmit(slot, now);
    run.entered?.();
    if (request.expectsReply === false) this.#succeed(slot, undefined);
  }

  #transmit(slot: Slot, now: number): void {
    if (slot.sends > 0) {
      this.#tally.resent += 1;
      this.#inFlight.remove(slot);
    }
    this.#inFlight.append(slot);
    slot.sends += 1;
    slot.sentMs = now;
    slot.resting = false;
    slot.overtaken = 0;
    slot.deadlineMs = now + this.#patience(slot);
    this.#tally.sent += 1;
    this.connection.send(slot.datagram);
    this.#arm(slot.deadlineMs, now);
  }

  #patience(slot: Slot): number {
    const request = slot.request!;
    const slowMs = request.slowMs ?? 0;
    return request.repeatable ? Math.max(slowMs, this.#roundTrip.waitMs(slot.sends)) : Math.max(slowMs, this.#packetTimeoutMs);
  }

  /** One token for one datagram. `false`: none is there; waits for one in the bucket's queue, then pumps again with it in hand. */
  #takeToken(): boolean {
    if (this.#bucket === undefined) return true;
    if (this.#tokenInHand) {
      this.#tokenInHand = false;
      return true;
    }
    if (this.#bucket.tryConsume(1)) return true;
    this.#awaitingToken = true;
    const proceed = (): void => {
      this.#awaitingToken = false;
      this.#tokenInHand = true;
      if (!this.#closed) this.#pump();
    };
    this.#bucket.consume(1, { signal: this.#closing.signal }).then(proceed, () => {});
    return false;
  }

  // ---- up: datagrams, codes, results -------------------------------------------------------------------------------------------------

  #onDatagram(datagram: Uint8Array): void {
    const tally = this.#tally;
    // SDP of application cores (source port 1..6) shares the socket; it is not ours.
    if (datagram.length >= 6 && datagram[5]! >> 5 !== 0) return;
    tally.received += 1;
    if (datagram.length < SCP_REPLY_OFFSET) {
      tally.malformed += 1;
      return;
    }
    const code = datagram[10]! | (datagram[11]! << 8);
    const sequence = datagram[12]! | (datagram[13]! << 8);
    const index = this.#sequences.slotOf(sequence);
    if (index < 0 || code < 0x80) {
      this.#countStranger(sequence, code);
      return;
    }
    const slot = this.#slotsInUse[index]!;
    const request = slot.request!;
    const root = request.x === 255 && request.y === 255;
    if ((datagram[5]! & 31) !== request.p || (!root && (datagram[9] !== request.x || datagram[8] !== request.y))) {
      tally.foreign += 1;
      return;
    }
    const now = performance.now();
    const wasSilent = this.#silent();
    this.#lastReceivedMs = now;
    this.#refusalsInARow = 0;
    if (slot.sends === 1 && request.slowMs === undefined) this.#roundTrip.sample(now - slot.sentMs);
    if (slot.older !== undefined) this.#noteOvertaking(slot, request, now);
    this.#conclude(slot, request, datagram, code, now);
    if (wasSilent) this.#wakeAll(now);
    this.#pump();
  }

  #countStranger(sequence: number, code: number): void {
    if (code < 0x80) this.#tally.unknown += 1;
    else if (this.#sequences.fateOf(sequence) === Fate.ANSWERED) this.#tally.duplicates += 1;
    else if (this.#sequences.fateOf(sequence) === Fate.GIVEN_UP) this.#tally.late += 1;
    else this.#tally.unknown += 1;
  }

  /** A core serves its requests in order: three replies to later ones mean that this one, or its reply, is lost. */
  #noteOvertaking(answered: Slot, request: ScpRequest<unknown>, now: number): void {
    const sentBefore = answered.firstSentMs - Math.max(REORDER_MS, (this.#roundTrip.smoothedMs ?? 0) / 4);
    for (let slot = answered.older; slot !== undefined; ) {
      const { older } = slot;
      if (slot.sentMs <= sentBefore && !slot.resting && slot.sameCore(request)) {
        slot.overtaken += 1;
        if (slot.overtaken === OVERTAKEN_LIMIT && slot.request!.repeatable && slot.sends <= this.#earlyRepeats && !slot.run!.over) {
          this.#tally.earlyRepeats += 1;
          this.#note(slot, "overtaken");
          this.#window.shrink(now, this.#roundTrip.smoothedMs ?? 0);
          this.#resend(slot, now);
        }
      }
      slot = older;
    }
  }

  #conclude(slot: Slot, request: ScpRequest<unknown>, datagram: Uint8Array, code: number, now: number): void {
    const accepted = request.acceptedCodes?.includes(code) === true || this.#nonFailRetryCodes.has(code);
    if (code !== ReturnCode.OK) {
      const { retry } = returnCodeInfo(code);
      const again = retry === "busy" || (retry === "unsure" && request.repeatable) || this.#nonFailRetryCodes.has(code);
      if (again && slot.sends <= this.#nRetries && !slot.run!.over) {
        this.#tally.retryCodeResent += 1;
        this.#note(slot, returnCodeInfo(code).name);
        this.#window.shrink(now, this.#roundTrip.smoothedMs ?? 0);
        this.#rest(slot, now);
        return;
      }
      if (!accepted) {
        this.#note(slot, returnCodeInfo(code).name);
        this.#fail(slot, this.#failures.returnCode(slot, code));
        return;
      }
    } else {
      this.#window.grow();
      const length = datagram.length - SCP_REPLY_OFFSET;
      if (length < request.minReply || length > request.maxReply) {
        this.#fail(slot, this.#failures.length(request, length));
        return;
      }
    }
    let value: unknown;
    try {
      value = slot.run!.over ? undefined : request.decode(datagram, code);
    } catch (error) {
      this.#fail(slot, error as SpinnError);
      return;
    }
    this.#succeed(slot, value);
  }

  #succeed(slot: Slot, value: unknown): void {
    const { request, run } = slot;
    this.#release(slot, Fate.ANSWERED);
    this.#tally.succeeded += 1;
    if (!run!.over) run!.succeeded(request!, value);
  }

  #fail(slot: Slot, error: SpinnError): void {
    const { request, run } = slot;
    this.#release(slot, Fate.GIVEN_UP);
    this.#tally.failed += 1;
    if (!run!.over) run!.failed(request!, error);
  }

  #release(slot: Slot, fate: Fate): void {
    const now = performance.now();
    const clean = fate === Fate.ANSWERED && slot.sends === 1;
    const restMs = clean ? Math.min(CLEAN_REST_WAITS * this.#roundTrip.waitMs(1), this.#packetTimeoutMs) : 2 * this.#packetTimeoutMs;
    this.#sequences.retire(slot.sequence, fate, now + restMs);
    this.#inFlight.remove(slot);
    this.#slotsInUse[slot.index] = undefined;
    slot.request = undefined;
    slot.run = undefined;
    this.#idle.push(slot);
  }

  // ---- time --------------------------------------------------------------------------------------------------------------------------

  /** One timer for all deadlines; set anew only when a deadline comes before the one it waits for. */
  #arm(deadlineMs: number, now: number): void {
    if (deadlineMs >= this.#timerAtMs) return;
    clearTimeout(this.#timer);
    this.#timerAtMs = deadlineMs;
    // A late timer runs before the sockets are read: look at them once more (setImmediate comes after) before calling anything late.
    this.#timer = setTimeout(() => setImmediate(() => this.#sweep()), Math.max(1, Math.ceil(deadlineMs - now)));
  }

  #sweep(): void {
    this.#timer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    if (this.#closed) return;
    const now = performance.now();
    const silent = this.#silent();
    const probe = silent ? this.#mostSent() : undefined;
    for (let slot = this.#inFlight.oldest; slot !== undefined; ) {
      const { newer } = slot;
      if (slot.deadlineMs <= now) this.#expire(slot, now, silent && slot !== probe);
      slot = newer;
    }
    let next = Number.POSITIVE_INFINITY;
    for (let slot = this.#inFlight.oldest; slot !== undefined; slot = slot.newer) next = Math.min(next, slot.deadlineMs);
    if (next !== Number.POSITIVE_INFINITY) this.#arm(next, now);
    this.#pump();
  }

  /** Everything in flight has been sent three times and nothing has come since: from here on one probe goes out at a time, no storm. */
  #silent(): boolean {
    const oldest = this.#inFlight.oldest;
    return oldest !== undefined && oldest.sends > 2 && this.#lastReceivedMs < oldest.firstSentMs;
  }

  #mostSent(): Slot | undefined {
    let most = this.#inFlight.oldest;
    for (let slot = most; slot !== undefined; slot = slot.newer) if (slot.sends > most!.sends) most = slot;
    return most;
  }

  #expire(slot: Slot, now: number, onlyWait: boolean): void {
    const { request } = slot;
    if (request === undefined) return; // a callback of an earlier one has closed the pipeline
    if (slot.run!.over) {
      this.#release(slot, Fate.GIVEN_UP);
      return;
    }
    if (slot.resting) {
      this.#resend(slot, now);
      return;
    }
    if (!request.repeatable) {
      this.#tally.timeouts += 1;
      this.#fail(slot, this.#failures.unknownOutcome(slot, now));
      return;
    }
    if (onlyWait) {
      slot.deadlineMs = now + this.#patience(slot);
      return;
    }
    this.#tally.timeouts += 1;
    this.#note(slot, "time-out");
    this.#roundTrip.backOff();
    this.#window.shrink(now, this.#roundTrip.smoothedMs ?? 0);
    if (slot.sends <= this.#nRetries) this.#resend(slot, now);
    else if (this.#silent())
      this.#failAll((each) => (each.request!.repeatable ? this.#exhausted(each, now) : this.#failures.unknownOutcome(each, now)));
    else this.#fail(slot, this.#exhausted(slot, now));
  }

  #resend(slot: Slot, now: number): void {
    if (this.#bucket !== undefined && !this.#bucket.tryConsume(1)) {
      slot.deadlineMs = now + 1000 / this.#bucket.fillRate;
      slot.resting = true;
      this.#arm(slot.deadlineMs, now);
      return;
    }
    this.#transmit(slot, now);
  }

  /**
   * After a busy code: the slot keeps its place and sends again a little later, on its own; the others go on. The exchange is over, so the
   * next one gets a number of its own: a copy of the busy reply, made by the network, must not be taken for the answer to it.
   */
  #rest(slot: Slot, now: number): void {
    const sequence = this.#sequences.take(slot.index, now);
    if (sequence >= 0) {
      this.#sequences.retire(slot.sequence, Fate.ANSWERED, now + 2 * this.#packetTimeoutMs);
      slot.renumber(sequence);
    }
    const pauseMs = Math.min(BUSY_CEILING_MS, BUSY_PAUSE_MS * 2 ** Math.min(slot.sends - 1, 10));
    slot.resting = true;
    slot.deadlineMs = now + pauseMs * (1 + (slot.sequence % 16) / 64);
    this.#arm(slot.deadlineMs, now);
  }

  /** The first reply after silence: what has waited behind the probe goes out within one ordinary wait. */
  #wakeAll(now: number): void {
    for (let slot = this.#inFlight.oldest; slot !== undefined; slot = slot.newer) {
      slot.deadlineMs = Math.min(slot.deadlineMs, now + this.#roundTrip.waitMs(1));
      this.#arm(slot.deadlineMs, now);
    }
  }

  /** A run has ended with requests in flight: none of them holds its place longer than the board does. */
  readonly #onAbandoned = (): void => {
    const now = performance.now();
    for (let slot = this.#inFlight.oldest; slot !== undefined; slot = slot.newer) {
      if (!slot.run!.over) continue;
      slot.deadlineMs = Math.min(slot.deadlineMs, slot.sentMs + ABANDONED_MS);
      this.#arm(slot.deadlineMs, now);
    }
  };

  /** Ends everything in flight; what their callbacks send goes out afterwards. */
  #failAll(errorOf: (slot: Slot) => SpinnError): void {
    const pumping = this.#pumping;
    this.#pumping = true;
    while (this.#inFlight.oldest !== undefined) this.#fail(this.#inFlight.oldest, errorOf(this.#inFlight.oldest));
    this.#pumping = pumping;
  }

  #onChannelError(error: SpinnError): void {
    if (error.code !== "ERR_SPINN_UNREACHABLE") return;
    this.#tally.refusals += 1;
    this.#refusalsInARow += 1;
    this.#lastRefusal = error;
    const now = performance.now();
    const oldest = this.#inFlight.oldest;
    if (oldest === undefined) return;
    const alone = this.#inFlight.size === 1 && !oldest.request!.repeatable;
    if (this.#refusalsInARow >= REFUSAL_LIMIT * this.#inFlight.size || alone) {
      this.#failAll((slot) => this.#failures.refused(error, slot));
      this.#pump();
      return;
    }
    for (let slot: Slot | undefined = oldest; slot !== undefined; slot = slot.newer) {
      if (!slot.request!.repeatable) continue;
      slot.deadlineMs = Math.min(slot.deadlineMs, now + REFUSAL_PAUSE_MS);
      this.#arm(slot.deadlineMs, now);
    }
  }

  // ---- ends --------------------------------------------------------------------------------------------------------------------------

  #note(slot: Slot, reason: string): void {
    slot.reasons ??= [];
    slot.reasons.push(reason);
  }

  /** Silence, or a closed port if that is what the last sends met. */
  #exhausted(slot: Slot, now: number): SpinnError {
    return this.#refusalsInARow > 0 ? this.#failures.refused(this.#lastRefusal!, slot) : this.#failures.silence(slot, now);
  }

  #reportFailure(request: ScpRequest<unknown>, error: Error, errorCallback: SCPErrorCallback | undefined): void {
    try {
      if (errorCallback === undefined) throw error;
      errorCallback(request, error, this.connection);
    } catch (thrown) {
      this.#tally.callbackErrors += 1;
      process.emitWarning(`${request.describe()}: nobody took this error: ${(thrown as Error).message}`, { code: "SPINN_CALLBACK_ERROR" });
    }
  }

  get #quiet(): boolean {
    return this.#runs.length === 0 && this.#inFlight.size === 0 && this.#staged === undefined;
  }

  #settleFinishers(): void {
    if (!this.#quiet && !this.#closed) return;
    for (const done of this.#finishers.splice(0)) done();
  }

  readonly #onAbort = (): void => this.close();
}
