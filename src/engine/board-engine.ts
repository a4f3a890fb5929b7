import { randomBytes } from "node:crypto";
import type { Controller } from "../controller/index.js";
import { checkInteger, SpinnError } from "../errors.js";
import { Engine, type EngineOptions } from "../services/cluster/index.js";
import { BoardMethods, type BoardMethodsOptions } from "./board-methods.js";

/** `silent`: the board does not answer, and the cluster has it off its list or will have; `ended` is for good. */
export type BoardEngineState = "starting" | "ready" | "silent" | "ended";

type EnginePlace = "id" | "file" | "profile" | "cluster" | "openSocket" | "timeoutMs" | "maxQueued" | "signal";

export interface BoardEngineOptions extends BoardMethodsOptions, Pick<EngineOptions, EnginePlace> {
  /** Name of the board; the engine's uuid begins with it. Default the board's host and port. */
  readonly name?: string | undefined;
  /** Between two questions whether the board answers; default 2000 ms. */
  readonly askEveryMs?: number | undefined;
  /** Without an answer for so long, heartbeats are withheld; default 6000 ms. */
  readonly silentMs?: number | undefined;
  /**
   * And after so long the engine leaves the cluster by itself, and its task fails. It comes back with the board. Default, and at most, five
   * heartbeats later: before the cluster takes it off its list.
   */
  readonly leaveMs?: number | undefined;
  /** Hears of every change. */
  readonly onState?: ((state: BoardEngineState, reason: string | undefined) => void) | undefined;
}

/** For clear and for what a shutdown leaves behind. */
const CLEAR_MS = 20_000;
/** Beats between the first that is withheld and leaving: half of those that a cluster allows. */
const LEAVE_BEATS = 5;

/**
 * A board as an engine of an ipyparallel cluster: the controller's methods can be called by name, by clients of any language. While the board
 * does not answer it gets no work: heartbeats are withheld, then the engine leaves; it comes back, under its name, when the board does.
 *
 * `clear` stops what was loaded through this engine and frees what it took; `abort` drops what waits; an interrupt ends the run that is under
 * way; `shutdown` clears and leaves for good.
 */
export class BoardEngine {
  readonly name: string;
  readonly controller: Controller;
  /** Settles when it has ended for good: closed or shut down (undefined), or the cluster gone (why). */
  readonly ended: Promise<SpinnError | undefined>;
  readonly #options: BoardEngineOptions;
  readonly #methods: BoardMethods;
  readonly #silentMs: number;
  /** The same for all registrations of this process. */
  readonly #uuid: string;
  readonly #closing = new AbortController();
  #engine: Engine | undefined;
  #lastId: number | undefined;
  #lastAnswer = Number.NEGATIVE_INFINITY;
  #state: BoardEngineState = "starting";
  #askTimer: NodeJS.Timeout | undefined;
  #leaveTimer: NodeJS.Timeout | undefined;
  #asking: Promise<boolean> | undefined;
  #settle: (error: SpinnError | undefined) => void = () => {};

  private constructor(controller: Controller, options: BoardEngineOptions) {
    const { host, port } = controller.board.options;
    this.controller = controller;
    this.name = options.name ?? (port === undefined ? host : `${host}:${port}`);
    this.#options = options;
    this.#methods = new BoardMethods(controller, options);
    this.#silentMs = checkInteger("silentMs", options.silentMs ?? 6000, 1, 0x7fffffff);
    if (options.leaveMs !== undefined) checkInteger("leaveMs", options.leaveMs, this.#silentMs, 0x7fffffff);
    this.#uuid = `${this.name.replace(/[^\w.:-]+/g, "-").slice(0, 100)}-${randomBytes(6).toString("hex")}`;
    this.#lastId = options.id;
    this.ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  /**
   * Asks the board and registers it; a board that does not answer yet is `silent`, and registers when it does. The controller is closed with the
   * engine. Throws what `Engine.start` throws.
   */
  static async start(controller: Controller, options: BoardEngineOptions): Promise<BoardEngine> {
    const engine = new BoardEngine(controller, options);
    try {
      if (await engine.#ask()) await engine.#register();
      else engine.#tell("silent", "the board does not answer");
    } catch (error) {
      await engine.close();
      throw error;
    }
    engine.#askAgain();
    return engine;
  }

  /** The engine's number in the cluster; undefined while it is not registered. */
  get id(): number | undefined {
    return this.#engine?.id;
  }

  get state(): BoardEngineState {
    return this.#state;
  }

  /** Leaves the cluster and closes the controller; what runs is ended, what was loaded stays. Idempotent. */
  close(): Promise<void> {
    return this.#end(undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #register(): Promise<void> {
    const { file, profile, cluster, openSocket, timeoutMs, maxQueued, signal } = this.#options;
    const signals = [this.#closing.signal, ...(signal === undefined ? [] : [signal])];
    const engine = await Engine.start({
      ...{ file, profile, cluster, openSocket, timeoutMs, maxQueued, signal: AbortSignal.any(signals) },
      uuid: this.#uuid,
      id: this.#lastId,
      methods: this.#methods.methods,
      isAlive: () => performance.now() - this.#lastAnswer < this.#silentMs || this.controller.runs.isBusy,
      clear: () => this.#methods.clear(AbortSignal.timeout(CLEAR_MS)),
      shutdown: () => this.#methods.clear(AbortSignal.timeout(CLEAR_MS)),
    });
    this.#engine = engine;
    this.#lastId = engine.id;
    this.#tell("ready", undefined);
    this.#leaveLater(engine);
    void engine.ended.then((error) => {
      // One that was taken off while its board was silent is no end.
      if (this.#engine === engine) void this.#end(error);
    });
  }

  #askAgain(): void {
    if (this.#closing.signal.aborted) return;
    const look = async (): Promise<void> => {
      if ((await this.#ask()) && this.#engine === undefined && !this.#closing.signal.aborted) await this.#register();
    };
    this.#askTimer = setTimeout(() => {
      look()
        .catch((error: unknown) => this.#end(error as SpinnError))
        .finally(() => this.#askAgain());
    }, this.#options.askEveryMs ?? 2000);
  }

  /** Not by the questions, which may hang: by the clock. */
  #leaveLater(engine: Engine): void {
    const most = this.#silentMs + LEAVE_BEATS * engine.beatMs;
    const leaveMs = Math.min(this.#options.leaveMs ?? most, most);
    const forMs = performance.now() - this.#lastAnswer;
    this.#leaveTimer = setTimeout(
      () => {
        if (this.#engine !== engine) return;
        const silentMs = performance.now() - this.#lastAnswer;
        if (silentMs < leaveMs || this.controller.runs.isBusy) return this.#leaveLater(engine);
        this.#engine = undefined;
        this.#tell("silent", `the board has not answered for ${(silentMs / 1000).toFixed(1)} s`);
        void engine.close();
      },
      Math.max(20, leaveMs - forMs),
    );
  }

  /** One question at a time. */
  #ask(): Promise<boolean> {
    this.#asking ??= this.controller
      .ping()
      .then((answers) => {
        if (answers) this.#lastAnswer = performance.now();
        return answers;
      })
      .finally(() => {
        this.#asking = undefined;
      });
    return this.#asking;
  }

  async #end(error: SpinnError | undefined): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    clearTimeout(this.#askTimer);
    clearTimeout(this.#leaveTimer);
    const engine = this.#engine;
    this.#engine = undefined;
    await engine?.close();
    await this.controller.close();
    this.#tell("ended", error?.message);
    this.#settle(error);
  }

  #tell(state: BoardEngineState, reason: string | undefined): void {
    this.#state = state;
    this.#options.onState?.(state, reason);
  }
}

/** Many boards as engines of one cluster, side by side. Closes all when one cannot be started. Throws what the first of them threw. */
export async function startBoardEngines(
  controllers: readonly Controller[],
  optionsOf: (controller: Controller, index: number) => BoardEngineOptions,
): Promise<BoardEngine[]> {
  const starts = await Promise.allSettled(controllers.map((one, i) => BoardEngine.start(one, optionsOf(one, i))));
  const failed = starts.find((one) => one.status === "rejected");
  const engines = starts.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  if (failed === undefined) return engines;
  await Promise.all(engines.map((one) => one.close()));
  throw failed.reason instanceof SpinnError
    ? failed.reason
    : new SpinnError("ERR_SPINN_INCOMPLETE", "a board could not be made an engine", { cause: failed.reason });
}
