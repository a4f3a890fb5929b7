import { Controller, type ControllerOptions } from "../controller/index.js";
import { SpinnError } from "../errors.js";
import { Client, type ClientOptions, LocalCluster } from "../services/cluster/index.js";
import { type BoardEngine, type BoardEngineOptions, startBoardEngines } from "./board-engine.js";

/** A board, and what it is called. */
export type Board = ControllerOptions & Pick<BoardEngineOptions, "name">;

export type OverBoardsOptions<B extends boolean = boolean> = Pick<
  ClientOptions<B>,
  "block" | "timeoutMs" | "maxResults" | "maxResultBytes" | "trace" | "signal"
> &
  Omit<BoardEngineOptions, "name" | "place" | "id" | "file" | "profile" | "cluster" | "openSocket" | "timeoutMs" | "signal">;

/**
 * The cluster's Client over boards, within this process: no controller, no ZeroMQ. Engine 0 is the first board, and so on; closing the client
 * leaves the boards. What takes a controller (history, dependencies, retries) is refused. Throws `ERR_SPINN_UNREACHABLE` when a board does
 * not answer, and what `Client.connect` throws.
 *
 * ```ts
 * await using client = await overBoards([{ host: "192.168.240.1" }, { host: "192.168.240.9" }]);
 * console.log(await client.directView("all").call("info"));
 * ```
 */
export async function overBoards<B extends boolean = false>(
  boards: readonly Board[],
  options: OverBoardsOptions<B> = {},
): Promise<Client<B>> {
  const { block, timeoutMs, maxResults, maxResultBytes, trace, signal, ...engineOptions } = options;
  const cluster = new LocalCluster();
  let engines: readonly BoardEngine[] = [];
  const stop = {
    async [Symbol.asyncDispose]() {
      await Promise.all(engines.map((one) => one.close()));
      await cluster.close();
    },
  };
  try {
    const controllers = boards.map((board) => new Controller(board));
    const optionsOf = (_: Controller, i: number): BoardEngineOptions => ({
      ...engineOptions,
      ...cluster.forEngines,
      name: boards[i]!.name,
      id: i,
      signal,
    });
    engines = await startBoardEngines(controllers, optionsOf);
    const silent = engines.find(({ state }) => state !== "ready");
    if (silent !== undefined) {
      throw new SpinnError("ERR_SPINN_UNREACHABLE", `board ${silent.controller.board.options.host} does not answer`, {
        hint: "is it powered and booted? spinn doctor --host HOST finds out step by step",
      });
    }
    return await Client.connect<B>({ ...cluster.forClients, block, timeoutMs, maxResults, maxResultBytes, trace, signal, alsoClose: stop });
  } catch (error) {
    await stop[Symbol.asyncDispose]();
    throw error;
  }
}
