import { type ClusterConnection, type ClusterPort, connectionFilePath, parseConnection, readConnectionFile } from "./connection-file.js";
import type { Json } from "./message.js";
import { type OpenSocket, zmqSockets } from "./socket.js";
import { openSshTunnel, type SshTunnel } from "./ssh-tunnel.js";

export interface ConnectOptions {
  /** Path of `ipcontroller-client.json`, or the object that is in it; default the file of `profile` and `cluster`. */
  readonly file?: string | Json | undefined;
  /** Default `default`. */
  readonly profile?: string | undefined;
  /** The `--cluster-id` that the controller was started with; default none. */
  readonly cluster?: string | undefined;
  /** Instead of the file's key. */
  readonly key?: string | undefined;
  /** `user@server:port` to tunnel through; default what the file asks for. */
  readonly sshServer?: string | undefined;
  /** Private key file for it; default what ssh's own configuration says. */
  readonly sshKey?: string | undefined;
  /** The program that tunnels; default `ssh`. */
  readonly sshCommand?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Default ZeroMQ's, from the package `zeromq`. */
  readonly openSocket?: OpenSocket | undefined;
}

export interface OpenConnection {
  readonly connection: ClusterConnection;
  readonly openSocket: OpenSocket;
  readonly tunnel: SshTunnel | undefined;
}

/** From options to addresses that can be reached: reads the file, loads ZeroMQ, opens the tunnel. Throws as Client.connect does. */
export async function openConnection(options: ConnectOptions): Promise<OpenConnection> {
  const { signal, profile, cluster, sshKey } = options;
  const file = options.file ?? connectionFilePath({ profile, cluster });
  const read = typeof file === "string" ? await readConnectionFile(file, signal) : parseConnection(file);
  const connection = { ...read, key: options.key ?? read.key, ssh: options.sshServer ?? read.ssh };
  const openSocket = options.openSocket ?? (await zmqSockets(connection));
  if (connection.ssh === "") {
    warnOfClearText(connection);
    return { connection, openSocket, tunnel: undefined };
  }
  const far = Object.values(connection.addresses);
  const tunnel = await openSshTunnel(far, { server: connection.ssh, key: sshKey, command: options.sshCommand, signal });
  const near = Object.entries(connection.addresses).map(([port, address]) => [port, tunnel.addresses.get(address)!]);
  return { connection: { ...connection, addresses: Object.fromEntries(near) as Record<ClusterPort, string> }, openSocket, tunnel };
}

/** Signatures leave out the buffers, which hold functions and values: who is on the way can put others in. */
function warnOfClearText({ curveServerKey, addresses }: ClusterConnection): void {
  if (curveServerKey !== null || /^(ipc:|tcp:\/\/(127\.|localhost:|\[::1\]))/.test(addresses.registration)) return;
  const text = `the cluster at ${addresses.registration} is reached in clear text: what is called and what comes back can be changed on the way`;
  process.emitWarning(`${text}; start it with --enable-curve, or connect through ssh`, { code: "SPINN_CLUSTER_CLEAR_TEXT" });
}
