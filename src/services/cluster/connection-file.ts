import { readFile } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { SpinnError, throwIfAborted } from "../../errors.js";

/** The sockets of a controller that a client connects to. */
const CLIENT_PORTS = ["registration", "mux", "task", "control", "iopub", "notification"] as const;
export type ClusterPort = (typeof CLIENT_PORTS)[number];
/** The sockets that an engine connects to, besides those of `broadcast`. */
const ENGINE_PORTS = ["registration", "mux", "task", "control", "iopub", "hb_ping", "hb_pong"] as const;
export type EnginePort = (typeof ENGINE_PORTS)[number];

/** How a controller signs and encrypts, whoever connects. */
export interface ClusterSecurity {
  /** HMAC key exactly as written; "" is no signatures. */
  readonly key: string;
  readonly signatureScheme: string;
  /** Z85 text of the server's key when the controller speaks CurveZMQ. */
  readonly curveServerKey: string | null;
  /** `user@server:port` to tunnel through, or "". */
  readonly ssh: string;
}

/** Where a controller is and how it signs. */
export interface ClusterConnection extends ClusterSecurity {
  readonly addresses: Readonly<Record<ClusterPort, string>>;
  /** `leastload`, `lru`, ...; with `pure` the task socket takes no targets, retries or dependencies. */
  readonly taskScheme: string;
}

/** The same as an engine needs it. */
export interface EngineConnection extends ClusterSecurity {
  readonly addresses: Readonly<Record<EnginePort, string>>;
  /** The leaves of the broadcast tree; an engine connects to the one of its number modulo their count. None before 7.0. */
  readonly broadcast: readonly string[];
}

export interface ConnectionFilePlace {
  /** Default `default`. */
  readonly profile?: string | undefined;
  /** The `--cluster-id` that the controller was started with; default none. */
  readonly cluster?: string | undefined;
  /** Who will connect; default `client`. */
  readonly of?: "client" | "engine" | undefined;
}

/** Where a controller leaves its files: `<ipython>/profile_<profile>/security/ipcontroller[-<cluster>]-client.json`, or `-engine.json`. */
export function connectionFilePath({ profile = "default", cluster = "", of = "client" }: ConnectionFilePlace = {}): string {
  const ipython = process.env["IPYTHONDIR"] || join(homedir(), ".ipython");
  return join(ipython, `profile_${profile}`, "security", `ipcontroller${cluster === "" ? "" : `-${cluster}`}-${of}.json`);
}

/** Reads a client's file. One that is half written is read again, for 2 s at most. Throws `ERR_SPINN_FILE`, `ERR_SPINN_ABORTED`. */
export function readConnectionFile(path: string, signal?: AbortSignal): Promise<ClusterConnection> {
  return readFileWith(path, parseConnection, signal);
}

/** Reads an engine's file, in the same way. */
export function readEngineFile(path: string, signal?: AbortSignal): Promise<EngineConnection> {
  return readFileWith(path, parseEngineConnection, signal);
}

/** Reads the object of a client's connection file. Throws `ERR_SPINN_FILE` naming `where`. */
export function parseConnection(value: unknown, where = "the connection file"): ClusterConnection {
  const file = new ConnectionFile(value, where);
  const addresses = file.addresses(CLIENT_PORTS, "this is a file for engines, or of an old controller: take ipcontroller-client.json");
  return { addresses, ...file.security(), taskScheme: file.text("task_scheme", "leastload") };
}

/** Reads the object of an engine's connection file. Throws `ERR_SPINN_FILE` naming `where`. */
export function parseEngineConnection(value: unknown, where = "the connection file"): EngineConnection {
  const file = new ConnectionFile(value, where);
  const addresses = file.addresses(ENGINE_PORTS, "this is a file for clients: take ipcontroller-engine.json");
  return { addresses, ...file.security(), broadcast: file.addressList("broadcast") };
}

async function readFileWith<T>(path: string, parse: (value: unknown, where: string) => T, signal: AbortSignal | undefined): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    throwIfAborted(signal);
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (cause) {
      const hint = "is a controller running? ipcontroller writes this file when it starts and removes it when it ends";
      throw new SpinnError("ERR_SPINN_FILE", `cannot read the connection file ${path}`, { cause, hint });
    }
    try {
      return parse(JSON.parse(text), path);
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      // Without its cause: the words of JSON.parse quote what stands near the fault, which may be the key.
      if (attempt > 20) throw new SpinnError("ERR_SPINN_FILE", `the connection file ${path} is not JSON`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

class ConnectionFile {
  readonly #file: Readonly<Record<string, unknown>>;
  readonly #where: string;
  readonly #addressOf: (port: number) => string;

  constructor(value: unknown, where: string) {
    this.#where = where;
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.#wrong("not a JSON object");
    this.#file = value as Readonly<Record<string, unknown>>;
    if ("exec_key" in value) {
      throw this.#wrong("written by IPython 0.12 or 0.13, which sign and frame otherwise", "use ipyparallel 4 or later");
    }
    if (this.text("pack", "json") !== "json" || this.text("unpack", "json") !== "json") {
      throw this.#wrong("the cluster does not pack messages as JSON");
    }
    const [, transport, host] = /^(tcp|ipc):\/\/(.+)$/.exec(this.text("interface")) ?? [];
    if (transport === undefined || host === undefined) {
      throw this.#wrong(`interface must be tcp://... or ipc://..., not ${JSON.stringify(this.#file["interface"])}`);
    }
    const anywhere = transport === "tcp" && (host === "*" || host === "0.0.0.0");
    const base = `${transport}://${anywhere ? nearest(this.text("location")) : host}`;
    this.#addressOf = (port) => `${base}${transport === "tcp" ? ":" : "-"}${port}`;
  }

  text(key: string, otherwise = ""): string {
    const entry = this.#file[key] ?? otherwise;
    if (typeof entry !== "string") throw this.#wrong(`${key} must be a text`);
    return entry;
  }

  addresses<P extends string>(ports: readonly P[], hint: string): Record<P, string> {
    return Object.fromEntries(ports.map((name) => [name, this.#address(name, this.#file[name], hint)])) as Record<P, string>;
  }

  addressList(name: string): string[] {
    const ports = this.#file[name] ?? [];
    return (Array.isArray(ports) ? ports : [ports]).map((port: unknown) => this.#address(name, port));
  }

  security(): ClusterSecurity {
    const curve = this.#file["curve_serverkey"] ?? process.env["IPP_CURVE_SERVERKEY"] ?? null;
    if (curve !== null && (typeof curve !== "string" || curve.length !== 40)) {
      throw this.#wrong("curve_serverkey must be 40 characters of Z85");
    }
    return {
      key: this.text("key"),
      signatureScheme: this.text("signature_scheme", "hmac-sha256"),
      curveServerKey: curve,
      ssh: this.text("ssh"),
    };
  }

  #address(name: string, port: unknown, hint?: string): string {
    if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535) throw this.#wrong(`${name} must be a port`, hint);
    return this.#addressOf(port as number);
  }

  #wrong(what: string, hint?: string): SpinnError {
    return new SpinnError("ERR_SPINN_FILE", `${this.#where}: ${what}`, { hint });
  }
}

/** A controller that listens everywhere says where it is; when that is here, the loopback address reaches it. */
function nearest(location: string): string {
  return location === "" || location === hostname() ? "127.0.0.1" : location;
}
