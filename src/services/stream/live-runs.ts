import { SpinnError } from "../../errors.js";
import type { DatagramPort } from "./datagram-port.js";
import { KeyMap } from "./key-map.js";
import { LiveEvents, type LiveEventsOptions } from "./live-events.js";
import { type LiveTagOptions, liveTag } from "./live-tag.js";
import { NotificationListener } from "./notification.js";
import { type LiveOutput, readToolChainDatabase, type ToolChainDatabase } from "./tool-chain-database.js";

/** What is known about the run that was announced last. */
export interface LiveRun {
  readonly database: ToolChainDatabase;
  /** Keys of the populations that are followed. */
  readonly keyMap: KeyMap;
  /** The tags that were aimed here, each once. */
  readonly tags: readonly { readonly board: string; readonly tag: number }[];
}

export interface LiveRunsOptions extends Omit<LiveEventsOptions, "setTag" | "boards"> {
  /** Populations to follow. Default: all that the database sends live. */
  readonly labels?: readonly string[] | undefined;
  /** How boards are asked for their tags. */
  readonly tagOptions?: LiveTagOptions | undefined;
  /** A database was read and the tags point here. The tool chain goes on when this resolves. */
  readonly onRun?: ((run: LiveRun) => void | Promise<void>) | undefined;
  readonly onStart?: (() => void | Promise<void>) | undefined;
  readonly onPause?: (() => void | Promise<void>) | undefined;
  /** A notification could not be followed: no such database, a board that does not answer. The tool chain gets no confirmation of it. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/**
 * Stands in for a live connection of the tool chain: hears of a run, reads its database, aims the tags of the populations at its own socket, on
 * every board that has one, and confirms. The tool chain's own connection does the same, with one board for each population.
 */
export class LiveRuns implements AsyncDisposable {
  /** Events of whatever run there is. Before the first database they come from no board. */
  readonly live: LiveEvents;
  readonly notifications: NotificationListener;
  readonly #events: DatagramPort;
  readonly #options: LiveRunsOptions;
  #run: LiveRun | undefined;

  private constructor(notifications: DatagramPort, events: DatagramPort, live: LiveEvents, options: LiveRunsOptions) {
    this.#events = events;
    this.#options = options;
    this.live = live;
    const { onStart, onPause, onError } = options;
    this.notifications = new NotificationListener(notifications, {
      onDatabase: (path) => this.#announced(path),
      onStart,
      onPause,
      onError,
    });
  }

  /**
   * @param notifications a socket on the port that the tool chain notifies, {@link NOTIFICATION_PORT} by default
   * @param events a socket for events; the tags are aimed at it. Both belong to this object and are closed with it
   */
  static async open(notifications: DatagramPort, events: DatagramPort, options: LiveRunsOptions = {}): Promise<LiveRuns> {
    const live = await LiveEvents.open(events, { ...options, boards: [] }).catch(async (error: unknown) => {
      await notifications.close();
      throw error;
    });
    return new LiveRuns(notifications, events, live, options);
  }

  /** The run that was announced last. */
  get run(): LiveRun | undefined {
    return this.#run;
  }

  /** Stops listening and closes both sockets. Events that wait can still be taken. Idempotent. */
  async close(): Promise<void> {
    // The stream first: it ends a wait for a board that the listener would wait for.
    await this.live.close();
    await this.notifications.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #announced(path: string | undefined): Promise<void> {
    if (path === undefined) throw new SpinnError("ERR_SPINN_PROTOCOL", "the tool chain announced a run without a database");
    const database = await readToolChainDatabase(path);
    const { labels } = this.#options;
    if (database.isProxied) {
      throw new SpinnError("ERR_SPINN_REFUSED", `the boards of ${path} are reached through the proxy of an allocation server`, {
        hint: "live events through that proxy are not read; run where the boards can be reached",
      });
    }
    const outputs = labels === undefined ? database.outputs : labels.flatMap((label) => outputsOf(database, label));
    const blind = outputs.find(({ stripsSdp }) => !stripsSdp);
    if (blind !== undefined) {
      throw new SpinnError("ERR_SPINN_REFUSED", `tag ${blind.tag} of ${blind.board} does not strip SDP headers`, {
        hint: "configure the live output with strip_sdp",
      });
    }
    const tags = [...new Map(outputs.map(({ board, tag }) => [`${board} ${tag}`, { board, tag }])).values()];
    const wanted = new Set(outputs.map(({ label }) => label));
    const keyMap = new KeyMap(database.keyMap.ranges.filter(({ label }) => wanted.has(label)));
    await this.live.aim({ boards: tags.map(({ board }) => board), setTag: liveTags(this.#events, tags, this.#options.tagOptions) });
    this.#run = { database, keyMap, tags };
    await this.#options.onRun?.(this.#run);
  }
}

/** As {@link liveTag}, of several boards at once. Throws what the first of them throws that fails. */
export function liveTags(
  port: DatagramPort,
  tags: readonly { readonly board: string; readonly tag: number }[],
  options: LiveTagOptions = {},
): (signal: AbortSignal) => Promise<void> {
  const each = tags.map(({ board, tag }) => liveTag(port, board, tag, options));
  return async (signal) => {
    await Promise.all(each.map((set) => set(signal)));
  };
}

function outputsOf({ outputs, path }: ToolChainDatabase, label: string): readonly LiveOutput[] {
  const found = outputs.filter((output) => output.label === label);
  if (found.length > 0) return found;
  const known = [...new Set(outputs.map((output) => output.label))].slice(0, 20).join(", ");
  throw new SpinnError("ERR_SPINN_ARGUMENT", `no live events of "${label}" in ${path}`, { hint: `it has ${known || "none at all"}` });
}
