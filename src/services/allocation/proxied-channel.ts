import type { SpinnError } from "../../errors.js";

/*
 * The shapes of `spinnkit/connections` (DatagramChannel, OpenChannel), written down again: this room knows nothing of boards, and what it hands
 * out fits there because it has the same members. A test holds the two together.
 */

export interface ProxiedListener {
  onDatagram(datagram: Uint8Array, sender?: { readonly address: string; readonly port: number }): void;
  onError?(error: SpinnError): void;
  onClose?(error?: SpinnError): void;
}

/** Whole datagrams to and from one UDP port of a board, through the allocation server. */
export interface ProxiedChannel {
  /** The board, `host:port`. */
  readonly remote: string;
  readonly closed: boolean;
  send(datagram: Uint8Array): void;
  subscribe(listener: ProxiedListener): () => void;
  close(): Promise<void>;
}

/** A way to boards: the option `open` of `connect`, `Transceiver`, boot and bring-up. */
export type OpenProxied = (host: string, port: number, options: { readonly signal?: AbortSignal | undefined }) => Promise<ProxiedChannel>;

/** One channel of a proxy: hands on what comes, counts nothing, queues nothing. */
export class Channel implements ProxiedChannel {
  readonly remote: string;
  readonly #way: { send(datagram: Uint8Array): void; close(): void };
  #listeners: readonly ProxiedListener[] = [];
  #isClosed = false;

  constructor(remote: string, way: { send(datagram: Uint8Array): void; close(): void }) {
    this.remote = remote;
    this.#way = way;
  }

  get closed(): boolean {
    return this.#isClosed;
  }

  send(datagram: Uint8Array): void {
    if (!this.#isClosed) this.#way.send(datagram);
  }

  subscribe(listener: ProxiedListener): () => void {
    this.#listeners = [...this.#listeners, listener];
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  deliver(datagram: Uint8Array): void {
    for (const listener of this.#listeners) listener.onDatagram(datagram);
  }

  /** Ends it from the proxy's side: `error` when the way was lost. */
  end(error?: SpinnError): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const listener of this.#listeners) listener.onClose?.(error);
    this.#listeners = [];
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#way.close();
    this.end();
  }
}
