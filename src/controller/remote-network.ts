import type { DatagramChannel, DatagramListener, OpenChannel } from "../connections/index.js";
import { abortError, SpinnError, throwIfAborted } from "../errors.js";
import { Client, type ConnectOptions } from "../services/rpc/index.js";
import type { Access } from "./access.js";
import { errorOf, restored } from "./carried-error.js";

/** Where something listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Calls of `receive` on their way: on a long line what comes need not wait for the one before to be back. */
const RECEIVERS = 8;
/** How long each waits at the controller, one behind the other. */
const WAIT_S = 2;
/** Beyond so long without an answer the controller counts as gone, ms: twice what the last of the receivers may wait. */
const SILENCE_MS = 2000 * RECEIVERS * WAIT_S;
/** Calls of `send` without answer beyond which datagrams are lost, as on any network that is too slow. */
const MAX_UNSENT = 256;

interface Described {
  readonly key: string;
  readonly allow: Access;
  readonly host: string;
  readonly port: number;
  readonly boot_port: number;
  readonly bmp: Endpoint | null;
  readonly local: string | null;
}

/**
 * The machine of a controller as if it were on this computer's network: `open` is a way for `Transceiver`, `BMPTransceiver` and boot.
 *
 * ```ts
 * await using network = await RemoteNetwork.connect("lab-pc", 3277);
 * await using board = await Transceiver.connect({ ...network.board, open: network.open });
 * ```
 *
 * Datagrams go through two connections to the controller, one each way, and are lost where they would be on a network: when the controller, or
 * the way to it, is too slow. Only the controller's own machine can be reached.
 */
export class RemoteNetwork {
  /** Its first board, as the controller names it. */
  readonly board: Endpoint;
  /** UDP port of the boot ROM there. */
  readonly bootPort: number;
  readonly bmp: Endpoint | undefined;
  /** What the controller lets callers do. */
  readonly allow: Access;
  readonly #out: Client;
  readonly #in: Client;
  readonly #key: string;
  readonly #via: string;
  /** From where the board sees the controller. */
  readonly #local: string | undefined;
  /** Bounded by the controller. */
  readonly #channels = new Map<number, RemoteChannel>();
  #unsent: [number, Uint8Array][] = [];
  #lost: SpinnError | undefined;
  #isClosed = false;

  private constructor(out: Client, back: Client, described: Described, via: string) {
    this.#out = out;
    this.#in = back;
    this.#via = via;
    this.board = { host: described.host, port: described.port };
    this.bootPort = described.boot_port;
    this.bmp = described.bmp ?? undefined;
    this.allow = described.allow;
    this.#key = described.key;
    this.#local = described.local ?? undefined;
    for (let i = 0; i < RECEIVERS; i += 1) void this.#receive();
  }

  /** Throws what `Client.connect` throws; IncompatibleServer when the server passes no datagrams on. */
  static async connect(host: string, port: number, options: ConnectOptions = {}): Promise<RemoteNetwork> {
    const more = { target: "datagrams", values: "plain", timeoutMs: SILENCE_MS, maxPending: MAX_UNSENT } as const;
    const out = await Client.connect(host, port, { ...options, ...more });
    let back: Client | undefined;
    try {
      back = await Client.connect(host, port, { ...options, ...more });
      return new RemoteNetwork(out, back, (await out.call("describe", [], {}, { signal: options.signal })) as Described, `${host}:${port}`);
    } catch (error) {
      await Promise.all([out.close(), back?.close()]);
      throw restored(error);
    }
  }

  /** Opens a channel to a UDP port of the machine. Throws `ERR_SPINN_REFUSED` for one that is not the machine's. */
  readonly open: OpenChannel = async (host, port, { signal }) => {
    throwIfAborted(signal);
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#isClosed) throw new SpinnError("ERR_SPINN_CLOSED", `the connection to ${this.#via} is closed`);
    const opening = this.#out.call("open", [host, port]) as Promise<number>;
    try {
      const number = await interruptible(opening, signal);
      const channel = new RemoteChannel(`${host}:${port}`, this.#local, {
        send: (datagram) => this.#send(number, datagram),
        close: () => {
          this.#channels.delete(number);
          void this.#out.call("close", [number]).catch(() => {});
        },
      });
      this.#channels.set(number, channel);
      return channel;
    } catch (error) {
      // Opened behind the back of a caller who has gone.
      void opening.then((number) => this.#out.call("close", [number])).catch(() => {});
      throw restored(error);
    }
  };

  /** Closes every channel and the connections. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const channel of [...this.#channels.values()]) await channel.close();
    await Promise.all([this.#out.close(), this.#in.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(number: number, datagram: Uint8Array): void {
    this.#unsent.push([number, datagram]);
    // What is sent in one turn goes together.
    if (this.#unsent.length === 1) process.nextTick(() => this.#flush());
  }

  #flush(): void {
    const datagrams = this.#unsent;
    this.#unsent = [];
    if (this.#isClosed || this.#lost !== undefined || this.#out.pending >= MAX_UNSENT) return;
    this.#out.call("send", [datagrams]).catch((error: unknown) => this.#lose(error));
  }

  async #receive(): Promise<void> {
    try {
      while (!this.#isClosed && this.#lost === undefined) {
        for (const [number, what] of (await this.#in.call("receive", [this.#key, WAIT_S])) as [number, unknown][]) {
          const channel = this.#channels.get(number);
          if (channel === undefined) continue;
          if (what instanceof Uint8Array) channel.deliver(what);
          else this.#tell(number, channel, what);
        }
      }
    } catch (error) {
      this.#lose(error);
    }
  }

  #tell(number: number, channel: RemoteChannel, what: unknown): void {
    const error = errorOf(what) ?? new SpinnError("ERR_SPINN_PROTOCOL", `${this.#via} sent neither a datagram nor an error`);
    if ((what as { closed?: unknown } | null)?.closed === true) {
      this.#channels.delete(number);
      channel.end(error);
    } else channel.fail(error);
  }

  #lose(cause: unknown): void {
    if (this.#isClosed || this.#lost !== undefined) return;
    this.#lost = new SpinnError(
      "ERR_SPINN_UNREACHABLE",
      `the connection to the controller ${this.#via} was lost: ${(cause as Error).message}`,
      {
        cause,
        hint: "is spinn serve still running there? What was under way may have been done: look at the board before doing it again",
      },
    );
    for (const channel of this.#channels.values()) channel.end(this.#lost);
    this.#channels.clear();
    void Promise.all([this.#out.close(), this.#in.close()]);
  }
}

/** A channel that ends in a controller's network. */
class RemoteChannel implements DatagramChannel {
  readonly remote: string;
  readonly local: string | undefined;
  readonly #way: { send(datagram: Uint8Array): void; close(): void };
  #listeners: readonly DatagramListener[] = [];
  #isClosed = false;

  constructor(remote: string, local: string | undefined, way: { send(datagram: Uint8Array): void; close(): void }) {
    this.remote = remote;
    this.local = local;
    this.#way = way;
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  send(datagram: Uint8Array): void {
    if (!this.#isClosed) this.#way.send(datagram);
  }

  subscribe(listener: DatagramListener): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  deliver(datagram: Uint8Array): void {
    for (const listener of this.#listeners) listener.onDatagram(datagram);
  }

  fail(error: SpinnError): void {
    for (const listener of this.#listeners) listener.onError?.(error);
  }

  end(error?: SpinnError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of this.#listeners) listener.onClose?.(error);
    this.#listeners = [];
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#way.close();
    this.end();
  }
}

function interruptible<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(abortError(signal));
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
