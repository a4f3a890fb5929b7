import { createServer, type Server, type Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { abortError, checkInteger, SpinnError, throwIfAborted } from "../../errors.js";
import { createIMDFrame, encodeIMDFrame, type IMDFrame } from "./imd-frame.js";
import {
  type ByteOrder,
  encodeIMDHandshake,
  encodeIMDSessionInfo,
  IMD_HEADER_SIZE,
  IMD_MAX_ATOMS,
  IMDPacketType,
  type IMDSessionInfo,
  type IMDVersion,
  imdSessionInfoV2,
} from "./imd-packet.js";
import { int32At } from "./imd-producer.js";

export interface IMDServerOptions {
  /** Address to listen on, default `127.0.0.1`: IMD knows no password, and a client may kill the run. */
  readonly host?: string | undefined;
  /** Default 0: one that is free, see `IMDServer.port`. */
  readonly port?: number | undefined;
  /** Default 3. */
  readonly version?: IMDVersion | undefined;
  /** Order of the bodies, default `little`. */
  readonly byteOrder?: ByteOrder | undefined;
  /** Blocks of version 3, default `["time", "energies", "box", "positions", "velocities", "forces"]`. Version 2 has energies and positions. */
  readonly blocks?: readonly IMDBlockName[] | undefined;
  /** Whether positions are wrapped into the box, default `false`. */
  readonly wrapped?: boolean | undefined;
  /** Steps between frames as long as no client asks otherwise, default 1. */
  readonly trate?: number | undefined;
  /** `sendFrame` waits for a client when there is none, default `true`. A client may change it (WAIT). */
  readonly waitForClient?: boolean | undefined;
  /** A client must send GO within this, unit ms, default 1000 (GROMACS, LAMMPS, NAMD). */
  readonly goTimeoutMs?: number | undefined;
  /** On leaving: longest wait for the client to close, unit ms, default 1000. */
  readonly lingerMs?: number | undefined;
  /** A client asked to end the run. Default: nothing happens. */
  readonly onKill?: (() => void) | undefined;
  /** A client sent forces: they are in `IMDServer.appliedForces`. */
  readonly onForces?: (() => void) | undefined;
}

export type IMDBlockName = "time" | "energies" | "box" | "positions" | "velocities" | "forces";

/** Connections that wait while another client is served. More are closed. */
const MAX_WAITING = 8;

/**
 * Serves frames of our own to IMD clients, one client at a time; others wait without a handshake, as with GROMACS and LAMMPS.
 *
 * ```ts
 * await using server = await IMDServer.listen(nAtoms);
 * const frame = server.createFrame();
 * for (let step = 0; step < 1000; step += 1) {
 *   simulate(frame.positions!);
 *   frame.setTime(dt, step * dt, step);
 *   await server.sendFrame(frame);
 * }
 * ```
 */
export class IMDServer implements AsyncDisposable {
  readonly session: IMDSessionInfo;
  readonly nAtoms: number;
  /** x, y, z of the force that the client wants on each atom; zeros where it wants none. In the unit the client sent. */
  readonly appliedForces: Float32Array;
  readonly #options: IMDServerOptions;
  readonly #server: Server;
  readonly #waiting: Socket[] = [];
  readonly #defaultTrate: number;
  #client: Client | undefined;
  #wait: boolean;
  #closed: Promise<void> | undefined;
  #steps = 0;
  /** Those who wait for the state to change: `sendFrame` and `waitForClient` calls under way. */
  #changed: (() => void)[] = [];
  framesSent = 0;
  /** Times a client paused this server. */
  pausesTaken = 0;

  private constructor(nAtoms: number, options: IMDServerOptions) {
    this.nAtoms = nAtoms;
    this.#options = options;
    this.#wait = options.waitForClient ?? true;
    this.#defaultTrate = options.trate ?? 1;
    this.appliedForces = new Float32Array(3 * nAtoms);
    const byteOrder = options.byteOrder ?? "little";
    const has = (name: IMDBlockName): boolean => options.blocks?.includes(name) ?? true;
    this.session =
      options.version === 2
        ? imdSessionInfoV2(byteOrder)
        : {
            version: 3,
            byteOrder,
            time: has("time"),
            energies: has("energies"),
            box: has("box"),
            positions: has("positions"),
            wrapped: options.wrapped ?? false,
            velocities: has("velocities"),
            forces: has("forces"),
          };
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_ADDRESS_IN_USE`, `ERR_SPINN_UNREACHABLE`. */
  static async listen(nAtoms: number, options: IMDServerOptions = {}): Promise<IMDServer> {
    checkInteger("nAtoms", nAtoms, 1, IMD_MAX_ATOMS);
    checkInteger("trate", options.trate ?? 1, 1, 0x7fffffff);
    const port = checkInteger("port", options.port ?? 0, 0, 65535);
    if (options.blocks?.length === 0) throw new SpinnError("ERR_SPINN_ARGUMENT", "a session needs at least one block");
    const server = new IMDServer(nAtoms, options);
    const host = options.host ?? "127.0.0.1";
    await new Promise<void>((resolve, reject) => {
      server.#server.once("error", (cause: NodeJS.ErrnoException) => {
        const code = cause.code === "EADDRINUSE" ? "ERR_SPINN_ADDRESS_IN_USE" : "ERR_SPINN_UNREACHABLE";
        reject(new SpinnError(code, `cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
      });
      server.#server.listen(port, host, resolve);
    });
    server.#server.on("error", () => {});
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Whether a client is there and has sent GO. */
  get connected(): boolean {
    return this.#client?.going === true;
  }

  get paused(): boolean {
    return this.#client?.paused === true;
  }

  /** Steps between frames that the client wants. */
  get trate(): number {
    return this.#client?.trate ?? this.#defaultTrate;
  }

  /** A frame of this session, to fill and to send as often as you like. */
  createFrame(): IMDFrame {
    return createIMDFrame(this.session, this.nAtoms);
  }

  /** Resolves when a client is there and has sent GO. Throws `ERR_SPINN_ABORTED`, `ERR_SPINN_CLOSED`. */
  async waitForClient(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    while (!this.connected) await this.#change(options.signal);
  }

  /**
   * Sends one frame: waits for a client (unless told not to), waits while it has paused, leaves out steps that its rate does not ask for,
   * and waits until the connection takes more. The frame may be filled again afterwards.
   *
   * @returns whether the frame went out
   * @throws `ERR_SPINN_ABORTED`, `ERR_SPINN_CLOSED`, `ERR_SPINN_ARGUMENT` for a frame of another session
   */
  async sendFrame(frame: IMDFrame, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<boolean> {
    if (frame.layout.session !== this.session) throw new SpinnError("ERR_SPINN_ARGUMENT", "the frame belongs to another session");
    const { signal } = options;
    // A turn of the event loop for each frame, as engines look for commands at each step: otherwise a busy sender would never read a PAUSE.
    await turn();
    throwIfAborted(signal);
    this.#checkOpen();
    const step = frame.step ?? this.#steps;
    this.#steps += 1;
    for (;;) {
      const client = this.#client;
      if (client?.going !== true) {
        if (!this.#wait) return false;
      } else if (!client.paused) {
        if (step % client.trate !== 0) return false;
        const room = client.socket.write(encodeIMDFrame(frame));
        this.framesSent += 1;
        while (!room && this.#client === client && client.socket.writableNeedDrain) await this.#change(signal);
        return this.#client === client;
      }
      await this.#change(signal);
    }
  }

  /** Ends the run for the present client: closes in good order, so that it gets everything that was sent. */
  async disconnect(): Promise<void> {
    const client = this.#client;
    if (client === undefined) return;
    await leave(client.socket, this.#options.lingerMs ?? 1000);
  }

  /** Ends the run for the client and stops listening. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      const stopped = new Promise<void>((resolve) => this.#server.close(() => resolve()));
      for (const socket of this.#waiting) socket.destroy();
      this.#notify();
      await this.disconnect();
      await stopped;
    })();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOpen(): void {
    if (this.#closed !== undefined) throw new SpinnError("ERR_SPINN_CLOSED", "this IMD server is closed");
  }

  #accept(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (this.#closed !== undefined || this.#waiting.length >= MAX_WAITING) {
      socket.destroy();
      return;
    }
    if (this.#client === undefined) {
      this.#serve(socket);
      return;
    }
    this.#waiting.push(socket);
    socket.once("close", () => {
      const index = this.#waiting.indexOf(socket);
      if (index >= 0) this.#waiting.splice(index, 1);
    });
  }

  #serve(socket: Socket): void {
    const client = new Client(socket, this.#defaultTrate);
    this.#client = client;
    const late = setTimeout(() => socket.destroy(), this.#options.goTimeoutMs ?? 1000);
    socket.once("close", () => {
      clearTimeout(late);
      this.#client = undefined;
      this.appliedForces.fill(0);
      this.#notify();
      const next = this.#waiting.shift();
      if (next !== undefined && this.#closed === undefined) this.#serve(next);
    });
    // A client that just closes has left as well.
    socket.once("end", () => socket.destroy());
    socket.on("drain", () => this.#notify());
    socket.on("data", (chunk) => {
      try {
        client.read(chunk, this.nAtoms, (type, length, body) => {
          if (!client.going) {
            if (type !== IMDPacketType.GO) throw new SpinnError("ERR_SPINN_PROTOCOL", "the first packet of a client must be GO");
            clearTimeout(late);
          }
          this.#obey(client, type, length, body);
        });
      } catch {
        socket.destroy();
      }
      this.#notify();
    });
    socket.write(encodeIMDHandshake(this.session.version, this.session.byteOrder));
    if (this.session.version === 3) socket.write(encodeIMDSessionInfo(this.session));
  }

  #obey(client: Client, type: number, length: number, body: Uint8Array): void {
    const { version } = this.session;
    switch (type) {
      case IMDPacketType.GO:
        client.going = true;
        break;
      case IMDPacketType.PAUSE: {
        const before = client.paused;
        client.paused = version === 2 ? !before : true;
        if (client.paused && !before) this.pausesTaken += 1;
        break;
      }
      case IMDPacketType.RESUME:
        if (version === 3) client.paused = false;
        break;
      case IMDPacketType.TRATE:
        client.trate = length < 1 ? this.#defaultTrate : length;
        break;
      case IMDPacketType.WAIT:
        if (version === 3) this.#wait = length !== 0;
        break;
      case IMDPacketType.KILL:
        this.#options.onKill?.();
        break;
      case IMDPacketType.DISCONNECT:
        client.socket.destroy();
        break;
      case IMDPacketType.MDCOMM:
        this.#takeForces(length, body);
        this.#options.onForces?.();
        break;
      default:
        throw new SpinnError("ERR_SPINN_PROTOCOL", `packet type ${type} from a client`);
    }
  }

  #takeForces(count: number, body: Uint8Array): void {
    const little = this.session.byteOrder === "little";
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    this.appliedForces.fill(0);
    for (let i = 0; i < count; i += 1) {
      const atom = view.getInt32(4 * i, little);
      if (atom < 0 || atom >= this.nAtoms) throw new SpinnError("ERR_SPINN_PROTOCOL", `force on atom ${atom} of ${this.nAtoms}`);
      for (let axis = 0; axis < 3; axis += 1) {
        this.appliedForces[3 * atom + axis] = view.getFloat32(4 * count + 12 * i + 4 * axis, little);
      }
    }
  }

  #notify(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const wake of waiting) wake();
  }

  async #change(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    this.#checkOpen();
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#changed = this.#changed.filter((other) => other !== wake);
        reject(abortError(signal!));
      };
      const wake = (): void => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#changed.push(wake);
    });
    this.#checkOpen();
  }
}

/** One connection and what its client asked for. */
class Client {
  readonly socket: Socket;
  going = false;
  paused = false;
  trate: number;
  /** Pieces of an unfinished packet: at most one header, or one body of forces on all atoms. */
  #pieces: Uint8Array[] = [];
  #have = 0;
  /** Bytes without which nothing more can be read. */
  #need = IMD_HEADER_SIZE;

  constructor(socket: Socket, trate: number) {
    this.socket = socket;
    this.trate = trate;
  }

  /** Throws `ERR_SPINN_PROTOCOL` for a body larger than forces on all atoms. */
  read(chunk: Uint8Array, nAtoms: number, take: (type: number, length: number, body: Uint8Array) => void): void {
    this.#pieces.push(chunk);
    this.#have += chunk.length;
    if (this.#have < this.#need) return;
    const bytes = this.#pieces.length === 1 ? chunk : Buffer.concat(this.#pieces);
    this.#need = IMD_HEADER_SIZE;
    let at = 0;
    while (bytes.length - at >= IMD_HEADER_SIZE) {
      const type = int32At(bytes, at);
      const length = int32At(bytes, at + 4);
      let bodySize = 0;
      if (type === IMDPacketType.MDCOMM) {
        if (length < 0 || length > nAtoms) throw new SpinnError("ERR_SPINN_PROTOCOL", `forces on ${length} atoms of ${nAtoms}`);
        bodySize = 16 * length;
      }
      const end = at + IMD_HEADER_SIZE + bodySize;
      if (bytes.length < end) {
        this.#need = end - at;
        break;
      }
      take(type, length, bytes.subarray(at + IMD_HEADER_SIZE, end));
      at = end;
    }
    this.#pieces = at === bytes.length ? [] : [bytes.subarray(at)];
    this.#have = bytes.length - at;
  }
}

/** Half-closes, reads what still comes, and closes when the other side has, or after `lingerMs`. A plain close could reset the connection. */
function leave(socket: Socket, lingerMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) {
      resolve();
      return;
    }
    const deadline = setTimeout(() => socket.destroy(), lingerMs);
    socket.once("close", () => {
      clearTimeout(deadline);
      resolve();
    });
    socket.end();
    socket.resume();
  });
}
