import { SpinnError } from "../errors.js";
import type { Listenable } from "./connection-listener.js";
import type { DatagramSender } from "./datagram-channel.js";
import { UDPConnection } from "./udp-connection.js";

export interface EIEIOConnectionOptions {
  /** Local address to bind. Default 127.0.0.1; for a real board the address of the interface that leads to it, or 0.0.0.0. */
  readonly localHost?: string | undefined;
  /** Local port. Default 0: the system chooses, and the board is told by the tag request that is sent from here. */
  readonly localPort?: number | undefined;
  /**
   * Kernel receive buffer to ask for, bytes. Default 4 MiB: the bursts of all boards arrive together, and there is no flow control. Linux caps
   * it at `net.core.rmem_max`.
   */
  readonly receiveBufferBytes?: number | undefined;
  /** Ends the wait for binding. */
  readonly signal?: AbortSignal | undefined;
}

const RECEIVE_BUFFER = 4 << 20;

/**
 * Live events and the tool chain's notifications: one socket without a fixed peer, so that several boards can send to it and requests for their
 * tags leave from it. It is a `DatagramPort` of `spinnkit/stream` as it stands:
 *
 * ```ts
 * const connection = await EIEIOConnection.open({ localHost: "0.0.0.0" });
 * const live = await LiveEvents.open(connection, { setTag: liveTag(connection, "192.168.240.1", 1) });
 * ```
 */
export class EIEIOConnection implements Listenable<Uint8Array> {
  readonly udp: UDPConnection;
  /** Sends that the system has not confirmed yet. Bounded by the callers who wait for them. */
  readonly #unsent = new Set<(error: SpinnError) => void>();

  /** @param udp a connection that was opened without a remote host; it belongs to this object from now on */
  constructor(udp: UDPConnection) {
    this.udp = udp;
    udp.subscribe({
      onDatagram: () => {},
      onClose: () => {
        for (const reject of this.#unsent) reject(closedError());
        this.#unsent.clear();
      },
    });
  }

  /** Errors as {@link UDPConnection.open}. */
  static async open(options: EIEIOConnectionOptions = {}): Promise<EIEIOConnection> {
    const { localHost, localPort, receiveBufferBytes = RECEIVE_BUFFER, signal } = options;
    return new EIEIOConnection(await UDPConnection.open({ localHost, localPort, receiveBufferBytes, signal }));
  }

  /** `host:port` of this side. */
  get local(): string {
    return this.udp.local;
  }

  get localPort(): number {
    return this.udp.localPort;
  }

  /**
   * Hands one datagram to the system: an EIEIO message for a reverse tag, or anything else that boards understand. Resolves when the system has
   * taken it, which says nothing about its arrival. Throws `ERR_SPINN_UNREACHABLE`, `ERR_SPINN_PROTOCOL` for one that is too long,
   * `ERR_SPINN_CLOSED`, and `ERR_SPINN_ARGUMENT` on a connection with a fixed peer.
   */
  async send(datagram: Uint8Array, port: number, host: string): Promise<void> {
    if (this.udp.closed) throw closedError();
    await new Promise<void>((resolve, reject) => {
      this.#unsent.add(reject);
      try {
        this.udp.sendTo(datagram, port, host, (error) => {
          this.#unsent.delete(reject);
          if (error === undefined) resolve();
          else reject(error);
        });
      } catch (error) {
        this.#unsent.delete(reject);
        reject(error);
      }
    });
  }

  /** Every datagram as it came, replies to tag requests included, with its sender. The bytes are nobody else's. */
  onMessage(receiver: (datagram: Uint8Array, from: DatagramSender) => void): () => void {
    return this.udp.subscribe({
      onDatagram: (datagram, sender) => {
        if (sender !== undefined) receiver(datagram, sender);
      },
    });
  }

  close(): Promise<void> {
    return this.udp.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function closedError(): SpinnError {
  return new SpinnError("ERR_SPINN_CLOSED", "this EIEIO connection is closed");
}
