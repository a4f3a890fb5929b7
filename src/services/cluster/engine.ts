import { randomUUID } from "node:crypto";
import { checkInteger, SpinnError, throwIfAborted } from "../../errors.js";
import { connectionFilePath, type EngineConnection, parseEngineConnection, readEngineFile } from "./connection-file.js";
import { answerTo, type EngineExecute, type EngineMethod, type EngineTask } from "./engine-request.js";
import { Heartbeat } from "./heartbeat.js";
import { type ClusterMessage, type Frame, type Json, MessageCodec } from "./message.js";
import { type ClusterSocket, type OpenSocket, type SocketPlan, zmqSockets } from "./socket.js";
import { orLater } from "./wait.js";

export interface EngineOptions {
  /** Path of `ipcontroller-engine.json`, or the object that is in it; default the file of `profile` and `cluster`. */
  readonly file?: string | Json | undefined;
  readonly profile?: string | undefined;
  readonly cluster?: string | undefined;
  /** What can be called, by name: `view.apply(Reference("name"), ...)` from Python, `view.call("name", ...)` from here. */
  readonly methods: Readonly<Record<string, EngineMethod>>;
  /** What `execute("...")` means; default a call as JSON, `{"op": "name", "args": [...], "kwargs": {...}}`. */
  readonly execute?: EngineExecute | undefined;
  /** Asked at every heartbeat; while it says no the beat is withheld, and after ten the controller takes the engine off its list. */
  readonly isAlive?: (() => boolean) | undefined;
  /** What clear() of a client does; default nothing. */
  readonly clear?: (() => void | Promise<void>) | undefined;
  /** Once, before the engine leaves because a client asked; default nothing. */
  readonly shutdown?: (() => void | Promise<void>) | undefined;
  /** Name that lasts; default random. The controller refuses one that is taken. */
  readonly uuid?: string | undefined;
  /** Number to ask for; default the next one. Another is given when it is taken. */
  readonly id?: number | undefined;
  /** For the controller to answer, and for the first heartbeats beyond their period; default 10 000 ms. */
  readonly timeoutMs?: number | undefined;
  /** Requests that may wait; default 10 000. What comes beyond is answered with an error. */
  readonly maxQueued?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default ZeroMQ's, from the package `zeromq`. */
  readonly openSocket?: OpenSocket | undefined;
}

/** Aborted tasks that have not come yet, whose numbers are remembered. */
const MAX_ABORTED = 10_000;
/** Between two heartbeats, where the controller does not say: its default since 0.13. */
const PERIOD_MS = 3000;
/** For the goodbye to go out: without it the controller needs ten heartbeats to notice. */
const LINGER_MS = 1000;

interface Job {
  readonly request: ClusterMessage | undefined;
  readonly run: () => Promise<void>;
}

/**
 * An engine of an ipyparallel controller that runs methods of one's own instead of Python. One request at a time, in order; clients of any
 * language call, abort, interrupt, clear and shut it down as they do with Python's. Nothing that comes is evaluated: a Python function is
 * refused with words that say what can be called.
 */
export class Engine {
  readonly uuid: string;
  /** Settles when the engine has ended: closed, shut down by a client (both undefined), or the controller gone (the error). */
  readonly ended: Promise<SpinnError | undefined>;
  readonly #options: EngineOptions;
  readonly #methods: ReadonlyMap<string, EngineMethod>;
  readonly #connection: EngineConnection;
  readonly #codec: MessageCodec;
  readonly #open: OpenSocket;
  readonly #sockets = new Map<string, ClusterSocket>();
  readonly #maxQueued: number;
  /** Requests that wait; at most `maxQueued`. */
  readonly #queue: Job[] = [];
  /** At most MAX_ABORTED. */
  readonly #aborted = new Set<string>();
  #running: { readonly stop: AbortController; readonly request: ClusterMessage | undefined } | undefined;
  #id = -1;
  #beatMs = PERIOD_MS;
  #count = 0;
  #heart: Heartbeat | undefined;
  #isOver = false;
  #resolveEnded!: (error: SpinnError | undefined) => void;
  #registered: (reply: ClusterMessage) => void = () => {};

  private constructor(connection: EngineConnection, open: OpenSocket, options: EngineOptions) {
    this.uuid = options.uuid ?? randomUUID();
    this.#options = options;
    this.#methods = new Map(Object.entries(options.methods));
    this.#connection = connection;
    this.#codec = new MessageCodec(connection.key, connection.signatureScheme);
    this.#open = open;
    this.#maxQueued = checkInteger("maxQueued", options.maxQueued ?? 10_000, 1, 1_000_000);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  /**
   * Registers, and resolves when the controller has heard two heartbeats: from then on it is listed and gets work. Throws `ERR_SPINN_FILE`,
   * `ERR_SPINN_UNREACHABLE` (package zeromq missing), `ERR_SPINN_TIMEOUT` (no controller, wrong key, `isAlive` says no), `ERR_SPINN_REFUSED`
   * (the name is taken), `ERR_SPINN_ABORTED`.
   */
  static async start(options: EngineOptions): Promise<Engine> {
    const { signal, profile, cluster } = options;
    const file = options.file ?? connectionFilePath({ profile, cluster, of: "engine" });
    const connection = typeof file === "string" ? await readEngineFile(file, signal) : parseEngineConnection(file);
    const open = options.openSocket ?? (await zmqSockets(connection));
    throwIfAborted(signal);
    const engine = new Engine(connection, open, options);
    try {
      await engine.#register();
      return engine;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** The number that the controller gave. */
  get id(): number {
    return this.#id;
  }

  /** Between two heartbeats of the controller, ms; after ten that were not answered it takes the engine off its list. */
  get beatMs(): number {
    return this.#beatMs;
  }

  /** Requests that wait, not counting the one that runs. */
  get queued(): number {
    return this.#queue.length;
  }

  /** The number of the task that runs. */
  get running(): string | undefined {
    return this.#running?.request === undefined ? undefined : msgIdOf(this.#running.request);
  }

  /** Messages that could not be read: wrong signature, no JSON. */
  get dropped(): number {
    return this.#codec.dropped;
  }

  /** Leaves the controller. What runs is interrupted, what waits is never answered by this engine. Idempotent. */
  async close(): Promise<void> {
    if (this.#isOver) return;
    if (this.#id >= 0) this.#send("registration", "unregistration_request", { content: { id: this.#id } });
    this.#end(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #register(): Promise<void> {
    const { timeoutMs = 10_000, id } = this.#options;
    const { addresses, broadcast } = this.#connection;
    const hears = (take: (message: ClusterMessage) => void) => (frames: readonly Frame[]) => {
      const message = this.#codec.receive(frames);
      if (message !== undefined && !this.#isOver) take(message);
    };
    this.#connect("registration", {
      kind: "dealer",
      addresses: [addresses.registration],
      message: hears((reply) => this.#registered(reply)),
    });
    const registered = new Promise<ClusterMessage>((resolve) => {
      this.#registered = resolve;
    });
    this.#send("registration", "registration_request", { content: { uuid: this.uuid, ...(id === undefined ? {} : { id }) } });
    const { content } = await this.#within(registered, timeoutMs, "register with");
    if (content["status"] !== "ok" || typeof content["id"] !== "number") {
      throw new SpinnError(
        "ERR_SPINN_REFUSED",
        `the controller did not take the engine: ${String(content["evalue"] ?? content["status"])}`,
      );
    }
    this.#id = content["id"];
    const periodMs = typeof content["hb_period"] === "number" ? content["hb_period"] : PERIOD_MS;
    this.#beatMs = periodMs;
    const leaf = broadcast.length === 0 ? [] : [broadcast[this.#id % broadcast.length]!];
    this.#connect("shell", {
      kind: "router",
      addresses: [addresses.mux, addresses.task, ...leaf],
      message: hears((message) => this.#takeRequest(message)),
    });
    this.#connect("control", { kind: "router", addresses: [addresses.control], message: hears((message) => this.#takeControl(message)) });
    this.#connect("iopub", { kind: "publisher", addresses: [addresses.iopub], message: () => {} });
    this.#connect("hb_pong", { kind: "dealer", addresses: [addresses.hb_pong], message: () => {} });
    const heart = new Heartbeat({
      periodMs,
      answer: (frames) => this.#sockets.get("hb_pong")!.send(frames),
      isAlive: () => !this.#isOver && this.#options.isAlive?.() !== false,
      silent: (waitMs) =>
        this.#end(new SpinnError("ERR_SPINN_INCOMPLETE", `no heartbeat from the controller for ${waitMs} ms: it went away`)),
    });
    this.#heart = heart;
    this.#connect("hb_ping", { kind: "subscriber", addresses: [addresses.hb_ping], message: (frames) => heart.take(frames) });
    await this.#within(heart.heard, timeoutMs + 2 * periodMs, "hear two heartbeats from");
  }

  #connect(name: string, plan: Omit<SocketPlan, "error" | "identity">): void {
    const error = (cause: Error): void =>
      this.#end(new SpinnError("ERR_SPINN_INCOMPLETE", `the ${name} channel of the engine broke: ${cause.message}`, { cause }));
    const isNamed = plan.kind === "dealer" || plan.kind === "router";
    this.#sockets.set(name, this.#open({ ...plan, error, lingerMs: LINGER_MS, identity: isNamed ? this.uuid : undefined }));
  }

  #within<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
    const where = this.#connection.addresses.registration;
    const late = (): SpinnError =>
      new SpinnError("ERR_SPINN_TIMEOUT", `the engine could not ${what} the controller at ${where} within ${timeoutMs} ms`, {
        hint: "a controller that is gone, the file of another one (wrong key), or isAlive() that says no",
      });
    return orLater(promise, { timeoutMs, signal: this.#options.signal }, late);
  }

  #takeRequest(request: ClusterMessage): void {
    const type = request.header["msg_type"];
    if (type !== "apply_request" && type !== "execute_request") return;
    if (this.#aborted.delete(msgIdOf(request))) this.#answerAborted(request);
    else if (this.#queue.length >= this.#maxQueued) {
      const content = { status: "error", ename: "QueueFull", evalue: `${this.#maxQueued} requests wait already`, traceback: [] };
      this.#reply(request, new Date(), content, [], {});
    } else this.#enqueue({ request, run: () => this.#serve(request) });
  }

  #enqueue(job: Job): void {
    this.#queue.push(job);
    if (this.#running === undefined) void this.#work();
  }

  async #work(): Promise<void> {
    for (let job = this.#queue.shift(); job !== undefined && !this.#isOver; job = this.#queue.shift()) {
      this.#running = { stop: new AbortController(), request: job.request };
      await job.run();
      this.#running = undefined;
    }
  }

  async #serve(request: ClusterMessage): Promise<void> {
    const started = new Date();
    const parentHeader = request.header;
    const publish = (type: string, content: Json, topic = type): void => this.#publish(topic, type, content, parentHeader);
    let told: Json = {};
    const task: EngineTask = {
      msgId: msgIdOf(request),
      signal: this.#running!.stop.signal,
      print: (text, stream = "stdout") => publish("stream", { name: stream, text }, stream),
      tell: (metadata) => {
        told = { ...told, ...metadata };
      },
    };
    publish("status", { execution_state: "busy" });
    const { content, buffers, shown } = await answerTo(request, task, this.#methods, this.#options.execute);
    if (content["status"] === "error") publish("error", { ...content, ...this.#engineInfo() });
    if (shown !== undefined) publish("execute_result", { data: shown, metadata: {}, execution_count: 0 });
    publish("status", { execution_state: "idle" });
    this.#reply(request, started, content, buffers, told);
  }

  #answerAborted(request: ClusterMessage): void {
    this.#reply(request, new Date(), { status: "aborted" }, [], {});
  }

  #reply(request: ClusterMessage, started: Date, content: Json, buffers: readonly Uint8Array[], told: Json): void {
    const { metadata: asked } = request;
    const { status } = content;
    const metadata = {
      ...told,
      engine: this.uuid,
      started: started.toISOString(),
      dependencies_met: true,
      is_broadcast: asked["is_broadcast"] === true,
      is_coalescing: asked["is_coalescing"] === true,
      original_msg_id: asked["original_msg_id"] ?? "",
      status,
      ...(status === "error" ? this.#engineInfo() : {}),
    };
    const type = String(request.header["msg_type"]).replace(/_request$/, "_reply");
    const all = status === "error" ? { ...content, ...this.#engineInfo() } : content;
    this.#answer("shell", request, type, all, metadata, buffers);
  }

  #engineInfo(): Json {
    return { engine_info: { engine_uuid: this.uuid, engine_id: this.#id, method: "apply" } };
  }

  #takeControl(request: ClusterMessage): void {
    const { header, content } = request;
    const answer = (type: string, more: Json = { status: "ok" }): void =>
      this.#answer("control", request, type, more, { engine: this.uuid });
    switch (header["msg_type"]) {
      case "abort_request":
        this.#abort(content["msg_ids"]);
        answer("abort_reply");
        break;
      case "clear_request":
        this.#enqueue({ request: undefined, run: () => this.#callHook("clear", answer) });
        break;
      case "signal_request":
        this.#interrupt(content["sig"]);
        answer("signal_reply");
        break;
      case "shutdown_request":
        this.#enqueue({ request: undefined, run: () => this.#shutDown(answer) });
        break;
    }
  }

  /** Without a list, everything that waits. */
  #abort(msgIds: unknown): void {
    const ids = new Set((Array.isArray(msgIds) ? msgIds : [msgIds]).filter((id) => typeof id === "string"));
    for (const job of [...this.#queue]) {
      if (job.request === undefined || (ids.size > 0 && !ids.has(msgIdOf(job.request)))) continue;
      this.#queue.splice(this.#queue.indexOf(job), 1);
      this.#answerAborted(job.request);
      ids.delete(msgIdOf(job.request));
    }
    // One that the scheduler has not sent yet is dropped when it comes.
    for (const id of ids) if (id !== this.running) this.#aborted.add(id);
    while (this.#aborted.size > MAX_ABORTED) this.#aborted.delete(this.#aborted.values().next().value!);
  }

  #interrupt(signal: unknown): void {
    this.#running?.stop.abort("interrupted by a client");
    const isLast = signal === "SIGTERM" || signal === "SIGKILL" || signal === 15 || signal === 9;
    if (isLast) this.#enqueue({ request: undefined, run: () => this.#shutDown(() => {}) });
  }

  async #callHook(hook: "clear" | "shutdown", answer: (type: string, more?: Json) => void): Promise<void> {
    try {
      await this.#options[hook]?.();
      answer(`${hook}_reply`, { status: "ok", ...(hook === "shutdown" ? { restart: false } : {}) });
    } catch (error) {
      const evalue = error instanceof Error ? error.message : String(error);
      answer(`${hook}_reply`, { status: "error", ename: "Error", evalue, traceback: [evalue] });
    }
  }

  async #shutDown(answer: (type: string, more?: Json) => void): Promise<void> {
    await this.#callHook("shutdown", answer);
    this.#publish("shutdown", "shutdown_reply", { status: "ok", restart: false }, {});
    await this.close();
  }

  #publish(topic: string, type: string, content: Json, parentHeader: Json): void {
    const idents = [Buffer.from(`engine.${this.#id}.${topic}`, "utf8")];
    this.#send("iopub", type, { idents, parentHeader, content, metadata: { engine: this.uuid } });
  }

  /** All frames in front go back: the scheduler's socket first, then the client. */
  #answer(socket: string, request: ClusterMessage, type: string, content: Json, metadata: Json, buffers: readonly Uint8Array[] = []): void {
    this.#send(socket, type, { idents: request.idents, parentHeader: request.header, metadata, content, buffers });
  }

  #send(socket: string, type: string, message: Partial<ClusterMessage>): void {
    if (this.#isOver) return;
    const header = {
      msg_id: `${this.uuid}_${process.pid}_${this.#count}`,
      msg_type: type,
      username: "spinnkit",
      session: this.uuid,
      date: new Date().toISOString(),
      version: "5.3",
    };
    this.#count += 1;
    this.#sockets.get(socket)?.send(this.#codec.encode({ ...message, header }));
  }

  #end(error: SpinnError | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#heart?.close();
    this.#running?.stop.abort("the engine ends");
    this.#queue.length = 0;
    for (const socket of this.#sockets.values()) socket.close();
    this.#resolveEnded(error);
  }
}

function msgIdOf({ header }: ClusterMessage): string {
  return String(header["msg_id"]);
}
