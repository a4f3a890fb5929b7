import type { Socket } from "node:net";
import { abortError, checkInteger, SpinnError } from "../../errors.js";
import type { FrameBufferStats } from "./frame-buffer.js";
import { checkIMDClientArguments, type IMDClientOptions } from "./imd-client-options.js";
import { type IMDFrame, IMDFrameBuffer } from "./imd-frame.js";
import { type IMDLink, openIMDLink, shakeIMDHands } from "./imd-link.js";
import { encodeIMDForces, encodeIMDHeader, IMDPacketType, type IMDSessionInfo } from "./imd-packet.js";
import type { IMDProducer } from "./imd-producer.js";
import { IMDProducerV2 } from "./imd-producer-v2.js";
import { IMDProducerV3 } from "./imd-producer-v3.js";

export interface IMDClientStats extends FrameBufferStats {
  readonly framesRead: number;
  readonly bytesRead: number;
  /** PAUSE and RESUME that were sent (a PAUSE that resumes a version 2 server counts as a resume). */
  readonly pausesSent: number;
  readonly resumesSent: number;
  /** How long the simulation was held, unit ms. */
  readonly pausedMs: number;
  readonly stepsNotGrowing: number;
}

/** Commands wait in the process when the server does not read. Above this nothing more is taken. Unit bytes. */
const MAX_UNSENT = 16 * 1024 * 1024;

/**
 * A client of one running simulation (IMD version 2 or 3). Frames are read ahead into a bounded buffer; when it runs full the simulation
 * is paused, and goes on when there is room. Frames under way at a pause are still read; unlike imdclient, RESUME does not wait for the
 * last of them.
 *
 * A server that ends with a PAUSE unread resets the connection, and the kernel then throws away what was not yet read. Reading goes on
 * during a pause for that reason; `overflow: "block"` avoids it altogether where the engine can wait (GROMACS).
 *
 * How a stream ends is told by the code with which {@link getIMDFrame} rejects once all whole frames are read:
 *
 * | code | what happened |
 * | --- | --- |
 * | `ERR_SPINN_END_OF_STREAM` | the server closed between frames: the run is over |
 * | `ERR_SPINN_INCOMPLETE` | the server went away inside a frame, or the connection was reset |
 * | `ERR_SPINN_TIMEOUT` | silence for longer than `timeoutMs`, or a frame that never ended |
 * | `ERR_SPINN_CLOSED` | {@link stop} was called |
 * | `ERR_SPINN_ABORTED` | the `signal` fired |
 * | `ERR_SPINN_PROTOCOL` | bytes that do not follow the protocol or the session |
 */
export class IMDClient implements AsyncIterable<IMDFrame>, AsyncDisposable {
  readonly #socket: Socket;
  readonly #options: IMDClientOptions;
  readonly #session: IMDSessionInfo;
  readonly #nAtoms: number;
  readonly #where: string;
  readonly #buffer: IMDFrameBuffer;
  readonly #producer: IMDProducer;
  readonly #timeoutMs: number;
  readonly #frameTimeoutMs: number;
  /** Bytes that wait for an empty frame. The socket does not read while there are any. */
  #rest: { chunk: Uint8Array; start: number; end: number } | undefined;
  #pausedByBuffer = false;
  #pausedByUser = false;
  #pausedSince = 0;
  #pausedMs = 0;
  #pausesSent = 0;
  #resumesSent = 0;
  #lastByteAt = performance.now();
  #frameSince = 0;
  #frameNumber = -1;
  #timer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  readonly #release: (() => void)[] = [];

  private constructor(link: IMDLink, session: IMDSessionInfo, nAtoms: number, options: IMDClientOptions) {
    this.#socket = link.socket;
    this.#where = link.where;
    this.#session = session;
    this.#nAtoms = nAtoms;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? 60_000;
    this.#frameTimeoutMs = options.frameTimeoutMs ?? 5 * this.#timeoutMs;
    this.#buffer = new IMDFrameBuffer(session, nAtoms, {
      ...options,
      ...(options.multithreaded === false ? { frames: 1, overflow: "block" } : {}),
    });
    this.#producer = session.version === 3 ? new IMDProducerV3(this.#buffer) : new IMDProducerV2(this.#buffer);
    this.#buffer.onHigh = () => this.#setPaused(true, this.#pausedByUser);
    this.#buffer.onLow = () => this.#setPaused(false, this.#pausedByUser);
    this.#buffer.onSpace = () => this.#feedRest();
  }

  /**
   * Connects, shakes hands and starts the stream. Everything that can be checked is checked before the first packet: LAMMPS ends its whole
   * run when a client connects and then finds its own arguments wrong.
   *
   * @param nAtoms atoms in the IMD group
   * @throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_UNREACHABLE`, `ERR_SPINN_TIMEOUT`, `ERR_SPINN_PROTOCOL`, `ERR_SPINN_INCOMPLETE`,
   * `ERR_SPINN_ABORTED`
   */
  static async connect(host: string, port: number, nAtoms: number, options: IMDClientOptions = {}): Promise<IMDClient> {
    checkIMDClientArguments(host, port, nAtoms, options);
    const link = await openIMDLink(host, port, options);
    let client: IMDClient | undefined;
    try {
      const session = await shakeIMDHands(link, options);
      client = new IMDClient(link, session, nAtoms, options);
      client.#start(link);
      return client;
    } catch (error) {
      // A server that saw a good handshake waits for GO and may end its run without one.
      link.leave(client === undefined && link.shaken);
      throw error;
    }
  }

  /** What the frames of this session have. In version 2, `energies` means only that they may come. */
  getIMDSessionInfo(): IMDSessionInfo {
    return this.#session;
  }

  /**
   * The next frame. With the lease `previous` the frame before it is given back, and its content changes: `copy()` what you keep.
   * Rejects as the table above says when the stream has ended and all frames are read.
   */
  getIMDFrame(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<IMDFrame> {
    return this.#buffer.get(options);
  }

  /** The next frame if one is there. Allocates nothing. */
  tryGetIMDFrame(): IMDFrame | undefined {
    return this.#buffer.tryGet();
  }

  /** Gives a frame back (lease `explicit`). */
  release(frame: IMDFrame): void {
    this.#buffer.release(frame);
  }

  /**
   * Frames until the end. The loop ends quietly when the simulation is over or `stop()` was called, and throws for every other end.
   * Leaving the loop stops the client.
   */
  [Symbol.asyncIterator](): AsyncIterator<IMDFrame, undefined> {
    const frames = this.#buffer[Symbol.asyncIterator]();
    return {
      next: () => frames.next(),
      return: async () => {
        await frames.return?.();
        await this.stop();
        return { value: undefined, done: true };
      },
    };
  }

  /** The reason why no more frames come in; `undefined` while the stream runs. Frames may still wait in the buffer. */
  get ended(): SpinnError | undefined {
    return this.#buffer.ended;
  }

  /** Whether the simulation is held, by the buffer or by `pause()`. */
  get paused(): boolean {
    return this.#pausedByBuffer || this.#pausedByUser;
  }

  get stats(): IMDClientStats {
    const { framesRead, bytesRead, stepsNotGrowing } = this.#producer;
    const pausedMs = this.#pausedMs + (this.paused ? performance.now() - this.#pausedSince : 0);
    const counters = { framesRead, bytesRead, stepsNotGrowing, pausesSent: this.#pausesSent, resumesSent: this.#resumesSent, pausedMs };
    return { ...this.#buffer.stats, ...counters };
  }

  /** Holds the simulation until `resume()`. Frames under way still come. */
  pause(): void {
    this.#checkRunning();
    this.#setPaused(this.#pausedByBuffer, true);
  }

  /** Takes `pause()` back. The simulation goes on as soon as the buffer has room as well. */
  resume(): void {
    this.#checkRunning();
    this.#setPaused(this.#pausedByBuffer, false);
  }

  /** Steps between frames; below 1: the default of the simulation. */
  setTrate(steps: number): void {
    checkInteger("trate", steps, -0x80000000, 0x7fffffff);
    this.#command(IMDPacketType.TRATE, steps);
  }

  /** Whether the simulation waits (or goes on) without a client. Throws `ERR_SPINN_REFUSED` on version 2: GROMACS drops the client. */
  setWait(wait: boolean): void {
    if (this.#session.version === 2) {
      throw new SpinnError("ERR_SPINN_REFUSED", "WAIT is a packet of version 3; this server speaks version 2", {
        hint: "start the simulation with the behaviour you need (GROMACS -imdwait, LAMMPS nowait)",
      });
    }
    this.#command(IMDPacketType.WAIT, wait ? 1 : 0);
  }

  /** Asks the simulation to end. LAMMPS exits with an error; GROMACS obeys only with `-imdterm`. */
  kill(): void {
    this.#command(IMDPacketType.KILL);
  }

  /**
   * Forces on atoms, replacing those sent before. Resolves when they have left this process.
   *
   * @param atoms numbers within the IMD group, from 0, none twice
   * @param forces x, y, z for each, in the unit that the engine takes (GROMACS: kcal/(mol A))
   * @throws `ERR_SPINN_ARGUMENT` before anything is sent: engines crash on an atom number out of range
   */
  async sendForces(atoms: ArrayLike<number>, forces: ArrayLike<number>): Promise<void> {
    await this.#write(encodeIMDForces(atoms, forces, this.#nAtoms, this.#session.byteOrder));
  }

  /** Takes forces away by sending zeros, which every engine understands. Default: from all atoms. */
  async clearForces(atoms: ArrayLike<number> = Array.from({ length: this.#nAtoms }, (_, i) => i)): Promise<void> {
    await this.sendForces(atoms, new Float32Array(3 * atoms.length));
  }

  /**
   * Leaves: DISCONNECT, then the connection is closed in good order. Frames that wait in the buffer can still be taken. Idempotent;
   * resolves when the connection is closed, at the latest after `lingerMs`.
   */
  stop(): Promise<void> {
    this.#end(new SpinnError("ERR_SPINN_CLOSED", `the stream from ${this.#where} was stopped by its client`));
    return this.#closing!;
  }

  close(): Promise<void> {
    return this.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #start(link: IMDLink): void {
    // GO first and at once: engines wait one second for it.
    void this.#write(encodeIMDHeader(IMDPacketType.GO)).catch(ignore);
    const { continueAfterDisconnect, trate, signal } = this.#options;
    if (trate !== undefined) this.setTrate(trate);
    if (continueAfterDisconnect !== undefined && this.#session.version === 3) this.setWait(!continueAfterDisconnect);
    this.#timer = setInterval(() => this.#checkTime(), Math.max(5, Math.min(1000, this.#timeoutMs / 4)));
    if (signal !== undefined) {
      const onAbort = (): void => this.#end(abortError(signal));
      signal.addEventListener("abort", onAbort, { once: true });
      this.#release.push(() => signal.removeEventListener("abort", onAbort));
    }
    if (this.#options.stopOnInterrupt === true) {
      const onInterrupt = (): void => void this.stop();
      for (const name of ["SIGINT", "SIGTERM"] as const) {
        process.on(name, onInterrupt);
        this.#release.push(() => process.off(name, onInterrupt));
      }
    }
    if (signal?.aborted) this.#end(abortError(signal));
    this.#buffer.begin();
    link.onEnd = (error) => this.#end(this.#describeEnd(error));
    link.target = () => (this.#buffer.ended === undefined ? this.#producer.target() : undefined);
    link.onData = (chunk, start, end) => this.#take(chunk, start, end);
    link.replay();
  }

  /** Returns whether the socket may go on reading. */
  #take(chunk: Uint8Array, start: number, end: number): boolean {
    if (this.#buffer.ended !== undefined) return true;
    this.#lastByteAt = performance.now();
    try {
      const stopped = this.#producer.feed(chunk, start, end);
      if (this.#producer.midFrame && this.#producer.framesRead !== this.#frameNumber) {
        this.#frameNumber = this.#producer.framesRead;
        this.#frameSince = this.#lastByteAt;
      }
      if (stopped === end) return true;
      this.#rest = { chunk, start: stopped, end };
      return false;
    } catch (error) {
      this.#end(error as SpinnError);
      return true;
    }
  }

  /** There is an empty frame again: go on where reading had stopped. */
  #feedRest(): void {
    const rest = this.#rest;
    if (rest === undefined) return;
    this.#rest = undefined;
    if (this.#take(rest.chunk, rest.start, rest.end)) this.#socket.resume();
  }

  #setPaused(byBuffer: boolean, byUser: boolean): void {
    const before = this.paused;
    this.#pausedByBuffer = byBuffer;
    this.#pausedByUser = byUser;
    const after = this.paused;
    if (before === after || this.#buffer.ended !== undefined) return;
    const now = performance.now();
    if (after) {
      this.#pausedSince = now;
      this.#pausesSent += 1;
    } else {
      this.#pausedMs += now - this.#pausedSince;
      // What passed while the simulation was held is nobody's silence.
      this.#lastByteAt = now;
      this.#frameSince += now - this.#pausedSince;
      this.#resumesSent += 1;
    }
    // In version 2 PAUSE is a toggle, and RESUME crashes GROMACS.
    this.#command(after || this.#session.version === 2 ? IMDPacketType.PAUSE : IMDPacketType.RESUME);
  }

  #checkTime(): void {
    // While the simulation is held, or we do not read because the buffer is full, silence means nothing.
    if (this.paused || this.#rest !== undefined) return;
    const now = performance.now();
    const { framesRead, midFrame } = this.#producer;
    if (now - this.#lastByteAt > this.#timeoutMs) {
      const hint = "is the simulation stuck, or slower than this? timeoutMs sets the longest silence";
      const where = midFrame ? "in the middle of a frame" : "between frames";
      this.#end(
        new SpinnError("ERR_SPINN_TIMEOUT", `${this.#where} sent nothing for ${this.#timeoutMs} ms, ${where}, after ${framesRead} frames`, {
          hint,
        }),
      );
    } else if (midFrame && this.#frameNumber === framesRead && now - this.#frameSince > this.#frameTimeoutMs) {
      const hint = "frameTimeoutMs sets the longest time for one frame";
      this.#end(
        new SpinnError("ERR_SPINN_TIMEOUT", `frame ${framesRead} from ${this.#where} did not end within ${this.#frameTimeoutMs} ms`, {
          hint,
        }),
      );
    }
  }

  #describeEnd(cause: Error | undefined): SpinnError {
    const frames = `${this.#producer.framesRead} whole frames`;
    if (cause !== undefined) {
      return new SpinnError("ERR_SPINN_INCOMPLETE", `the connection to ${this.#where} was lost after ${frames}: ${cause.message}`, {
        cause,
        hint: "frames that the kernel still held may be lost",
      });
    }
    if (this.#producer.midFrame) {
      return new SpinnError("ERR_SPINN_INCOMPLETE", `${this.#where} closed in the middle of a frame, after ${frames}`, {
        hint: "the simulation, or what lies between, was stopped",
      });
    }
    return new SpinnError("ERR_SPINN_END_OF_STREAM", `EOF: ${this.#where} ended the stream after ${frames}`);
  }

  #checkRunning(): void {
    if (this.#buffer.ended !== undefined) throw this.#buffer.ended;
  }

  #command(type: number, length = 0): void {
    this.#checkRunning();
    // A command whose write fails is lost together with the connection, and that is reported by the stream itself.
    void this.#write(encodeIMDHeader(type, length)).catch(ignore);
  }

  async #write(packet: Uint8Array): Promise<void> {
    this.#checkRunning();
    if (this.#socket.writableLength > MAX_UNSENT) {
      throw new SpinnError("ERR_SPINN_REFUSED", `${this.#where} does not read what is sent to it; ${MAX_UNSENT} bytes wait already`);
    }
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(packet, (error) => {
        if (error) reject(new SpinnError("ERR_SPINN_INCOMPLETE", `could not send to ${this.#where}: ${error.message}`, { cause: error }));
        else resolve();
      });
    });
  }

  /** The stream is over for `reason`. The first reason stays. */
  #end(reason: SpinnError): void {
    if (this.#closing !== undefined) return;
    const socket = this.#socket;
    clearInterval(this.#timer);
    for (const release of this.#release) release();
    if (this.paused) this.#pausedMs += performance.now() - this.#pausedSince;
    this.#pausedByBuffer = false;
    this.#pausedByUser = false;
    this.#rest = undefined;
    this.#buffer.finish(reason);
    // Always DISCONNECT: a LAMMPS of version 3 reads for ever from a client that just closes. Then read to the end, so that closing with
    // unread bytes does not reset the connection before the packet is read.
    this.#closing = new Promise((resolve) => {
      if (socket.closed) {
        resolve();
        return;
      }
      const deadline = setTimeout(() => socket.destroy(), this.#options.lingerMs ?? 500);
      socket.once("close", () => {
        clearTimeout(deadline);
        resolve();
      });
      socket.end(encodeIMDHeader(IMDPacketType.DISCONNECT));
      socket.resume();
    });
  }
}

function ignore(): void {}
