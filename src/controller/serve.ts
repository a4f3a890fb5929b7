import { runsTarget, Steering } from "../services/inspect/index.js";
import { Publisher } from "../services/publish/index.js";
import {
  type CallContext,
  describeTarget,
  type MethodDescription,
  type ParameterDescription,
  RpcServer,
  type TlsServerIdentity,
} from "../services/rpc/index.js";
import { type Access, checkAccess } from "./access.js";
import { carried, carrying } from "./carried-error.js";
import type { Controller } from "./controller.js";
import { DatagramPassage } from "./datagram-passage.js";
import { METHODS } from "./methods.js";
import type { Parameters } from "./parameter.js";
import { publishRuns } from "./serve-runs.js";

/** TCP port of the calls: the first one behind ARTIQ's list of instruments. */
export const CONTROLLER_PORT = 3277;

export interface ServeOptions {
  /** Addresses to listen on. Default 127.0.0.1. */
  readonly bind?: string | readonly string[] | undefined;
  /** TCP port of the calls, 0 takes a free one. Default 3277. */
  readonly port?: number | undefined;
  /** TCP port of the published state, 0 takes a free one. Default: the port of the calls plus 1. */
  readonly notifyPort?: number | undefined;
  /** How often the machine is asked for its state while somebody watches, ms; 0 is never. Default 5000. */
  readonly pollMs?: number | undefined;
  /** How long a pause outlives the connection that asked for it, ms. Default 30 000. */
  readonly leaseMs?: number | undefined;
  /** What callers may do to the machine, by methods and by datagrams. Default `disturb`: everything. */
  readonly allow?: Access | undefined;
  /** TLS for calls and published state. Default none: plain TCP. */
  readonly tls?: TlsServerIdentity | undefined;
}

/** A controller on the network. Made by {@link serveController}. */
export class ServedController {
  readonly #controller: Controller;
  readonly #rpc: RpcServer;
  readonly #publisher: Publisher;
  readonly #steering: Steering;
  #endObserving: () => void = () => {};
  #closing: Promise<void> | undefined;

  private constructor(controller: Controller, options: ServeOptions) {
    this.#controller = controller;
    const { allow = "disturb", leaseMs, tls } = options;
    this.#steering = new Steering({ leaseMs, carry: carried, onlyLook: allow === "look" });
    this.#publisher = new Publisher({ board: controller.notifier }, { tls });
    const runs = publishRuns(controller.runs, this.#publisher, (run) => this.#steering.forget(run.idict as never));
    const { host } = controller.board.options;
    const datagrams = new DatagramPassage(controller.board, allow).target;
    this.#rpc = new RpcServer(
      { board: boardTarget(controller, allow), runs: runsTarget(this.#steering, runs), datagrams },
      { tls, allowParallel: true, builtinTerminate: true, tracebacks: false, description: `SpiNNaker board ${host}` },
    );
  }

  static async start(controller: Controller, options: ServeOptions): Promise<ServedController> {
    const served = new ServedController(controller, options);
    const { bind = "127.0.0.1", port = CONTROLLER_PORT, pollMs = 5000 } = options;
    try {
      await served.#rpc.start(bind, port);
      await served.#publisher.start(bind, options.notifyPort ?? (port === 0 ? 0 : served.#rpc.port + 1));
      const isWatched = (): boolean => served.#publisher.status("board").subscribers > 0;
      if (pollMs > 0) served.#endObserving = controller.observe(isWatched, pollMs);
      return served;
    } catch (error) {
      await served.close();
      throw error;
    }
  }

  get port(): number {
    return this.#rpc.port;
  }

  get notifyPort(): number {
    return this.#publisher.port;
  }

  /** Settles when a client has called `terminate`. */
  get terminated(): Promise<void> {
    return this.#rpc.terminated;
  }

  /** Stops listening, and closes the controller: runs end, the board's connections are closed. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#endObserving();
      this.#steering.close();
      await this.#controller.runs.close();
      await Promise.all([this.#rpc.stop(), this.#publisher.stop()]);
      await this.#controller.close();
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Serves a controller as an ARTIQ controller: calls by pc_rpc (targets `board` and `runs`, and `datagrams` for those who want the machine as if it were local), state by sync_struct (`board`, and `run_ID` for each
 * run). Throws `ERR_SPINN_ADDRESS_IN_USE`, `ERR_SPINN_UNREACHABLE` (no such address).
 */
export function serveController(controller: Controller, options: ServeOptions = {}): Promise<ServedController> {
  return ServedController.start(controller, options);
}

/** The table as a target: positional and keyword arguments, documentation with ranges, errors that keep their code. */
function boardTarget(controller: Controller, allow: Access): object {
  const target: Record<string, unknown> = { ping: () => controller.ping() };
  const methods: Record<string, MethodDescription> = { ping: { doc: "Whether the board answers.", args: [], returns: "bool" } };
  for (const [name, { about, parameters, result, access, isRun }] of Object.entries(METHODS)) {
    const names = Object.keys(parameters);
    target[name] = carrying(({ signal }: CallContext, ...args: unknown[]) => {
      checkAccess(allow, access, name);
      return controller.call(name, Object.fromEntries(names.map((parameter, i) => [parameter, args[i]])), { signal });
    });
    const lines = Object.entries(parameters).map(([parameter, one]) => `${parameter} (${one.type}): ${one.about}`);
    const comes = isRun ? `Takes long: returns {run: id} at once; the run's result is ${result}.` : `Returns ${result}.`;
    methods[name] = { doc: [about, ...lines, comes].join("\n"), args: describe(parameters), passContext: true };
  }
  return describeTarget(target, { doc: "A SpiNNaker board.", methods });
}

function describe(parameters: Parameters): ParameterDescription[] {
  return Object.entries(parameters).map(([name, one]) => ({
    name,
    type: one.type,
    ...("default" in one ? { default: one.default } : {}),
  }));
}
