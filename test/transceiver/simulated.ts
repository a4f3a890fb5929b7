import { SimulatedMachine, type SimulatedMachineOptions } from "../../src/simulator/index.js";
import { Transceiver, type TransceiverOptions } from "../../src/transceiver/index.js";

export interface Setup extends AsyncDisposable {
  readonly machine: SimulatedMachine;
  readonly transceiver: Transceiver;
}

/** A simulated machine on a free port of `host`, booted, and a transceiver connected to it. */
export async function simulate(
  host: string,
  options: SimulatedMachineOptions = {},
  connectOptions: Partial<TransceiverOptions> = {},
): Promise<Setup> {
  const machine = await SimulatedMachine.start({ host, port: 0, timeScale: 0.01, ...options });
  try {
    await machine.ready;
    const transceiver = await Transceiver.connect({ ...machine.boards[0]!.address, ...connectOptions });
    return {
      machine,
      transceiver,
      async [Symbol.asyncDispose]() {
        await transceiver.close();
        await machine.close();
      },
    };
  } catch (error) {
    await machine.close();
    throw error;
  }
}
