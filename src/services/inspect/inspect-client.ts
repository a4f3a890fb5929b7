import { SpinnError, throwIfAborted } from "../../errors.js";
import { type Mod, Subscriber } from "../publish/index.js";
import { Client, member, type TlsClientIdentity } from "../rpc/index.js";
import type { RunInfo } from "./idict.js";

export interface InspectOptions {
  /** RPC target. Default `inspect`, what `runServer` offers. */
  readonly target?: string | undefined;
  /** Which computation, for a target that has several. Default none. */
  readonly run?: string | undefined;
  /** Shown to others when this client pauses. Default: its address. */
  readonly who?: string | undefined;
  /** For each call, ms. Default 10 000. */
  readonly timeoutMs?: number | undefined;
  /** TLS, for calls and published state alike. Default none: plain TCP. */
  readonly tls?: TlsClientIdentity | undefined;
  /** Ends connecting. */
  readonly signal?: AbortSignal | undefined;
}

export interface PauseOptions {
  /** The pause stays when this client is gone. Default `false`: 30 s after it is gone, the computation goes on. */
  readonly keep?: boolean | undefined;
  /** The pause ends with this client's connection. Default `false`. */
  readonly untilDisconnect?: boolean | undefined;
}

/** What a watcher sees of a computation at one moment. */
export interface Sight<V> {
  readonly seq: number;
  readonly values: Readonly<V>;
  readonly run: RunInfo;
}

/** A watcher of a running computation. Made by {@link inspect}. */
export class InspectClient<V extends object = Record<string, unknown>> implements AsyncIterable<Sight<V>> {
  readonly #client: Client;
  readonly #subscriber: Subscriber;
  readonly #options: InspectOptions;
  #newest: Sight<V> | undefined;
  #lost: SpinnError | undefined;
  #isClosed = false;
  #ring: () => void = () => {};
  #rung: Promise<void>;

  private constructor(client: Client, name: string, options: InspectOptions) {
    this.#client = client;
    this.#options = options;
    this.#rung = this.#nextRing();
    this.#subscriber = new Subscriber(
      name,
      (struct) => struct,
      (mod) => this.#receive(mod),
    );
  }

  static async connect<V extends object>(host: string, port: number, options: InspectOptions): Promise<InspectClient<V>> {
    const { target = "inspect", tls, signal, timeoutMs = 10_000 } = options;
    const client = await Client.connect(host, port, { target, timeoutMs, tls, signal });
    try {
      const place = await client.call("describe", options.run === undefined ? [] : [options.run], {}, { signal });
      const notifyPort = member(place, "notify_port");
      const name = member(place, "notifier");
      if (typeof notifyPort !== "number" || typeof name !== "string") {
        throw new SpinnError("ERR_SPINN_WRONG_DEVICE", `${target} at ${host}:${port} does not say where its state is published`);
      }
      const watcher = new InspectClient<V>(client, name, options);
      await watcher.#subscriber.connect(host, notifyPort, {
        values: "plain",
        tls,
        signal,
        disconnectCb: (error) => watcher.#lose(error),
      });
      while (watcher.#newest === undefined) {
        throwIfAborted(signal);
        if (watcher.#lost !== undefined) throw watcher.#lost;
        await watcher.#rung;
      }
      return watcher;
    } catch (error) {
      await client.close();
      throw error;
    }
  }

  /** The newest state; it goes on being the last one after the connection is gone. */
  get now(): Sight<V> {
    return this.#newest!;
  }

  get values(): Readonly<V> {
    return this.now.values;
  }

  get run(): RunInfo {
    return this.now.run;
  }

  /** Why the connection was lost before the computation had ended; undefined while it stands. */
  get lost(): SpinnError | undefined {
    return this.#lost;
  }

  async pause(options: PauseOptions = {}): Promise<void> {
    await this.#call("pause", [], { who: this.#options.who ?? "", ...holdOptions(options) });
  }

  async resume(): Promise<void> {
    await this.#call("resume");
  }

  /** Lets the computation pass so many safe points, then holds it. */
  async step(count = 1, options: PauseOptions = {}): Promise<void> {
    await this.#call("step", [count], { who: this.#options.who ?? "", ...holdOptions(options) });
  }

  /** Asks the computation to end. */
  async terminate(reason = ""): Promise<void> {
    await this.#call("request_stop", [reason]);
  }

  /** Sets a knob. Throws `ERR_SPINN_REMOTE` (ValueError) for a wrong name, type or range. */
  async set(knob: string, value: number | boolean | string): Promise<void> {
    await this.#call("set", [knob, value]);
  }

  /** Copies of entries from the computation itself, those too large to publish included. */
  async get(...keys: readonly (keyof V & string)[]): Promise<Partial<V>> {
    return (await this.#call("get", keys.length === 0 ? [] : [keys])) as Partial<V>;
  }

  /**
   * The state now and each later one, the newest only: a reader that takes long skips states. Ends behind the final one, and when this client is
   * closed. Throws `ERR_SPINN_INCOMPLETE` when the connection is lost before.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<Sight<V>, void, void> {
    let last = -1;
    for (;;) {
      const sight = this.#newest!;
      if (sight.seq !== last) {
        last = sight.seq;
        yield sight;
        if (sight.run.final) return;
        continue;
      }
      if (this.#isClosed) return;
      if (this.#lost !== undefined) throw this.#lost;
      await this.#rung;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#ring();
    await Promise.all([this.#subscriber.close(), this.#client.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #call(method: string, args: readonly unknown[] = [], kwargs: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const { run } = this.#options;
    return this.#client.call(method, run === undefined ? args : [run, ...args], kwargs);
  }

  #receive(mod: Mod): void {
    // A state is whole when its number has come: that is the last change of each update.
    if (mod.action !== "init" && !(mod.action === "setitem" && mod.path.length === 1 && mod.path[0] === "run" && mod.key === "seq")) return;
    const struct = this.#subscriber.target;
    const run = { ...(member(struct, "run") as RunInfo) };
    this.#newest = { seq: run.seq, values: { ...(member(struct, "values") as V) }, run };
    this.#ring();
    if (run.final) this.#call("seen", [run.seq]).catch(() => {});
  }

  #lose(error: SpinnError | undefined): void {
    if (this.#isClosed || this.#newest?.run.final) return;
    const words = this.#newest === undefined ? "before its state had come" : `at update ${this.#newest.seq}, before its end`;
    this.#lost = new SpinnError("ERR_SPINN_INCOMPLETE", `the connection to the computation was lost ${words}`, {
      cause: error,
      hint: "its process may have ended or been killed",
    });
    this.#ring();
  }

  /** A new promise for the next news; the one before is settled. */
  #nextRing(): Promise<void> {
    return new Promise((resolve) => {
      this.#ring = () => {
        this.#rung = this.#nextRing();
        resolve();
      };
    });
  }
}

function holdOptions({ keep = false, untilDisconnect = false }: PauseOptions): Record<string, unknown> {
  return { keep, until_disconnect: untilDisconnect };
}

/** Connects to a running computation. Throws what `Client.connect` throws, and `ERR_SPINN_WRONG_DEVICE` for a server of another kind. */
export function inspect<V extends object = Record<string, unknown>>(
  host: string,
  port: number,
  options: InspectOptions = {},
): Promise<InspectClient<V>> {
  return InspectClient.connect(host, port, options);
}
