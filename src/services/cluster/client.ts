import { randomUUID } from "node:crypto";
import { userInfo } from "node:os";
import { abortError, checkInteger, SpinnError, throwIfAborted } from "../../errors.js";
import { type ClusterConnection, type ClusterPort, connectionFilePath, readConnectionFile } from "./connection-file.js";
import { type ClusterMessage, type Json, MessageCodec } from "./message.js";
import { type ClusterSocket, type OpenSocket, zmqSockets } from "./socket.js";
import { ClusterTask, errorIn } from "./task.js";

export interface ClusterClientOptions {
  /** Path of `ipcontroller-client.json`, or what was read from it; default the file of `profile` and `cluster`. */
  readonly file?: string | ClusterConnection | undefined;
  /** Default `default`. */
  readonly profile?: string | undefined;
  readonly cluster?: string | undefined;
  /** For the controller to answer, and for every question to the Hub and to engines that is not code; default 10 000 ms. */
  readonly timeoutMs?: number | undefined;
  /** Wait after connecting, for the output channel to stand: what is printed before that is lost. Default 250 ms. */
  readonly settleMs?: number | undefined;
  /** Default the name of the user that runs this process. */
  readonly username?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default ZeroMQ's, from the package `zeromq`. */
  readonly openSocket?: OpenSocket | undefined;
}

export interface ExecuteOptions {
  /** No counter, no execute_result; stdout, stderr and errors come all the same. Default false. */
  readonly silent?: boolean | undefined;
  /** Name to Python expression, evaluated after the code. */
  readonly expressions?: Readonly<Record<string, string>> | undefined;
  /** Until the reply; default one hour. A reply may never come: see the error's hint. */
  readonly timeoutMs?: number | undefined;
}

export interface ScheduleOptions extends ExecuteOptions {
  /** Engines that may run it; default all there are now. */
  readonly targets?: readonly number[] | undefined;
  /** Tries on further engines after a failure; default 0, at most one less than targets: with more, the scheduler forgets the task. */
  readonly retries?: number | undefined;
  /** Only after these tasks have succeeded. */
  readonly after?: readonly ClusterTask[] | undefined;
  /** On the engine where these ran. */
  readonly follow?: readonly ClusterTask[] | undefined;
}

interface Question {
  readonly resolve: (message: ClusterMessage) => void;
  readonly reject: (error: SpinnError) => void;
  readonly engineUuid: string | undefined;
}

const TASK_MS = 3_600_000;
const MAX_TASKS = 100_000;
const SILENCE =
  "a controller says nothing to a message it does not take: wrong key, an engine that is gone or has not started, a controller that stopped";

/**
 * Client of an ipyparallel controller (1.0 and later). Python goes out as source text and values as JSON: nothing is ever unpickled, and no
 * new function needs a pickle. Whoever may connect may run code as the engines' user, and sees everybody's output.
 */
export class ClusterClient {
  readonly #sockets = new Map<ClusterPort, ClusterSocket>();
  readonly #codec: MessageCodec;
  readonly #connection: ClusterConnection;
  readonly #session = randomUUID();
  readonly #username: string;
  readonly #timeoutMs: number;
  /** Engine id to uuid, as the Hub tells. */
  readonly #engines = new Map<number, string>();
  /** Until answered, timed out or closed. */
  readonly #questions = new Map<string, Question>();
  /** Until the reply and the last of the output are in; at most MAX_TASKS. */
  readonly #tasks = new Map<string, { readonly task: ClusterTask; readonly mux: boolean; readonly timer: NodeJS.Timeout }>();
  readonly #listeners = new Set<(ids: readonly number[]) => void>();
  #count = 0;
  #closed: SpinnError | undefined;
  /** Messages that could not be read: wrong signature, no JSON. */
  dropped = 0;

  private constructor(connection: ClusterConnection, options: ClusterClientOptions) {
    this.#connection = connection;
    this.#codec = new MessageCodec(connection.key, connection.signatureScheme);
    this.#username = options.username ?? userInfo().username;
    this.#timeoutMs = checkInteger("timeoutMs", options.timeoutMs ?? 10_000, 1, 0x7fffffff);
  }

  /**
   * Connects and learns the engines. Throws `ERR_SPINN_FILE` (connection file), `ERR_SPINN_TIMEOUT` (no controller, or not the one of the file),
   * `ERR_SPINN_UNREACHABLE` (package zeromq missing), `ERR_SPINN_ABORTED`.
   */
  static async connect(options: ClusterClientOptions = {}): Promise<ClusterClient> {
    const { signal, profile = "default", cluster = "" } = options;
    const file = options.file ?? connectionFilePath({ profile, cluster });
    const connection = typeof file === "string" ? await readConnectionFile(file, signal) : file;
    const open = options.openSocket ?? (await zmqSockets(connection));
    throwIfAborted(signal);
    const client = new ClusterClient(connection, options);
    try {
      // Notifications first: an engine that joins between the two would be missed.
      for (const port of ["notification", "registration", "mux", "task", "control", "iopub"] as const) client.#open(open, port);
      const [reply] = await Promise.all([
        client.#ask("registration", "connection_request", {}, { signal }),
        new Promise((resolve) => setTimeout(resolve, options.settleMs ?? 250)),
      ]);
      const engines = reply.content["engines"];
      if (typeof engines !== "object" || engines === null) throw new SpinnError("ERR_SPINN_PROTOCOL", "the controller tells no engines");
      for (const [id, uuid] of Object.entries(engines)) if (typeof uuid === "string") client.#engines.set(Number(id), uuid);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** Sorted numbers of the engines there are now; a copy. */
  get ids(): number[] {
    return [...this.#engines.keys()].sort((a, b) => a - b);
  }

  /** Tasks that are not answered yet. */
  get outstanding(): ReadonlySet<string> {
    return new Set([...this.#tasks].filter(([, { task }]) => !task.isSettled).map(([msgId]) => msgId));
  }

  /** Hears of engines that come and go, until the returned function is called. */
  onEngines(listener: (ids: readonly number[]) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Runs Python source on one engine, after what it was sent before. Throws `ERR_SPINN_ARGUMENT` for an engine that is not there. */
  execute(engineId: number, code: string, options: ExecuteOptions = {}): ClusterTask {
    const uuid = this.#uuidOf(engineId);
    return this.#submit("mux", code, options, { id: engineId, uuid }, {}, [Buffer.from(uuid, "utf8")]);
  }

  /**
   * Runs Python source on whichever engine is free. Throws `ERR_SPINN_ARGUMENT` for no engines or too many retries, `ERR_SPINN_REFUSED` for a
   * controller whose scheduler (`pure`) knows neither.
   */
  schedule(code: string, options: ScheduleOptions = {}): ClusterTask {
    if (this.#connection.taskScheme === "pure") {
      throw new SpinnError("ERR_SPINN_REFUSED", "the controller's scheduler is `pure`: it would lose the task with its engine", {
        hint: "start the controller with another scheme, or use execute()",
      });
    }
    // Always named: with the scheduler's own choice, a task that failed everywhere is never answered, and runs when an engine joins later.
    const targets = (options.targets ?? this.ids).map((id) => this.#uuidOf(id));
    if (targets.length === 0) throw new SpinnError("ERR_SPINN_ARGUMENT", "the cluster has no engines to run a task");
    const retries = checkInteger("retries", options.retries ?? 0, 0, targets.length - 1);
    const metadata = {
      targets,
      retries,
      after: (options.after ?? []).map(({ msgId }) => msgId),
      follow: (options.follow ?? []).map(({ msgId }) => msgId),
      timeout: (options.timeoutMs ?? TASK_MS) / 1000,
    };
    return this.#submit("task", code, options, null, metadata, []);
  }

  /** Sets names on an engine; values are JSON. */
  async push(engineId: number, values: Json, options?: ExecuteOptions): Promise<void> {
    // Text of JSON as a JSON text is a Python literal too.
    const literal = JSON.stringify(JSON.stringify(values));
    await this.execute(engineId, `import json as _j\nglobals().update(_j.loads(${literal}))`, { silent: true, ...options }).result;
  }

  /** The value of a Python expression, as JSON. Throws `ERR_SPINN_REMOTE` when it fails or is nothing that JSON can hold. */
  async pull(engineId: number, expression: string, options?: ExecuteOptions): Promise<unknown> {
    // Through JSON over there: an engine that cannot write its reply sends none.
    const json = `__import__("json").loads(__import__("json").dumps({"v": (${expression})}, allow_nan=False))`;
    const wrapped = `__import__("IPython").display.JSON(${json})`;
    const { expressions } = await this.execute(engineId, "", { silent: true, ...options, expressions: { v: wrapped } }).result;
    const answer = expressions["v"] as { readonly status?: unknown; readonly data?: Record<string, unknown> } | undefined;
    if (answer?.status !== "ok") throw errorIn((answer ?? {}) as Json, engineId);
    const value = answer.data?.["application/json"];
    if (typeof value !== "object" || value === null || !("v" in value)) {
      throw new SpinnError("ERR_SPINN_REMOTE", `engine ${engineId} has no JSON for ${expression.slice(0, 80)}`);
    }
    return value.v;
  }

  /** Drops tasks that have not started, on the engines given (all by default). Answered by an engine after what it runs now. */
  async abort(tasks: readonly ClusterTask[], engineIds: readonly number[] = this.ids): Promise<void> {
    // An empty list would drop everybody's tasks.
    if (tasks.length === 0) return;
    await this.#control(engineIds, "abort_request", { msg_ids: tasks.map(({ msgId }) => msgId) });
  }

  /** Interrupts what the engines run now, as Ctrl-C would: KeyboardInterrupt. Without effect on an idle engine. */
  async interrupt(engineIds: readonly number[]): Promise<void> {
    await this.#control(engineIds, "signal_request", { sig: "SIGINT" });
  }

  /** Empties the engines' namespaces. */
  async clear(engineIds: readonly number[] = this.ids): Promise<void> {
    await this.#control(engineIds, "clear_request", {});
  }

  /** Ends engines, each after what it runs now. */
  async shutdown(engineIds: readonly number[] = this.ids): Promise<void> {
    try {
      await this.#control(engineIds, "shutdown_request", { restart: false });
    } catch (error) {
      // The news that an engine left may come before its reply: that is what was asked for.
      if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_INCOMPLETE" || engineIds.some((id) => this.#engines.has(id)))
        throw error;
    }
  }

  /** What each engine has queued, done and been given by the scheduler, and what waits there; engines that are gone are left out. */
  async queueStatus(): Promise<Json> {
    const { content } = await this.#ask("registration", "queue_request", { targets: null, verbose: false });
    return Object.fromEntries(Object.entries(content).filter(([key]) => key === "unassigned" || this.#engines.has(Number(key))));
  }

  /** Numbers of all tasks that the Hub remembers, of all clients, oldest first. */
  async hubHistory(): Promise<readonly string[]> {
    const { content } = await this.#ask("registration", "history_request", {});
    const { history } = content;
    return Array.isArray(history) ? history.filter((entry) => typeof entry === "string") : [];
  }

  /** Ends every wait with `ERR_SPINN_CLOSED`; tasks at the cluster go on. Idempotent. */
  async close(): Promise<void> {
    this.#end(new SpinnError("ERR_SPINN_CLOSED", "the client of the cluster was closed"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #open(open: OpenSocket, port: ClusterPort): void {
    const kind = port === "iopub" || port === "notification" ? "subscriber" : "dealer";
    const message = (frames: readonly Uint8Array[]): void => this.#receive(port, frames);
    const error = (cause: Error): void =>
      this.#end(new SpinnError("ERR_SPINN_INCOMPLETE", `the ${port} channel of the cluster broke: ${cause.message}`, { cause }));
    this.#sockets.set(port, open(kind, this.#connection.addresses[port], { message, error }));
  }

  #send(port: ClusterPort, type: string, content: Json, metadata: Json = {}, idents: readonly Uint8Array[] = []): string {
    if (this.#closed !== undefined) throw this.#closed;
    const msg_id = `${this.#session}_${process.pid}_${this.#count}`;
    this.#count += 1;
    const date = new Date().toISOString();
    const header = { msg_id, msg_type: type, username: this.#username, session: this.#session, date, version: "5.3" };
    this.#sockets.get(port)!.send(this.#codec.encode({ idents, header, metadata, content }));
    return msg_id;
  }

  #submit(
    port: "mux" | "task",
    code: string,
    options: ExecuteOptions,
    engine: { readonly id: number; readonly uuid: string } | null,
    metadata: Json,
    idents: readonly Uint8Array[],
  ): ClusterTask {
    if (this.#tasks.size >= MAX_TASKS) throw new SpinnError("ERR_SPINN_REFUSED", `${MAX_TASKS} tasks are under way already`);
    const timeoutMs = checkInteger("timeoutMs", options.timeoutMs ?? TASK_MS, 1, 0x7fffffff);
    const content = {
      code,
      silent: options.silent ?? false,
      store_history: false,
      user_expressions: options.expressions ?? {},
      allow_stdin: false,
      // The default would drop the queued tasks of everybody when this one fails.
      stop_on_error: false,
    };
    const msgId = this.#send(port, "execute_request", content, metadata, idents);
    const task = new ClusterTask(msgId, engine);
    const timer = setTimeout(() => {
      task.fail(new SpinnError("ERR_SPINN_TIMEOUT", `no reply to task ${msgId} within ${timeoutMs} ms`, { hint: SILENCE }));
    }, timeoutMs);
    this.#tasks.set(msgId, { task, mux: port === "mux", timer });
    task.result.catch(() => {}).finally(() => clearTimeout(timer));
    void task.outputDone.then(() => this.#tasks.delete(msgId));
    return task;
  }

  async #control(engineIds: readonly number[], type: string, content: Json): Promise<void> {
    const uuids = engineIds.map((id) => this.#uuidOf(id));
    const answers = await Promise.allSettled(uuids.map((engineUuid) => this.#ask("control", type, content, { engineUuid })));
    const failed = answers.find((answer) => answer.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #ask(
    port: "registration" | "control",
    type: string,
    content: Json,
    { engineUuid, signal }: { readonly engineUuid?: string; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<ClusterMessage> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      const msgId = this.#send(port, type, content, {}, engineUuid === undefined ? [] : [Buffer.from(engineUuid, "utf8")]);
      const settle = (error?: SpinnError): void => {
        this.#questions.delete(msgId);
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        if (error !== undefined) reject(error);
      };
      const onAbort = (): void => settle(abortError(signal!));
      const timer = setTimeout(
        () => settle(new SpinnError("ERR_SPINN_TIMEOUT", `no reply to ${type} within ${this.#timeoutMs} ms`, { hint: SILENCE })),
        this.#timeoutMs,
      );
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#questions.set(msgId, {
        engineUuid,
        reject: settle,
        resolve: (message) => {
          settle();
          if (message.content["status"] === "error") reject(errorIn(message.content, null));
          else resolve(message);
        },
      });
    });
  }

  #receive(port: ClusterPort, frames: readonly Uint8Array[]): void {
    let message: ClusterMessage;
    try {
      message = this.#codec.decode(frames);
    } catch {
      this.dropped += 1;
      return;
    }
    if (port === "notification") {
      this.#notice(message);
      return;
    }
    // By the request alone: the scheduler answers an execute_request with an apply_reply, and a nanny with "_request".
    const parent = message.parentHeader["msg_id"];
    if (typeof parent !== "string") return;
    const task = this.#tasks.get(parent)?.task;
    if (port === "iopub") {
      if (task !== undefined && !task.takeOutput(message)) this.#tasks.delete(parent);
    } else if (port === "mux" || port === "task") task?.takeReply(message);
    else this.#questions.get(parent)?.resolve(message);
  }

  #notice({ header, content }: ClusterMessage): void {
    const { id, uuid } = content;
    if (header["msg_type"] === "shutdown_notification") {
      this.#end(new SpinnError("ERR_SPINN_END_OF_STREAM", "the controller of the cluster ended"));
    } else if (typeof id === "number" && typeof uuid === "string") {
      if (header["msg_type"] === "registration_notification") this.#engines.set(id, uuid);
      else if (header["msg_type"] === "unregistration_notification") this.#engineGone(id, uuid);
      const { ids } = this;
      for (const listener of [...this.#listeners]) listener(ids);
    }
  }

  /** Nobody else tells: what was sent straight to an engine is never answered once that is gone. */
  #engineGone(id: number, uuid: string): void {
    this.#engines.delete(id);
    const error = new SpinnError("ERR_SPINN_INCOMPLETE", `engine ${id} went away: what it was doing may have been done in part`);
    for (const { task, mux } of [...this.#tasks.values()]) if (mux && task.engineUuid === uuid) task.fail(error);
    for (const question of [...this.#questions.values()]) if (question.engineUuid === uuid) question.reject(error);
  }

  #end(error: SpinnError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    for (const socket of this.#sockets.values()) socket.close();
    for (const { task } of this.#tasks.values()) task.fail(error);
    for (const question of [...this.#questions.values()]) question.reject(error);
    this.#tasks.clear();
    this.#engines.clear();
    this.#listeners.clear();
  }

  #uuidOf(engineId: number): string {
    const uuid = this.#engines.get(engineId);
    if (uuid !== undefined) return uuid;
    throw new SpinnError("ERR_SPINN_ARGUMENT", `the cluster has no engine ${engineId}`, {
      hint: `it has ${this.ids.join(", ") || "none"}`,
    });
  }
}
