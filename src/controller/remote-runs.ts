import { SpinnError } from "../errors.js";
import { InspectClient, type RunInfo } from "../services/inspect/index.js";
import { Client, type ConnectOptions, IncompatibleServer, member } from "../services/rpc/index.js";
import { restored } from "./carried-error.js";
import { plain } from "./plain.js";
import type { RunReport } from "./runs.js";

export interface RemoteOptions extends ConnectOptions {
  /** For each call, ms. Default none. */
  readonly timeoutMs?: number | undefined;
}

/** The id of a computation that is served alone, by `runServer`. */
const ONLY = "1";

/** Runs of another process: a controller's, a verb's with `--inspect`, or the one computation of a `runServer`, which is run 1. */
export class RemoteRuns {
  readonly #client: Client;
  readonly #host: string;
  readonly #port: number;
  readonly #tls: ConnectOptions["tls"];
  /** Whether the server has one computation and no list. */
  readonly #isOne: boolean;

  private constructor(client: Client, host: string, port: number, isOne: boolean, tls: ConnectOptions["tls"]) {
    this.#client = client;
    this.#tls = tls;
    this.#host = host;
    this.#port = port;
    this.#isOne = isOne;
  }

  /** Throws what `Client.connect` throws; IncompatibleServer when the server has neither runs nor a computation. */
  static async connect(host: string, port: number, options: RemoteOptions = {}): Promise<RemoteRuns> {
    try {
      return new RemoteRuns(await Client.connect(host, port, { ...options, target: "runs" }), host, port, false, options.tls);
    } catch (error) {
      if (!(error instanceof IncompatibleServer)) throw error;
      const one = await Client.connect(host, port, { ...options, target: "inspect" }).catch(() => undefined);
      if (one === undefined) throw error;
      return new RemoteRuns(one, host, port, true, options.tls);
    }
  }

  async list(): Promise<readonly RunReport[]> {
    if (this.#isOne) return [await this.status(ONLY)];
    return (await this.#call("list_runs", [])) as RunReport[];
  }

  /** A method for one run: pause, resume, step, request_stop, set, and of a list also wait_run. Throws `ERR_SPINN_ARGUMENT` for an unknown run. */
  async steer(
    method: string,
    run: string,
    args: Readonly<Record<string, unknown>> = {},
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<unknown> {
    if (this.#isOne) this.#checkOne(run);
    return this.#call(method, this.#isOne ? [] : [run], args, options);
  }

  async status(run: string): Promise<RunReport> {
    if (!this.#isOne) return (await this.steer("status", run)) as RunReport;
    this.#checkOne(run);
    const place = await this.#call("describe", []);
    const { state, step, error } = member(place, "run") as RunInfo;
    return {
      run,
      state,
      method: String(member(place, "notifier")),
      step: String(step),
      progress: null,
      result: null,
      error: error === null ? null : { ...error, hint: null, board: null, request: null, return_code: null },
    };
  }

  /** Follows a run. Throws what `inspect` throws. */
  watch<V extends object>(run: string, signal?: AbortSignal): Promise<InspectClient<V>> {
    if (this.#isOne) this.#checkOne(run);
    return InspectClient.connect<V>(this.#host, this.#port, { ...(this.#isOne ? {} : { target: "runs", run }), tls: this.#tls, signal });
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkOne(run: string): void {
    if (run === ONLY) return;
    throw new SpinnError("ERR_SPINN_ARGUMENT", `there is no run ${JSON.stringify(run.slice(0, 100))}`, {
      hint: "this process has run 1 only",
    });
  }

  async #call(
    method: string,
    args: readonly unknown[],
    kwargs: Readonly<Record<string, unknown>> = {},
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<unknown> {
    try {
      return plain(await this.#client.call(method, args, kwargs, options));
    } catch (error) {
      throw restored(error);
    }
  }
}
