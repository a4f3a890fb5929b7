import type { Command } from "commander";
import { CONTROLLER_PORT, RemoteController } from "../controller/index.js";
import { resolveBoard } from "./board.js";
import type { Job } from "./job.js";

/** Where a controller listens that `spinn serve` has started. */
export interface Via {
  readonly host: string;
  readonly port: number;
}

export function addViaOption(command: Command): Command {
  return command.option(
    "--via <host:port>",
    `controller, as spinn serve has started it (default: $SPINN_VIA, then 127.0.0.1:${CONTROLLER_PORT})`,
  );
}

/** Which controller is meant. Throws `ERR_SPINN_ARGUMENT` for a text that is no address. */
export function chooseVia(command: Command): Via {
  const { via } = command.opts<{ via?: string }>();
  const { host, port } = resolveBoard(via ?? process.env["SPINN_VIA"] ?? "127.0.0.1", undefined);
  return { host, port: port ?? CONTROLLER_PORT };
}

/** Runs `work` with a connection to the controller, and closes it. */
export async function withController<T>(job: Job, command: Command, work: (controller: RemoteController) => Promise<T>): Promise<T> {
  const { host, port } = chooseVia(command);
  await using controller = await RemoteController.connect(host, port, { signal: job.signal, timeoutMs: 30_000 });
  return await work(controller);
}
