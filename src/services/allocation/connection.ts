import { connect, type Socket } from "node:net";
import { abortError, SpinnError, throwIfAborted } from "../../errors.js";
import { decodeLine, encodeCommand, type ServerMessage } from "./message.js";

export interface ConnectionOptions {
  /** For the connection to stand, and for each reply; default 5000 ms, as the reference client. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Hears every notification. */
  readonly onNotification?: ((message: ServerMessage) => void) | undefined;
  /** Hears once why the connection ended; undefined after close(). */
  readonly onEnd?: ((error: SpinnError | undefined) => void) | undefined;
}

interface Waiter {
  readonly words: string;
  readonly settle: (outcome: { readonly value: unknown } | SpinnError) => void;
}

export const REPLY_TIMEOUT_MS = 5000;
/** Longest line taken from a server. A list of a thousand jobs is some 300 kB. */
const MAX_LINE_CHARS = 8 * 1024 * 1024;
/** Commands that may wait for their replies at a time. */
const MAX_WAITING = 1000;

/**
 * One TCP connection to a classic spalloc server. Replies carry no id and come in order, so a reply that is late ends the connection: a
 * later command would be answered with it. Reads all the time, since a server that cannot write stalls for everybody.
 */
export class SpallocConnection {
  readonly where: string;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  /** In the order of the commands; at most MAX_WAITING. */
  readonly #waiting: Waiter[] = [];
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #unfinished = "";
  #ended: SpinnError | undefined;

  private constructor(socket: Socket, where: string, options: ConnectionOptions) {
    this.#socket = socket;
    this.where = where;
    this.#options = options;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", (cause) => this.#end(lost(where, `: ${cause.message}`, cause)));
    socket.on("close", () => this.#end(lost(where, ": the server closed it")));
  }

  /** Throws `ERR_SPINN_UNREACHABLE` (refused, name unknown), `ERR_SPINN_TIMEOUT`, `ERR_SPINN_ABORTED`. */
  static async open(host: string, port: number, options: ConnectionOptions = {}): Promise<SpallocConnection> {
    const { signal, timeoutMs = REPLY_TIMEOUT_MS } = options;
    throwIfAborted(signal);
    const where = `${host}:${port}`;
    const socket = connect({ host, port });
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: SpinnError): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        socket.off("error", onError);
        if (error === undefined) resolve();
        else {
          socket.on("error", () => {});
          socket.destroy();
          reject(error);
        }
      };
      const onAbort = (): void => settle(abortError(signal!));
      const onError = (cause: Error): void => {
        // A name with several addresses fails with an AggregateError, which has a code but no words.
        const reason = cause.message || String((cause as NodeJS.ErrnoException).code);
        const hint = "is the allocation server running there? its usual port is 22244";
        settle(new SpinnError("ERR_SPINN_UNREACHABLE", `cannot connect to the spalloc server at ${where}: ${reason}`, { hint, cause }));
      };
      const timer = setTimeout(
        () => settle(new SpinnError("ERR_SPINN_TIMEOUT", `no connection to the spalloc server at ${where} within ${timeoutMs} ms`)),
        timeoutMs,
      );
      signal?.addEventListener("abort", onAbort, { once: true });
      socket.once("error", onError);
      socket.once("connect", () => settle());
    });
    return new SpallocConnection(socket, where, options);
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  /**
   * Sends one command and waits for its value. Throws `ERR_SPINN_REMOTE` with the server's words when it refuses, `ERR_SPINN_INCOMPLETE` when
   * the connection ends before the reply, `ERR_SPINN_TIMEOUT`, `ERR_SPINN_ABORTED` (the reply is then dropped when it comes).
   */
  call(command: string, args: readonly unknown[], kwargs: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      if (this.#ended !== undefined) throw this.#ended;
      if (this.#waiting.length >= MAX_WAITING) {
        throw new SpinnError("ERR_SPINN_REFUSED", `${MAX_WAITING} commands are waiting for replies of the spalloc server at ${this.where}`);
      }
      const { timeoutMs = REPLY_TIMEOUT_MS } = this.#options;
      const onAbort = (): void => reject(abortError(signal!));
      const timer = setTimeout(() => {
        const hint = "its port is open but nobody answers: the server may have to be started again";
        this.#end(new SpinnError("ERR_SPINN_TIMEOUT", `no reply to ${command} from ${this.where} within ${timeoutMs} ms`, { hint }));
      }, timeoutMs);
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push({
        words: command,
        settle: (outcome) => {
          clearTimeout(timer);
          signal?.removeEventListener("abort", onAbort);
          if (outcome instanceof SpinnError) reject(outcome);
          else resolve(outcome.value);
        },
      });
      this.#socket.write(encodeCommand(command, args, kwargs));
    });
  }

  /** Idempotent. Commands without a reply fail with `ERR_SPINN_CLOSED`. */
  close(): void {
    this.#end(undefined);
  }

  #receive(chunk: Buffer): void {
    try {
      const text = this.#unfinished + this.#decoder.decode(chunk, { stream: true });
      const lines = text.split("\n");
      this.#unfinished = lines.pop()!;
      if (this.#unfinished.length > MAX_LINE_CHARS) {
        throw new SpinnError("ERR_SPINN_PROTOCOL", `${this.where} sent a line of more than ${MAX_LINE_CHARS} characters`);
      }
      for (const line of lines) {
        if (this.#ended !== undefined) return;
        if (line.trim() !== "") this.#take(decodeLine(line));
      }
    } catch (cause) {
      this.#end(
        cause instanceof SpinnError
          ? cause
          : new SpinnError("ERR_SPINN_PROTOCOL", `${this.where} sent a line that is not UTF-8 text`, { cause }),
      );
    }
  }

  #take(message: ServerMessage): void {
    if (message.kind !== "return" && message.kind !== "exception") {
      this.#options.onNotification?.(message);
      return;
    }
    const waiter = this.#waiting.shift();
    if (waiter === undefined) throw new SpinnError("ERR_SPINN_PROTOCOL", `${this.where} sent a reply that nobody asked for`);
    if (message.kind === "return") waiter.settle({ value: message.value });
    else {
      const request = waiter.words;
      waiter.settle(
        new SpinnError("ERR_SPINN_REMOTE", `the spalloc server at ${this.where} refused ${request}: ${message.text}`, { request }),
      );
    }
  }

  #end(error: SpinnError | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = error ?? new SpinnError("ERR_SPINN_CLOSED", `the connection to ${this.where} was closed`);
    this.#socket.destroy();
    for (const waiter of this.#waiting.splice(0)) waiter.settle(this.#ended);
    this.#options.onEnd?.(error);
  }
}

function lost(where: string, why: string, cause?: Error): SpinnError {
  const hint = "servers before 1.0.0 hang up on a request they refuse; otherwise the server stopped: see its log";
  return new SpinnError("ERR_SPINN_INCOMPLETE", `the connection to the spalloc server at ${where} was lost${why}`, { hint, cause });
}
