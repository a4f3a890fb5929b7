import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import type { RemoteController, RemoteNetwork, RemoteRuns } from "../controller/index.js";
import { SpinnError } from "../errors.js";
import type { TlsClientIdentity } from "../services/rpc/index.js";
import type { Job } from "./job.js";
import { parseInteger } from "./number.js";
import { usage } from "./usage.js";

/** Where a controller listens that `spinn serve` has started, as a person named it. */
export interface ViaText {
  readonly host: string;
  readonly port: number | undefined;
  /** Files of a `tls://` address; undefined for plain TCP. */
  readonly tls: { readonly cert: string | undefined; readonly key: string | undefined; readonly ca: string | undefined } | undefined;
}

/** A controller, with what its files hold. */
export interface Via {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsClientIdentity | undefined;
}

export function addViaOption(command: Command, otherwise = "then the one on this computer"): Command {
  return command.option("--via <controller>", `host:port or tls://host:port of a spinn serve (default: $SPINN_VIA, ${otherwise})`);
}

/** `host`, `host:port`, `tls://host:port?ca=FILE&cert=FILE&key=FILE`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseVia(text: string): ViaText {
  const match = /^(?:(\w+):\/\/)?([^:/?\s]+)(?::([^/?]*))?\/?(?:\?(.*))?$/.exec(text);
  const [, scheme, host, port, query] = match ?? [];
  if (host === undefined || (scheme !== undefined && scheme !== "tls" && scheme !== "tcp") || (query !== undefined && scheme !== "tls")) {
    throw usage(`--via: "${text}" is no address of a controller`, "write host:port, or tls://host:port?ca=FILE&cert=FILE&key=FILE");
  }
  const files = new URLSearchParams(query ?? "");
  for (const name of files.keys()) {
    if (!["ca", "cert", "key"].includes(name)) throw usage(`--via: "${name}" is no file of TLS`, "there are ca, cert and key");
  }
  const file = (name: string): string | undefined => files.get(name) ?? undefined;
  const tls = scheme === "tls" ? { cert: file("cert"), key: file("key"), ca: file("ca") } : undefined;
  if ((tls?.cert === undefined) !== (tls?.key === undefined)) throw usage("--via: a certificate needs its key", "give both cert and key");
  return { host, port: port === undefined ? undefined : parseInteger("port", port, 1, 65535), tls };
}

/**
 * The controller that a verb for boards is to go through: `--via`, else SPINN_VIA where no board is named by an option of `naming`; `undefined`
 * for this computer's own network.
 */
export async function viaOf(command: Command, naming: readonly string[]): Promise<Via | undefined> {
  const options = command.opts<Record<string, unknown>>();
  const named = naming.some((name) => options[name] !== undefined);
  const text = (options["via"] as string | undefined) ?? (named ? undefined : process.env["SPINN_VIA"]);
  return text === undefined || text === "" ? undefined : await readVia(text);
}

/** The controller that is meant, for verbs that need one. */
export async function chooseVia(command: Command): Promise<Via> {
  return readVia(command.opts<{ via?: string }>().via ?? process.env["SPINN_VIA"] ?? "127.0.0.1");
}

async function readVia(text: string): Promise<Via> {
  const { CONTROLLER_PORT } = await import("../controller/index.js");
  const { host, port = CONTROLLER_PORT, tls } = parseVia(text);
  return { host, port, tls: tls === undefined ? undefined : await readIdentity(tls) };
}

async function readIdentity({ cert, key, ca }: NonNullable<ViaText["tls"]>): Promise<TlsClientIdentity> {
  const peerCert = ca === undefined ? {} : { peerCert: await readPem(ca) };
  return cert === undefined ? peerCert : { ...peerCert, cert: await readPem(cert), key: await readPem(key!) };
}

/** A certificate or key. Throws `ERR_SPINN_FILE`. */
export async function readPem(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new SpinnError("ERR_SPINN_FILE", `the certificate or key ${path} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** The machine of a controller as if it were on this computer's network, until the verb has ended. */
export async function openNetwork(job: Job, { host, port, tls }: Via): Promise<RemoteNetwork> {
  const { RemoteNetwork: Network } = await import("../controller/index.js");
  return job.keep(await Network.connect(host, port, { tls, signal: job.signal }));
}

/** Calls `work` with a connection to the runs of a controller, of a verb with `--inspect`, or of a computation, and closes it. */
export async function withRuns<T>(job: Job, via: Via, work: (runs: RemoteRuns) => Promise<T>): Promise<T> {
  const { RemoteRuns: Remote } = await import("../controller/index.js");
  await using runs = await Remote.connect(via.host, via.port, { tls: via.tls, signal: job.signal, timeoutMs: 30_000 });
  return await work(runs);
}

/** Runs `work` with a connection to the controller, and closes it. */
export async function withController<T>(job: Job, via: Via, work: (controller: RemoteController) => Promise<T>): Promise<T> {
  const { RemoteController: Controller } = await import("../controller/index.js");
  await using controller = await Controller.connect(via.host, via.port, { tls: via.tls, signal: job.signal, timeoutMs: 30_000 });
  return await work(controller);
}
