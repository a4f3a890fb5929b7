import { SpinnError, throwIfAborted } from "../../errors.js";
import type { Allocator } from "./allocator.js";
import type { CallOptions } from "./client.js";
import { integerOf, listOf, textOf } from "./fields.js";
import type { JobMachine } from "./job-machine.js";
import type { JobRequest } from "./job-request.js";
import type { JobStatus } from "./job-status.js";
import type { KeepalivePlan } from "./keepalive.js";
import type { ListedJob, ListedMachine } from "./listing.js";
import { BoardProxy } from "./proxy.js";
import { jsonOf, WebSession, type WebSessionOptions } from "./web-session.js";
import {
  decodeWebJobMachine,
  decodeWebJobStatus,
  decodeWebListedJob,
  decodeWebMachine,
  decodeWebPlace,
  decodeWebPower,
  encodeWebJobRequest,
} from "./web-values.js";
import type { Place, PlaceQuery } from "./where-is.js";

export interface SpallocWebClientOptions extends WebSessionOptions {
  /** Base of the service, `https://host/spalloc/`. */
  readonly url: string;
  /** The group whose quota pays; default the only one of the user. */
  readonly group?: string | undefined;
  /** Ends the log-in. */
  readonly signal?: AbortSignal | undefined;
}

/** How long the service holds an answer back when asked to wait for a change. */
const HELD_MS = 30_000;
/** Between two questions for a change when the service answered at once; and after one that failed. */
const PAUSE_MS = 250;
const FAILED_PAUSE_MS = 5000;
const PAGE = 200;
const MAX_JOBS = 10_000;
/** Questions for the states of listed jobs. */
const AT_A_TIME = 8;

/** Client of the newer spalloc service, over HTTP: jobs, machines, places. Follows no address that the service hands out. */
export class SpallocWebClient implements Allocator {
  readonly #session: WebSession;
  readonly #options: SpallocWebClientOptions;

  private constructor(options: SpallocWebClientOptions) {
    this.#options = options;
    this.#session = new WebSession(options.url, options);
  }

  /**
   * Logs in with HTTP Basic, the form of the service's log-in page, or a bearer token. Throws `ERR_SPINN_ARGUMENT`, `ERR_SPINN_REFUSED` (plain http to another host), `ERR_SPINN_REMOTE`
   * (log-in refused), `ERR_SPINN_UNREACHABLE`, `ERR_SPINN_TIMEOUT`, `ERR_SPINN_PROTOCOL` (no spalloc service).
   */
  static async connect(options: SpallocWebClientOptions): Promise<SpallocWebClient> {
    const client = new SpallocWebClient(options);
    await client.#session.enter(options.signal);
    return client;
  }

  get where(): string {
    return this.#session.where;
  }

  async createJob(request: JobRequest, { signal }: CallOptions = {}): Promise<number> {
    const json = encodeWebJobRequest(request, this.#options.group);
    throwIfAborted(signal);
    try {
      // Not the caller's signal: when it fires in the middle, the number is still wanted, to give the boards back.
      const answer = await this.#session.request("POST", "jobs", { json });
      const jobId = integerOf(jsonOf(answer, "the new job")["job-id"], "job-id");
      if (signal?.aborted) await this.destroyJob(jobId, "the client gave up").catch(() => {});
      throwIfAborted(signal);
      return jobId;
    } catch (cause) {
      if (!(cause instanceof SpinnError) || !["ERR_SPINN_UNREACHABLE", "ERR_SPINN_TIMEOUT"].includes(cause.code)) throw cause;
      const hint = "a job that was made ends when its keepalive runs out";
      throw new SpinnError("ERR_SPINN_OUTCOME_UNKNOWN", `no answer to the request for boards: ${cause.message}`, { cause, hint });
    }
  }

  async jobStatus(jobId: number, { signal }: CallOptions = {}): Promise<JobStatus> {
    const answer = await this.#session.request("GET", `jobs/${jobId}`, { signal });
    if (answer.status >= 400) return decodeWebJobStatus({ state: "UNKNOWN" }, null);
    const fields = jsonOf(answer, "the state of a job");
    const status = decodeWebJobStatus(fields, null);
    if (status.state !== "ready" && status.state !== "power") return status;
    const power = await this.#session.request("GET", `jobs/${jobId}/machine/power`, { signal });
    return power.status === 200 ? { ...status, power: decodeWebPower(jsonOf(power, "the power of a job")) } : status;
  }

  async jobMachine(jobId: number, { signal }: CallOptions = {}): Promise<JobMachine | null> {
    const answer = await this.#session.request("GET", `jobs/${jobId}/machine`, { signal });
    if (answer.status !== 200) return null;
    const fields = jsonOf(answer, "the machine of a job");
    const whole = await this.machine(textOf(fields["machine-name"], "machine-name"), { signal });
    if (whole === null) throw new SpinnError("ERR_SPINN_PROTOCOL", `${this.where} gave boards of a machine that it does not know`);
    return decodeWebJobMachine(fields, whole);
  }

  async setPower(jobId: number, on: boolean, { signal }: CallOptions = {}): Promise<void> {
    await this.#session.request("POST", `jobs/${jobId}/machine/power`, { json: { power: on ? "ON" : "OFF" }, signal });
  }

  async destroyJob(jobId: number, reason: string | null = null, { signal }: CallOptions = {}): Promise<void> {
    await this.#session.request("DELETE", `jobs/${jobId}`, { query: reason === null ? {} : { reason }, signal });
  }

  async keepalive(jobId: number, { signal }: CallOptions = {}): Promise<void> {
    await this.#session.request("PUT", `jobs/${jobId}/keepalive`, { text: "alive", signal });
  }

  async whereIsChip(jobId: number, chip: { readonly x: number; readonly y: number }, { signal }: CallOptions = {}): Promise<Place | null> {
    const answer = await this.#session.request("GET", `jobs/${jobId}/chip`, { query: { x: chip.x, y: chip.y }, signal });
    return answer.status === 200 ? decodeWebPlace(jsonOf(answer, "a place")) : null;
  }

  async whereIs(query: PlaceQuery, { signal }: CallOptions = {}): Promise<Place | null> {
    if ("jobId" in query) return this.whereIsChip(query.jobId, query.chip, { signal });
    const { machine, ...place } = query;
    const [path, names] =
      "chip" in place ? ["chip", place.chip] : "cabinet" in place ? ["physical-board", place] : ["logical-board", place];
    const answer = await this.#session.request("GET", `machines/${encodeURIComponent(machine)}/${path}`, { query: { ...names }, signal });
    return answer.status === 200 ? decodeWebPlace(jsonOf(answer, "a place")) : null;
  }

  /** The jobs that this user may see. Their boards are left out: asking for them would keep other people's jobs alive. */
  async listJobs({ signal }: CallOptions = {}): Promise<ListedJob[]> {
    const ids = await this.jobIds({ signal });
    const jobs: ListedJob[] = [];
    for (let first = 0; first < ids.length; first += AT_A_TIME) {
      const some = ids.slice(first, first + AT_A_TIME).map(async (jobId) => {
        const answer = await this.#session.request("GET", `jobs/${jobId}`, { signal });
        return answer.status === 200 ? [decodeWebListedJob(jobId, jsonOf(answer, "the state of a job"))] : [];
      });
      jobs.push(...(await Promise.all(some)).flat());
    }
    return jobs;
  }

  async listMachines({ signal }: CallOptions = {}): Promise<ListedMachine[]> {
    const answer = await this.#session.request("GET", "machines", { signal });
    return listOf(jsonOf(answer, "the list of machines")["machines"], "machines", decodeWebMachine);
  }

  /** One machine; null for an unknown one. */
  async machine(name: string, { signal }: CallOptions = {}): Promise<ListedMachine | null> {
    const answer = await this.#session.request("GET", `machines/${encodeURIComponent(name)}`, { signal });
    return answer.status === 200 ? decodeWebMachine(jsonOf(answer, "a machine")) : null;
  }

  /** Numbers of the jobs that this user may see, newest pages first as the service lists them; 10 000 at most. */
  async jobIds({ signal, deleted = false }: CallOptions & { readonly deleted?: boolean } = {}): Promise<number[]> {
    const ids: number[] = [];
    while (ids.length < MAX_JOBS) {
      const answer = await this.#session.request("GET", "jobs", { query: { deleted, limit: PAGE, start: ids.length }, signal });
      const page = listOf(jsonOf(answer, "the list of jobs")["jobs"], "jobs", (uri, what) => {
        const match = /\/jobs\/(\d+)\/?$/.exec(textOf(uri, what));
        return integerOf(match === null ? null : Number(match[1]), what);
      });
      ids.push(...page);
      if (page.length < PAGE) break;
    }
    return ids;
  }

  /** The service has no way to wait for all jobs together: for null, nothing is heard. */
  watchJob(jobId: number | null, changed: () => void): () => void {
    if (jobId === null) return () => {};
    const stop = new AbortController();
    void this.#watch(jobId, changed, stop.signal);
    return () => stop.abort();
  }

  keepalivePlan(jobId: number): KeepalivePlan {
    const { root, logIn } = this.#session;
    const timeoutMs = this.#options.timeoutMs ?? 10_000;
    return { kind: "web", rootUrl: root.href, jobUrl: new URL(`jobs/${jobId}`, root).href, logIn, timeoutMs };
  }

  /**
   * The WebSocket that carries the datagrams of a job's boards; null when the service has none, or the job has no boards. Throws what
   * {@link BoardProxy.open} throws.
   */
  async openProxy(jobId: number, connections: JobMachine["connections"], { signal }: CallOptions = {}): Promise<BoardProxy | null> {
    if (!(await this.hasProxy(jobId, { signal }))) return null;
    const { timeoutMs } = this.#options;
    // Not the address that the service names: credentials go nowhere but to the service itself.
    return this.#session.socket(
      `proxy/${jobId}`,
      (url, headers) => BoardProxy.open({ url, headers, connections, timeoutMs, signal }),
      signal,
    );
  }

  /** Whether the service says that the boards of a job are reached through it. */
  async hasProxy(jobId: number, { signal }: CallOptions = {}): Promise<boolean> {
    const answer = await this.#session.request("GET", `jobs/${jobId}`, { signal });
    return answer.status === 200 && typeof jsonOf(answer, "the state of a job")["proxy-ref"] === "string";
  }

  /** Ends what is under way; jobs stay as they are. Idempotent. */
  async close(): Promise<void> {
    this.#session.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #watch(jobId: number, changed: () => void, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let pauseMs = PAUSE_MS;
      const askedAt = performance.now();
      try {
        const answer = await this.#session.request("GET", `jobs/${jobId}`, { query: { wait: true }, extraMs: HELD_MS, signal });
        if (signal.aborted) return;
        changed();
        if (answer.status !== 200) return;
        // Asked again at once, so that no change falls between two questions.
        if (performance.now() - askedAt > PAUSE_MS) continue;
      } catch (error) {
        if (signal.aborted) return;
        // Refused credentials do not get better, and whoever holds the job also asks by himself.
        if (error instanceof SpinnError && (error.code === "ERR_SPINN_CLOSED" || error.code === "ERR_SPINN_REMOTE")) return;
        pauseMs = FAILED_PAUSE_MS;
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, pauseMs);
        function done(): void {
          clearTimeout(timer);
          signal.removeEventListener("abort", done);
          resolve();
        }
        signal.addEventListener("abort", done);
      });
    }
  }
}
