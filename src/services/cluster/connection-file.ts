import { readFile } from "node:fs/promises";
import { homedir, hostname } from "node:os";
import { join } from "node:path";
import { SpinnError, throwIfAborted } from "../../errors.js";

/** The sockets of a controller that a client connects to. */
const PORTS = ["registration", "mux", "task", "control", "iopub", "notification"] as const;
export type ClusterPort = (typeof PORTS)[number];

/** Where a controller is and how it signs. */
export interface ClusterConnection {
  readonly addresses: Readonly<Record<ClusterPort, string>>;
  /** HMAC key exactly as written; "" is no signatures. */
  readonly key: string;
  readonly signatureScheme: string;
  /** Z85 text of the server's key when the controller speaks CurveZMQ. */
  readonly curveServerKey: string | null;
  /** `leastload`, `lru`, ...; with `pure` the task socket takes no targets, retries or dependencies. */
  readonly taskScheme: string;
}

/** Where a controller leaves its file for clients: `<ipython>/profile_<profile>/security/ipcontroller[-<cluster>]-client.json`. */
export function connectionFilePath({
  profile = "default",
  cluster = "",
}: {
  readonly profile?: string;
  readonly cluster?: string;
} = {}): string {
  const ipython = process.env["IPYTHONDIR"] || join(homedir(), ".ipython");
  return join(ipython, `profile_${profile}`, "security", `ipcontroller${cluster === "" ? "" : `-${cluster}`}-client.json`);
}

/** Reads such a file. One that is half written is read again, for 2 s at most. Throws `ERR_SPINN_FILE`, `ERR_SPINN_ABORTED`. */
export async function readConnectionFile(path: string, signal?: AbortSignal): Promise<ClusterConnection> {
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
      return parseConnection(JSON.parse(text), path);
    } catch (cause) {
      if (!(cause instanceof SyntaxError)) throw cause;
      if (attempt > 20) throw new SpinnError("ERR_SPINN_FILE", `the connection file ${path} is not JSON`, { cause });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

/** Reads the object of a connection file. Throws `ERR_SPINN_FILE` naming `where`. */
export function parseConnection(value: unknown, where = "the connection file"): ClusterConnection {
  const wrong = (what: string, hint?: string): SpinnError => new SpinnError("ERR_SPINN_FILE", `${where}: ${what}`, { hint });
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong("not a JSON object");
  const file = value as Readonly<Record<string, unknown>>;
  if ("exec_key" in file) throw wrong("written by IPython 0.12 or 0.13, which sign and frame otherwise", "use ipyparallel 4 or later");
  const text = (key: string, otherwise = ""): string => {
    const entry = file[key] ?? otherwise;
    if (typeof entry !== "string") throw wrong(`${key} must be a text`);
    return entry;
  };
  if (text("pack", "json") !== "json" || text("unpack", "json") !== "json") throw wrong("the cluster does not pack messages as JSON");
  if (text("ssh") !== "") {
    throw wrong("the controller asks for an ssh tunnel", "forward its ports with ssh -L, and give a file with the near ends and ssh empty");
  }
  const [, transport, host] = /^(tcp|ipc):\/\/(.+)$/.exec(text("interface")) ?? [];
  if (transport === undefined || host === undefined)
    throw wrong(`interface must be tcp://... or ipc://..., not ${JSON.stringify(file["interface"])}`);
  const base = `${transport}://${transport === "tcp" && (host === "*" || host === "0.0.0.0") ? nearest(text("location")) : host}`;
  const addresses = Object.fromEntries(
    PORTS.map((name) => {
      const port = file[name];
      if (!Number.isInteger(port) || (port as number) < 1 || (port as number) > 65535) throw wrong(`${name} must be a port`, hintFor(name));
      return [name, `${base}${transport === "tcp" ? ":" : "-"}${port as number}`];
    }),
  ) as Record<ClusterPort, string>;
  const curve = file["curve_serverkey"] ?? process.env["IPP_CURVE_SERVERKEY"] ?? null;
  if (curve !== null && (typeof curve !== "string" || curve.length !== 40)) throw wrong("curve_serverkey must be 40 characters of Z85");
  return {
    addresses,
    key: text("key"),
    signatureScheme: text("signature_scheme", "hmac-sha256"),
    curveServerKey: curve,
    taskScheme: text("task_scheme", "leastload"),
  };
}

/** A controller that listens everywhere says where it is; when that is here, the loopback address reaches it. */
function nearest(location: string): string {
  return location === "" || location === hostname() ? "127.0.0.1" : location;
}

function hintFor(port: string): string | undefined {
  return port === "notification" ? "a file for engines has no notification port: take ipcontroller-client.json" : undefined;
}
