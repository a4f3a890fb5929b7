import { debuglog } from "node:util";
import { SpinnError } from "../../errors.js";
import { type ConnectOptions, connectLines, decode, type LineSocket, type Notation, type ValueForm } from "../rpc/index.js";

const debug = debuglog("spinn");

export interface ListenerOptions extends ConnectOptions {
  /** Default auto: v2, and v1 for what is not v2. A v1 publisher's dicts can look like v2's; say v1 when it is one. */
  readonly notation?: Notation | "auto" | undefined;
  /** How values are handed out, see `decode`. Default plain. */
  readonly values?: ValueForm | undefined;
  /** After a loss, connect again: first after `firstMs` (default 1000), each time twice as late, up to `mostMs` (default 30 000). Default false. */
  readonly reconnect?: boolean | { readonly firstMs?: number; readonly mostMs?: number } | undefined;
  /** Called when the connection ends other than by `close()`, each time. */
  readonly disconnectCb?: ((error: SpinnError | undefined) => void) | undefined;
  /** Called when a connection stands and before anything is received, each time. */
  readonly beforeReceiveCb?: (() => void) | undefined;
  /** Told of what callbacks throw; the receiving goes on. Default: `NODE_DEBUG=spinn` shows it. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** The receiving end of sync_struct and broadcast: one connection, one value a line, reconnection if asked for. */
export abstract class Listener {
  readonly #greeting: string;
  readonly #closing = new AbortController();
  #options: ListenerOptions = {};
  #lines: LineSocket | undefined;
  #running: Promise<void> = Promise.resolve();

  protected constructor(greeting: string) {
    this.#greeting = greeting;
  }

  /**
   * Connects and receives until `close()`. Throws `ERR_SPINN_UNREACHABLE` or `ERR_SPINN_TIMEOUT` when the first connection fails,
   * with `reconnect` too: a wrong address should be noticed.
   */
  async connect(host: string, port: number, options: ListenerOptions = {}): Promise<void> {
    if (this.#closing.signal.aborted) throw new SpinnError("ERR_SPINN_CLOSED", "this listener was closed");
    if (this.#lines !== undefined) throw new SpinnError("ERR_SPINN_ARGUMENT", "this listener is connected already");
    this.#options = options;
    this.#lines = await this.#open(host, port);
    this.#running = this.#run(host, port, this.#lines);
  }

  /** Ends the receiving; resolves when the connection is closed. No callback is called after. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#lines?.destroy();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Takes one value. What it throws ends the connection: the state is not what the other side thinks it is. */
  protected abstract receive(value: unknown): void;

  /** Calls users' callbacks; one that throws is reported and hurts nobody else. */
  protected tell(callbacks: readonly (() => void)[]): void {
    for (const callback of callbacks) {
      try {
        callback();
      } catch (error) {
        debug("a callback threw: %s", error);
        this.#options.onError?.(error);
      }
    }
  }

  async #open(host: string, port: number): Promise<LineSocket> {
    const { signal, ...rest } = this.#options;
    const both = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    const lines = await connectLines(host, port, this.#greeting, { ...rest, signal: both });
    this.tell([() => this.#options.beforeReceiveCb?.()]);
    return lines;
  }

  async #run(host: string, port: number, first: LineSocket): Promise<void> {
    const { reconnect = false, disconnectCb } = this.#options;
    const { firstMs = 1000, mostMs = 30_000 } = typeof reconnect === "object" ? reconnect : {};
    let lines: LineSocket | undefined = first;
    let waitMs = firstMs;
    while (!this.#closing.signal.aborted) {
      if (lines !== undefined) {
        const error = await this.#receiveAll(lines, () => {
          waitMs = firstMs;
        });
        if (this.#closing.signal.aborted) return;
        this.tell([() => disconnectCb?.(error)]);
      }
      if (reconnect === false) return;
      await this.#pause(waitMs);
      waitMs = Math.min(waitMs * 2, mostMs);
      lines = await this.#open(host, port).catch((error: unknown) => void debug("reconnecting: %s", error));
      this.#lines = lines;
    }
    lines?.destroy();
    await lines?.closed;
  }

  async #receiveAll(lines: LineSocket, onLine: () => void): Promise<SpinnError | undefined> {
    const { notation = "auto", values = "plain" } = this.#options;
    let error: SpinnError | undefined;
    try {
      for (;;) {
        const line = lines.take() ?? (await lines.next());
        if (line === null || this.#closing.signal.aborted) break;
        this.receive(decode(line, { notation, values }));
        onLine();
      }
    } catch (thrown) {
      error = thrown instanceof SpinnError ? thrown : new SpinnError("ERR_SPINN_PROTOCOL", String(thrown), { cause: thrown });
    }
    lines.destroy();
    await lines.closed;
    return error ?? lines.error;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#closing.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#closing.signal.addEventListener("abort", done);
    });
  }
}
