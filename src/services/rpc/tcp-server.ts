import { EventEmitter } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { debuglog } from "node:util";
import { SpinnError } from "../../errors.js";
import { LineSocket } from "./line-socket.js";
import { serverTlsOptions, type TlsServerIdentity } from "./tls-identity.js";

const debug = debuglog("spinn");

export interface TCPServerOptions {
  /** Plain TCP when left out. */
  readonly tls?: TlsServerIdentity | undefined;
  /** Idle time before TCP asks whether the other side still lives; 0 is never. Default 30 000 ms. */
  readonly keepAliveMs?: number | undefined;
  /** Longest line taken from a client; default 32 MiB (sipyco: 4 MiB). */
  readonly maxLineBytes?: number | undefined;
  /** Connections at a time, further ones are closed at once; default 1024. */
  readonly maxConnections?: number | undefined;
  /** How long a connection may take to send its first line; default 10 000 ms. */
  readonly handshakeTimeoutMs?: number | undefined;
}

/**
 * Base of every server here: listens on one or more addresses, runs `serve` for each connection, and stops cleanly. Emits `warning`
 * with a SpinnError for each client that was cut off and why.
 */
export abstract class TCPServer extends EventEmitter<{ warning: [SpinnError] }> {
  /** Counters since the start. */
  readonly counters = { connections: 0, refused: 0, cutOff: 0 };
  readonly #options: TCPServerOptions;
  /** Bounded by the addresses asked for. */
  readonly #listeners: Server[] = [];
  /** Bounded by `maxConnections`. */
  readonly #connections = new Map<LineSocket, Promise<void>>();
  #stopping: Promise<void> | undefined;

  constructor(options: TCPServerOptions = {}) {
    super();
    this.#options = options;
  }

  /**
   * Listens. `port` 0 takes a free one, the same on every address. Resolves when connections can come in.
   * Throws `ERR_SPINN_ADDRESS_IN_USE` or `ERR_SPINN_UNREACHABLE` (no such address).
   */
  async start(host: string | readonly string[] = "127.0.0.1", port = 0): Promise<void> {
    if (this.#stopping) throw new SpinnError("ERR_SPINN_CLOSED", "this server has been stopped");
    if (this.#listeners.length > 0) throw new SpinnError("ERR_SPINN_ARGUMENT", "this server has been started already");
    try {
      const addresses = typeof host === "string" ? [host] : host;
      for (const address of addresses) {
        await this.#listen(address, this.#listeners.length === 0 ? port : this.port, addresses.length > 1);
      }
    } catch (error) {
      for (const listener of this.#listeners.splice(0)) listener.close();
      throw error;
    }
  }

  /** The port listened on; 0 before the start and after the stop. */
  get port(): number {
    const address = this.#listeners[0]?.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Connections open now. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Closes every listener and connection, delivering what was written; resolves when all are closed. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  close(): Promise<void> {
    return this.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Handles one connection until it ends. What it throws cuts that connection off and is emitted as a warning. */
  protected abstract serve(connection: LineSocket): Promise<void>;

  /** The first line, or null when none came in time. */
  async #firstLine(connection: LineSocket): Promise<string | null> {
    const { handshakeTimeoutMs = 10_000 } = this.#options;
    const timer = setTimeout(() => {
      this.warn(new SpinnError("ERR_SPINN_TIMEOUT", `${connection.peer} sent no first line within ${handshakeTimeoutMs} ms`));
      connection.destroy();
    }, handshakeTimeoutMs);
    try {
      return await connection.next();
    } finally {
      clearTimeout(timer);
    }
  }

  /** Whether the first line is `banner`; anything else but a closed connection is a warning. */
  protected async greeted(connection: LineSocket, banner: string): Promise<boolean> {
    const first = await this.#firstLine(connection);
    if (first === banner) return true;
    if (first !== null) this.cutOff(connection, `greeted with ${JSON.stringify(first.slice(0, 60))} instead of ${JSON.stringify(banner)}`);
    return false;
  }

  protected cutOff(connection: LineSocket, reason: string): void {
    this.warn(new SpinnError("ERR_SPINN_PROTOCOL", `${connection.peer} was cut off: ${reason}`, { board: connection.peer }));
  }

  protected warn(error: SpinnError): void {
    debug("%s", error.message);
    this.counters.cutOff += 1;
    this.emit("warning", error);
  }

  /** `ipv6Only`: `::` alone takes IPv4 too; beside 0.0.0.0 it would find its port taken. */
  #listen(host: string, port: number, ipv6Only: boolean): Promise<void> {
    const { tls } = this.#options;
    const listener = tls
      ? createTlsServer(serverTlsOptions(tls), (socket) => this.#accept(socket))
      : createServer((socket) => this.#accept(socket));
    if (tls)
      listener.on("tlsClientError", (error: Error) => this.warn(new SpinnError("ERR_SPINN_PROTOCOL", `TLS refused: ${error.message}`)));
    return new Promise((resolve, reject) => {
      listener.once("error", (cause: NodeJS.ErrnoException) => {
        const code = cause.code === "EADDRINUSE" ? "ERR_SPINN_ADDRESS_IN_USE" : "ERR_SPINN_UNREACHABLE";
        reject(new SpinnError(code, `cannot listen on ${host}:${port}: ${cause.message}`, { cause }));
      });
      listener.listen({ host, port, exclusive: true, ipv6Only }, () => {
        listener.removeAllListeners("error");
        listener.on("error", (error) => this.warn(new SpinnError("ERR_SPINN_UNREACHABLE", error.message, { cause: error })));
        this.#listeners.push(listener);
        resolve();
      });
    });
  }

  #accept(socket: Socket): void {
    const { maxConnections = 1024, maxLineBytes = 32 * 1024 * 1024, keepAliveMs = 30_000 } = this.#options;
    if (this.#stopping || this.#connections.size >= maxConnections) {
      this.counters.refused += 1;
      socket.on("error", () => {});
      socket.destroy();
      return;
    }
    this.counters.connections += 1;
    const connection = new LineSocket(socket, { maxLineBytes, keepAliveMs });
    this.#connections.set(connection, this.#run(connection));
  }

  async #run(connection: LineSocket): Promise<void> {
    try {
      await this.serve(connection);
    } catch (error) {
      this.cutOff(connection, error instanceof Error ? error.message : String(error));
    } finally {
      await connection.close();
      this.#connections.delete(connection);
    }
  }

  async #stop(): Promise<void> {
    const closing = this.#listeners.map((listener) => new Promise((resolve) => listener.close(resolve)));
    const serving = [...this.#connections.values()];
    for (const connection of this.#connections.keys()) void connection.close();
    await Promise.all([...closing, ...serving]);
    this.#listeners.length = 0;
  }
}
