import { type RunList, runsTarget, Steering } from "../services/inspect/index.js";
import { Publisher } from "../services/publish/index.js";
import { RpcServer } from "../services/rpc/index.js";
import { carried } from "./carried-error.js";
import type { Run, Runs } from "./runs.js";

export interface ServeRunsOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly bind?: string | undefined;
  /** TCP port of the calls, 0 takes a free one. Default 0. */
  readonly port?: number | undefined;
  /** How long a pause outlives the connection that asked for it, ms. Default 30 000. */
  readonly leaseMs?: number | undefined;
}

/** How long a run that has ended stays on show for those who are connected, ms. */
const SHOW_END_MS = 2000;
const LOOK_MS = 10;

/** Runs as the target `runs` lists them, and the publishing of each under `run_ID`, from now on. */
export function publishRuns(runs: Runs, publisher: Publisher, onForget: (run: Run) => void = () => {}): RunList {
  const listed = (run: Run) => ({
    id: run.id,
    idict: run.idict as never,
    ended: run.ended,
    get report() {
      return { ...run.report };
    },
    notifier: `run_${run.id}`,
  });
  for (const run of runs) publisher.add(`run_${run.id}`, run.idict.notifier);
  const before = { onStart: runs.onStart, onForget: runs.onForget };
  runs.onStart = (run) => {
    before.onStart(run);
    publisher.add(`run_${run.id}`, run.idict.notifier);
  };
  runs.onForget = (run) => {
    before.onForget(run);
    publisher.remove(`run_${run.id}`);
    onForget(run);
  };
  return { all: () => [...runs].map(listed), get: (id) => listed(runs.get(id)), notifyPort: () => publisher.port };
}

/** Runs of one process on the network, without a board: what `spinn watch` and the others speak to. Made by {@link serveRuns}. */
export class ServedRuns {
  readonly #publisher = new Publisher();
  readonly #steering: Steering;
  readonly #rpc: RpcServer;
  #closing: Promise<void> | undefined;

  private constructor(runs: Runs, options: ServeRunsOptions) {
    this.#steering = new Steering({ leaseMs: options.leaseMs, carry: carried });
    const list = publishRuns(runs, this.#publisher, (run) => this.#steering.forget(run.idict as never));
    this.#rpc = new RpcServer({ runs: runsTarget(this.#steering, list) }, { allowParallel: true, tracebacks: false });
  }

  static async start(runs: Runs, options: ServeRunsOptions): Promise<ServedRuns> {
    const served = new ServedRuns(runs, options);
    const { bind = "127.0.0.1", port = 0 } = options;
    try {
      await served.#publisher.start(bind, 0);
      await served.#rpc.start(bind, port);
      return served;
    } catch (error) {
      await served.close();
      throw error;
    }
  }

  get port(): number {
    return this.#rpc.port;
  }

  /** Leaves those who are connected time to see the end, 2 s at most, then closes. The runs themselves go on. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      const until = performance.now() + SHOW_END_MS;
      while (this.#rpc.connectionCount + this.#publisher.connectionCount > 0 && performance.now() < until)
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      this.#steering.close();
      await Promise.all([this.#rpc.stop(), this.#publisher.stop()]);
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Serves runs: calls to the target `runs`, state as `run_ID`. Throws `ERR_SPINN_ADDRESS_IN_USE`, `ERR_SPINN_UNREACHABLE` (no such address). */
export function serveRuns(runs: Runs, options: ServeRunsOptions = {}): Promise<ServedRuns> {
  return ServedRuns.start(runs, options);
}
