import type { Command } from "commander";
import { CONTROLLER_PORT, RemoteRuns } from "../controller/index.js";
import { resolveBoard } from "./board.js";
import type { Job } from "./job.js";

/** Where runs are served: by `spinn serve`, a verb with `--inspect`, or a computation. */
interface Via {
  readonly host: string;
  readonly port: number;
}

export function addViaOption(command: Command): Command {
  return command.option(
    "--via <host:port>",
    `who has the runs: spinn serve, a verb with --inspect, a computation (default: $SPINN_VIA, then 127.0.0.1:${CONTROLLER_PORT})`,
  );
}

/** Who is meant. Throws `ERR_SPINN_ARGUMENT` for a text that is no address. */
function chooseVia(command: Command): Via {
  const { via } = command.opts<{ via?: string }>();
  const { host, port } = resolveBoard(via ?? process.env["SPINN_VIA"] ?? "127.0.0.1", undefined);
  return { host, port: port ?? CONTROLLER_PORT };
}

/** Calls `work` with a connection to the runs, and closes it. */
export async function withRuns<T>(job: Job, command: Command, work: (runs: RemoteRuns) => Promise<T>): Promise<T> {
  const { host, port } = chooseVia(command);
  await using runs = await RemoteRuns.connect(host, port, { signal: job.signal, timeoutMs: 30_000 });
  return await work(runs);
}
