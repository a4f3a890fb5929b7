import {
  Controller,
  type ControllerOptions,
  type Door,
  errorOf,
  METHODS,
  RemoteController,
  type RunReport,
  serveController,
} from "../../src/controller/index.js";
import { BoardEngine } from "../../src/engine/index.js";
import { SpinnError } from "../../src/errors.js";
import { type AsyncResult, Client, kw, LocalCluster } from "../../src/services/cluster/index.js";
import { SimulatedMachine, type SimulatedMachineOptions } from "../../src/simulator/index.js";

/** One way to the methods, and to the runs behind them. */
export interface Entry extends Door {
  /** Calls a method that takes long, and waits for its run's end. */
  finish(method: string, args?: Readonly<Record<string, unknown>>): Promise<RunReport>;
  steer(method: string, run: string): Promise<unknown>;
  status(run: string): Promise<RunReport>;
}

export interface Bench extends AsyncDisposable {
  readonly machine: SimulatedMachine;
  readonly controller: Controller;
  readonly entry: Entry;
}

export type DoorName = "local" | "rpc" | "engine";

/** A simulated machine on `host`, a controller for it, and a door to that. */
export async function open(
  door: DoorName,
  host: string,
  options: SimulatedMachineOptions = {},
  more: Partial<ControllerOptions> = {},
): Promise<Bench> {
  const machine = await SimulatedMachine.start({ board: "spin3", host, port: 0, timeScale: 0.01, ...options });
  const { port } = machine.boards[0]!.address;
  const controller = new Controller({ host, port, bootPort: machine.bootAddress.port, bmp: machine.bmps[0]?.address, ...more });
  if (door === "local") {
    const entry: Entry = {
      call: (method, args) => controller.call(method, args),
      finish: async (method, args) => {
        const { run } = (await controller.call(method, args)) as { run: string };
        await controller.runs.get(run).ended;
        return controller.runs.get(run).report;
      },
      ...watching(controller),
    };
    return {
      machine,
      controller,
      entry,
      async [Symbol.asyncDispose]() {
        await controller.close();
        await machine.close();
      },
    };
  }
  if (door === "engine") return openEngine(machine, controller);
  const served = await serveController(controller, { port: 0, pollMs: 0 });
  const remote = await RemoteController.connect("127.0.0.1", served.port);
  const entry: Entry = {
    call: (method, args) => remote.call(method, args),
    finish: async (method, args) => {
      const { run } = (await remote.call(method, args)) as { run: string };
      return (await remote.steer("wait_run", run)) as RunReport;
    },
    steer: async (method, run) => void (await remote.steer(method === "stop" ? "request_stop" : method, run)),
    status: (run) => remote.status(run),
  };
  return {
    machine,
    controller,
    entry,
    async [Symbol.asyncDispose]() {
      await remote.close();
      await served.close();
      await machine.close();
    },
  };
}

/** Runs, where the controller is at hand. */
function watching(controller: Controller): Pick<Entry, "steer" | "status"> {
  return {
    steer: async (method, run) => {
      const { idict } = controller.runs.get(run);
      if (method === "pause") idict.pause();
      else if (method === "resume") idict.resume();
      else idict.terminate();
    },
    status: async (run) => controller.runs.get(run).report,
  };
}

/** The board as an engine; a cluster's client calls it. */
async function openEngine(machine: SimulatedMachine, controller: Controller): Promise<Bench> {
  const cluster = new LocalCluster();
  const engine = await BoardEngine.start(controller, { ...cluster.forEngines, askEveryMs: 60_000, silentMs: 120_000 });
  const client = await Client.connect(cluster.forClients);
  const send = (method: string, args: Readonly<Record<string, unknown>> = {}) => client.directView(engine.id!).call(method, kw(args));
  // What the error was here is in the reply's metadata.
  const restored = (result: AsyncResult<unknown>, error: unknown): SpinnError => {
    const { cause, message } = error as SpinnError & { readonly cause?: { readonly ename?: string } };
    // The engine itself knows which names there are, as Python does.
    if (cause?.ename === "NameError") return new SpinnError("ERR_SPINN_ARGUMENT", message);
    return errorOf(result.metadata[0]!.extra["error"]) ?? (error as SpinnError);
  };
  const runOf = (result: AsyncResult<unknown>) => [...controller.runs].find(({ idict }) => idict.get("task") === result.msgIds[0]);
  const ended = (result: AsyncResult<unknown>): Promise<unknown> =>
    result.get().catch((error: unknown) => Promise.reject(restored(result, error)));
  const entry: Entry = {
    async call(method, args) {
      const result = send(method, args);
      if (METHODS[method]?.isRun !== true) return ended(result);
      // A task ends with its run: that it has begun is seen in the run.
      let error: unknown;
      result.catch((reason: unknown) => {
        error = restored(result, reason);
      });
      for (;;) {
        const run = runOf(result);
        if (run !== undefined) return { run: run.id };
        if (error !== undefined) throw error as SpinnError;
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    async finish(method, args) {
      const result = send(method, args);
      const failure = await ended(result).then(
        () => undefined,
        (error: unknown) => error,
      );
      const id = result.metadata[0]!.extra["run"];
      if (id === undefined) throw failure as SpinnError;
      return controller.runs.get(id).report;
    },
    ...watching(controller),
  };
  return {
    machine,
    controller,
    entry,
    async [Symbol.asyncDispose]() {
      await client.close();
      await engine.close();
      await cluster.close();
      await machine.close();
    },
  };
}
