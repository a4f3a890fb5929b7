import { debuglog } from "node:util";
import { type ConnectOptions, connectLines, type LineSocket } from "../rpc/index.js";
import { formatLogLine, type LogEntry } from "./log-line.js";

const debug = debuglog("spinn");
export const LOG_BANNER = "ARTIQ logging";

export interface LogForwarderOptions extends Omit<ConnectOptions, "signal"> {
  /** Entries that wait for a connection; when full the oldest is dropped and counted. Default 1000. */
  readonly queueLimit?: number | undefined;
  /** Between tries to connect; default 5000 ms. */
  readonly retryMs?: number | undefined;
}

/** Sends log entries to an ARTIQ master (port 1066), and waits for it when it is away. Logging never throws for the network. */
export class LogForwarder {
  /** Entries dropped because the queue was full. */
  dropped = 0;
  readonly #source: string;
  readonly #options: LogForwarderOptions;
  readonly #closing = new AbortController();
  /** Bounded by `queueLimit`. */
  readonly #queue: string[] = [];
  readonly #running: Promise<void>;
  #lines: LineSocket | undefined;

  constructor(source: string, host: string, port = 1066, options: LogForwarderOptions = {}) {
    this.#source = source;
    this.#options = options;
    this.#running = this.#run(host, port);
  }

  /** Throws `ERR_SPINN_ARGUMENT` only, for a name with a colon or line feed. */
  log(entry: LogEntry): void {
    const text = formatLogLine(entry, this.#source);
    this.#queue.push(`${text}\n`);
    if (this.#queue.length > (this.#options.queueLimit ?? 1000)) {
      this.#queue.shift();
      this.dropped += 1;
    }
    this.#send();
  }

  /** Sends what waits, if there is a connection, and ends. Idempotent. */
  async close(): Promise<void> {
    this.#send();
    const lines = this.#lines;
    this.#closing.abort();
    await lines?.close();
    await this.#running;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(): void {
    const lines = this.#lines;
    if (lines === undefined) return;
    while (this.#queue.length > 0 && lines.drained() === undefined && !lines.isClosed) {
      // The wire is Latin-1 to LineSocket: what is beyond ASCII goes as the bytes of its UTF-8.
      lines.send(Buffer.from(this.#queue.shift()!, "utf8").toString("latin1"));
    }
  }

  async #run(host: string, port: number): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const lines = await connectLines(host, port, `${LOG_BANNER}\n`, { ...this.#options, signal });
        lines.onDrain(() => this.#send());
        this.#lines = lines;
        this.#send();
        while ((await lines.next()) !== null);
        this.#lines = undefined;
        await lines.close();
      } catch (error) {
        debug("log forwarder: %s", error);
      }
      if (!signal.aborted) await this.#pause(this.#options.retryMs ?? 5000);
    }
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
