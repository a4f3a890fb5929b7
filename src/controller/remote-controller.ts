import { abortError } from "../errors.js";
import { Client } from "../services/rpc/index.js";
import { errorOf, restored } from "./carried-error.js";
import type { Door } from "./controller.js";
import { plain } from "./plain.js";
import { type RemoteOptions, RemoteRuns } from "./remote-runs.js";
import type { RunReport } from "./runs.js";

/** How long one question for the end of a run waits at the controller, s. */
const WAIT_S = 5;

/** A controller that runs elsewhere: the same calls, the same values, the same errors. */
export class RemoteController implements Door {
  readonly #board: Client;
  readonly #runs: RemoteRuns;

  private constructor(board: Client, runs: RemoteRuns) {
    this.#board = board;
    this.#runs = runs;
  }

  /** Throws what `Client.connect` throws; IncompatibleServer when the server is no controller of a board. */
  static async connect(host: string, port: number, options: RemoteOptions = {}): Promise<RemoteController> {
    const board = await Client.connect(host, port, { ...options, target: "board" });
    try {
      return new RemoteController(board, await RemoteRuns.connect(host, port, options));
    } catch (error) {
      await board.close();
      throw error;
    }
  }

  /** As `Controller.call`; also what a call over a connection throws, see `Client`. */
  async call(
    method: string,
    args: Readonly<Record<string, unknown>> = {},
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<unknown> {
    try {
      return plain(await this.#board.call(method, [], args, options));
    } catch (error) {
      throw restored(error);
    }
  }

  /**
   * Calls a method that takes long and waits for its run: the result, or the error it ended with. When `signal` fires the run is asked to end.
   * Throws as {@link call}.
   */
  async run(
    method: string,
    args: Readonly<Record<string, unknown>> = {},
    options: { readonly signal?: AbortSignal; readonly onReport?: (report: RunReport) => void } = {},
  ): Promise<unknown> {
    const { run } = (await this.call(method, args, options)) as { run: string };
    for (;;) {
      if (options.signal?.aborted) {
        await this.steer("request_stop", run, { reason: "the caller was interrupted" });
        throw abortError(options.signal);
      }
      const report = (await this.#runs.steer("wait_run", run, { timeout: WAIT_S }, options).catch((error: unknown) => {
        if (options.signal?.aborted) return undefined;
        throw error;
      })) as RunReport | undefined;
      if (report === undefined) continue;
      options.onReport?.(report);
      if (report.state === "done") return report.result;
      if (report.error !== null) throw errorOf(report.error) ?? new Error(`${report.error.name}: ${report.error.message}`);
    }
  }

  async ping(): Promise<boolean> {
    return (await this.call("ping")) === true;
  }

  listRuns(): Promise<readonly RunReport[]> {
    return this.#runs.list();
  }

  /** A method of the target `runs` for one run: pause, resume, step, request_stop, set, status, wait_run. */
  steer(method: string, run: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    return this.#runs.steer(method, run, args);
  }

  status(run: string): Promise<RunReport> {
    return this.#runs.status(run);
  }

  /** Asks the server to end, as a manager of controllers does. */
  async terminate(): Promise<void> {
    await this.call("terminate");
  }

  async close(): Promise<void> {
    await Promise.all([this.#board.close(), this.#runs.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
