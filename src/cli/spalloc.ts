import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { SpinnError } from "../errors.js";
import type { Allocator, JobRequest, WebCredentials } from "../services/allocation/index.js";
import { inventoryPath } from "./board.js";
import { readInventory } from "./inventory.js";
import type { Job } from "./job.js";
import { parseDuration, parseInteger } from "./number.js";
import { usage } from "./usage.js";

/** A server that lends boards, and what a person's settings say of the boards to ask for. */
export interface ChosenServer {
  readonly server: string;
  readonly credentials: WebCredentials | undefined;
  readonly settings: Pick<JobRequest, "owner" | "keepaliveMs" | "machine" | "tags">;
}

export function addServerOption(command: Command): Command {
  return command.option(
    "--spalloc <server>",
    "allocation server: host, host:port or https://host/spalloc/ (default: $SPINN_SPALLOC, then the inventory's, then ~/.spalloc)",
  );
}

/** Which boards, and for whom: the options of verbs that ask for some. */
export function addRequestOptions(command: Command): Command {
  return addServerOption(command)
    .option("--machine <name>", "machine to take boards from (default: any with the tag default)")
    .option("--tags <tags>", "what the machine must be tagged with: a,b", (text) => text.split(","))
    .option("--owner <name>", "who asks (default: ~/.spalloc's, then the user's name; with https whoever logs in)")
    .option("--keepalive <time>", "without a sign of life for so long, the server takes the boards back (default: 60s)", (text) =>
      parseDuration("--keepalive", text),
    )
    .option("--max-dead-boards <n>", "dead boards allowed among them (default: 0)", (text) =>
      parseInteger("--max-dead-boards", text, 0, 65535),
    )
    .option("--queue-timeout <time>", "longest wait for free boards (default: as long as it takes)", (text) =>
      parseDuration("--queue-timeout", text),
    )
    .option("--power-timeout <time>", "longest wait for boards to be switched on (default: 2min)", (text) =>
      parseDuration("--power-timeout", text),
    );
}

interface RequestOptions {
  readonly machine?: string;
  readonly tags?: readonly string[];
  readonly owner?: string;
  readonly keepalive?: number;
  readonly maxDeadBoards?: number;
  readonly queueTimeout?: number;
  readonly powerTimeout?: number;
}

/** What the options of {@link addRequestOptions} ask for, above a person's settings. */
export function requestOf(command: Command, { settings }: ChosenServer) {
  const { machine, tags, owner, keepalive, maxDeadBoards, queueTimeout, powerTimeout } = command.opts<RequestOptions>();
  if (machine !== undefined && tags !== undefined)
    throw usage("--machine and --tags exclude each other", "a machine is named, or described by its tags");
  const where = machine !== undefined ? { machine } : tags !== undefined ? { tags } : { machine: settings.machine, tags: settings.tags };
  return {
    ...where,
    owner: owner ?? settings.owner,
    keepaliveMs: keepalive ?? settings.keepaliveMs,
    maxDeadBoards,
    queueTimeoutMs: queueTimeout,
    powerTimeoutMs: powerTimeout,
  };
}

/** The server that is meant. Throws `ERR_SPINN_ARGUMENT` when none is, `ERR_SPINN_FILE` for settings that cannot be read. */
export async function chooseServer(command: Command): Promise<ChosenServer> {
  const own = await readSettings(join(homedir(), ".spalloc"));
  const named = command.opts<{ spalloc?: string }>().spalloc ?? process.env["SPINN_SPALLOC"];
  const inventory = named ? undefined : await readInventory(inventoryPath());
  const server = named || inventory?.spalloc || own.server;
  if (server === undefined) {
    const hint = "give --spalloc HOST, set SPINN_SPALLOC, or name one in the inventory (spinn help boards) or in ~/.spalloc";
    throw usage("no allocation server is named", hint);
  }
  return { server, credentials: credentialsFor(server), settings: own.settings };
}

/** Runs `work` with a connection to the server that is meant, and closes it. */
export async function withServer<T>(
  job: Job,
  command: Command,
  work: (allocator: Allocator, chosen: ChosenServer) => Promise<T>,
): Promise<T> {
  const chosen = await chooseServer(command);
  const { openAllocator } = await import("../services/allocation/index.js");
  const allocator = await openAllocator(chosen.server, { credentials: chosen.credentials, signal: job.signal });
  try {
    return await work(allocator, chosen);
  } finally {
    await allocator.close();
  }
}

/** A server as it may be shown: without a password. */
export function serverName(server: string): string {
  return server.replace(/\/\/[^@/]*@/, "//");
}

/** Boards to give back. */
interface Held {
  readonly id: number;
  close(): Promise<void>;
}

/** Gives boards back whatever comes of `work`; where the server cannot be told, it is said what that means. */
export async function andGiveBack<T>(job: Job, jobs: () => Promise<readonly Held[]>, work: () => Promise<T>): Promise<T> {
  const giveBack = async (): Promise<unknown> => {
    const held = await jobs();
    const ends = await Promise.allSettled(held.map((each) => each.close()));
    const failed = ends.flatMap((end, i) => (end.status === "rejected" ? [{ id: held[i]!.id, reason: end.reason as unknown }] : []));
    if (failed.length > 0)
      job.leftBehind = `${failed.map(({ id }) => `job ${id}`).join(", ")}: the server ends it when its keepalive runs out`;
    return failed[0]?.reason;
  };
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await giveBack();
    if (job.leftBehind !== undefined && !job.signal.aborted) job.terminal.complain(job.leftBehind);
    throw error;
  }
  const failure = await giveBack();
  if (failure !== undefined) throw failure;
  return result;
}

/** What belongs in no command line: other users of the computer can read those. */
function credentialsFor(server: string): WebCredentials | undefined {
  if (!/^https?:/i.test(server)) return undefined;
  const {
    SPINN_SPALLOC_TOKEN: token,
    SPINN_SPALLOC_USER: username,
    SPINN_SPALLOC_PASSWORD: password,
    SPINN_SPALLOC_LOGIN: login,
  } = process.env;
  if (token) return { token };
  if (login !== undefined && login !== "basic" && login !== "form") throw usage(`SPINN_SPALLOC_LOGIN is "${login}"`, "it is basic or form");
  if (username) return { username, password: password ?? "", login };
  if (URL.canParse(server) && new URL(server).username !== "") {
    const url = new URL(server);
    return { username: decodeURIComponent(url.username), password: decodeURIComponent(url.password), login };
  }
  throw usage(
    `the service at ${server} wants to know who asks`,
    "set SPINN_SPALLOC_USER and SPINN_SPALLOC_PASSWORD, or SPINN_SPALLOC_TOKEN",
  );
}

/** The settings file of the reference client: `[spalloc]`, then `hostname`, `port`, `owner`, `keepalive` (s), `machine`, `tags` (a, b). */
async function readSettings(path: string): Promise<{ readonly server: string | undefined; readonly settings: ChosenServer["settings"] }> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if (["ENOENT", "ENOTDIR", "EISDIR"].includes((cause as NodeJS.ErrnoException).code ?? "")) return { server: undefined, settings: {} };
    throw new SpinnError("ERR_SPINN_FILE", `${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
  const values = parseSettings(text);
  const [hostname, port = "22244", keepalive] = ["hostname", "port", "keepalive"].map((name) => values.get(name));
  const seconds = keepalive === undefined ? undefined : Number(keepalive);
  if (seconds !== undefined && !(seconds > 0)) {
    throw new SpinnError("ERR_SPINN_FILE", `${path}: keepalive must be a number of seconds, not "${keepalive}"`);
  }
  return {
    server: hostname === undefined ? undefined : /^https?:/i.test(hostname) ? hostname : `${hostname}:${port}`,
    settings: {
      owner: values.get("owner"),
      machine: values.get("machine"),
      tags: values.get("machine") === undefined ? values.get("tags")?.split(/[\s,]+/) : undefined,
      keepaliveMs: seconds === undefined ? undefined : seconds * 1000,
    },
  };
}

/** The members of `[spalloc]` that say something; `None` says nothing. */
export function parseSettings(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  let isOurs = false;
  for (const line of text.split(/\r?\n/)) {
    const section = /^\s*\[(.+)\]\s*$/.exec(line);
    if (section !== null) isOurs = section[1] === "spalloc";
    const [, name, value] = /^\s*([^#;=:\s][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line) ?? [];
    if (isOurs && section === null && name !== undefined && value !== "" && value !== "None") values.set(name.toLowerCase(), value!);
  }
  return values;
}
