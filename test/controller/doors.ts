import {
  Controller,
  type ControllerOptions,
  type Door,
  RemoteController,
  type RunReport,
  serveController,
} from "../../src/controller/index.js";
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

export type DoorName = "local" | "rpc";

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
      steer: async (method, run) => {
        const { idict } = controller.runs.get(run);
        if (method === "pause") idict.pause();
        else if (method === "resume") idict.resume();
        else idict.terminate();
      },
      status: async (run) => controller.runs.get(run).report,
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
