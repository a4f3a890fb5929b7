import { userInfo } from "node:os";
import { checkInteger, SpinnError, throwIfAborted } from "../../errors.js";
import { AsyncResult, type WaitOptions } from "./async-result.js";
import { applyMessage, type Caller, type ExecuteOptions, type Execution, executeMessage, expiry, type Plan, submitAll } from "./call.js";
import { type ConnectOptions, openConnection } from "./connect.js";
import { EngineControl } from "./control.js";
import { DirectView, type ViewOptions } from "./direct-view.js";
import { type EnginesListener, EngineTable, type Targets } from "./engine-table.js";
import { Hub } from "./hub.js";
import type { HubKey, HubQuery, HubRecord } from "./hub-record.js";
import { type JobsOrPlaces, msgIdsIn } from "./jobs.js";
import { Ledger, TASK_MS } from "./ledger.js";
import { Link } from "./link.js";
import { type BalancedOptions, LoadBalancedView } from "./load-balanced-view.js";
import type { ClusterMessage, Json } from "./message.js";
import type { Metadata } from "./metadata.js";
import { callOutput } from "./output-log.js";
import type { Outcome, Task } from "./task.js";
import { orLater } from "./wait.js";

export interface ClientOptions<B extends boolean = boolean> extends ConnectOptions {
  /** For the controller to answer, and for every question to the Hub and to engines that is not code; default 10 000 ms. */
  readonly timeoutMs?: number | undefined;
  /** How long a controller may be away before everything that waits fails with `ERR_SPINN_INCOMPLETE`; default 5000 ms. */
  readonly awayMs?: number | undefined;
  /** Wait after connecting, for the output channel to stand: what is printed before that is lost. Default 250 ms. */
  readonly settleMs?: number | undefined;
  /** Default the name of the user that runs this process. */
  readonly username?: string | undefined;
  /** Default of the views' `block`: their calls give the plain promise of the value. Default false. */
  readonly block?: B | undefined;
  /** Answered tasks kept for `results`, `metadata` and `getResult`; default 1000. The oldest go first. */
  readonly maxResults?: number | undefined;
  /** The same in bytes of replies and output; default 64 MiB. */
  readonly maxResultBytes?: number | undefined;
  /** Closed behind the client: what was opened for it. Default nothing. */
  readonly alsoClose?: AsyncDisposable | undefined;
  /** Is shown every message, as the seed's `debug` printed it. */
  readonly trace?: ((direction: "in" | "out", port: string, message: ClusterMessage) => void) | undefined;
}

export interface ShutdownOptions {
  /** Default all engines. */
  readonly targets?: Targets | undefined;
  /** The controller as well, after all engines; the client is closed then. Default false. */
  readonly hub?: boolean | undefined;
}

const MIB = 1024 * 1024;

/**
 * Client of an ipyparallel controller (4.0 and later; 7.1 is what it is tested with). Python goes out as source text, values as plain data, and
 * nothing is ever unpickled. Whoever may connect may run code as the engines' user, and sees everybody's output.
 */
export class Client<B extends boolean = false> {
  readonly block: B;
  readonly #link: Link;
  readonly #engines = new EngineTable();
  readonly #ledger: Ledger;
  readonly #hub: Hub;
  readonly #control: EngineControl;
  readonly #caller: Caller;
  readonly #endListeners = new Set<(error: SpinnError) => void>();
  readonly #alsoClose: AsyncDisposable | undefined;
  #stopTunnel: () => void = () => {};
  #over: SpinnError | undefined;

  private constructor(link: (client: Client<B>) => Link, taskScheme: string, options: ClientOptions<B>) {
    this.block = (options.block ?? false) as B;
    this.#alsoClose = options.alsoClose;
    this.#link = link(this);
    const maxResults = checkInteger("maxResults", options.maxResults ?? 1000, 0, 1_000_000);
    this.#ledger = new Ledger(this.#link, this.#engines, { maxResults, maxResultBytes: options.maxResultBytes ?? 64 * MIB });
    this.#hub = new Hub(this.#link, this.#engines);
    const control = new EngineControl(this.#link, this.#engines);
    this.#control = control;
    const ask: Caller["ask"] = (ids, type, content) => control.ask(ids, type, content);
    this.#caller = { engines: this.#engines, ledger: this.#ledger, control, ask, taskScheme };
  }

  /**
   * Connects and learns the engines. Throws `ERR_SPINN_FILE` (connection file), `ERR_SPINN_TIMEOUT` (no controller, or not the one of the
   * file), `ERR_SPINN_UNREACHABLE` (package zeromq missing, ssh refused), `ERR_SPINN_ABORTED`.
   */
  static async connect<B extends boolean = false>(options: ClientOptions<B> = {}): Promise<Client<B>> {
    const { signal, settleMs = 250 } = options;
    const timeoutMs = checkInteger("timeoutMs", options.timeoutMs ?? 10_000, 1, 0x7fffffff);
    const username = options.username ?? userInfo().username;
    const { connection, openSocket, tunnel } = await openConnection(options);
    let client: Client<B>;
    try {
      throwIfAborted(signal);
      const linkOf = (owner: Client<B>): Link =>
        new Link(connection, {
          openSocket,
          username,
          timeoutMs,
          awayMs: options.awayMs ?? 5000,
          trace: options.trace,
          message: (port, message) => owner.#receive(port, message),
          end: (error) => owner.#end(error),
        });
      client = new Client<B>(linkOf, connection.taskScheme, options);
    } catch (error) {
      tunnel?.close();
      throw error;
    }
    client.#stopTunnel = () => tunnel?.close();
    tunnel?.onEnd((error) => client.#link.close(error));
    try {
      const question = client.#link.ask("registration", { type: "connection_request" }, { signal });
      const [{ content }] = await Promise.all([question, new Promise((resolve) => setTimeout(resolve, settleMs))]);
      client.#engines.learn(content["engines"]);
      return client;
    } catch (error) {
      const { wasUp } = client.#link;
      await client.close();
      if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_TIMEOUT") throw error;
      const { registration } = connection.addresses;
      const how = wasUp ? `the controller at ${registration} takes connections and does not answer` : `nothing answers at ${registration}`;
      throw new SpinnError("ERR_SPINN_TIMEOUT", `${how}: ${error.message}`, {
        cause: error,
        hint: wasUp
          ? "wrong key: the file may be of a controller that ran before; or a controller with CURVE and a file without its key; or one that hangs"
          : "no controller runs there any more (its file stays behind when it is killed), or a firewall is between, or the ports need an ssh tunnel",
      });
    }
  }

  /** Sorted numbers of the engines there are now; a copy. */
  get ids(): number[] {
    return this.#engines.ids;
  }

  /** How many engines there are now. */
  get length(): number {
    return this.#engines.size;
  }

  /** Numbers of the tasks of this client in the order of submission; the last 10 000 at least. */
  get history(): readonly string[] {
    return this.#ledger.history;
  }

  /** Tasks that are not answered yet. */
  get outstanding(): ReadonlySet<string> {
    return new Set(this.#ledger.outstanding.map(({ msgId }) => msgId));
  }

  /** How the last tasks came out, by number: a bounded number of them, see `maxResults`. */
  get results(): ReadonlyMap<string, Outcome> {
    return new Map([...this.#ledger.kept].map(([msgId, { outcome }]) => [msgId, outcome!]));
  }

  /** What is known of the last tasks, by number; bounded alike. */
  get metadata(): ReadonlyMap<string, Metadata> {
    return new Map([...this.#ledger.kept].map(([msgId, { metadata }]) => [msgId, metadata]));
  }

  /** Messages that could not be read: wrong signature, no JSON. */
  get dropped(): number {
    return this.#link.dropped;
  }

  /** A view of each engine, one after the other. */
  *[Symbol.iterator](): Generator<DirectView<"one", B>, void, void> {
    for (const id of this.ids) yield this.directView(id);
  }

  /** Runs things on engines that one chooses. A number gives single values, a list or `"all"` lists. Throws `ERR_SPINN_ARGUMENT`. */
  directView<C extends boolean = B>(target: number, options?: ViewOptions<C>): DirectView<"one", C>;
  directView<C extends boolean = B>(targets?: Exclude<Targets, number>, options?: ViewOptions<C>): DirectView<"many", C>;
  directView(targets: Targets = "all", options: ViewOptions = {}): DirectView<"one" | "many", boolean> {
    return new DirectView(this.#caller, targets, { ...options, block: options.block ?? this.block });
  }

  /** Runs things on whichever engine is free. Throws `ERR_SPINN_REFUSED` for a scheduler (`pure`) that would lose tasks. */
  loadBalancedView<C extends boolean = B>(options: BalancedOptions<C> = {}): LoadBalancedView<C> {
    return new LoadBalancedView<C>(this.#caller, { ...options, block: (options.block ?? this.block) as C });
  }

  /**
   * One apply_request, as the wire has it: a name (or a Python expression) that the engine looks up, and arguments. To one engine, or with
   * null to whichever is free. `metadata` is for what the scheduler or an engine of one's own understands.
   */
  sendApplyMessage<T = unknown>(engineId: number | null, name: string, args: readonly unknown[] = [], metadata: Json = {}): AsyncResult<T> {
    const message = applyMessage(name, args);
    const plan: Plan =
      engineId === null
        ? { ...message, port: "task", engine: null, ...this.#anywhere(metadata), timeoutMs: undefined }
        : { ...message, port: "mux", ...this.#straightTo(engineId), metadata: { ...expiry(TASK_MS), ...metadata }, timeoutMs: undefined };
    return submitAll(this.#caller, [plan], ([value]) => value as T);
  }

  /** One execute_request, in the same way. */
  sendExecuteRequest(engineId: number, code: string, options: ExecuteOptions = {}): AsyncResult<Execution> {
    const plan: Plan = { ...executeMessage(code, options), port: "mux", ...this.#straightTo(engineId), timeoutMs: undefined };
    return submitAll(this.#caller, [plan], ([value]) => value as Execution);
  }

  /**
   * Results by number, by place in `history` (default -1, the last), or of another client: what is not known here is fetched from the Hub,
   * which is asked until it has it. The value is a list where a list was asked for.
   */
  getResult<T = unknown>(jobs: JobsOrPlaces = -1, options: WaitOptions = {}): AsyncResult<T> {
    const msgIds = this.#msgIds(jobs);
    const output = callOutput(msgIds.length);
    const tasks = msgIds.map((msgId) => {
      const known = this.#ledger.find(msgId);
      known?.attach(output);
      return known ?? this.#hub.fetch(msgId, output, options.timeoutMs);
    });
    const isList = Array.isArray(jobs) || (jobs instanceof AsyncResult && msgIds.length > 1);
    return new AsyncResult<T>(tasks, output, (values) => (isList ? values : values[0]) as T, this.#control);
  }

  /** Numbers of all tasks that the Hub remembers, of all clients, oldest first. */
  hubHistory(): Promise<readonly string[]> {
    return this.#hub.history();
  }

  /** Records of the Hub's database. Without `keys`, all members but the buffers. */
  dbQuery(query: HubQuery, keys?: readonly HubKey[]): Promise<HubRecord[]> {
    return this.#hub.query(query, keys);
  }

  /** What each engine has queued, done and been given by the scheduler, and what waits there; engines that are gone are left out. */
  queueStatus({ targets = "all", verbose = false }: { readonly targets?: Targets; readonly verbose?: boolean } = {}): Promise<Json> {
    return this.#hub.queueStatus(targets === "all" ? null : this.#engines.resolve(targets).map(({ id }) => id), verbose);
  }

  /** Which tasks the Hub has seen end. Throws `ERR_SPINN_REMOTE` for one that it does not know. */
  resultStatus(jobs: JobsOrPlaces): Promise<{ readonly pending: string[]; readonly completed: string[] }> {
    return this.#hub.status(this.#msgIds(jobs));
  }

  /** Sends the stored requests of tasks again, to engines that are free, with the targets, retries and label that they had. */
  async resubmit(jobs: JobsOrPlaces = -1): Promise<{ readonly result: AsyncResult<unknown[]> }> {
    const msgIds = this.#msgIds(jobs);
    const output = callOutput(msgIds.length);
    const tasks = await this.#hub.resubmit(msgIds, this.#ledger, output);
    // In an object: an async function that returned the result itself would wait for it.
    return { result: new AsyncResult<unknown[]>(tasks, output, (values) => [...values], this.#control) };
  }

  /** Drops tasks that have not started; default all outstanding ones. Answered by an engine after what it runs now: see AsyncResult.cancel. */
  async abort(jobs?: JobsOrPlaces): Promise<void> {
    const tasks = jobs === undefined ? this.#ledger.outstanding : this.#msgIds(jobs).flatMap((msgId) => this.#ledger.find(msgId) ?? []);
    await this.#control.abort(tasks.filter(({ outcome }) => outcome === undefined));
  }

  /** Empties the namespaces of engines, default all, each after what it runs now. */
  async clear(targets: Targets = "all"): Promise<void> {
    await this.directView(targets as "all").clear();
  }

  /** Interrupts what engines run now, whoever sent it. Without effect on an idle engine. */
  async interrupt(targets: Targets): Promise<void> {
    await this.directView(targets as "all").interrupt();
  }

  /**
   * Has the Hub and this client forget tasks that have ended: by number, `"all"`, or what ran on `targets`. Throws `ERR_SPINN_ARGUMENT` for
   * neither, `ERR_SPINN_REFUSED` for one that is still outstanding.
   */
  async purgeResults(jobs: JobsOrPlaces | "all" | undefined, options: { readonly targets?: Targets | undefined } = {}): Promise<void> {
    if (jobs === undefined && options.targets === undefined) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", "purgeResults needs tasks, targets, or the word all");
    }
    const engineIds = options.targets === undefined ? [] : this.#engines.resolve(options.targets).map(({ id }) => id);
    const msgIds = jobs === undefined ? [] : jobs === "all" ? jobs : this.#msgIds(jobs);
    const waiting = this.outstanding;
    const pending = msgIds === "all" ? undefined : msgIds.find((msgId) => waiting.has(msgId));
    if (pending !== undefined) throw new SpinnError("ERR_SPINN_REFUSED", `task ${pending} is not answered yet: abort() or await it first`);
    await this.#hub.purge(msgIds, engineIds);
    this.purgeLocalResults(jobs, options);
  }

  /** The same here alone. */
  purgeLocalResults(jobs: JobsOrPlaces | "all" | undefined, { targets }: { readonly targets?: Targets | undefined } = {}): void {
    const { kept } = this.#ledger;
    if (jobs !== undefined) this.#ledger.forget(jobs === "all" ? kept.keys() : this.#msgIds(jobs));
    if (targets === undefined) return;
    const uuids = new Set(this.#engines.resolve(targets).map(({ uuid }) => uuid));
    this.#ledger.forget([...kept.values()].filter(({ metadata }) => uuids.has(metadata.engineUuid ?? "")).map(({ msgId }) => msgId));
  }

  /** Ends engines, each after what it runs now; with `hub` the controller as well, and then this client. */
  async shutdown({ targets = "all", hub = false }: ShutdownOptions = {}): Promise<void> {
    const ids = hub ? this.ids : this.#engines.resolve(targets).map(({ id }) => id);
    try {
      await this.#control.ask(ids, "shutdown_request", { restart: false });
    } catch (error) {
      // The news that an engine left may come before its reply: that is what was asked for.
      if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_INCOMPLETE" || ids.some((id) => this.#engines.has(id))) throw error;
    }
    if (!hub) return;
    await this.#hub.shutdown();
    await this.close();
  }

  /** A turn of the event loop: what has arrived is seen to. Nothing needs it; it is here because the Python class has it. */
  spin(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** Whether the tasks (default all outstanding ones) have ended, after waiting for it. Unknown numbers count as ended. */
  async wait(jobs?: JobsOrPlaces, options: WaitOptions = {}): Promise<boolean> {
    const tasks = jobs === undefined ? this.#ledger.outstanding : this.#msgIds(jobs).flatMap((msgId) => this.#ledger.find(msgId) ?? []);
    const ended = Promise.all(tasks.map(({ done }) => done)).then(() => true);
    await orLater<boolean>(ended, options, () => false);
    return tasks.every(({ outcome }: Task) => outcome !== undefined);
  }

  /** Until there are `count` engines. Throws `ERR_SPINN_TIMEOUT` (default after 60 s), `ERR_SPINN_ABORTED`, and what ended the client. */
  waitForEngines(count: number, { timeoutMs = 60_000, signal }: WaitOptions = {}): Promise<void> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    if (this.length >= count) return Promise.resolve();
    const stops: (() => void)[] = [];
    const enough = new Promise<void>((resolve, reject) => {
      stops.push(
        this.onEngines((ids) => ids.length >= count && resolve()),
        this.onEnd(reject),
      );
    });
    const late = (): SpinnError => new SpinnError("ERR_SPINN_TIMEOUT", `${this.length} of ${count} engines within ${timeoutMs} ms`);
    return orLater(enough, { timeoutMs, signal }, late).finally(() => {
      for (const stop of stops) stop();
    });
  }

  /** Hears of engines that come and go, until the returned function is called. */
  onEngines(listener: EnginesListener): () => void {
    return this.#engines.listen(listener);
  }

  /** Hears once when the client ends: closed, or the controller gone. */
  onEnd(listener: (error: SpinnError) => void): () => void {
    this.#endListeners.add(listener);
    return () => this.#endListeners.delete(listener);
  }

  /** Ends every wait with `ERR_SPINN_CLOSED`; tasks at the cluster go on. Idempotent. */
  async close(): Promise<void> {
    this.#link.close(new SpinnError("ERR_SPINN_CLOSED", "the client of the cluster was closed"));
    await this.#alsoClose?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #receive(port: string, message: ClusterMessage): void {
    if (port === "notification") this.#notice(message);
    else if (port === "mux" || port === "task" || port === "iopub") this.#ledger.take(port, message);
  }

  #notice({ header, content }: ClusterMessage): void {
    const { id, uuid } = content;
    const type = header["msg_type"];
    if (type === "shutdown_notification") {
      this.#link.close(new SpinnError("ERR_SPINN_END_OF_STREAM", "the controller of the cluster ended"));
    } else if (typeof id === "number" && typeof uuid === "string") {
      if (type === "registration_notification") this.#engines.join({ id, uuid });
      else if (type === "unregistration_notification") {
        this.#engines.leave({ id, uuid });
        this.#ledger.engineGone({ id, uuid });
        this.#link.engineGone(uuid, new SpinnError("ERR_SPINN_INCOMPLETE", `engine ${id} went away before it answered`));
      }
    }
  }

  #end(error: SpinnError): void {
    this.#over = error;
    this.#stopTunnel();
    this.#ledger.close(error);
    this.#engines.clear();
    for (const listener of [...this.#endListeners]) listener(error);
    this.#endListeners.clear();
  }

  #straightTo(engineId: number): Pick<Plan, "engine" | "engineUuid"> {
    const engine = this.#engines.named(engineId);
    return { engine, engineUuid: engine.uuid };
  }

  #anywhere(metadata: Json): Pick<Plan, "targets" | "metadata"> {
    const targets = this.#engines.resolve("all").map(({ uuid }) => uuid);
    return { targets, metadata: { targets, timeout: TASK_MS / 1000, ...expiry(TASK_MS), ...metadata } };
  }

  #msgIds(jobs: JobsOrPlaces): string[] {
    return msgIdsIn(jobs, this.history);
  }
}
