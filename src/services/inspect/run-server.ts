import { SpinnError } from "../../errors.js";
import { Publisher } from "../publish/index.js";
import { type LineSocket, RpcServer } from "../rpc/index.js";
import type { IDict } from "./idict.js";
import type { Knob } from "./knob.js";
import { Steering } from "./steering.js";

export interface RunServerOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string | undefined;
  /** TCP port of the calls, 0 takes a free one. Default 0. */
  readonly port?: number | undefined;
  /** TCP port of the published state, likewise. Default 0. */
  readonly notifyPort?: number | undefined;
  /** Name of the published structure. Default `run`. */
  readonly name?: string | undefined;
  /** Shown to clients. Default none. */
  readonly description?: string | undefined;
  /** How long a pause outlives its client's connection, ms. Default 30 000. */
  readonly leaseMs?: number | undefined;
}

export interface ServerEnd {
  readonly reason: "nobody" | "all left" | "timeout";
  /** Watchers at the end. */
  readonly clients: number;
}

/** How long after the end a first watcher may still come, ms. */
const GRACE_MS = 1000;

/** What waits for a watcher that does not read: little, since it gets the newest state when it reads again. */
const MAX_QUEUE_BYTES = 1024 * 1024;

/** A publisher that says when a subscriber goes. */
class WatchedPublisher extends Publisher {
  onLeave: () => void = () => {};

  protected override async serve(connection: LineSocket): Promise<void> {
    try {
      await super.serve(connection);
    } finally {
      this.onLeave();
    }
  }
}

/** The doors of one computation: pc_rpc to steer, sync_struct to watch. Made by {@link runServer}. */
export class InspectServer {
  readonly #idict: Pick<IDict<object>, "isFinal" | "notifyUpdate" | "finished">;
  readonly #rpc: RpcServer;
  readonly #publisher: WatchedPublisher;
  readonly #steering: Steering;
  readonly #name: string;
  readonly #host: string;
  /** Connections that have seen the end; each leaves with its connection. */
  readonly #seen = new Set<AbortSignal>();
  #hadWatchers = false;
  #check: () => void = () => {};
  #closing: Promise<void> | undefined;

  private constructor(idict: IDict<object>, options: RunServerOptions) {
    this.#idict = idict;
    this.#name = options.name ?? "run";
    this.#host = options.host ?? "127.0.0.1";
    this.#steering = new Steering({ leaseMs: options.leaseMs });
    this.#publisher = new WatchedPublisher({ [this.#name]: idict.notifier }, { maxQueueBytes: MAX_QUEUE_BYTES });
    const inspect = this.#steering.target(() => idict);
    this.#rpc = new RpcServer({ inspect }, { allowParallel: true, tracebacks: false, description: options.description });
    this.#steering.place = () => ({ notifier: this.#name, notify_port: this.#publisher.port });
    this.#steering.onSeen = ({ signal }) => {
      this.#seen.add(signal);
      signal.addEventListener("abort", () => void this.#seen.delete(signal), { once: true });
      this.#check();
    };
    this.#publisher.onLeave = () => {
      this.#hadWatchers = true;
      this.#check();
    };
  }

  static async start(idict: IDict<object>, options: RunServerOptions): Promise<InspectServer> {
    const server = new InspectServer(idict, options);
    try {
      await server.#publisher.start(server.#host, options.notifyPort ?? 0);
      await server.#rpc.start(server.#host, options.port ?? 0);
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  get address(): { readonly host: string; readonly port: number; readonly notifyPort: number } {
    return { host: this.#host, port: this.#rpc.port, notifyPort: this.#publisher.port };
  }

  /** Watchers connected now. */
  get clients(): number {
    return this.#publisher.status(this.#name).subscribers;
  }

  /**
   * Keeps the final state on show until every watcher has seen it or left, `timeoutMs` at most, then closes. Without watchers it waits a second
   * for one. Sends the final update if that was not done.
   */
  async waitThenClose(options: { readonly timeoutMs: number }): Promise<ServerEnd> {
    if (this.#closing !== undefined) throw new SpinnError("ERR_SPINN_CLOSED", "this server is closed");
    if (!this.#idict.isFinal) this.#idict.notifyUpdate({ final: true });
    const began = performance.now();
    await this.#idict.finished;
    const reason = await new Promise<ServerEnd["reason"]>((resolve) => {
      const left = Math.max(0, options.timeoutMs - (performance.now() - began));
      const timer = setTimeout(() => resolve("timeout"), left);
      const grace = setTimeout(
        () => {
          if (this.clients === 0 && !this.#hadWatchers) finish("nobody");
        },
        Math.min(GRACE_MS, left),
      );
      const finish = (why: ServerEnd["reason"]): void => {
        clearTimeout(timer);
        clearTimeout(grace);
        resolve(why);
      };
      this.#check = () => {
        if (this.#hadWatchers || this.#seen.size > 0) if (this.#seen.size >= this.clients) finish("all left");
      };
      this.#check();
    });
    const { clients } = this;
    await this.close();
    return { reason, clients };
  }

  /** Closes both doors; pauses made through them end. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.all([this.#rpc.stop(), this.#publisher.stop()]);
      this.#steering.close();
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Serves a computation to any number of watchers: `inspect()` here, sipyco's Client and Subscriber from Python. The target is `inspect`, the
 * published structure `run`. Throws `ERR_SPINN_ADDRESS_IN_USE`, `ERR_SPINN_UNREACHABLE` (no such address).
 */
export function runServer<V extends object, K extends Readonly<Record<string, Knob>>>(
  idict: IDict<V, K>,
  options: RunServerOptions = {},
): Promise<InspectServer> {
  return InspectServer.start(idict as unknown as IDict<object>, options);
}
