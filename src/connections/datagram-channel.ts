import type { SpinnError } from "../errors.js";

/**
 * The seam between conversations and the network: whole datagrams to and from one peer. `UDPConnection` is the real one; tests put an
 * in-memory network here, and a proxy its own way.
 */
export interface DatagramChannel {
  /** The other side, `host:port`. */
  readonly remote: string;
  /** Address and port from which the other side sees datagrams come, where that is known. */
  readonly local?: string | undefined;
  readonly closed: boolean;
  /**
   * Hands a datagram to the network. Never throws for the network's sake: what fails is counted and reported to `onError` of the listeners.
   * The bytes must stay as they are until the peer has answered or the caller has given up.
   */
  send(datagram: Uint8Array): void;
  /** Adds a listener; the function returned takes it out again. */
  subscribe(listener: DatagramListener): () => void;
  close(): Promise<void>;
}

export interface DatagramListener {
  /** A datagram of the peer. The bytes belong to the listeners: nobody writes them again. `sender` is told by channels without a fixed peer. */
  onDatagram(datagram: Uint8Array, sender?: DatagramSender): void;
  /** A failed send or a refusal (ICMP port unreachable). Not fatal by itself: a rebooting board does this. */
  onError?(error: SpinnError): void;
  /** The channel has been closed; nothing more will come. `error` when the way itself was lost, and nobody here has closed it. */
  onClose?(error?: SpinnError): void;
}

export interface OpenChannelOptions {
  /** Local address to bind, where the way has one. */
  readonly localHost?: string | undefined;
  /** Kernel receive buffer to ask for, bytes, where the way has one. */
  readonly receiveBufferBytes?: number | undefined;
  /** Ends the wait for opening. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * How datagrams get to a host: opens a channel to one of its UDP ports. `openUdp` is the computer's own network; others go through a
 * controller or a proxy. Throws `SpinnError` (`ERR_SPINN_UNREACHABLE`, `ERR_SPINN_REFUSED`, `ERR_SPINN_ARGUMENT`, `ERR_SPINN_ABORTED`).
 */
export type OpenChannel = (host: string, port: number, options: OpenChannelOptions) => Promise<DatagramChannel>;

/** Where a datagram came from. */
export interface DatagramSender {
  readonly address: string;
  readonly port: number;
}
