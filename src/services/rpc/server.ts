import { abortError, SpinnError } from "../../errors.js";
import { CallLock } from "./call-lock.js";
import type { ValueForm } from "./class-hint.js";
import type { LineSocket } from "./line-socket.js";
import { member } from "./member.js";
import { type CallContext, MethodTable } from "./method-table.js";
import { decode, encode, encodeParts, type Notation } from "./pyon.js";
import { packException, RemoteError } from "./remote-error.js";
import { TCPServer, type TCPServerOptions } from "./tcp-server.js";
import { Tuple } from "./value.js";

export const RPC_BANNER = "ARTIQ pc_rpc";
const V2_FEATURE = "pyon_v2";

/** Makes a target for one connection; a result with `Symbol.asyncDispose` is disposed of when the connection ends. */
export type TargetFactory = (context: CallContext) => object | Promise<object>;

export interface RpcServerOptions extends TCPServerOptions {
  /** Shown to clients; default none. */
  readonly description?: string | undefined;
  /** Gives every target the method `terminate`, which settles `terminated`. Default false. */
  readonly builtinTerminate?: boolean | undefined;
  /** Calls of different connections may overlap. Default false: one call at a time on the whole server, first come, first served. */
  readonly allowParallel?: boolean | undefined;
  /** How arguments reach the methods, see `decode`. Default plain: `2.0` arrives as the number 2. */
  readonly values?: ValueForm | undefined;
  /** A call that takes longer is answered with TimeoutError, its signal fires, and the next call may run. Default none. */
  readonly callTimeoutMs?: number | undefined;
  /** Send the lines of the stack with exceptions, as Python does. Default true. */
  readonly tracebacks?: boolean | undefined;
}

const TERMINATE = {
  args: ["self"],
  varargs: null,
  varkw: null,
  defaults: null,
  kwonlyargs: [],
  kwonlydefaults: [],
};

/**
 * A server of the ARTIQ pc_rpc protocol: named targets whose public methods are called from Python or TypeScript. Arguments and
 * results are PYON values; a method may return a promise. One connection is served in order, and may have many requests under way.
 */
export class RpcServer extends TCPServer {
  /** Settles when a client has called the builtin `terminate`. */
  readonly terminated: Promise<void>;
  /** Requests answered since the start: with a result, with an exception. */
  readonly answered = { ok: 0, failed: 0 };
  readonly #targets: ReadonlyMap<string, object | TargetFactory>;
  readonly #options: RpcServerOptions;
  readonly #lock = new CallLock();
  #terminate: () => void = () => {};

  /** Throws `ERR_SPINN_ARGUMENT` for target names that are empty or hold white space. */
  constructor(targets: Readonly<Record<string, object>>, options: RpcServerOptions = {}) {
    super(options);
    this.#options = options;
    this.#targets = new Map(Object.entries(targets));
    this.terminated = new Promise((resolve) => {
      this.#terminate = resolve;
    });
    for (const name of this.#targets.keys()) {
      if (!/^[\u0021-\u007e]+$/.test(name))
        throw new SpinnError("ERR_SPINN_ARGUMENT", `the target name ${JSON.stringify(name)} cannot be sent`);
    }
  }

  protected override async serve(connection: LineSocket): Promise<void> {
    if (!(await this.greeted(connection, RPC_BANNER))) return;
    const targets = [...this.#targets.keys()].sort();
    connection.send(`${encode({ targets, description: this.#options.description ?? null, features: [V2_FEATURE] })}\n`);
    const choice = await connection.next();
    if (choice === null) return;
    const [name = "", ...features] = choice.split(" ");
    const chosen = this.#targets.get(name);
    if (chosen === undefined || features.some((feature) => feature !== V2_FEATURE)) {
      return this.cutOff(connection, `asked for the target ${JSON.stringify(choice.slice(0, 100))}`);
    }
    const gone = new AbortController();
    const context = { signal: gone.signal, peer: connection.peer };
    void connection.closed.then(() => gone.abort());
    const target =
      typeof chosen === "function"
        ? await Promise.race([(chosen as TargetFactory)(context), connection.closed.then(() => undefined)])
        : chosen;
    if (target === undefined) return;
    const notation = features.length > 0 ? "v2" : "v1";
    const session: Session = { connection, table: new MethodTable(target), notation, context, call: undefined, onGone: undefined };
    // One listener for the whole connection: one per call would stay with the connection until its end.
    void connection.closed.then(() => {
      session.call?.abort();
      session.onGone?.();
    });
    try {
      await this.#answerAll(session);
    } finally {
      gone.abort();
      if (typeof chosen === "function" && Symbol.asyncDispose in target) await (target as AsyncDisposable)[Symbol.asyncDispose]();
    }
  }

  async #answerAll(session: Session): Promise<void> {
    const { connection, table, notation } = session;
    const names = new Set(this.#options.builtinTerminate ? [...table.names, "terminate"] : table.names);
    connection.send(`${encode(names, { notation })}\n`);
    for (;;) {
      let line: string | null | undefined = connection.take();
      if (line === undefined) {
        const full = connection.drained();
        if (full !== undefined) await full;
        line = await connection.next();
      }
      if (line === null) {
        if (connection.error?.code === "ERR_SPINN_PROTOCOL") {
          connection.send(this.#failure(new RemoteError("ValueError", connection.error.message), notation));
          this.cutOff(connection, connection.error.message);
        }
        return;
      }
      let request: unknown;
      try {
        request = decode(line, { notation, values: this.#options.values ?? "plain" });
      } catch (error) {
        return this.cutOff(connection, (error as Error).message);
      }
      const answer = this.#answer(session, request);
      const reply = answer instanceof Promise ? await answer : answer;
      if (reply === undefined || connection.isClosed) return;
      if (typeof reply === "string") connection.send(reply);
      else connection.sendParts(reply);
      const full = connection.drained();
      if (full !== undefined) await full;
    }
  }

  /** The reply to one request; undefined when the connection is gone before there is one. */
  #answer(session: Session, request: unknown): Reply | Promise<Reply | undefined> {
    // The common case is a method that answers at once while nobody else is being served: no promise is made for it.
    const lock = this.#options.allowParallel ? undefined : this.#lock;
    const waiting = lock?.acquire();
    if (waiting !== undefined) return this.#answerLater(session, request, waiting);
    let settled = true;
    try {
      const result = this.#perform(session, request);
      if (isPromise(result)) {
        settled = false;
        return this.#settle(session, request, result, lock);
      }
      return this.#success(result, session.notation, request);
    } catch (error) {
      return this.#failure(error, session.notation);
    } finally {
      if (settled) lock?.release();
    }
  }

  async #answerLater(session: Session, request: unknown, waiting: Promise<void>): Promise<Reply | undefined> {
    await waiting;
    if (session.connection.isClosed) {
      this.#lock.release();
      return undefined;
    }
    try {
      const result = this.#perform(session, request);
      if (isPromise(result)) return await this.#settle(session, request, result, this.#lock);
      this.#lock.release();
      return this.#success(result, session.notation, request);
    } catch (error) {
      this.#lock.release();
      return this.#failure(error, session.notation);
    }
  }

  /** Waits for a method, for its time to be up, or for the connection to go. The lock stays with the method until it settles or its time is up. */
  #settle(session: Session, request: unknown, result: PromiseLike<unknown>, lock: CallLock | undefined): Promise<Reply | undefined> {
    const { callTimeoutMs } = this.#options;
    const { notation } = session;
    let held = lock;
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const finish = (reply: Reply | undefined, letOthersIn: boolean): void => {
        clearTimeout(timer);
        session.onGone = undefined;
        if (letOthersIn) {
          held?.release();
          held = undefined;
        }
        resolve(reply);
      };
      session.onGone = () => finish(undefined, false);
      if (callTimeoutMs !== undefined) {
        timer = setTimeout(() => {
          session.call?.abort(new SpinnError("ERR_SPINN_TIMEOUT", "the call's time is up"));
          finish(this.#failure(new RemoteError("TimeoutError", `the call took longer than ${callTimeoutMs} ms`), notation), true);
        }, callTimeoutMs);
      }
      result.then(
        (value) => finish(this.#success(value, notation, request), true),
        (error: unknown) => finish(this.#failure(error, notation), true),
      );
    });
  }

  #perform(session: Session, request: unknown): unknown {
    const action = member(request, "action");
    if (action === "get_rpc_method_list") return this.#methodList(session.table);
    if (action !== "call") throw new RemoteError("ValueError", `Unknown action: ${String(action)}`);
    const [name, args, kwargs] = [this.#part(request, "name"), this.#part(request, "args"), this.#part(request, "kwargs")];
    if (typeof name !== "string" || !Array.isArray(args)) throw new RemoteError("TypeError", "name must be text and args a list");
    if (name === "terminate" && this.#options.builtinTerminate) {
      this.#terminate();
      return null;
    }
    return session.table.call(name, args, kwargs, () => this.#context(session));
  }

  /** Its own signal for a call whose time is limited, else the connection's. */
  #context(session: Session): CallContext {
    if (this.#options.callTimeoutMs === undefined) return session.context;
    session.call = new AbortController();
    return { peer: session.context.peer, signal: session.call.signal };
  }

  #part(request: unknown, key: string): unknown {
    const value = member(request, key);
    if (value === undefined) throw new RemoteError("KeyError", `'${key}'`);
    return value;
  }

  #methodList(table: MethodTable): unknown {
    const list = table.list() as { methods: Record<string, unknown> };
    if (this.#options.builtinTerminate) list.methods["terminate"] = Tuple.of<unknown>(TERMINATE, "Terminate the server.");
    return list;
  }

  #success(result: unknown, notation: Notation, request: unknown): Reply {
    try {
      const parts = encodeParts(result === undefined ? null : result, notation);
      this.answered.ok += 1;
      const before = notation === "v2" ? '{"status":"ok","ret":' : '{"status": "ok", "ret": ';
      return parts.length === 1 ? `${before}${parts[0] as string}}\n` : [before, ...parts, "}\n"];
    } catch (error) {
      const name = member(request, "name");
      const what = typeof name === "string" ? `the result of ${name}()` : "the result";
      return this.#failure(new RemoteError("TypeError", `${what} cannot be sent: ${(error as Error).message}`), notation);
    }
  }

  #failure(thrown: unknown, notation: Notation): string {
    this.answered.failed += 1;
    const exception = packException(thrown, this.#options.tracebacks ?? true);
    return `${encode({ status: "failed", exception }, { notation })}\n`;
  }
}

/** A line: its text, or the parts of one with large arrays. */
type Reply = string | readonly (string | Uint8Array)[];

interface Session {
  readonly connection: LineSocket;
  readonly table: MethodTable;
  readonly notation: Notation;
  readonly context: CallContext;
  /** Of the call under way, when its time is limited. */
  call: AbortController | undefined;
  /** Ends the wait for the call under way. */
  onGone: (() => void) | undefined;
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}

/**
 * Serves targets until a client calls `terminate`, the process is told to stop (SIGINT, SIGTERM, SIGHUP), or `signal` fires; then closes.
 * Throws `ERR_SPINN_ABORTED` for `signal`, and what `RpcServer.start` throws.
 */
export async function simpleServerLoop(
  targets: Readonly<Record<string, object>>,
  host: string | readonly string[],
  port: number,
  options: RpcServerOptions & { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { signal, ...serverOptions } = options;
  const server = new RpcServer(targets, { builtinTerminate: true, ...serverOptions });
  const names = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  let stop = (): void => {};
  const told = new Promise<void>((resolve) => {
    stop = resolve;
  });
  for (const name of names) process.on(name, stop);
  signal?.addEventListener("abort", stop);
  try {
    await server.start(host, port);
    if (!signal?.aborted) await Promise.race([server.terminated, told]);
  } finally {
    for (const name of names) process.off(name, stop);
    signal?.removeEventListener("abort", stop);
    await server.stop();
  }
  if (signal?.aborted) throw abortError(signal);
}
