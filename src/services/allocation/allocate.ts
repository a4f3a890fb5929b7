import { checkInteger, SpinnError, throwIfAborted } from "../../errors.js";
import type { Allocator } from "./allocator.js";
import { SpallocClient } from "./client.js";
import { Job, type JobOptions } from "./job.js";
import type { JobMachine } from "./job-machine.js";
import type { JobRequest } from "./job-request.js";
import type { OpenProxied } from "./proxied-channel.js";
import { SpallocWebClient } from "./web-client.js";
import { type WebCredentials, withoutCredentials } from "./web-session.js";

export interface AllocateOptions extends JobRequest, JobOptions {
  /**
   * `host` or `host:port` of a classic spalloc server (port 22244 when left out), `https://host/spalloc/` of the newer service, or a client
   * that is open already and stays open.
   */
  readonly server: string | Allocator;
  /** For the newer service; may also stand in its address, `https://user:password@host/spalloc/`. */
  readonly credentials?: WebCredentials | undefined;
  /** For each connection and reply; default 5000 ms, 10 000 ms for the newer service. */
  readonly timeoutMs?: number | undefined;
  /** Ends the wait; what was allocated is given back. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Looks at the boards before they are handed out; throws when they are no good. Bad boards are held until good ones are found, so that the
   * server cannot give them again, then given back.
   */
  readonly check?: ((machine: JobMachine, signal: AbortSignal | undefined, open: OpenProxied | undefined) => Promise<void>) | undefined;
  /** How many sets of boards to try when they do not come on or `check` throws; default 1. */
  readonly attempts?: number | undefined;
}

/** A job whose boards are on. */
export interface ReadyJob extends Job {
  readonly boards: JobMachine;
  /** The way to the boards where datagrams go through the server, `undefined` where they are reached directly. See {@link Job.way}. */
  readonly open: OpenProxied | undefined;
  /**
   * Calls `connect` of `spinnkit`, or another function of its shape, with the board to boot through and the way that leads there:
   * `await using spinn = await job.connect(connect);`
   */
  connect<T>(connect: (host: string, options: { readonly open: OpenProxied | undefined }) => Promise<T>): Promise<T>;
}

/**
 * Asks for boards and waits until they are on:
 * `await using job = await allocate({ server: "spinn.example.org", boards: 3 });` then `job.boards.host` is the board to boot through, and
 * `await job.connect(connect)` the machine. Whatever is thrown, nothing stays allocated. Throws what {@link Job.whenReady} and {@link SpallocClient.connect} throw.
 */
export async function allocate(options: AllocateOptions): Promise<ReadyJob> {
  const { signal } = options;
  const attempts = checkInteger("attempts", options.attempts ?? 1, 1, 100);
  throwIfAborted(signal);
  const allocator = typeof options.server === "string" ? await openAllocator(options.server, options) : options.server;
  const own = allocator !== options.server;
  const bad: Job[] = [];
  try {
    for (let attempt = 1; ; attempt += 1) {
      const job = await Job.create(allocator, options, options);
      try {
        const boards = await job.whenReady({ signal });
        const open = await job.way({ signal });
        await options.check?.(boards, signal, open);
        const connect: ReadyJob["connect"] = (how) => how(boards.host, { open });
        return Object.assign(own ? job.andClose(() => allocator.close()) : job, { boards, open, connect });
      } catch (error) {
        bad.push(job);
        if (attempt >= attempts || signal?.aborted || !mayBeTheBoards(error)) throw error;
      }
    }
  } catch (error) {
    // Bad boards first: closing the allocator with them would leave them to their keepalive.
    await Promise.allSettled(bad.splice(0).map((job) => job.close("not fit for use")));
    if (own) await allocator.close();
    throw error;
  } finally {
    await Promise.allSettled(bad.map((job) => job.close("not fit for use")));
  }
}

/** Other boards may do better, unless the request itself or the server is what is wrong. */
function mayBeTheBoards(error: unknown): boolean {
  if (!(error instanceof SpinnError)) return true;
  if (error.code === "ERR_SPINN_REMOTE") return /machine configuration failed|BMP/i.test(error.message);
  return !["ERR_SPINN_ARGUMENT", "ERR_SPINN_ABORTED", "ERR_SPINN_CLOSED", "ERR_SPINN_UNREACHABLE", "ERR_SPINN_OUTCOME_UNKNOWN"].includes(
    error.code,
  );
}

/** Opens the client that fits the name of a server. */
export async function openAllocator(
  server: string,
  options: Pick<AllocateOptions, "timeoutMs" | "signal" | "credentials"> = {},
): Promise<Allocator> {
  if (/^https?:\/\//i.test(server)) {
    const credentials = options.credentials ?? credentialsIn(server);
    return SpallocWebClient.connect({ url: server, credentials, timeoutMs: options.timeoutMs, signal: options.signal });
  }
  const match = /^(?:\[([0-9a-f:.]+)\]|([^:/\s]+))(?::(\d{1,5}))?$/i.exec(server);
  if (match === null) {
    const shown = JSON.stringify(withoutCredentials(server));
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${shown} is no allocation server: give host, host:port or https://...`);
  }
  const port = match[3] === undefined ? undefined : Number(match[3]);
  return SpallocClient.connect({ host: match[1] ?? match[2]!, port, timeoutMs: options.timeoutMs, signal: options.signal });
}

function credentialsIn(address: string): WebCredentials {
  const { username, password } = URL.canParse(address) ? new URL(address) : { username: "", password: "" };
  try {
    if (username !== "") return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    throw new SpinnError(
      "ERR_SPINN_ARGUMENT",
      "the user or the password in the address of the spalloc service holds a % that begins no escape",
      {
        hint: "write % as %25 there, or give credentials: { username, password }",
      },
    );
  }
  throw new SpinnError("ERR_SPINN_ARGUMENT", "the newer spalloc service wants to know who asks", {
    hint: "give credentials: { username, password } or { token }",
  });
}
