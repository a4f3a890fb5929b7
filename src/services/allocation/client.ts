import { abortError, checkInteger, SpinnError, throwIfAborted } from "../../errors.js";
import type { Allocator } from "./allocator.js";
import { REPLY_TIMEOUT_MS, SpallocConnection } from "./connection.js";
import { integersOf, orNull, textOf } from "./fields.js";
import { type BoardPlace, type BoardPosition, decodeBoardPlace, decodeJobMachine, type JobMachine } from "./job-machine.js";
import { createJobArguments, type JobRequest } from "./job-request.js";
import { decodeJobStatus, type JobStatus } from "./job-status.js";
import type { KeepalivePlan } from "./keepalive.js";
import { decodeJobList, decodeMachineList, type ListedJob, type ListedMachine } from "./listing.js";
import type { ServerMessage } from "./message.js";
import { orAborted } from "./or-aborted.js";
import { checkServerVersion, parseServerVersion, type ServerVersion } from "./server-version.js";
import { decodePlace, encodePlaceQuery, type Place, type PlaceQuery } from "./where-is.js";

export interface SpallocClientOptions {
  readonly host: string;
  /** Default 22244. */
  readonly port?: number | undefined;
  /** For a connection and for each reply; default 5000 ms. */
  readonly timeoutMs?: number | undefined;
  /** Between attempts to get a lost connection back while something is subscribed; default 5000 ms, as the reference client. */
  readonly reconnectDelayMs?: number | undefined;
  /** Ends the first connection's attempt. */
  readonly signal?: AbortSignal | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** Something changed; ask for the state to learn what. */
export type SpallocChange =
  | { readonly kind: "jobs"; readonly ids: readonly number[] }
  | { readonly kind: "machines"; readonly names: readonly string[] }
  /** Notifications may have been missed: the connection is gone, or is there again with all subscriptions. */
  | { readonly kind: "lost"; readonly error: SpinnError }
  | { readonly kind: "connected" };

/** Subscriptions of one kind: all, or some. Bounded by what the caller asks for. */
interface Subscription<T> {
  all: boolean;
  readonly some: Set<T>;
}

/**
 * Client of a classic spalloc server: every command, notifications, and a connection that comes back. A command that finds its connection
 * lost is sent once more on a new one, except create_job, which must not happen twice.
 */
export class SpallocClient implements Allocator {
  readonly where: string;
  readonly reconnectDelayMs: number;
  readonly #options: SpallocClientOptions;
  readonly #port: number;
  readonly #listeners = new Set<(change: SpallocChange) => void>();
  readonly #jobs: Subscription<number> = { all: false, some: new Set() };
  readonly #machines: Subscription<string> = { all: false, some: new Set() };
  readonly #closing = new AbortController();
  #connection: SpallocConnection | undefined;
  #opening: Promise<SpallocConnection> | undefined;
  #version: ServerVersion | undefined;
  #retry: NodeJS.Timeout | undefined;

  private constructor(options: SpallocClientOptions) {
    this.#options = options;
    this.#port = checkInteger("port", options.port ?? 22244, 1, 65535);
    this.where = `${options.host}:${this.#port}`;
    this.reconnectDelayMs = checkInteger("reconnectDelayMs", options.reconnectDelayMs ?? 5000, 1, 3_600_000);
  }

  /**
   * Connects and checks the version. Throws `ERR_SPINN_UNREACHABLE`, `ERR_SPINN_TIMEOUT`, `ERR_SPINN_WRONG_DEVICE` (a version that this client
   * does not know), `ERR_SPINN_PROTOCOL` (no spalloc server), `ERR_SPINN_ABORTED`.
   */
  static async connect(options: SpallocClientOptions): Promise<SpallocClient> {
    const client = new SpallocClient(options);
    try {
      await client.#connected(options.signal);
      return client;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  get version(): ServerVersion {
    return this.#version!;
  }

  /**
   * Any command by its name. Sent once more on a new connection when an old one proves to be lost; on one that was only just made, a hang-up
   * is the answer. Throws `ERR_SPINN_REMOTE` with the server's words, `ERR_SPINN_INCOMPLETE`, `ERR_SPINN_TIMEOUT`, `ERR_SPINN_UNREACHABLE`.
   */
  async call(
    command: string,
    args: readonly unknown[] = [],
    kwargs: Readonly<Record<string, unknown>> = {},
    { signal }: CallOptions = {},
  ): Promise<unknown> {
    const old = this.#connection;
    if (old !== undefined) {
      try {
        return await old.call(command, args, kwargs, signal);
      } catch (error) {
        if (!(error instanceof SpinnError) || error.code !== "ERR_SPINN_INCOMPLETE") throw error;
      }
    }
    const connection = await this.#connected(signal);
    return connection.call(command, args, kwargs, signal);
  }

  /** Asks for boards; returns the job's number. The job may wait in the queue, or be destroyed at once when no machine could ever hold it. */
  async createJob(request: JobRequest, { signal }: CallOptions = {}): Promise<number> {
    const { args, kwargs } = createJobArguments(request);
    throwIfAborted(signal);
    const connection = await this.#connected(signal);
    try {
      // Not the caller's signal: when it fires in the middle, the number is still wanted, to give the boards back.
      const pending = connection.call("create_job", args, kwargs);
      const jobId = await pending.then((value) => integersOf([value], "the number of the new job", 1)[0]!);
      if (!signal?.aborted) return jobId;
      await this.destroyJob(jobId, "the client gave up").catch(() => {});
      throw abortError(signal);
    } catch (cause) {
      if (!(cause instanceof SpinnError) || !["ERR_SPINN_INCOMPLETE", "ERR_SPINN_TIMEOUT"].includes(cause.code)) throw cause;
      const keepaliveMs = request.keepaliveMs === undefined ? 60_000 : request.keepaliveMs;
      const hint =
        keepaliveMs === null
          ? "look into the list of jobs for one that nobody holds: it has no keepalive and must be destroyed by hand"
          : `a job that was made is ended by the server after ${keepaliveMs} ms without a keepalive`;
      throw new SpinnError("ERR_SPINN_OUTCOME_UNKNOWN", `no answer to create_job: ${cause.message}`, { cause, hint });
    }
  }

  /** A sign of life for a job; unknown jobs are no error. */
  async keepalive(jobId: number, options?: CallOptions): Promise<void> {
    await this.call("job_keepalive", [jobId], {}, options);
  }

  async jobStatus(jobId: number, options?: CallOptions): Promise<JobStatus> {
    const value = await this.#orNothing(this.call("get_job_state", [jobId], {}, options), /no such job/i);
    return decodeJobStatus(value ?? { state: 0 }, this.version.dialect);
  }

  /** Null while nothing is allocated, and for an unknown job. */
  async jobMachine(jobId: number, options?: CallOptions): Promise<JobMachine | null> {
    const value = await this.#orNothing(this.call("get_job_machine_info", [jobId], {}, options), /no such job|not allocated|no boards/i);
    return value === null ? null : decodeJobMachine(value);
  }

  /** Switches the boards of a job. Boards that are on are reset by `true`. Nothing happens while none are allocated. */
  async setPower(jobId: number, on: boolean, options?: CallOptions): Promise<void> {
    await this.call(on ? "power_on_job_boards" : "power_off_job_boards", [jobId], {}, options);
  }

  /** Ends a job: its boards are switched off. Unknown jobs are no error. */
  async destroyJob(jobId: number, reason: string | null = null, options?: CallOptions): Promise<void> {
    await this.#orNothing(this.call("destroy_job", [jobId], { reason }, options), /no such job/i);
  }

  async listJobs(options?: CallOptions): Promise<ListedJob[]> {
    return decodeJobList(await this.call("list_jobs", [], {}, options), this.version.dialect);
  }

  async listMachines(options?: CallOptions): Promise<ListedMachine[]> {
    return decodeMachineList(await this.call("list_machines", [], {}, options), this.version.dialect);
  }

  /** Where in the room a board is; null where there is none. */
  async boardPosition(machine: string, board: BoardPlace, options?: CallOptions): Promise<BoardPosition | null> {
    // By name: the newer service takes these two in no other way.
    const named = { machine_name: machine, x: board.x, y: board.y, z: board.z };
    const value = await this.#orNothing(this.call("get_board_position", [], named, options), NOTHING_THERE);
    if (value === null) return null;
    const [cabinet, frame, index] = integersOf(value, "the position of a board", 3) as [number, number, number];
    return { cabinet, frame, board: index };
  }

  /** Which board is at a place in the room; null where there is none. */
  async boardAtPosition(machine: string, position: BoardPosition, options?: CallOptions): Promise<BoardPlace | null> {
    const named = { machine_name: machine, x: position.cabinet, y: position.frame, z: position.board };
    const value = await this.#orNothing(this.call("get_board_at_position", [], named, options), NOTHING_THERE);
    return orNull(value, "the place of a board", decodeBoardPlace);
  }

  /** One place under all its names; null where no board is. */
  async whereIs(query: PlaceQuery, options?: CallOptions): Promise<Place | null> {
    return decodePlace(await this.#orNothing(this.call("where_is", [], encodePlaceQuery(query), options), NOTHING_THERE));
  }

  /** Subscribes to changes of one job, or of all. They arrive at {@link onChange}, also after a reconnection. */
  async notifyJob(jobId: number | null = null, options?: CallOptions): Promise<void> {
    subscribe(this.#jobs, jobId);
    await this.call("notify_job", [jobId], {}, options);
  }

  /** Ends {@link notifyJob} of the same argument. One job has no effect while all are subscribed to. */
  async noNotifyJob(jobId: number | null = null, options?: CallOptions): Promise<void> {
    unsubscribe(this.#jobs, jobId);
    await this.call("no_notify_job", [jobId], {}, options);
  }

  async notifyMachine(machine: string | null = null, options?: CallOptions): Promise<void> {
    subscribe(this.#machines, machine);
    await this.call("notify_machine", [machine], {}, options);
  }

  async noNotifyMachine(machine: string | null = null, options?: CallOptions): Promise<void> {
    unsubscribe(this.#machines, machine);
    await this.call("no_notify_machine", [machine], {}, options);
  }

  /** Hears changes until the returned function is called. A listener that throws is an uncaught error of its own. */
  onChange(listener: (change: SpallocChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  whereIsChip(jobId: number, chip: { readonly x: number; readonly y: number }, options?: CallOptions): Promise<Place | null> {
    return this.whereIs({ jobId, chip }, options);
  }

  watchJob(jobId: number | null, changed: () => void): () => void {
    // No use in waiting for the reply: while it is not there, whoever watches also asks from time to time.
    this.notifyJob(jobId).catch(() => {});
    const stop = this.onChange((change) => {
      if (
        change.kind === "lost" ||
        change.kind === "connected" ||
        (change.kind === "jobs" && (jobId === null || change.ids.includes(jobId)))
      )
        changed();
    });
    return () => {
      stop();
      if (this.#connection === undefined) unsubscribe(this.#jobs, jobId);
      else this.noNotifyJob(jobId).catch(() => {});
    };
  }

  keepalivePlan(jobId: number): KeepalivePlan {
    const { host, timeoutMs = REPLY_TIMEOUT_MS } = this.#options;
    return { kind: "classic", host, port: this.#port, jobId, timeoutMs };
  }

  /** Closes the connection; jobs stay as they are. Idempotent. */
  async close(): Promise<void> {
    clearTimeout(this.#retry);
    this.#closing.abort(new SpinnError("ERR_SPINN_CLOSED", `the client of ${this.where} was closed`));
    const opened = await this.#opening?.catch(() => undefined);
    opened?.close();
    this.#connection?.close();
    this.#listeners.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** The connection, or a new one when there is none: shared by all who wait for it. */
  async #connected(signal: AbortSignal | undefined): Promise<SpallocConnection> {
    throwIfAborted(signal);
    if (this.#connection !== undefined) return this.#connection;
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return orAborted(this.#opening, signal);
  }

  async #open(): Promise<SpallocConnection> {
    clearTimeout(this.#retry);
    const connection: SpallocConnection = await SpallocConnection.open(this.#options.host, this.#port, {
      timeoutMs: this.#options.timeoutMs,
      signal: this.#closing.signal,
      onNotification: (message) => this.#notified(message),
      onEnd: (error) => this.#lost(connection, error),
    }).catch((error: unknown) => {
      throw this.#closing.signal.aborted ? this.#closing.signal.reason : error;
    });
    try {
      this.#version = checkServerVersion(parseServerVersion(textOf(await connection.call("version", [], {}), "the version")));
      for (const [command, subscription] of [["notify_job", this.#jobs] as const, ["notify_machine", this.#machines] as const]) {
        const wanted = subscription.all ? [null] : [...subscription.some];
        for (const which of wanted) await connection.call(command, [which], {});
      }
    } catch (error) {
      connection.close();
      throw error;
    }
    this.#connection = connection;
    this.#tell({ kind: "connected" });
    return connection;
  }

  #notified(message: ServerMessage): void {
    if (message.kind === "jobs" || message.kind === "machines") this.#tell(message);
  }

  #lost(connection: SpallocConnection, error: SpinnError | undefined): void {
    if (this.#connection !== connection) return;
    this.#connection = undefined;
    if (error === undefined) return;
    this.#tell({ kind: "lost", error });
    this.#comeBack();
  }

  /** While somebody waits for notifications, the connection is brought back without being asked. */
  #comeBack(): void {
    const wanted = [this.#jobs, this.#machines].some(({ all, some }) => all || some.size > 0);
    if (!wanted || this.#closing.signal.aborted) return;
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      if (this.#connection === undefined) this.#connected(undefined).catch(() => this.#comeBack());
    }, this.reconnectDelayMs);
  }

  #tell(change: SpallocChange): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(change);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** The newer service answers with an exception where the others answer null. */
  async #orNothing(call: Promise<unknown>, nothing: RegExp): Promise<unknown> {
    try {
      return await call;
    } catch (error) {
      if (
        this.version.dialect === "java" &&
        error instanceof SpinnError &&
        error.code === "ERR_SPINN_REMOTE" &&
        nothing.test(error.message)
      ) {
        return null;
      }
      throw error;
    }
  }
}

const NOTHING_THERE = /no such (job|machine|board)|not allocated|not found/i;

function subscribe<T>(subscription: Subscription<T>, which: T | null): void {
  if (which === null) subscription.all = true;
  else subscription.some.add(which);
}

function unsubscribe<T>(subscription: Subscription<T>, which: T | null): void {
  if (which === null) {
    subscription.all = false;
    subscription.some.clear();
  } else subscription.some.delete(which);
}
