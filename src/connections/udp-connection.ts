import { createSocket, type Socket } from "node:dgram";
import { promises as dns } from "node:dns";
import { isIPv4 } from "node:net";
import { SpinnError, throwIfAborted } from "../errors.js";
import type { DatagramChannel, DatagramListener, OpenChannel } from "./datagram-channel.js";

export interface UDPConnectionOptions {
  /** Peer to connect to: name or IPv4 address. Without it the connection only listens (and may `sendTo`). */
  readonly remoteHost?: string | undefined;
  /** Peer's UDP port. Needed with `remoteHost`. */
  readonly remotePort?: number | undefined;
  /** Local address to bind. Default: any for a connected socket, 127.0.0.1 for one that only listens. */
  readonly localHost?: string | undefined;
  /** Local port. Default 0: the system chooses. */
  readonly localPort?: number | undefined;
  /**
   * Kernel receive buffer to ask for, bytes. Default 1 MiB, as SpiNNMan asks. Linux charges about 1.3 KB for a 300-byte datagram and caps the
   * request at `net.core.rmem_max`; `receiveBufferBytes` tells what was granted.
   */
  readonly receiveBufferBytes?: number | undefined;
  /** Ends the wait for name resolution and binding. */
  readonly signal?: AbortSignal | undefined;
}

/** Counters of one socket since it was opened. */
export interface UDPCounters {
  readonly datagramsSent: number;
  readonly datagramsReceived: number;
  /** Sends that the system refused (too long, no route ...). */
  readonly sendErrors: number;
  /** ICMP "port unreachable" seen on a connected socket. */
  readonly refusals: number;
}

const DEFAULT_RECEIVE_BUFFER = 1 << 20;
const UNREACHABLE = new Set(["ENETUNREACH", "EHOSTUNREACH", "ENETDOWN", "EHOSTDOWN", "EADDRNOTAVAIL"]);

/**
 * One UDP socket (IPv4, as the boards speak nothing else). Connected when a remote host is given: the kernel then drops datagrams of
 * strangers and reports closed ports, and sending skips the address look-up.
 */
export class UDPConnection implements DatagramChannel {
  readonly #socket: Socket;
  readonly #connected: boolean;
  readonly remote: string;
  #listeners: readonly DatagramListener[] = [];
  #closing: Promise<void> | undefined;
  #sent = 0;
  #received = 0;
  #sendErrors = 0;
  #refusals = 0;

  private constructor(socket: Socket, remote: string | undefined) {
    this.#socket = socket;
    this.#connected = remote !== undefined;
    this.remote = remote ?? "nobody (not connected)";
    socket.on("message", (datagram, sender) => {
      this.#received += 1;
      for (const listener of this.#listeners) listener.onDatagram(datagram, sender);
    });
    // Without a listener an 'error' event ends the process; a closed port on the other side raises one for every datagram.
    socket.on("error", (error) => this.#onError(error));
  }

  /**
   * Opens a socket. Throws `ERR_SPINN_UNREACHABLE` (name unknown, no route), `ERR_SPINN_ADDRESS_IN_USE`, `ERR_SPINN_ARGUMENT`,
   * `ERR_SPINN_ABORTED`.
   */
  static async open(options: UDPConnectionOptions = {}): Promise<UDPConnection> {
    const { remoteHost, remotePort, localHost, localPort = 0, signal } = options;
    throwIfAborted(signal);
    if (remoteHost !== undefined && !(Number.isInteger(remotePort) && remotePort! > 0 && remotePort! < 65536)) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `UDP port must be 1..65535, not ${String(remotePort)}`);
    }
    const address = remoteHost === undefined ? undefined : await resolve(remoteHost);
    throwIfAborted(signal);
    const socket = createSocket({ type: "udp4" });
    try {
      await step(socket, (done) => socket.bind({ port: localPort, address: localHost ?? (address ? "0.0.0.0" : "127.0.0.1") }, done));
      setReceiveBuffer(socket, options.receiveBufferBytes ?? DEFAULT_RECEIVE_BUFFER);
      if (address !== undefined) await step(socket, (done) => socket.connect(remotePort!, address, done));
      throwIfAborted(signal);
    } catch (error) {
      socket.close();
      throw openError(error, options);
    }
    return new UDPConnection(socket, remoteHost === undefined ? undefined : `${remoteHost}:${remotePort}`);
  }

  /** `host:port` of this side. */
  get local(): string {
    const { address, port } = this.#socket.address();
    return `${address}:${port}`;
  }

  get localPort(): number {
    return this.#socket.address().port;
  }

  /** The peer's IPv4 address, or `undefined` when not connected. */
  get remoteAddress(): string | undefined {
    return this.#connected && !this.closed ? this.#socket.remoteAddress().address : undefined;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  get counters(): UDPCounters {
    return {
      datagramsSent: this.#sent,
      datagramsReceived: this.#received,
      sendErrors: this.#sendErrors,
      refusals: this.#refusals,
    };
  }

  /** Kernel receive buffer granted, bytes (Linux reports twice what it was asked for). */
  get receiveBufferBytes(): number {
    return this.#socket.getRecvBufferSize();
  }

  send(datagram: Uint8Array): void {
    if (this.#closing) return;
    this.#sent += 1;
    // The shared callback is needed: without one, dgram drops failed sends in silence.
    this.#socket.send(datagram, this.#onSent);
  }

  /**
   * Sends to any address; only on a connection that was opened without a remote host. `onSent` is called when the system has taken the datagram,
   * or with the reason why not; never after `close()`.
   */
  sendTo(datagram: Uint8Array, port: number, host: string, onSent?: (error: SpinnError | undefined) => void): void {
    if (this.#closing) return;
    if (this.#connected) throw new SpinnError("ERR_SPINN_ARGUMENT", `this connection belongs to ${this.remote}; use send()`);
    this.#sent += 1;
    if (onSent === undefined) this.#socket.send(datagram, port, host, this.#onSent);
    else
      this.#socket.send(datagram, port, host, (cause) => {
        if (!this.#closing) onSent(cause === null ? undefined : this.#onError(cause));
      });
  }

  subscribe(listener: DatagramListener): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#socket.close(() => {
        for (const listener of this.#listeners) listener.onClose?.();
        this.#listeners = [];
        resolve();
      });
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  readonly #onSent = (error: Error | null): void => {
    if (error !== null) this.#onError(error);
  };

  #onError(cause: Error): SpinnError | undefined {
    if (this.#closing) return undefined;
    const code = (cause as NodeJS.ErrnoException).code;
    let error: SpinnError;
    if (code === "ECONNREFUSED") {
      this.#refusals += 1;
      error = new SpinnError("ERR_SPINN_UNREACHABLE", `${this.remote} refuses the UDP port (ICMP port unreachable)`, {
        cause,
        board: this.remote,
        hint: "The host is up but nothing listens there: check the address and the port; a board that is booting does this for a moment.",
      });
    } else {
      this.#sendErrors += 1;
      error = new SpinnError(code !== undefined && UNREACHABLE.has(code) ? "ERR_SPINN_UNREACHABLE" : "ERR_SPINN_PROTOCOL", cause.message, {
        cause,
        board: this.remote,
      });
    }
    for (const listener of this.#listeners) listener.onError?.(error);
    return error;
  }
}

/** The computer's own network: a connected socket. Errors as {@link UDPConnection.open}. */
export const openUdp: OpenChannel = (remoteHost, remotePort, options) => UDPConnection.open({ ...options, remoteHost, remotePort });

async function resolve(host: string): Promise<string> {
  if (isIPv4(host)) return host;
  try {
    return (await dns.lookup(host, { family: 4 })).address;
  } catch (cause) {
    throw new SpinnError("ERR_SPINN_UNREACHABLE", `the host name "${host}" is unknown`, {
      cause,
      hint: "Check the spelling, or give the board's IPv4 address.",
    });
  }
}

/** Runs one asynchronous step of a socket, ending with its error event if that comes first. */
function step(socket: Socket, start: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    start(() => {
      socket.off("error", reject);
      resolve();
    });
  });
}

function setReceiveBuffer(socket: Socket, bytes: number): void {
  try {
    socket.setRecvBufferSize(bytes);
  } catch {
    // Some systems refuse more than their limit instead of granting the limit; the default buffer still works, with fewer packets in it.
  }
}

function openError(error: unknown, options: UDPConnectionOptions): unknown {
  if (error instanceof SpinnError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const local = `${options.localHost ?? "any address"}:${options.localPort ?? 0}`;
  if (code === "EADDRINUSE") {
    return new SpinnError("ERR_SPINN_ADDRESS_IN_USE", `UDP ${local} is in use by another program`, {
      cause: error,
      hint: "Stop the other program, or choose another port or address.",
    });
  }
  if (code === "EADDRNOTAVAIL" || code === "EACCES") {
    return new SpinnError("ERR_SPINN_ARGUMENT", `cannot bind UDP ${local}: ${message}`, {
      cause: error,
      hint: code === "EACCES" ? "Ports below 1024 need privileges." : "The address must be one of this host's.",
    });
  }
  return new SpinnError("ERR_SPINN_UNREACHABLE", `cannot open UDP to ${options.remoteHost}:${options.remotePort}: ${message}`, {
    cause: error,
  });
}
