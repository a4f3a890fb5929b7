import { EventEmitter } from "node:events";
import { SpinnError } from "../../errors.js";
import { type AnyMethods, type CallOptions, Client, type ClientOptions, Keywords } from "./client.js";

export interface BestEffortClientOptions extends Omit<ClientOptions, "connectTimeoutMs" | "signal" | "target"> {
  /** Target name; default the server's only target. Choosing later is not possible here. */
  readonly target?: Exclude<ClientOptions["target"], null>;
  /** How long the first connection, handshake included, may take; default 1000 ms. */
  readonly firstConTimeoutMs?: number | undefined;
  /** Between tries to connect again; default 5000 ms. */
  readonly retryMs?: number | undefined;
}

/** What a lost connection looks like; all other errors are the caller's or the method's. */
const LOST: ReadonlySet<string> = new Set([
  "ERR_SPINN_UNREACHABLE",
  "ERR_SPINN_OUTCOME_UNKNOWN",
  "ERR_SPINN_TIMEOUT",
  "ERR_SPINN_PROTOCOL",
]);

type Results<M> = {
  readonly [K in keyof M]: M[K] extends (...args: infer A) => infer R
    ? (...args: A | [...A, Keywords]) => Promise<Awaited<R> | null>
    : never;
};

/**
 * A client for where a missing device must not stop the experiment: a call that the network fails gives null, and the connection is tried
 * again in the background. Still thrown: exceptions of the method, arguments that cannot be sent, a server without the target asked for.
 *
 * Emits `warning` (a SpinnError) for each loss and each call answered by null, `connect` and `disconnect`.
 */
export class BestEffortClient<M = AnyMethods> extends EventEmitter<{ warning: [SpinnError]; connect: []; disconnect: [] }> {
  /** The target's methods. Any name may be called while nothing is known of the server; the answer is null then. */
  readonly rpc: Results<M>;
  readonly #host: string;
  readonly #port: number;
  readonly #options: BestEffortClientOptions;
  #client: Client | undefined;
  #retry: NodeJS.Timeout | undefined;
  #connecting: Promise<void> | undefined;
  readonly #closing = new AbortController();

  private constructor(host: string, port: number, options: BestEffortClientOptions) {
    super();
    this.#host = host;
    this.#port = port;
    this.#options = options;
    this.rpc = new Proxy(Object.create(null) as object, {
      get: (_, name) => (typeof name === "string" && name !== "then" ? (...args: unknown[]) => this.#apply(name, args) : undefined),
    }) as Results<M>;
  }

  /** Tries to connect once, and goes on trying in the background. Throws IncompatibleServer only, and `ERR_SPINN_ARGUMENT`. */
  static async connect<M = AnyMethods>(host: string, port: number, options: BestEffortClientOptions = {}): Promise<BestEffortClient<M>> {
    const client = new BestEffortClient<M>(host, port, options);
    await client.#connect(options.firstConTimeoutMs ?? 1000, true);
    return client;
  }

  get isConnected(): boolean {
    return this.#client !== undefined;
  }

  get selectedTarget(): string | undefined {
    return this.#client?.selectedTarget;
  }

  /** As `Client.call`, but null when the network fails. */
  async call(
    name: string,
    args: readonly unknown[] = [],
    kwargs: Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown> = {},
    options: CallOptions = {},
  ): Promise<unknown> {
    if (this.#closing.signal.aborted) throw new SpinnError("ERR_SPINN_CLOSED", `the client of ${this.#host}:${this.#port} is closed`);
    const client = this.#client;
    if (client === undefined) {
      this.emit(
        "warning",
        new SpinnError("ERR_SPINN_UNREACHABLE", `${name}: not connected to ${this.#host}:${this.#port}, the call was left out`),
      );
      return null;
    }
    try {
      return await client.call(name, args, kwargs, options);
    } catch (error) {
      if (!(error instanceof SpinnError) || !LOST.has(error.code) || this.#closing.signal.aborted) throw error;
      this.emit("warning", error);
      return null;
    }
  }

  /** Ends the connection and the trying. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    clearTimeout(this.#retry);
    await this.#client?.close();
    await this.#connecting;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #apply(name: string, args: readonly unknown[]): Promise<unknown> {
    const last = args[args.length - 1];
    return last instanceof Keywords ? this.call(name, args.slice(0, -1), last.values) : this.call(name, args);
  }

  async #connect(timeoutMs: number, isFirst: boolean): Promise<void> {
    const { firstConTimeoutMs: _first, retryMs: _retry, ...options } = this.#options;
    try {
      const signal = AbortSignal.any([this.#closing.signal, AbortSignal.timeout(timeoutMs)]);
      const client = await Client.connect(this.#host, this.#port, { ...options, connectTimeoutMs: timeoutMs, signal });
      if (this.#closing.signal.aborted) return await client.close();
      this.#client = client;
      void client.closed.then(() => this.#lost());
      this.emit("connect");
    } catch (error) {
      if (this.#closing.signal.aborted) return;
      const known = error instanceof SpinnError;
      if (isFirst && !(known && (LOST.has(error.code) || error.code === "ERR_SPINN_ABORTED"))) throw error;
      if (known) this.emit("warning", error);
      this.#tryLater();
    }
  }

  #lost(): void {
    this.#client = undefined;
    if (this.#closing.signal.aborted) return;
    this.emit("disconnect");
    this.#tryLater();
  }

  #tryLater(): void {
    const { retryMs = 5000, firstConTimeoutMs = 1000 } = this.#options;
    this.#retry = setTimeout(() => {
      // Longer than the first try: nobody waits for this one.
      this.#connecting = this.#connect(Math.max(firstConTimeoutMs, retryMs), false);
    }, retryMs);
  }
}
