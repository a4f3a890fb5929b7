import { checkInteger, SpinnError } from "../../errors.js";
import { applyMessage, type Caller, type ExecuteOptions, type Execution, executeMessage, expiry, type Plan, submitAll } from "./call.js";
import { type Dependency, dependencyOf, type Jobs } from "./dependency.js";
import type { Answer, ViewOptions } from "./direct-view.js";
import type { Targets } from "./engine-table.js";
import { TASK_MS } from "./ledger.js";
import type { Outgoing } from "./link.js";
import { chunks, lengthOf, type Sequence } from "./partition.js";
import { functionExpression, mapExpression } from "./python-source.js";

export interface BalancedOptions<B extends boolean = boolean> extends ViewOptions<B> {
  /** Engines that may run it; default all there are at the moment of the call. */
  readonly targets?: Targets | undefined;
  /** Tries on further engines after a failure; default 0, at most one less than targets. An engine never gets the same task twice. */
  readonly retries?: number | undefined;
  /** Only after these tasks have succeeded, or as the dependency says. */
  readonly after?: Jobs | Dependency | undefined;
  /** On the engine where these ran. */
  readonly follow?: Jobs | Dependency | undefined;
  /** How long it may wait to be started; default as long as `timeoutMs`. */
  readonly startTimeoutMs?: number | undefined;
  /** Copied to the Hub's record and to the metadata; controllers from 9.1 on. */
  readonly label?: string | undefined;
  /** Items of a map that make one task; default 1. */
  readonly chunkSize?: number | undefined;
}

export interface StreamOptions {
  /** Tasks under way at once; default twice as many as there are engines. */
  readonly maxOutstanding?: number | undefined;
}

/**
 * Runs things on whichever engine is free. The scheduler is told the engines by name and a time to start within: without, a task that failed on
 * all of them would never be answered, and would start when an engine joins hours later.
 */
export class LoadBalancedView<B extends boolean = false> {
  readonly block: B;
  readonly #caller: Caller;
  readonly #options: BalancedOptions;

  /** Made by `client.loadBalancedView()`. */
  constructor(caller: Caller, options: BalancedOptions & { readonly block: B }) {
    if (caller.taskScheme === "pure") {
      throw new SpinnError("ERR_SPINN_REFUSED", "the controller's scheduler is `pure`: it would lose a task with its engine", {
        hint: "start the controller with another scheme, or use a directView",
      });
    }
    if (options.targets !== undefined && options.targets !== "all") caller.engines.resolve(options.targets);
    this.#caller = caller;
    this.#options = options;
    this.block = options.block;
  }

  /** The same view with other options, for calls that differ: `view.with({ after: first }).apply(...)`. */
  with<C extends boolean = B>(options: BalancedOptions<C>): LoadBalancedView<C> {
    return new LoadBalancedView<C>(this.#caller, { ...this.#options, ...options, block: (options.block ?? this.block) as C });
  }

  /** Calls a Python function of which the source is given; as in a DirectView. Throws `ERR_SPINN_ARGUMENT`, also for too many retries. */
  apply<T = unknown>(source: string, ...args: readonly unknown[]): Answer<B, T> {
    return this.#sendOne(applyMessage(functionExpression(source), args));
  }

  /** Calls what the engine knows by that name. */
  call<T = unknown>(name: string, ...args: readonly unknown[]): Answer<B, T> {
    return this.#sendOne(applyMessage(name, args));
  }

  /** Runs Python source in the engine's namespace. */
  execute(code: string, options: ExecuteOptions = {}): Answer<B, Execution> {
    return this.#sendOne(executeMessage(code, options));
  }

  /** `source` over the items of sequences, `chunkSize` of them a task; the results in order. */
  map<T = unknown>(source: string, ...sequences: readonly Sequence[]): Answer<B, T[]> {
    const size = checkInteger("chunkSize", this.#options.chunkSize ?? 1, 1, 2 ** 31);
    const length = lengthOf(sequences);
    const parts = sequences.map((sequence) => chunks(sequence.slice(0, length), size));
    const name = mapExpression(source);
    const messages = parts[0]!.map((_, i) =>
      applyMessage(
        name,
        parts.map((chunksOfOne) => chunksOfOne[i]),
      ),
    );
    return this.#send(messages, (values) => values.flat(1) as T[]);
  }

  /**
   * `source` over items as they come, without taking more of them than engines have use for; the results in order. Throws what the first
   * failed task threw; tasks that are under way then are dropped where they have not started.
   */
  async *stream<T = unknown>(
    source: string,
    items: Iterable<unknown> | AsyncIterable<unknown>,
    options: StreamOptions = {},
  ): AsyncGenerator<T, void, void> {
    const limit = checkInteger("maxOutstanding", options.maxOutstanding ?? 2 * Math.max(1, this.#caller.engines.size), 1, 100_000);
    const view = this.with({ block: false });
    const underWay: Answer<false, T>[] = [];
    try {
      for await (const item of items) {
        if (underWay.length >= limit) {
          yield await underWay[0]!;
          underWay.shift();
        }
        underWay.push(view.apply<T>(source, item));
      }
      for (; underWay.length > 0; underWay.shift()) yield await underWay[0]!;
    } finally {
      for (const result of underWay) void result.abort().catch(() => {});
    }
  }

  #sendOne<T>(message: Outgoing): Answer<B, T> {
    return this.#send([message], ([value]) => value as T);
  }

  #send<T>(messages: readonly Outgoing[], combine: (values: readonly unknown[]) => T): Answer<B, T> {
    const { timeoutMs = TASK_MS, startTimeoutMs = timeoutMs, label, targets: wanted = "all" } = this.#options;
    const { engines, ledger } = this.#caller;
    const targets = engines.resolve(wanted).map(({ uuid }) => uuid);
    const retries = checkInteger("retries", this.#options.retries ?? 0, 0, targets.length - 1);
    const isUnknown = (msgId: string): boolean => ledger.wasSentDirectly(msgId);
    const metadata = {
      targets,
      retries,
      after: dependencyOf(this.#options.after, isUnknown),
      follow: dependencyOf(this.#options.follow, isUnknown),
      timeout: checkInteger("startTimeoutMs", startTimeoutMs, 1, 0x7fffffff) / 1000,
      ...(label === undefined ? {} : { label }),
      ...expiry(timeoutMs),
    };
    const plans = messages.map(
      (message): Plan => ({ ...message, metadata, port: "task", engine: null, targets, mayRetry: retries > 0, timeoutMs }),
    );
    const result = submitAll(this.#caller, plans, combine);
    return (this.block ? result.get() : result) as Answer<B, T>;
  }
}
