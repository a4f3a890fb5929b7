import { abortError, SpinnError, throwIfAborted } from "../../errors.js";
import type { ValueForm } from "./class-hint.js";
import { CONNECT_TIMEOUT_MS, type ConnectOptions, connectLines } from "./connect-lines.js";
import type { LineSocket } from "./line-socket.js";
import { member } from "./member.js";
import { decode, encodeParts, type Notation } from "./pyon.js";
import { IncompatibleServer, unpackException } from "./remote-error.js";
import { ReplyQueue, type ReplyWaiter } from "./reply-queue.js";
import { RPC_BANNER } from "./server.js";
import { Tuple } from "./value.js";

/** Choose the server's only target. */
export const AutoTarget: unique symbol = Symbol("AutoTarget");

/** Keyword arguments: `client.rpc.add(1, kw({ scale: 2 }))`. */
export class Keywords {
  readonly values: Readonly<Record<string, unknown>>;

  constructor(values: Readonly<Record<string, unknown>>) {
    this.values = values;
  }
}

export function kw(values: Readonly<Record<string, unknown>>): Keywords {
  return new Keywords(values);
}

/** Methods of a target as its callers see them: `M` is an interface of plain functions. */
export type Remote<M> = {
  readonly [K in keyof M]: M[K] extends (...args: infer A) => infer R ? (...args: A | [...A, Keywords]) => Promise<Awaited<R>> : never;
};

/** Methods nobody has written types for. */
export type AnyMethods = Record<string, (...args: unknown[]) => unknown>;

export interface CallOptions {
  /** Default: the client's. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ClientOptions extends ConnectOptions {
  /** Target name, `AutoTarget`, or null to choose later with `selectRpcTarget`. Default AutoTarget. */
  readonly target?: string | typeof AutoTarget | null | undefined;
  /** For each call; default none: a boot may take a minute. */
  readonly timeoutMs?: number | undefined;
  /** How results are handed out, see `decode`. Default plain. */
  readonly values?: ValueForm | undefined;
  /** v2 where the server offers it; v1 insists on the old one. Default v2. */
  readonly notation?: Notation | undefined;
  /** Calls without reply at a time; default 65 536. */
  readonly maxPending?: number | undefined;
}

interface Identity {
  readonly targets: readonly string[];
  readonly description: string | null;
  readonly features: readonly string[];
}

/**
 * A connection to one target of a pc_rpc server. Calls may be made from many tasks at once: they are pipelined over the one connection
 * and answered in order. A call that is cancelled or out of time hurts no other call.
 *
 * Errors of a call: `ERR_SPINN_REMOTE` (RemoteError: the method threw), `ERR_SPINN_TIMEOUT`, `ERR_SPINN_ABORTED`, `ERR_SPINN_ARGUMENT`
 * (an argument cannot be sent, no such method), `ERR_SPINN_OUTCOME_UNKNOWN` (the connection was lost after the request was sent),
 * `ERR_SPINN_CLOSED`, `ERR_SPINN_PROTOCOL`.
 */
export class Client<M = AnyMethods> {
  /** The target's methods: `await client.rpc.echo(1)`. Names that the server does not offer are undefined. */
  readonly rpc: Remote<M>;
  readonly #lines: LineSocket;
  readonly #board: string;
  readonly #options: ClientOptions;
  readonly #identity: Identity;
  readonly #waiters: ReplyQueue;
  readonly #functions = new Map<string, (...args: unknown[]) => Promise<unknown>>();
  #notation: Notation = "v2";
  #selected: string | undefined;
  #methods: ReadonlySet<string> = new Set();
  #lost: SpinnError | undefined;
  #closing = false;

  private constructor(lines: LineSocket, board: string, identity: Identity, options: ClientOptions) {
    this.#lines = lines;
    this.#board = board;
    this.#identity = identity;
    this.#options = options;
    this.#waiters = new ReplyQueue(options.maxPending ?? 65_536);
    this.rpc = new Proxy(Object.create(null) as object, {
      get: (_, name) => (typeof name === "string" ? this.#method(name) : undefined),
      has: (_, name) => typeof name === "string" && this.#methods.has(name),
      ownKeys: () => [...this.#methods],
      getOwnPropertyDescriptor: (_, name) =>
        typeof name === "string" && this.#methods.has(name)
          ? { value: this.#method(name), enumerable: true, configurable: true }
          : undefined,
    }) as Remote<M>;
  }

  /** Connects, and selects a target. Throws `ERR_SPINN_UNREACHABLE`, `ERR_SPINN_TIMEOUT`, `ERR_SPINN_PROTOCOL`, IncompatibleServer. */
  static async connect<M = AnyMethods>(host: string, port: number, options: ClientOptions = {}): Promise<Client<M>> {
    const board = `${host}:${port}`;
    const lines = await connectLines(host, port, `${RPC_BANNER}\n`, options);
    try {
      const first = await nextWithin(lines, board, options);
      const client = new Client<M>(lines, board, readIdentity(first, board), options);
      const { target = AutoTarget } = options;
      if (target !== null) await client.selectRpcTarget(target);
      return client;
    } catch (error) {
      lines.destroy();
      throw error;
    }
  }

  /** Names of the server's targets, and its description. */
  getRpcId(): { readonly targets: readonly string[]; readonly description: string | null } {
    return { targets: this.#identity.targets, description: this.#identity.description };
  }

  /** The selected target, or undefined. */
  get selectedTarget(): string | undefined {
    return this.#selected;
  }

  /** Names of the methods the target offers. */
  get methods(): ReadonlySet<string> {
    return this.#methods;
  }

  /** Address of this end of the connection. */
  get localHost(): string {
    return this.#lines.localHost;
  }

  /** Calls whose replies have not come, abandoned ones included. */
  get pending(): number {
    return this.#waiters.size;
  }

  /** Settles when the connection is closed, by either side. */
  get closed(): Promise<void> {
    return this.#lines.closed;
  }

  /** Chooses the target, once. Throws IncompatibleServer (listing what there is) and `ERR_SPINN_ARGUMENT` the second time. */
  async selectRpcTarget(target: string | typeof AutoTarget): Promise<void> {
    if (this.#selected !== undefined) throw new SpinnError("ERR_SPINN_ARGUMENT", `the target ${this.#selected} is selected already`);
    const { targets, description, features } = this.#identity;
    const list = `${targets.join(" ")}${description === null ? "" : ` (${description})`}`;
    if (target === AutoTarget && targets.length !== 1) {
      throw new IncompatibleServer(`${this.#board} has ${targets.length} targets, not one: ${list}`, this.#board);
    }
    const name = target === AutoTarget ? targets[0]! : target;
    if (!targets.includes(name)) {
      throw new IncompatibleServer(`${this.#board} has no target ${JSON.stringify(name)}; valid target names: ${list}`, this.#board);
    }
    this.#selected = name;
    this.#notation = features.includes("pyon_v2") ? (this.#options.notation ?? "v2") : "v1";
    this.#lines.send(this.#notation === "v2" ? `${name} pyon_v2\n` : `${name}\n`);
    const methods = this.#decode(await nextWithin(this.#lines, this.#board, this.#options));
    if (!(methods instanceof Set)) throw new SpinnError("ERR_SPINN_PROTOCOL", `${this.#board} sent no set of method names`);
    this.#methods = new Set([...methods].filter((one) => typeof one === "string"));
    void this.#readReplies();
  }

  /** The target's documentation: `{ docstring, methods: { name: (signature, docstring) } }`. */
  getRpcMethodList(options: CallOptions = {}): Promise<unknown> {
    return this.#request(encodeParts({ action: "get_rpc_method_list" }, this.#notation), "get_rpc_method_list", options);
  }

  /** Calls a method by name. `rpc` is the same with less to write. */
  call(
    name: string,
    args: readonly unknown[] = [],
    kwargs: Readonly<Record<string, unknown>> | ReadonlyMap<string, unknown> = {},
    options: CallOptions = {},
  ): Promise<unknown> {
    try {
      if (this.#selected !== undefined && !this.#methods.has(name)) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", `${this.#selected} at ${this.#board} has no method ${JSON.stringify(name)}`, {
          hint: `it has: ${[...this.#methods].filter((one) => !one.startsWith("_")).join(", ")}`,
        });
      }
      const request = { action: "call", name, args: Tuple.from(args), kwargs };
      return this.#request(encodeParts(request, this.#notation), name, options);
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Closes the connection; calls under way fail with `ERR_SPINN_CLOSED`. Idempotent. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#lines.close();
    this.#fail(new SpinnError("ERR_SPINN_CLOSED", `the connection to ${this.#board} was closed`, { board: this.#board }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #method(name: string): ((...args: unknown[]) => Promise<unknown>) | undefined {
    if (!this.#methods.has(name)) return undefined;
    let method = this.#functions.get(name);
    if (method === undefined) {
      method = (...args) => {
        const last = args[args.length - 1];
        return last instanceof Keywords ? this.call(name, args.slice(0, -1), last.values) : this.call(name, args);
      };
      this.#functions.set(name, method);
    }
    return method;
  }

  async #request(parts: readonly (string | Uint8Array)[], what: string, options: CallOptions): Promise<unknown> {
    const { signal, timeoutMs = this.#options.timeoutMs } = options;
    const request = `${what} of ${this.#selected} at ${this.#board}`;
    throwIfAborted(signal);
    if (this.#lost !== undefined) throw this.#lost;
    if (this.#closing) throw new SpinnError("ERR_SPINN_CLOSED", `${request}: the client is closed`, { board: this.#board });
    if (this.#selected === undefined) throw new SpinnError("ERR_SPINN_ARGUMENT", `${request}: no target is selected`);
    const line = await this.#ask(parts, request, timeoutMs, signal);
    const reply = this.#decode(line);
    const status = member(reply, "status");
    if (status === "ok") return member(reply, "ret");
    if (status === "failed") throw unpackException(member(reply, "exception") ?? member(reply, "message"), this.#board);
    throw new SpinnError("ERR_SPINN_PROTOCOL", `${request}: a reply without status`, { board: this.#board, request });
  }

  #ask(
    parts: readonly (string | Uint8Array)[],
    request: string,
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      if (timeoutMs === undefined && signal === undefined) {
        this.#waiters.add({ resolve, reject, request, abandoned: false });
        this.#sendLine(parts);
        return;
      }
      const release = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      const giveUp = (error: SpinnError): void => {
        release();
        waiter.abandoned = true;
        reject(error);
      };
      const abort = (): void => giveUp(abortError(signal!));
      const expire = (): void =>
        giveUp(new SpinnError("ERR_SPINN_TIMEOUT", `${request}: no reply within ${timeoutMs} ms`, { board: this.#board, request }));
      const waiter: ReplyWaiter = {
        resolve: (line) => {
          release();
          resolve(line);
        },
        reject: (error) => {
          release();
          reject(error);
        },
        request,
        abandoned: false,
      };
      this.#waiters.add(waiter);
      const timer = timeoutMs === undefined ? undefined : setTimeout(expire, timeoutMs);
      signal?.addEventListener("abort", abort);
      this.#sendLine(parts);
    });
  }

  #sendLine(parts: readonly (string | Uint8Array)[]): void {
    if (parts.length > 1) this.#lines.sendParts([...parts, "\n"]);
    else this.#lines.send(`${parts[0] as string}\n`);
  }

  async #readReplies(): Promise<void> {
    for (;;) {
      const line = this.#lines.take() ?? (await this.#lines.next());
      if (line === null) break;
      const waiter = this.#waiters.shift();
      if (waiter === undefined) {
        this.#fail(new SpinnError("ERR_SPINN_PROTOCOL", `${this.#board} sent a line that nobody asked for`, { board: this.#board }));
        this.#lines.destroy();
        return;
      }
      if (!waiter.abandoned) waiter.resolve(line);
    }
    const cause = this.#lines.error;
    const code = this.#closing ? "ERR_SPINN_CLOSED" : "ERR_SPINN_UNREACHABLE";
    const words = this.#closing ? "was closed" : `was lost${cause ? `: ${cause.message}` : ""}`;
    this.#fail(
      cause?.code === "ERR_SPINN_PROTOCOL"
        ? cause
        : new SpinnError(code, `the connection to ${this.#board} ${words}`, { board: this.#board, cause }),
    );
    void this.#lines.close();
  }

  /** Ends every call under way: nobody will answer them. A lost connection leaves open whether they were executed. */
  #fail(error: SpinnError): void {
    this.#lost ??= error;
    for (let waiter = this.#waiters.shift(); waiter !== undefined; waiter = this.#waiters.shift()) {
      if (waiter.abandoned) continue;
      waiter.reject(
        error.code !== "ERR_SPINN_UNREACHABLE"
          ? error
          : new SpinnError("ERR_SPINN_OUTCOME_UNKNOWN", `${waiter.request}: ${error.message}`, {
              board: this.#board,
              request: waiter.request,
              cause: error,
              hint: "the server may have executed the call; ask for the state before calling again",
            }),
      );
    }
  }

  #decode(line: string): unknown {
    return decode(line, { notation: this.#notation, values: this.#options.values ?? "plain" });
  }
}

async function nextWithin(lines: LineSocket, board: string, options: ConnectOptions): Promise<string> {
  const { signal, connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const timeUp = new AbortController();
  const timer = setTimeout(() => timeUp.abort(), connectTimeoutMs);
  try {
    const line = await lines.next(signal ? AbortSignal.any([signal, timeUp.signal]) : timeUp.signal);
    if (line !== null) return line;
    throw lines.error ?? new SpinnError("ERR_SPINN_UNREACHABLE", `${board} closed the connection during the handshake`, { board });
  } catch (error) {
    throwIfAborted(signal);
    if (!timeUp.signal.aborted) throw error;
    throw new SpinnError("ERR_SPINN_TIMEOUT", `${board} accepted the connection but did not answer within ${connectTimeoutMs} ms`, {
      board,
      hint: "is it a pc_rpc server, and not busy?",
    });
  } finally {
    clearTimeout(timer);
  }
}

function readIdentity(line: string, board: string): Identity {
  const value = decode(line, { notation: "auto", values: "plain" });
  const targets = member(value, "targets");
  const description = member(value, "description");
  const features = member(value, "features");
  if (!Array.isArray(targets) || !targets.every((one) => typeof one === "string")) {
    throw new SpinnError("ERR_SPINN_PROTOCOL", `${board} did not name its targets: it is no pc_rpc server`, { board });
  }
  return {
    targets,
    description: typeof description === "string" ? description : null,
    features: Array.isArray(features) ? features : [],
  };
}
