import { checkInteger, SpinnError } from "../../errors.js";
import { createEieioEvents, type EieioEvents, eieioDataSize, isEieioCommand, readEieioEvents } from "../../wire/index.js";
import type { DatagramPort, DatagramSource } from "./datagram-port.js";
import { type BufferedFrame, FrameBuffer, type FrameBufferStats } from "./frame-buffer.js";
import { Hold, type Holdable } from "./hold.js";
import type { KeyMap } from "./key-map.js";

/** The events of one datagram. Reused when it goes back to the buffer. */
export class EventFrame implements BufferedFrame {
  readonly slot: number;
  sequence = 0;
  /** Address of the board. */
  source = "";
  /** When the datagram was taken from the socket, unit ms since 1970. */
  receivedAtMs = 0;
  /** The time stamp is lower than one that came before from this board: late, or out of order. */
  late = false;
  readonly #events: EieioEvents = createEieioEvents();

  constructor(slot: number) {
    this.slot = slot;
  }

  /** Events in this frame, 1..255. */
  get count(): number {
    return this.#events.count;
  }

  /** Keys; `count` are valid. */
  get keys(): Uint32Array {
    return this.#events.keys;
  }

  /** Payloads, `count` of them, or `undefined` when the events have none. */
  get payloads(): Uint32Array | undefined {
    return this.#events.hasPayloads ? this.#events.payloads : undefined;
  }

  /** Payloads are times: steps of the simulation. */
  get payloadIsTime(): boolean {
    return this.#events.payloadIsTime;
  }

  /** Step of the simulation, of the first event; `undefined` when the board sends no time. */
  get step(): number | undefined {
    return this.#events.payloadIsTime && this.#events.hasPayloads ? this.#events.payloads[0] : undefined;
  }

  /** Throws `ERR_SPINN_PROTOCOL`. */
  fill(datagram: Uint8Array): void {
    readEieioEvents(datagram, this.#events);
  }

  /** The events as one EIEIO message of 32 bit keys, the shortest that {@link fill} reads back the same. Up to 2042 bytes: for files. */
  encode(): Uint8Array {
    const { count, keys, payloads } = this;
    const first = payloads?.[0] ?? 0;
    let alike = true;
    for (let i = 1; i < count && alike; i += 1) alike = payloads?.[i] === first || payloads === undefined;
    const start = payloads !== undefined && alike ? 6 : 2;
    const each = alike ? 4 : 8;
    const message = new Uint8Array(start + each * count);
    const view = new DataView(message.buffer);
    message[0] = count;
    message[1] = (payloads !== undefined && alike ? 0x20 : 0) | (this.payloadIsTime ? 0x10 : 0) | (alike ? 0x08 : 0x0c);
    if (start === 6) view.setUint32(2, first, true);
    for (let i = 0; i < count; i += 1) {
      view.setUint32(start + each * i, keys[i]!, true);
      if (!alike) view.setUint32(start + each * i + 4, payloads![i]!, true);
    }
    return message;
  }
}

/** One event in words. */
export interface LiveEvent {
  readonly step: number | undefined;
  readonly key: number;
  readonly payload: number | undefined;
  /** Population, when a key map knows the key. */
  readonly label: string | undefined;
  readonly atom: number | undefined;
}

/** The events of a frame one by one. Allocates an object for each: for people and files, not for the fast path. */
export function* readEvents(frame: EventFrame, keyMap?: KeyMap): Generator<LiveEvent, void> {
  const { count, keys, payloads, payloadIsTime } = frame;
  for (let i = 0; i < count; i += 1) {
    const key = keys[i]!;
    const known = keyMap?.find(key);
    yield {
      step: payloadIsTime ? payloads?.[i] : undefined,
      key,
      payload: payloadIsTime ? undefined : payloads?.[i],
      label: known?.label,
      atom: known?.atom,
    };
  }
}

export interface LiveEventsOptions {
  /**
   * Aims the board's IP tag at this very socket, see `liveTag`. Called at the start, and again every `refreshMs` so that an entry of an
   * address translation does not expire. Default: the tag is somebody else's business.
   */
  readonly setTag?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Unit ms, default 10000 (SpiNNFrontEndCommon `live_event_connection.py`). */
  readonly refreshMs?: number | undefined;
  /** Datagrams that may wait for the consumer, default 4096: some 260,000 events of the default format, 8 MiB. */
  readonly frames?: number | undefined;
  /** A board keeps real time, so something is dropped when the buffer is full. Default `drop-oldest`. */
  readonly overflow?: "drop-oldest" | "drop-newest" | undefined;
  /**
   * How the simulation is made to wait, where it can: it is paused at the high mark of the buffer and goes on at the low one, and at `close()`.
   * What comes before the pause has reached every core still needs room. Default: it is not.
   */
  readonly hold?: Holdable | undefined;
  /** Marks of `hold`: empty / all frames. Default 0.25 and 0.5, as for IMD. */
  readonly pauseEmptyProportion?: number | undefined;
  readonly unpauseEmptyProportion?: number | undefined;
  readonly lease?: "previous" | "explicit" | undefined;
  /** Only datagrams from these addresses are taken. Default: from everywhere. */
  readonly boards?: readonly string[] | undefined;
  /** An EIEIO command came instead of events. Default: counted only. */
  readonly onCommand?: ((datagram: Uint8Array, from: DatagramSource) => void) | undefined;
}

/** What one board sent. */
export interface LiveSourceStats {
  readonly address: string;
  readonly messages: number;
  readonly events: number;
  /** Highest time stamp, in steps. */
  readonly lastStep: number | undefined;
  /** Messages with a time stamp lower than the highest. */
  readonly late: number;
}

export interface LiveEventsStats extends FrameBufferStats {
  readonly messages: number;
  readonly events: number;
  /** Events in frames that were dropped because the consumer was too slow. */
  readonly droppedEvents: number;
  /** Messages without events, such as replies to the tag request. */
  readonly emptyMessages: number;
  readonly commands: number;
  /** Datagrams that are not EIEIO, or shorter than they say. */
  readonly malformed: number;
  /** Datagrams from addresses that were not asked for. */
  readonly foreign: number;
  /** Refreshes of the tag that failed. Events come on all the same unless the board has lost it. */
  readonly tagFailures: number;
  /** Times the simulation was held and let go on, and commands for it that failed. */
  readonly pauses: number;
  readonly resumes: number;
  readonly holdFailures: number;
  readonly sources: readonly LiveSourceStats[];
}

interface Source {
  address: string;
  messages: number;
  events: number;
  lastStep: number | undefined;
  late: number;
}

/** Boards told apart. A machine of 1,200 boards fits; what comes from more addresses than that is counted together. */
const MAX_SOURCES = 4096;

/**
 * Live events from boards: a bounded buffer over a socket that is drained at once. The format has no sequence numbers, so losses between
 * board and socket cannot be seen here; compare `events` with the provenance after the run. What is dropped on this side is counted, and
 * shows as a gap in `sequence`.
 *
 * Silence is no error: nobody spikes. The stream ends with `close()`.
 */
export class LiveEvents implements AsyncIterable<EventFrame>, AsyncDisposable {
  readonly #port: DatagramPort;
  readonly #options: LiveEventsOptions;
  readonly #buffer: FrameBuffer<EventFrame>;
  readonly #sources = new Map<string, Source>();
  readonly #refreshMs: number;
  readonly #hold: Hold | undefined;
  #boards: ReadonlySet<string> | undefined;
  #setTag: LiveEventsOptions["setTag"];
  readonly #abort = new AbortController();
  readonly #off: () => void;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  #messages = 0;
  #events = 0;
  #droppedEvents = 0;
  #emptyMessages = 0;
  #commands = 0;
  #malformed = 0;
  #foreign = 0;
  #tagFailures = 0;

  private constructor(port: DatagramPort, options: LiveEventsOptions) {
    const overflow = options.overflow ?? "drop-oldest";
    if (overflow !== "drop-oldest" && overflow !== "drop-newest") {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `overflow ${String(overflow)}: a board cannot be paused`, {
        hint: "choose drop-oldest or drop-newest; hold pauses a simulation that can wait",
      });
    }
    this.#port = port;
    this.#options = options;
    this.#refreshMs = options.refreshMs ?? 10_000;
    if (!(this.#refreshMs > 0)) throw new SpinnError("ERR_SPINN_ARGUMENT", `refreshMs must be above 0, not ${this.#refreshMs}`);
    this.#buffer = new FrameBuffer(checkInteger("frames", options.frames ?? 4096, 2, 1 << 24), (slot) => new EventFrame(slot), {
      overflow,
      lease: options.lease,
      marks: options.hold !== undefined,
      pauseEmptyProportion: options.pauseEmptyProportion,
      unpauseEmptyProportion: options.unpauseEmptyProportion,
    });
    if (options.hold !== undefined) {
      const hold = new Hold(options.hold);
      this.#hold = hold;
      this.#buffer.onHigh = () => hold.want(true);
      this.#buffer.onLow = () => hold.want(false);
    }
    this.#off = port.onMessage((datagram, from) => this.#take(datagram, from));
  }

  /**
   * Listens on `port`, which then belongs to this object and is closed with it, and sets the tag.
   * Throws `ERR_SPINN_ARGUMENT` and what `setTag` throws; the port is closed then.
   */
  static async open(port: DatagramPort, options: LiveEventsOptions = {}): Promise<LiveEvents> {
    const live = new LiveEvents(port, options);
    try {
      await live.aim(options);
    } catch (error) {
      await live.close();
      throw error;
    }
    return live;
  }

  /**
   * From now on these tags are set, and events of these boards are taken: when another run has other boards, say. What waits stays.
   * Throws what `setTag` throws; it is not called again then.
   */
  async aim({ boards, setTag }: Pick<LiveEventsOptions, "boards" | "setTag">): Promise<void> {
    clearTimeout(this.#timer);
    this.#boards = boards === undefined ? undefined : new Set(boards);
    this.#setTag = setTag;
    if (setTag === undefined) return;
    await setTag(this.#abort.signal);
    this.#refreshLater(setTag);
  }

  /** The next datagram's events. Rejects with `ERR_SPINN_CLOSED` when all is read after `close()`, and with `ERR_SPINN_ABORTED`. */
  getFrame(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<EventFrame> {
    return this.#buffer.get(options);
  }

  /** The next datagram's events if some are there. Allocates nothing. */
  tryGetFrame(): EventFrame | undefined {
    return this.#buffer.tryGet();
  }

  /** Gives a frame back (lease `explicit`). */
  release(frame: EventFrame): void {
    this.#buffer.release(frame);
  }

  /** Frames until `close()`. Leaving the loop leaves the stream open: another loop may follow, after a pause of the simulation say. */
  [Symbol.asyncIterator](): AsyncIterator<EventFrame, undefined> {
    return this.#buffer[Symbol.asyncIterator]();
  }

  get stats(): LiveEventsStats {
    return {
      ...this.#buffer.stats,
      messages: this.#messages,
      events: this.#events,
      droppedEvents: this.#droppedEvents,
      emptyMessages: this.#emptyMessages,
      commands: this.#commands,
      malformed: this.#malformed,
      foreign: this.#foreign,
      tagFailures: this.#tagFailures,
      pauses: this.#hold?.pauses ?? 0,
      resumes: this.#hold?.resumes ?? 0,
      holdFailures: this.#hold?.failures ?? 0,
      sources: Array.from(this.#sources.values(), (source) => ({ ...source })),
    };
  }

  /** Whether the simulation is held by this stream. */
  get paused(): boolean {
    return this.#hold?.isHeld ?? false;
  }

  /** Stops listening, lets a simulation that is held go on, and closes the port. What waits can still be taken. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      clearTimeout(this.#timer);
      this.#off();
      this.#abort.abort();
      this.#buffer.finish(new SpinnError("ERR_SPINN_CLOSED", "the stream of live events was closed"));
      await this.#hold?.release();
      await this.#port.close();
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #take(datagram: Uint8Array, from: DatagramSource): void {
    if (this.#boards !== undefined && !this.#boards.has(from.address)) {
      this.#foreign += 1;
      return;
    }
    if (isEieioCommand(datagram)) {
      this.#commands += 1;
      this.#options.onCommand?.(datagram, from);
      return;
    }
    if (datagram.length >= 2 && datagram[0] === 0) {
      this.#emptyMessages += 1;
      return;
    }
    const size = eieioDataSize(datagram);
    if (size === 0 || datagram.length < size) {
      this.#malformed += 1;
      return;
    }
    const droppedBefore = this.#buffer.dropped;
    const frame = this.#buffer.takeEmpty();
    if (frame === undefined) {
      this.#dropNewest(datagram);
      return;
    }
    if (this.#buffer.dropped !== droppedBefore) this.#droppedEvents += frame.count;
    frame.fill(datagram);
    const source = this.#sourceOf(from.address);
    const { step } = frame;
    frame.late = step !== undefined && source.lastStep !== undefined && step < source.lastStep;
    if (frame.late) source.late += 1;
    else if (step !== undefined) source.lastStep = step;
    source.messages += 1;
    source.events += frame.count;
    this.#messages += 1;
    this.#events += frame.count;
    frame.source = from.address;
    frame.receivedAtMs = Date.now();
    this.#buffer.push(frame);
  }

  #dropNewest(datagram: Uint8Array): void {
    this.#droppedEvents += datagram[0] ?? 0;
    this.#buffer.drop();
  }

  #sourceOf(address: string): Source {
    const known = this.#sources.get(address);
    if (known !== undefined) return known;
    const name = this.#sources.size < MAX_SOURCES ? address : "others";
    const source = this.#sources.get(name) ?? { address: name, messages: 0, events: 0, lastStep: undefined, late: 0 };
    this.#sources.set(name, source);
    return source;
  }

  #refreshLater(setTag: (signal: AbortSignal) => Promise<void>): void {
    // Closed, or aimed elsewhere, while the board was asked.
    if (this.#closing !== undefined || this.#setTag !== setTag) return;
    this.#timer = setTimeout(async () => {
      try {
        await setTag(this.#abort.signal);
      } catch {
        if (this.#closing === undefined) this.#tagFailures += 1;
      }
      this.#refreshLater(setTag);
    }, this.#refreshMs);
    this.#timer.unref();
  }
}
