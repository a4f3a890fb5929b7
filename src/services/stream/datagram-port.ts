/** Where a datagram came from. */
export interface DatagramSource {
  readonly address: string;
  readonly port: number;
}

/** What live events need of a UDP socket. A connection to a board satisfies it, and so does a bare `dgram` socket with a few lines. */
export interface DatagramPort {
  /** Calls `listener` for every datagram; the bytes are valid only during the call. Returns what takes the listener off again. */
  onMessage(listener: (datagram: Uint8Array, from: DatagramSource) => void): () => void;
  send(datagram: Uint8Array, port: number, host: string): Promise<void>;
  close(): Promise<void>;
}

/** What pacing needs of a token bucket. */
export interface Pacer {
  /** Resolves when so many tokens are taken. */
  consume(tokens: number, options: { readonly signal?: AbortSignal | undefined }): Promise<unknown>;
}
