import { readFile } from "node:fs/promises";
import { SpinnError } from "../../errors.js";
import type { AsyncResult } from "./async-result.js";
import { applyMessage, type Caller, type ExecuteOptions, type Execution, executeMessage, expiry, type Plan, submitAll } from "./call.js";
import type { EngineName, Targets } from "./engine-table.js";
import { TASK_MS } from "./ledger.js";
import type { Outgoing } from "./link.js";
import { blocks, joined, lengthOf, type Sequence } from "./partition.js";
import { functionExpression, mapExpression } from "./python-source.js";

/** A single engine gives single values, a list (even of one) and `"all"` give lists. */
export type Shape = "one" | "many";
export type Shaped<S extends Shape, T> = S extends "one" ? T : T[];
/** What calls give: the result while it is made, or with `block` just the promise of its value. */
export type Answer<B extends boolean, T> = B extends true ? Promise<T> : AsyncResult<T>;

export interface ViewOptions<B extends boolean = boolean> {
  /** Calls give the plain promise of the value. Default the client's. */
  readonly block?: B | undefined;
  /** For each reply; default one hour. A reply may never come: see the error's hint. */
  readonly timeoutMs?: number | undefined;
}

/** Runs things on engines that one chooses: one message to each, in order. `"all"` means those that are there at the moment of the call. */
export class DirectView<S extends Shape = "many", B extends boolean = false> {
  readonly targets: Targets;
  readonly block: B;
  readonly #caller: Caller;
  readonly #options: ViewOptions;

  /** Made by `client.directView()`. */
  constructor(caller: Caller, targets: Targets, options: ViewOptions & { readonly block: B }) {
    if (targets !== "all") caller.engines.resolve(targets);
    this.#caller = caller;
    this.#options = options;
    this.targets = typeof targets === "object" ? Object.freeze([...targets]) : targets;
    this.block = options.block;
  }

  /** The same engines with other options. */
  with<C extends boolean = B>(options: ViewOptions<C>): DirectView<S, C> {
    const all = { ...this.#options, ...options };
    return new DirectView<S, C>(this.#caller, this.targets, { ...all, block: (options.block ?? this.block) as C });
  }

  /**
   * Calls a Python function of which the source is given (an expression, or statements with a `def`), with plain data: see writePickle. Keyword
   * arguments go last, as `kw({...})`. Throws `ERR_SPINN_ARGUMENT` for values that cannot be sent and engines that are not there.
   */
  apply<T = unknown>(source: string, ...args: readonly unknown[]): Answer<B, Shaped<S, T>> {
    return this.#send(applyMessage(functionExpression(source), args));
  }

  /** Calls what the engine knows by that name: a function of its namespace, or a method of an engine that is not Python. */
  call<T = unknown>(name: string, ...args: readonly unknown[]): Answer<B, Shaped<S, T>> {
    return this.#send(applyMessage(name, args));
  }

  /** Runs Python source in the engine's namespace, as a cell of a notebook. */
  execute(code: string, options: ExecuteOptions = {}): Answer<B, Shaped<S, Execution>> {
    return this.#send(executeMessage(code, options));
  }

  /** Runs a file of Python source that is here. Throws `ERR_SPINN_FILE`. */
  async run(path: string): Promise<Shaped<S, Execution>> {
    const code = await readFile(path, "utf8").catch((cause: Error) => {
      throw new SpinnError("ERR_SPINN_FILE", `cannot read ${path}: ${cause.message}`, { cause });
    });
    return this.with({ block: true }).execute(code, { silent: true });
  }

  /** Sets names in the engines' namespaces. */
  push(values: Readonly<Record<string, unknown>>): Answer<B, void> {
    return this.#sendAll(this.#each(applyMessage("globals().update", [values])), () => undefined);
  }

  /** The value of a Python expression (a name, mostly), or a list of those of several. */
  pull<T = unknown>(expressions: string | readonly string[]): Answer<B, Shaped<S, T>> {
    const wanted = typeof expressions === "string" ? `(${expressions}\n)` : `[${expressions.map((one) => `(${one}\n)`).join(", ")}]`;
    return this.#send(applyMessage(`(lambda: ${wanted})`, []));
  }

  /** Deals a list or a typed array out: each engine gets a block of it under that name, the first ones the longer ones. */
  scatter(name: string, sequence: Sequence): Answer<B, void> {
    const engines = this.#caller.engines.resolve(this.targets);
    const parts = blocks(sequence, engines.length);
    const plans = engines.map((engine, i) => this.#plan(engine, applyMessage("globals().update", [{ [name]: parts[i] }])));
    return this.#sendAll(plans, () => undefined);
  }

  /** Joins the engines' lists or arrays of that name, in the order of the targets. */
  gather<T = unknown[]>(name: string): Answer<B, T> {
    return this.#sendAll(this.#each(applyMessage(`(lambda: (${name}\n))`, [])), (values) => joined(values) as T);
  }

  /** `source` over the items of sequences, a block on each engine; the results in order. */
  map<T = unknown>(source: string, ...sequences: readonly Sequence[]): Answer<B, T[]> {
    const engines = this.#caller.engines.resolve(this.targets);
    const length = lengthOf(sequences);
    const parts = sequences.map((sequence) => blocks(sequence.slice(0, length), engines.length));
    const name = mapExpression(source);
    const messages = engines.map((_, i) =>
      applyMessage(
        name,
        parts.map((blocksOfOne) => blocksOfOne[i]),
      ),
    );
    const plans = engines.map((engine, i) => this.#plan(engine, messages[i]!));
    return this.#sendAll(plans, (values) => values.flat(1) as T[]);
  }

  /** Empties the engines' namespaces. */
  async clear(): Promise<void> {
    await this.#caller.ask(this.#ids(), "clear_request", {});
  }

  /** Interrupts what the engines run now, whoever sent it, as Ctrl-C would: KeyboardInterrupt. Without effect on an idle engine. */
  async interrupt(): Promise<void> {
    await this.#caller.ask(this.#ids(), "signal_request", { sig: "SIGINT" });
  }

  #plan(engine: EngineName, message: Outgoing): Plan {
    const { timeoutMs = TASK_MS } = this.#options;
    return { ...message, port: "mux", engine, engineUuid: engine.uuid, timeoutMs, metadata: expiry(timeoutMs) };
  }

  #ids(): number[] {
    return this.#caller.engines.resolve(this.targets).map(({ id }) => id);
  }

  #send<T>(message: Outgoing): Answer<B, Shaped<S, T>> {
    const isOne = typeof this.targets === "number";
    return this.#sendAll(this.#each(message), (values) => (isOne ? values[0] : [...values]) as Shaped<S, T>);
  }

  #each(message: Outgoing): Plan[] {
    return this.#caller.engines.resolve(this.targets).map((engine) => this.#plan(engine, message));
  }

  #sendAll<T>(plans: Plan[], combine: (values: readonly unknown[]) => T): Answer<B, T> {
    const result = submitAll(this.#caller, plans, combine);
    return (this.block ? result.get() : result) as Answer<B, T>;
  }
}
