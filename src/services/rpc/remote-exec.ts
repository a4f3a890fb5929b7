import { SpinnError } from "../../errors.js";
import { Client } from "./client.js";
import { type CallContext, describeTarget, MethodTable } from "./method-table.js";
import { DRIVER, type Entries, Namespace } from "./namespace.js";
import { RemoteError } from "./remote-error.js";
import { RpcServer, type RpcServerOptions, type TargetFactory } from "./server.js";
import { isPlainObject } from "./value.js";

/**
 * What is appended to the target's name. Not sipyco's `_rexec`: that one takes Python, and no experiment should mistake the two.
 */
export const REXEC_SUFFIX = "_rexec_js";

export interface RemoteExecOptions extends RpcServerOptions {
  /** Further names for every namespace: data, or objects whose methods may be called. */
  readonly initialNamespace?: Readonly<Record<string, unknown>> | undefined;
  /** For one add_code or call; default 10 000 ms. */
  readonly timeLimitMs?: number | undefined;
  /** JavaScript heap of one namespace; default 64 MiB. */
  readonly memoryLimitMb?: number | undefined;
  /** Namespaces, thus workers, at a time; default 8. */
  readonly maxNamespaces?: number | undefined;
  /** Listen on addresses other than loopback: whoever reaches the port runs code on this machine. Default false. */
  readonly allowRemote?: boolean | undefined;
  /** Offer `connect_global_rpc`: remote code makes this machine connect to where it says. Default false. */
  readonly allowConnect?: boolean | undefined;
}

const DOCUMENTATION = {
  doc: "Runs JavaScript next to the device. One namespace for each connection.",
  methods: {
    add_code: { doc: "Runs JavaScript source in the namespace.", args: [{ name: "code", type: "str" }] },
    call: {
      doc: "Calls a function of the namespace; keywords come as a last argument, an object. Promises are awaited.",
      args: [{ name: "function", type: "str" }],
      varargs: "args",
      varkw: "kwargs",
    },
    connect_global_rpc: {
      doc: "Connects to a server and gives every namespace its methods under a name, unless the name exists. host None is the caller's.",
      args: [
        { name: "host", type: "str", default: null },
        { name: "port", type: "int", default: 3251 },
        { name: "target", type: "str", default: "master_dataset_db" },
        { name: "name", type: "str", default: "dataset_db" },
      ],
      passContext: true,
    },
  },
};

/**
 * A pc_rpc server with two targets: the driver itself under `targetName`, and `targetName + "_rexec_js"`, where clients run JavaScript of
 * theirs next to the driver (sipyco's remote_exec, for another language). Code finds `controller_driver` (its methods return promises),
 * `controller_initial_namespace` and what is in it. Without `allowParallel` a running piece of code holds up every other call of the server,
 * for `timeLimitMs` at most.
 *
 * THIS IS CODE EXECUTION BY WHOEVER CAN CONNECT. Each connection's code runs in a worker without Node's modules, files or network, with
 * limits on time and memory, and the server listens on loopback unless `allowRemote` says otherwise. That stops accidents; it is no
 * security boundary against an attacker.
 */
export class RemoteExecServer extends RpcServer {
  readonly #allowRemote: boolean;
  readonly #clients: readonly Client[];

  constructor(targetName: string, driver: object, options: RemoteExecOptions = {}) {
    const clients: Client[] = [];
    super({ [targetName]: driver, [targetName + REXEC_SUFFIX]: namespaces(driver, options, clients) }, options);
    this.#allowRemote = options.allowRemote ?? false;
    this.#clients = clients;
  }

  /** As `RpcServer.start`; throws `ERR_SPINN_REFUSED` for addresses other than loopback without `allowRemote`. */
  override async start(host: string | readonly string[] = "127.0.0.1", port = 0): Promise<void> {
    const open = (typeof host === "string" ? [host] : host).filter((address) => !/^(127(\.\d{1,3}){3}|::1|localhost)$/.test(address));
    if (open.length > 0 && !this.#allowRemote) {
      throw new SpinnError("ERR_SPINN_REFUSED", `remote execution on ${open.join(", ")}: whoever reaches the port could run code here`, {
        hint: "listen on 127.0.0.1, or say allowRemote if you trust everybody on that network",
      });
    }
    await super.start(host, port);
  }

  override async stop(): Promise<void> {
    await super.stop();
    await Promise.all(this.#clients.map((client) => client.close()));
  }
}

function namespaces(driver: object, options: RemoteExecOptions, clients: Client[]): TargetFactory {
  const { timeLimitMs = 10_000, memoryLimitMb = 64, maxNamespaces = 8 } = options;
  const entries = new Map<string, { readonly value: unknown } | { readonly object: MethodTable }>([
    [DRIVER, { object: new MethodTable(driver) }],
  ]);
  for (const [name, value] of Object.entries(options.initialNamespace ?? {})) {
    const hasMethods = typeof value === "object" && value !== null && !Array.isArray(value) && new MethodTable(value).names.length > 0;
    entries.set(name, hasMethods && !(value instanceof Map) && !isData(value) ? { object: new MethodTable(value) } : { value });
  }
  const open = new Set<Namespace>();
  const refreshAll = (): void => {
    for (const one of open) one.refresh();
  };
  return () => {
    if (open.size >= maxNamespaces) throw new SpinnError("ERR_SPINN_REFUSED", `there are ${maxNamespaces} namespaces already`);
    const namespace = new Namespace({ timeLimitMs, memoryLimitMb }, () => entries as Entries);
    open.add(namespace);
    const target = {
      add_code: async (code: unknown): Promise<null> => {
        if (typeof code !== "string") throw new RemoteError("TypeError", "code must be text");
        await namespace.addCode(code);
        return null;
      },
      call: (name: unknown, kwargs: unknown, ...args: unknown[]): Promise<unknown> => namespace.call(String(name), args, kwargs),
      ...(options.allowConnect && { connect_global_rpc: connectGlobal(entries, clients, refreshAll) }),
      [Symbol.asyncDispose]: async (): Promise<void> => {
        open.delete(namespace);
        await namespace.close();
      },
    };
    return describeTarget(target, DOCUMENTATION);
  };
}

function isData(value: object): boolean {
  return isPlainObject(value) && Object.values(value).every((member) => typeof member !== "function");
}

function connectGlobal(
  entries: Map<string, { readonly value: unknown } | { readonly object: MethodTable }>,
  clients: Client[],
  refresh: () => void,
): (context: CallContext, host: unknown, port: unknown, target: unknown, name: unknown) => Promise<null> {
  return async ({ peer, signal }, host, port, target, name) => {
    if (typeof port !== "number" || typeof target !== "string" || typeof name !== "string" || !/^[A-Za-z_]\w*$/.test(name)) {
      throw new RemoteError("TypeError", "port must be a number, target and name texts");
    }
    if (entries.has(name)) return null;
    const address = typeof host === "string" ? host : peer.slice(0, peer.lastIndexOf(":"));
    const client = await Client.connect(address, port, { target, signal });
    clients.push(client);
    const methods = Object.fromEntries([...client.methods].map((method) => [method, (...args: unknown[]) => client.call(method, args)]));
    entries.set(name, { object: new MethodTable(methods) });
    refresh();
    return null;
  };
}

export interface GlobalRpcOptions {
  /** Default: this end of the connection, as the server sees it. */
  readonly host?: string | undefined;
  /** Default 3251, the ARTIQ master's control port. */
  readonly port?: number | undefined;
  /** Default `master_dataset_db`; an ARTIQ master of 2024-02 or later calls it `dataset_db`. */
  readonly target?: string | undefined;
  /** Default `dataset_db`. */
  readonly name?: string | undefined;
}

/** Asks a RemoteExecServer (with `allowConnect`) to connect to another server and to give every namespace its methods. */
export async function connectGlobalRpc(client: Client, options: GlobalRpcOptions = {}): Promise<void> {
  const { host = null, port = 3251, target = "master_dataset_db", name = "dataset_db" } = options;
  await client.call("connect_global_rpc", [host, port, target, name]);
}
