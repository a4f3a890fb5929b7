import type { ClientOptions, WebSocket } from "ws";
import { abortError, checkInteger, SpinnError, throwIfAborted } from "../../errors.js";
import type { JobMachine } from "./job-machine.js";
import { Channel, type OpenProxied } from "./proxied-channel.js";
import { ProxiedPort } from "./proxied-port.js";
import {
  decodeProxyFrame,
  encodeClose,
  encodeDatagram,
  encodeDatagramTo,
  encodeOpen,
  encodeOpenUnconnected,
  type ProxyFrame,
  type ProxyPeer,
} from "./proxy-message.js";

export interface ProxyOptions {
  /** `wss://host/spalloc/proxy/7`. */
  readonly url: URL;
  /** Session, token for changes, credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** The boards of the job: they alone can be reached. */
  readonly connections: JobMachine["connections"];
  /** For the connection and each answer; default 10 000 ms. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The service's ping interval is 30 s in the reference client; two without an answer are an end. */
const PING_MS = 30_000;
/** Bytes that wait for the network beyond which datagrams are lost, as on any network that is too slow. */
const MAX_WAITING_BYTES = 512 * 1024;
/** Requests to open or close under way; each one ends by its time. */
const MAX_CALLS = 1024;
/** The service hands on datagrams of 2040 bytes at most. */
const MAX_FRAME_BYTES = 64 * 1024;
const CLOSE_MS = 1000;
/** The service closes a WebSocket with these when it does not understand a frame, and when it fails itself. */
const CLOSE_WORDS: Readonly<Record<number, string>> = {
  1000: "the job has ended",
  1001: "the service is going down",
  1006: "the connection broke off",
  1007: "the service did not understand what was sent",
  1011: "the service failed",
};

interface Call {
  readonly peer: string;
  readonly resolve: (channel: Channel | ProxiedPort | undefined) => void;
  readonly reject: (error: SpinnError) => void;
}

/**
 * The WebSocket of the newer service that carries the datagrams of a job's boards: any number of channels, each to one port of one board, or
 * open to all. Datagrams are lost where they would be on a network: when it is too slow (`dropped` counts).
 */
export class BoardProxy {
  readonly #socket: WebSocket;
  readonly #where: string;
  readonly #timeoutMs: number;
  readonly #connections: JobMachine["connections"];
  /** Bounded by {@link MAX_CALLS}. */
  readonly #calls = new Map<number, Call>();
  /** As many as the caller has open. */
  readonly #channels = new Map<number, Channel | ProxiedPort>();
  readonly #pings: NodeJS.Timeout;
  #isAnswering = true;
  #lastCorrelation = 0;
  #lost: SpinnError | undefined;
  #closed: Promise<void> | undefined;
  #dropped = 0;

  private constructor(socket: WebSocket, options: ProxyOptions) {
    this.#socket = socket;
    this.#where = options.url.host;
    this.#timeoutMs = options.timeoutMs ?? 10_000;
    this.#connections = options.connections;
    socket.on("message", (data, isBinary) => this.#take(data as Uint8Array, isBinary));
    socket.on("error", (error) => this.#lose(error.message, error));
    socket.on("close", (code, reason) => {
      this.#lose([CLOSE_WORDS[code] ?? `closed with status ${code}`, ...(reason.length > 0 ? [reason.toString("utf8")] : [])].join(": "));
    });
    socket.on("pong", () => {
      this.#isAnswering = true;
    });
    this.#pings = setInterval(() => this.#ping(), PING_MS);
    this.#pings.unref();
  }

  /**
   * Throws `ERR_SPINN_REMOTE` when the service refuses (its `cause` has the `status`), `ERR_SPINN_UNREACHABLE`, `ERR_SPINN_TIMEOUT`,
   * `ERR_SPINN_ABORTED`.
   */
  static async open(options: ProxyOptions): Promise<BoardProxy> {
    const { url, signal, timeoutMs = 10_000 } = options;
    throwIfAborted(signal);
    // Loaded on first use: most jobs need none. Node 20 has no WebSocket of its own, and that of later ones sends no headers.
    const { WebSocket: Socket } = await import("ws");
    const settings: ClientOptions = {
      headers: options.headers,
      origin: `${url.protocol === "ws:" ? "http" : "https"}://${url.host}`,
      handshakeTimeout: timeoutMs,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
    };
    const socket = new Socket(url, settings);
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        reject(abortError(signal!));
        socket.terminate();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      // Also takes what comes behind: one that ends while it is being opened says so more than once.
      socket.on("error", (cause) => {
        const code = /handshake has timed out/.test(cause.message) ? "ERR_SPINN_TIMEOUT" : "ERR_SPINN_UNREACHABLE";
        reject(new SpinnError(code, `no WebSocket to the proxy at ${url.host}: ${cause.message}`, { cause }));
      });
      socket.on("unexpected-response", (request, { statusCode: status = 0, headers }) => {
        request.destroy();
        const hint = status === 503 ? "the job has no boards any more, or its boards are reached without proxy" : undefined;
        const words = `${url.host} refused the WebSocket to the boards with status ${status}`;
        reject(
          new SpinnError("ERR_SPINN_REMOTE", headers.location === undefined ? words : `${words} (a redirection)`, {
            hint,
            cause: { status },
          }),
        );
      });
      socket.on("open", resolve);
      socket.once("open", () => signal?.removeEventListener("abort", onAbort));
    });
    return new BoardProxy(socket, options);
  }

  /** Why it does not work any more; `undefined` while it does. */
  get lost(): SpinnError | undefined {
    return this.#lost;
  }

  /** Datagrams that were not sent because too many waited. */
  get dropped(): number {
    return this.#dropped;
  }

  /**
   * Opens a channel to a UDP port of a board of the job. Throws `ERR_SPINN_REFUSED` for a host that is none of them, `ERR_SPINN_REMOTE` with the
   * service's words, `ERR_SPINN_TIMEOUT`, `ERR_SPINN_UNREACHABLE`, `ERR_SPINN_ABORTED`.
   */
  readonly open: OpenProxied = async (host, port, { signal } = {}) => {
    const peer = this.#peer(host, port);
    return (await this.#call(`${host}:${port}`, (correlation) => encodeOpen(correlation, peer), signal)) as Channel;
  };

  /** Opens a channel without a fixed peer, for live events of boards. Throws as {@link open}. */
  async listen({ signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<ProxiedPort> {
    return (await this.#call("the boards", encodeOpenUnconnected, signal)) as ProxiedPort;
  }

  /** Closes every channel and the WebSocket. Idempotent. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#pings);
    const over = new Promise<void>((resolve) => {
      if (this.#socket.readyState === this.#socket.CLOSED) resolve();
      this.#socket.once("close", () => resolve());
    });
    this.#end(new SpinnError("ERR_SPINN_CLOSED", `the proxy at ${this.#where} was closed`), undefined);
    this.#socket.close(1000);
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_MS);
    await over;
    clearTimeout(timer);
  }

  #peer(host: string, port: number): ProxyPeer {
    checkInteger("port", port, 1, 65535);
    const board = this.#connections.find((connection) => connection.host === host);
    if (board !== undefined) return { chip: board.chip, port };
    throw new SpinnError("ERR_SPINN_REFUSED", `${host} is no board of the job: the proxy at ${this.#where} leads to its boards only`, {
      hint: `they are ${this.#connections.map((connection) => connection.host).join(", ")}`,
    });
  }

  #call(
    peer: string,
    frame: (correlation: number) => Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<Channel | ProxiedPort | undefined> {
    throwIfAborted(signal);
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    if (this.#calls.size >= MAX_CALLS) {
      return Promise.reject(new SpinnError("ERR_SPINN_TIMEOUT", `${MAX_CALLS} requests to the proxy at ${this.#where} are without answer`));
    }
    this.#lastCorrelation = (this.#lastCorrelation + 1) >>> 0;
    const correlation = this.#lastCorrelation;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
      };
      // Who has gone leaves a channel that may still be opened: it is closed when its answer comes.
      const leave = (error: unknown): void => {
        settle();
        this.#calls.set(correlation, { peer, resolve: (late) => void late?.close(), reject: () => {} });
        reject(error);
      };
      const onAbort = (): void => leave(abortError(signal!));
      const timer = setTimeout(() => {
        leave(new SpinnError("ERR_SPINN_TIMEOUT", `the proxy at ${this.#where} did not answer in ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#calls.set(correlation, {
        peer,
        resolve: (channel) => {
          settle();
          resolve(channel);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      this.#socket.send(frame(correlation), () => {});
    });
  }

  #take(data: Uint8Array, isBinary: boolean): void {
    let frame: ProxyFrame;
    try {
      if (!isBinary) throw new SpinnError("ERR_SPINN_PROTOCOL", `the proxy at ${this.#where} sent text`);
      frame = decodeProxyFrame(data);
    } catch (error) {
      this.#end(error as SpinnError, error as SpinnError);
      this.#socket.terminate();
      return;
    }
    if (frame.kind === "datagram") {
      this.#channels.get(frame.channel)?.deliver(frame.datagram);
      return;
    }
    const call = this.#calls.get(frame.correlation);
    this.#calls.delete(frame.correlation);
    if (call === undefined) return;
    switch (frame.kind) {
      case "error": {
        const why = frame.words.trim() === "" ? "without a word" : frame.words.trim();
        call.reject(new SpinnError("ERR_SPINN_REMOTE", `the proxy at ${this.#where} refused a channel to ${call.peer}: ${why}`));
        break;
      }
      case "closed":
        call.resolve(undefined);
        break;
      case "opened":
      case "listening": {
        // Entered here and not by who waits: datagrams may stand behind this frame in the same packet.
        const { channel: number } = frame;
        const way = {
          send: (datagram: Uint8Array): void => this.#send(() => encodeDatagram(number, datagram)),
          sendTo: (datagram: Uint8Array, host: string, port: number): void => {
            const peer = this.#peer(host, port);
            this.#send(() => encodeDatagramTo(number, peer, datagram));
          },
          close: (): void => {
            this.#channels.delete(number);
            if (this.#lost === undefined)
              this.#call(call.peer, (correlation) => encodeClose(correlation, number), undefined).catch(() => {});
          },
        };
        const channel = frame.kind === "opened" ? new Channel(call.peer, way) : new ProxiedPort(frame.host, frame.port, way);
        this.#channels.set(number, channel);
        call.resolve(channel);
      }
    }
  }

  #send(frame: () => Uint8Array): void {
    if (this.#lost !== undefined) return;
    if (this.#socket.bufferedAmount > MAX_WAITING_BYTES) this.#dropped += 1;
    else this.#socket.send(frame(), () => {});
  }

  #ping(): void {
    if (!this.#isAnswering) {
      this.#lose(`no answer to a ping in ${PING_MS} ms`);
      this.#socket.terminate();
      return;
    }
    this.#isAnswering = false;
    this.#socket.ping(undefined, undefined, () => {});
  }

  #lose(why: string, cause?: unknown): void {
    const hint = "does the job still run? What was under way may have been done: look at the board before doing it again";
    const error = new SpinnError("ERR_SPINN_UNREACHABLE", `the way to the boards through ${this.#where} was lost: ${why}`, { hint, cause });
    this.#end(error, error);
  }

  /** `error` is for what waits, `told` for channels: none when they were closed here. */
  #end(error: SpinnError, told: SpinnError | undefined): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    clearInterval(this.#pings);
    for (const call of [...this.#calls.values()]) call.reject(error);
    this.#calls.clear();
    for (const channel of [...this.#channels.values()]) channel.end(told);
    this.#channels.clear();
  }
}
