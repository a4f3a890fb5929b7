import type { Socket } from "node:net";
import { abortError, SpinnError } from "../../errors.js";
import { LineSplitter } from "./line-splitter.js";

/** Lines waiting to be taken beyond this many characters stop the reading of the socket. */
const READ_AHEAD = 256 * 1024;
/** Text collected in one turn of the event loop is written when it passes this, or when the turn ends. */
const WRITE_CHUNK = 64 * 1024;
/** A peer that takes no answers is asked no more questions beyond this many unsent bytes. */
const WRITE_AHEAD = 1024 * 1024;
/** How long a closing socket may take to deliver what was written. */
const LINGER_MS = 500;

/**
 * Lines over a stream socket: `take` and `next` read them in order, `send` collects what is written in one turn of the event loop.
 * Reading stops while lines wait; the unfinished line is bounded by `maxLineBytes`, what is unsent by the caller awaiting `drained`.
 */
export class LineSocket {
  readonly #socket: Socket;
  readonly #splitter: LineSplitter;
  readonly #closed: Promise<void>;
  #lines: string[] = [];
  #nextLine = 0;
  #waitingChars = 0;
  #wake: (() => void) | undefined;
  #out = "";
  #flushing = false;
  #ended = false;
  #isClosed = false;
  #error: SpinnError | undefined;

  constructor(socket: Socket, options: { readonly maxLineBytes: number; readonly keepAliveMs: number }) {
    this.#socket = socket;
    this.#splitter = new LineSplitter(options.maxLineBytes);
    socket.setNoDelay(true);
    if (options.keepAliveMs > 0) socket.setKeepAlive(true, options.keepAliveMs);
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("end", () => this.#finish(undefined));
    socket.on("error", (error) =>
      this.#finish(new SpinnError("ERR_SPINN_UNREACHABLE", `connection lost: ${error.message}`, { cause: error })),
    );
    this.#closed = new Promise((resolve) => {
      socket.once("close", () => {
        this.#isClosed = true;
        this.#finish(undefined);
        resolve();
      });
    });
  }

  /** Settles when the socket is closed on both sides. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Why the lines ended: `ERR_SPINN_PROTOCOL` for a line too long or not text, `ERR_SPINN_UNREACHABLE` for a broken connection. */
  get error(): SpinnError | undefined {
    return this.#error;
  }

  /** `host:port` of the other side. */
  get peer(): string {
    return `${this.#socket.remoteAddress ?? "?"}:${this.#socket.remotePort ?? "?"}`;
  }

  get peerHost(): string {
    return this.#socket.remoteAddress ?? "";
  }

  get localHost(): string {
    return this.#socket.localAddress ?? "";
  }

  /** Bytes that the system has not taken yet. */
  get unsentBytes(): number {
    return this.#socket.writableLength + this.#out.length;
  }

  /** The next line if it is there already. */
  take(): string | undefined {
    const line = this.#lines[this.#nextLine];
    if (line === undefined) return undefined;
    this.#nextLine += 1;
    this.#waitingChars -= line.length;
    if (this.#nextLine === this.#lines.length) {
      this.#lines = [];
      this.#nextLine = 0;
      if (this.#socket.isPaused() && !this.#ended) this.#socket.resume();
    }
    return line;
  }

  /** The next line, or null when there will be none. Throws `ERR_SPINN_ABORTED` when `signal` fires first. One reader at a time. */
  async next(signal?: AbortSignal): Promise<string | null> {
    for (;;) {
      const line = this.take();
      if (line !== undefined) return line;
      if (this.#ended) return null;
      if (signal?.aborted) throw abortError(signal);
      await new Promise<void>((resolve) => {
        const wake = (): void => {
          signal?.removeEventListener("abort", wake);
          this.#wake = undefined;
          resolve();
        };
        this.#wake = wake;
        signal?.addEventListener("abort", wake);
      });
    }
  }

  /** Writes ASCII text, whole lines with their line feeds. */
  send(text: string): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return;
    this.#out += text;
    if (this.#out.length > WRITE_CHUNK) this.flush();
    else if (!this.#flushing) {
      this.#flushing = true;
      process.nextTick(() => this.flush());
    }
  }

  /** As `send`, of texts and of bytes that stand for ASCII text. The bytes must stay as they are. */
  sendParts(parts: readonly (string | Uint8Array)[]): void {
    for (const part of parts) {
      if (typeof part === "string") this.send(part);
      else {
        this.flush();
        if (!this.#socket.destroyed && !this.#socket.writableEnded) this.#socket.write(part);
      }
    }
  }

  flush(): void {
    this.#flushing = false;
    if (this.#out === "" || this.#socket.destroyed) return;
    const text = this.#out;
    this.#out = "";
    // What has to wait waits as bytes: a text put together from many small ones takes ten times the room.
    if (this.#socket.writableLength > 0) this.#socket.write(Buffer.from(text, "latin1"));
    else this.#socket.write(text, "latin1");
  }

  /** Resolves at once while little is unsent, else when the peer has taken it or is gone. */
  drained(): Promise<void> | undefined {
    if (this.unsentBytes < WRITE_AHEAD || this.#socket.destroyed) return undefined;
    this.flush();
    if (!this.#socket.writableNeedDrain) return undefined;
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off("drain", done);
        this.#socket.off("close", done);
        resolve();
      };
      this.#socket.on("drain", done);
      this.#socket.on("close", done);
    });
  }

  onDrain(callback: () => void): void {
    this.#socket.on("drain", callback);
  }

  /** Stops reading, delivers what was sent (for half a second at most), closes. Idempotent. */
  async close(): Promise<void> {
    this.flush();
    this.#finish(undefined);
    if (!this.#socket.destroyed) {
      this.#socket.end();
      this.#socket.resume();
      const linger = setTimeout(() => this.#socket.destroy(), LINGER_MS);
      this.#socket.once("finish", () => this.#socket.destroySoon());
      await this.#closed;
      clearTimeout(linger);
    }
    await this.#closed;
  }

  /** Closes without delivering anything. */
  destroy(): void {
    this.#finish(undefined);
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return;
    const before = this.#lines.length;
    try {
      this.#splitter.push(chunk, this.#lines);
    } catch (error) {
      this.#finish(error as SpinnError);
    }
    for (let i = before; i < this.#lines.length; i += 1) this.#waitingChars += this.#lines[i]!.length;
    if (this.#waitingChars > READ_AHEAD) this.#socket.pause();
    if (this.#lines.length > before) this.#wake?.();
  }

  #finish(error: SpinnError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#wake?.();
  }
}
