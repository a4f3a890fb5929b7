import { Controller } from "../../src/controller/index.js";
import { SimulatedMachine, type SimulatedMachineOptions } from "../../src/simulator/index.js";
import { serveWeb, type WebOptions, type WebServer } from "../../src/web/index.js";

export const TOKEN = "a-token-for-tests-0123";

/** The page as it is built: what browsers get. */
const ROOT = new URL("../../dist/", import.meta.url);

export function servePage(controller: Controller, options: WebOptions = {}): Promise<WebServer> {
  return serveWeb(controller, { root: ROOT, port: 0, token: TOKEN, pollMs: 100, ...options });
}

export interface Bench extends AsyncDisposable {
  readonly machine: SimulatedMachine;
  readonly controller: Controller;
  readonly web: WebServer;
}

/** A simulated machine, a controller of it, and its page. */
export async function openBench(host: string, machineOptions: SimulatedMachineOptions = {}, options: WebOptions = {}): Promise<Bench> {
  const machine = await SimulatedMachine.start({ board: "spin3", host, port: 0, timeScale: 0.01, ...machineOptions });
  const { port } = machine.boards[0]!.address;
  const controller = new Controller({ host, port, bootPort: machine.bootAddress.port, bmp: machine.bmps[0]?.address });
  const web = await servePage(controller, options);
  return {
    machine,
    controller,
    web,
    async [Symbol.asyncDispose]() {
      await web.close();
      await controller.close();
      await machine.close();
    },
  };
}
