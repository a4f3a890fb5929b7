import { encode, type LineSocket, type Notation, TCPServer, type TCPServerOptions } from "../rpc/index.js";
import { Outlet } from "./outlet.js";

export const BROADCAST_BANNER = "ARTIQ broadcast";

export interface BroadcasterOptions extends TCPServerOptions {
  /** v2 for sipyco 1.10 and later, v1 for before. Default v2. */
  readonly notation?: Notation | undefined;
  /** Unsent bytes at which new messages to a receiver are dropped and counted, until it has taken all; default 4 MiB. */
  readonly maxQueueBytes?: number | undefined;
  /** How long a receiver may take nothing before it is cut off; default 60 000 ms. */
  readonly stallTimeoutMs?: number | undefined;
}

/** Sends messages to whoever listens on a channel (ARTIQ broadcast). Channels exist by being listened to. */
export class Broadcaster extends TCPServer {
  readonly #options: BroadcasterOptions;
  /** Bounded by `maxConnections`: a channel goes with its last receiver. */
  readonly #channels = new Map<string, Set<Outlet>>();
  /** Messages not sent because a receiver was behind, for all receivers since the start. */
  dropped = 0;

  constructor(options: BroadcasterOptions = {}) {
    super(options);
    this.#options = options;
  }

  /** Names of the channels that somebody listens to. */
  get channels(): string[] {
    return [...this.#channels.keys()];
  }

  /** Sends one value; encoded once, and only if somebody listens. Throws `ERR_SPINN_ARGUMENT` for a value that cannot be sent. */
  broadcast(channel: string, value: unknown): void {
    const outlets = this.#channels.get(channel);
    if (outlets === undefined) return;
    const line = `${encode(value, { notation: this.#options.notation ?? "v2" })}\n`;
    for (const outlet of outlets) {
      if (outlet.isBehind) this.dropped += 1;
      outlet.send(line);
    }
  }

  protected override async serve(connection: LineSocket): Promise<void> {
    if (!(await this.greeted(connection, BROADCAST_BANNER))) return;
    const name = await connection.next();
    if (name === null) return;
    const { maxQueueBytes = 4 * 1024 * 1024, stallTimeoutMs = 60_000 } = this.#options;
    const outlet = new Outlet(connection, {
      maxQueueBytes,
      stallTimeoutMs,
      onCaughtUp: () => {},
      onStalled: () => {
        this.cutOff(connection, `took nothing for ${stallTimeoutMs} ms`);
        connection.destroy();
      },
    });
    const outlets = this.#channels.get(name) ?? new Set();
    this.#channels.set(name, outlets.add(outlet));
    try {
      while ((await connection.next()) !== null);
    } finally {
      outlets.delete(outlet);
      if (outlets.size === 0) this.#channels.delete(name);
    }
  }
}
