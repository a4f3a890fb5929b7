import { SpinnError } from "../../errors.js";
import { encode, type LineSocket, type Notation, TCPServer, type TCPServerOptions } from "../rpc/index.js";
import type { Change } from "./mod.js";
import type { Notifier } from "./notifier.js";
import { Outlet } from "./outlet.js";

export const SYNC_BANNER = "ARTIQ sync_struct";

export interface PublisherOptions extends TCPServerOptions {
  /** v2 for sipyco 1.10 and later, v1 for before: the protocol does not negotiate it. Default v2. */
  readonly notation?: Notation | undefined;
  /**
   * Unsent bytes at which a subscriber counts as behind: changes are dropped for it until it has taken all, then it gets the structure
   * anew. Default 16 MiB.
   */
  readonly maxQueueBytes?: number | undefined;
  /** How long a subscriber may be behind before it is cut off; default 60 000 ms. */
  readonly stallTimeoutMs?: number | undefined;
}

interface Channel {
  readonly notifier: Notifier;
  /** Bounded by `maxConnections`. */
  readonly outlets: Set<Outlet>;
  readonly end: () => void;
}

/** Sends the structures of notifiers, and each of their changes, to any number of subscribers (ARTIQ sync_struct). */
export class Publisher extends TCPServer {
  readonly #channels = new Map<string, Channel>();
  readonly #options: PublisherOptions;
  /** Structures sent to subscribers that were behind. */
  resyncs = 0;

  constructor(notifiers: Readonly<Record<string, Notifier>> = {}, options: PublisherOptions = {}) {
    super(options);
    this.#options = options;
    for (const [name, notifier] of Object.entries(notifiers)) this.add(name, notifier);
  }

  /** Publishes one more structure. Throws `ERR_SPINN_ARGUMENT` for a name in use, or a structure that cannot be sent. */
  add(name: string, notifier: Notifier): void {
    if (this.#channels.has(name)) throw new SpinnError("ERR_SPINN_ARGUMENT", `the notifier ${JSON.stringify(name)} is published already`);
    this.#initText(notifier);
    const outlets = new Set<Outlet>();
    let prepared = "";
    const end = notifier.listen({
      prepare: (change) => {
        prepared = `${this.#encode(ordered(change))}\n`;
      },
      publish: () => {
        for (const outlet of outlets) outlet.send(prepared);
      },
    });
    this.#channels.set(name, { notifier, outlets, end });
  }

  /** Ends the publishing of one structure; its subscribers are disconnected. False when there is none of that name. */
  remove(name: string): boolean {
    const channel = this.#channels.get(name);
    if (channel === undefined) return false;
    this.#channels.delete(name);
    channel.end();
    for (const outlet of channel.outlets) void outlet.connection.close();
    return true;
  }

  /** Subscribers of one structure, and how many lines were dropped for those that are behind. */
  status(name: string): { readonly subscribers: number; readonly dropped: number } {
    const outlets = [...(this.#channels.get(name)?.outlets ?? [])];
    return { subscribers: outlets.length, dropped: outlets.reduce((sum, outlet) => sum + outlet.dropped, 0) };
  }

  override async stop(): Promise<void> {
    for (const name of [...this.#channels.keys()]) this.remove(name);
    await super.stop();
  }

  protected override async serve(connection: LineSocket): Promise<void> {
    if (!(await this.greeted(connection, SYNC_BANNER))) return;
    const name = await connection.next();
    if (name === null) return;
    const channel = this.#channels.get(name);
    if (channel === undefined) {
      this.cutOff(connection, `asked for the notifier ${JSON.stringify(name.slice(0, 100))}`);
      return;
    }
    const { maxQueueBytes = 16 * 1024 * 1024, stallTimeoutMs = 60_000 } = this.#options;
    const outlet = new Outlet(connection, {
      maxQueueBytes,
      stallTimeoutMs,
      onCaughtUp: () => {
        this.resyncs += 1;
        this.#sendInit(outlet, channel);
      },
      onStalled: () => {
        this.cutOff(connection, `took nothing for ${stallTimeoutMs} ms`);
        connection.destroy();
      },
    });
    this.#sendInit(outlet, channel);
    channel.outlets.add(outlet);
    try {
      // A subscriber has nothing more to say; what it says is not kept.
      while ((await connection.next()) !== null);
      await connection.drained();
    } finally {
      channel.outlets.delete(outlet);
    }
  }

  #sendInit(outlet: Outlet, { notifier }: Channel): void {
    try {
      outlet.send(this.#initText(notifier));
    } catch (error) {
      // The structure was changed behind the notifier's back into something that cannot be sent.
      this.cutOff(outlet.connection, (error as Error).message);
      outlet.connection.destroy();
    }
  }

  #initText(notifier: Notifier): string {
    return `${this.#encode({ action: "init", struct: notifier.rawView })}\n`;
  }

  #encode(value: unknown): string {
    return encode(value, { notation: this.#options.notation ?? "v2" });
  }
}

/** The members in the order that is on the wire. */
function ordered(change: Change): Record<string, unknown> {
  const { action, path } = change;
  if (action === "append") return { action, path, x: change.x };
  if (action === "insert") return { action, path, i: change.i, x: change.x };
  if (action === "pop") return { action, path, i: change.i };
  return action === "setitem" ? { action, path, key: change.key, value: change.value } : { action, path, key: change.key };
}
