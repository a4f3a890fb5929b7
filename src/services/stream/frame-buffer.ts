import { abortError, checkInteger, SpinnError } from "../../errors.js";

/** What a frame must have to live in a {@link FrameBuffer}. Frames are made once and filled again and again. */
export interface BufferedFrame {
  /** Place of this frame among the frames of its buffer, 0 .. n-1. Never changes. */
  readonly slot: number;
  /** Number of the frame on arrival, from 0. Frames that were dropped are counted too, so a gap shows a loss. */
  sequence: number;
}

/**
 * What happens when frames come faster than they are taken.
 *
 * | policy | at the high mark | when no frame is empty |
 * | --- | --- | --- |
 * | `pause` | the source is asked to pause (`onHigh`) | the source stops reading |
 * | `block` | nothing | the source stops reading |
 * | `drop-oldest` | nothing | the frame that waited longest is overwritten, and counted |
 * | `drop-newest` | nothing | the new frame is thrown away, and counted |
 */
export type OverflowPolicy = "pause" | "block" | "drop-oldest" | "drop-newest";

export interface FrameBufferOptions {
  /** The high mark is reached when empty / all falls to this or below. Default 0.25 (imdclient `pause_empty_proportion`). */
  readonly pauseEmptyProportion?: number | undefined;
  /** The low mark is reached when empty / all rises to this or above. Default 0.5 (imdclient `unpause_empty_proportion`). */
  readonly unpauseEmptyProportion?: number | undefined;
  /** Default `pause`. */
  readonly overflow?: OverflowPolicy | undefined;
  /** Whether the marks are told by a policy other than `pause` as well: what still comes then is dropped or left. Default `false`. */
  readonly marks?: boolean | undefined;
  /**
   * `previous` (default): asking for a frame gives back the one before it, as in imdclient; copy what you keep.
   * `explicit`: a frame stays on loan until {@link FrameBuffer.release}.
   */
  readonly lease?: "previous" | "explicit" | undefined;
}

export interface FrameBufferStats {
  /** Frames in the buffer, whatever they hold. */
  readonly frames: number;
  readonly empty: number;
  /** Frames waiting for the consumer. */
  readonly full: number;
  readonly onLoan: number;
  /** Frames that came in whole. */
  readonly pushed: number;
  /** Frames handed to the consumer. */
  readonly taken: number;
  /** Frames thrown away by a drop policy. */
  readonly dropped: number;
  /** Times the high mark was reached. */
  readonly highs: number;
  /** Times the source found no empty frame and had to stop reading. */
  readonly sourceWaits: number;
  /** Times the consumer found no frame and had to wait. */
  readonly consumerWaits: number;
}

const EMPTY = 0;
const FILLING = 1;
const FULL = 2;
const ON_LOAN = 3;

/**
 * A fixed set of frames that go round between one source and one consumer. Each is made once and used again and again; their number
 * bounds everything in here. The buffer knows neither the protocol nor the consumer.
 *
 * ```
 *   empty --takeEmpty()--> filling --push()--> full --get()--> on loan
 *     ^                                                           |
 *     +------------------- next get() or release() ---------------+
 * ```
 * Marks as in imdclient: high when empty / all <= pauseEmptyProportion after a frame came in, low again when empty / all >=
 * unpauseEmptyProportion. A frame on loan is not empty. Empty frames are reused last in, first out, so that a consumer who keeps up
 * stays within the processor's cache.
 */
export class FrameBuffer<Frame extends BufferedFrame> implements AsyncIterable<Frame> {
  /** Called at the high mark, by policy `pause`, or where `marks` is set. Set by the source. */
  onHigh: (() => void) | undefined;
  /** Called at the low mark after a high one. Set by the source. */
  onLow: (() => void) | undefined;
  /** Called when a frame became empty after {@link takeEmpty} had found none. Set by the source. */
  onSpace: (() => void) | undefined;

  readonly overflow: OverflowPolicy;
  /** Frames made so far; a frame is made when its slot is first needed, and stays. */
  readonly #frames: (Frame | undefined)[];
  readonly #create: (slot: number) => Frame;
  readonly #state: Uint8Array;
  /** Slots of empty frames, a stack of `#nEmpty`. */
  readonly #empty: Uint32Array;
  /** Slots of full frames, a ring of `#nFull` from `#first`. */
  readonly #full: Uint32Array;
  readonly #pauseAt: number;
  readonly #unpauseAt: number;
  readonly #marks: boolean;
  readonly #explicit: boolean;
  #nEmpty: number;
  #nFull = 0;
  #first = 0;
  #onLoan = 0;
  #previous: Frame | undefined;
  #high = false;
  #starved = false;
  /** The top of the empty frames was shown to the source, and stays the top. */
  #promised = false;
  #sequence = 0;
  #ended: SpinnError | undefined;
  #waiter: { resolve: (frame: Frame) => void; reject: (error: SpinnError) => void } | undefined;
  #pushed = 0;
  #taken = 0;
  #dropped = 0;
  #highs = 0;
  #sourceWaits = 0;
  #consumerWaits = 0;

  /**
   * @param count number of frames, the bound of this buffer
   * @param create makes the frame of a slot; called once for each slot, when it is first needed
   * @throws `ERR_SPINN_ARGUMENT` for no frames, and for proportions outside 0..1
   */
  constructor(count: number, create: (slot: number) => Frame, options: FrameBufferOptions = {}) {
    checkInteger("number of frames", count, 1, 0x7fffffff);
    this.#pauseAt = checkProportion("pauseEmptyProportion", options.pauseEmptyProportion ?? 0.25);
    this.#unpauseAt = checkProportion("unpauseEmptyProportion", options.unpauseEmptyProportion ?? 0.5);
    this.overflow = options.overflow ?? "pause";
    this.#marks = this.overflow === "pause" || options.marks === true;
    this.#explicit = options.lease === "explicit";
    this.#create = create;
    this.#frames = new Array(count);
    this.#state = new Uint8Array(count);
    this.#full = new Uint32Array(count);
    this.#empty = new Uint32Array(count);
    // The top of the stack is slot 0.
    for (let i = 0; i < count; i += 1) this.#empty[i] = count - 1 - i;
    this.#nEmpty = count;
  }

  /** How much of the buffer is not empty, 0..1. */
  get fill(): number {
    return 1 - this.#nEmpty / this.#frames.length;
  }

  /** Frames thrown away by a drop policy. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Why no more frames come in, once {@link finish} was called. Frames that wait can still be taken. */
  get ended(): SpinnError | undefined {
    return this.#ended;
  }

  get stats(): FrameBufferStats {
    return {
      frames: this.#frames.length,
      empty: this.#nEmpty,
      full: this.#nFull,
      onLoan: this.#onLoan,
      pushed: this.#pushed,
      taken: this.#taken,
      dropped: this.#dropped,
      highs: this.#highs,
      sourceWaits: this.#sourceWaits,
      consumerWaits: this.#consumerWaits,
    };
  }

  /**
   * For the source: a frame to fill, or `undefined` when there is none: then read no further until `onSpace`, or, by policy
   * `drop-newest`, read the frame away and call {@link drop}.
   */
  takeEmpty(): Frame | undefined {
    let slot: number;
    if (this.#nEmpty > 0) {
      this.#nEmpty -= 1;
      this.#promised = false;
      slot = this.#empty[this.#nEmpty]!;
    } else if (this.overflow === "drop-oldest" && this.#nFull > 0) {
      slot = this.#shift();
      this.#dropped += 1;
    } else {
      if (!this.#starved && this.overflow !== "drop-newest") this.#sourceWaits += 1;
      this.#starved = true;
      return undefined;
    }
    this.#state[slot] = FILLING;
    this.#frames[slot] ??= this.#create(slot);
    return this.#frames[slot];
  }

  /**
   * For the source: the frame that {@link takeEmpty} gives next, if one is empty already. It is not taken, so it counts as empty still, and
   * it stays the next one: a source may let the operating system write into it ahead of time.
   */
  peekEmpty(): Frame | undefined {
    if (this.#nEmpty === 0) return undefined;
    this.#promised = true;
    const slot = this.#empty[this.#nEmpty - 1]!;
    this.#frames[slot] ??= this.#create(slot);
    return this.#frames[slot];
  }

  /** For the source: the frame is whole. It goes to the consumer, at once if one waits. */
  push(frame: Frame): void {
    this.#move(frame, FILLING, FULL, "pushed");
    if (this.#ended !== undefined) {
      this.#becomeEmpty(frame.slot);
      return;
    }
    frame.sequence = this.#sequence;
    this.#sequence += 1;
    this.#pushed += 1;
    const waiter = this.#waiter;
    if (waiter !== undefined) {
      this.#waiter = undefined;
      waiter.resolve(this.#lend(frame.slot));
    } else {
      const count = this.#frames.length;
      let last = this.#first + this.#nFull;
      if (last >= count) last -= count;
      this.#full[last] = frame.slot;
      this.#nFull += 1;
    }
    this.#checkHigh();
  }

  /** For the source: the frame was not filled after all. */
  untake(frame: Frame): void {
    this.#move(frame, FILLING, EMPTY, "given back unfilled");
    this.#becomeEmpty(frame.slot);
  }

  /** For the source: a frame was read away without being kept. */
  drop(): void {
    this.#sequence += 1;
    this.#dropped += 1;
  }

  /** For the source: looks at the high mark without a frame having come, before the first one. */
  begin(): void {
    this.#checkHigh();
  }

  /** For the source: no more frames come. What waits can still be taken; after that `get` throws `reason`. The first reason stays. */
  finish(reason: SpinnError): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter?.reject(reason);
  }

  /**
   * The next frame. With the lease `previous` this gives back the frame of the call before.
   * Throws the reason given to {@link finish} once all is read, `ERR_SPINN_ABORTED`, and `ERR_SPINN_ARGUMENT` when another `get` waits or
   * when every frame is on loan to the caller, which would wait for ever.
   */
  get(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<Frame> {
    const { signal } = options;
    let frame: Frame | undefined;
    try {
      if (signal?.aborted) throw abortError(signal);
      frame = this.tryGet();
      if (frame === undefined && this.#ended !== undefined) throw this.#ended;
      if (frame === undefined && this.#onLoan === this.#frames.length) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", `all ${this.#onLoan} frames of the buffer are on loan`, {
          hint: "release() frames, or take a larger buffer",
        });
      }
    } catch (error) {
      return Promise.reject(error);
    }
    if (frame !== undefined) return Promise.resolve(frame);
    this.#consumerWaits += 1;
    return new Promise((resolve, reject) => {
      if (signal === undefined) {
        this.#waiter = { resolve, reject };
        return;
      }
      const onAbort = (): void => {
        this.#waiter = undefined;
        reject(abortError(signal));
      };
      signal.addEventListener("abort", onAbort, { once: true });
      const done = (): void => signal.removeEventListener("abort", onAbort);
      this.#waiter = {
        resolve: (got) => {
          done();
          resolve(got);
        },
        reject: (error) => {
          done();
          reject(error);
        },
      };
    });
  }

  /** The next frame if one is there, without waiting and without allocating. Otherwise as {@link get}, but never throws the end. */
  tryGet(): Frame | undefined {
    if (this.#waiter !== undefined) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", "another get() of this buffer is waiting", { hint: "one consumer, one get at a time" });
    }
    if (!this.#explicit) this.releasePrevious();
    return this.#nFull === 0 ? undefined : this.#lend(this.#shift());
  }

  /** Gives a frame back. Throws `ERR_SPINN_ARGUMENT` for a frame that is not on loan: given back twice, or of another buffer. */
  release(frame: Frame): void {
    this.#move(frame, ON_LOAN, EMPTY, "given back");
    if (this.#previous === frame) this.#previous = undefined;
    this.#onLoan -= 1;
    this.#becomeEmpty(frame.slot);
  }

  /** Whether the caller still holds this frame. Its content changes afterwards. */
  isOnLoan(frame: Frame): boolean {
    return this.#frames[frame.slot] === frame && this.#state[frame.slot] === ON_LOAN;
  }

  /**
   * Frames until the end. Ends quietly for `ERR_SPINN_END_OF_STREAM` and `ERR_SPINN_CLOSED`, throws every other reason. Leaving the loop
   * gives the last frame back (lease `previous`), and leaves the source running.
   */
  [Symbol.asyncIterator](): AsyncIterator<Frame, undefined> {
    return {
      next: () => this.#next(),
      return: () => {
        if (!this.#explicit) this.releasePrevious();
        return Promise.resolve({ value: undefined, done: true });
      },
    };
  }

  /** Gives back the frame of the last `get`, if it is still out. For lease `previous`. */
  releasePrevious(): void {
    const previous = this.#previous;
    if (previous !== undefined) this.release(previous);
  }

  #next(): Promise<IteratorResult<Frame, undefined>> {
    if (this.#waiter === undefined) {
      const frame = this.tryGet();
      if (frame !== undefined) return Promise.resolve({ value: frame, done: false });
    }
    return this.get().then(
      (value) => ({ value, done: false as const }),
      (error: unknown) => {
        if (error instanceof SpinnError && isQuietEnd(error)) return { value: undefined, done: true as const };
        throw error;
      },
    );
  }

  #checkHigh(): void {
    if (this.#high || !this.#marks || this.#nEmpty / this.#frames.length > this.#pauseAt) return;
    this.#high = true;
    this.#highs += 1;
    this.onHigh?.();
    this.#checkLow();
  }

  #checkLow(): void {
    if (!this.#high || this.#nEmpty / this.#frames.length < this.#unpauseAt) return;
    this.#high = false;
    this.onLow?.();
  }

  #becomeEmpty(slot: number): void {
    this.#state[slot] = EMPTY;
    let at = this.#nEmpty;
    if (this.#promised) {
      this.#empty[at] = this.#empty[at - 1]!;
      at -= 1;
    }
    this.#empty[at] = slot;
    this.#nEmpty += 1;
    this.#checkLow();
    if (this.#starved) {
      this.#starved = false;
      this.onSpace?.();
    }
  }

  #shift(): number {
    const slot = this.#full[this.#first]!;
    this.#first += 1;
    if (this.#first === this.#frames.length) this.#first = 0;
    this.#nFull -= 1;
    return slot;
  }

  #lend(slot: number): Frame {
    const frame = this.#frames[slot]!;
    this.#state[slot] = ON_LOAN;
    this.#onLoan += 1;
    this.#taken += 1;
    if (!this.#explicit) this.#previous = frame;
    return frame;
  }

  #move(frame: Frame, from: number, to: number, what: string): void {
    if (this.#frames[frame.slot] !== frame) throw new SpinnError("ERR_SPINN_ARGUMENT", `a frame of another buffer was ${what}`);
    if (this.#state[frame.slot] !== from) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `frame ${frame.slot} was ${what}, but it is ${STATES[this.#state[frame.slot]!]}`);
    }
    this.#state[frame.slot] = to;
  }
}

const STATES = ["empty", "being filled", "waiting for the consumer", "on loan"];

/** Ends that a loop over frames takes as its ordinary end. */
function isQuietEnd(error: SpinnError): boolean {
  return error.code === "ERR_SPINN_END_OF_STREAM" || error.code === "ERR_SPINN_CLOSED";
}

function checkProportion(name: string, value: number): number {
  if (value >= 0 && value <= 1) return value;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `${name} must be a number from 0 to 1, not ${String(value)}`);
}
