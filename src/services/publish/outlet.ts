import type { LineSocket } from "../rpc/index.js";

/**
 * The bounded way out to one listener. Once more than `maxQueueBytes` wait for it, it is behind: nothing more is queued until everything
 * before has been taken; then `onCaughtUp` may send what makes up for the loss.
 */
export class Outlet {
  readonly connection: LineSocket;
  /** Lines not sent because the listener was behind. */
  dropped = 0;
  readonly #maxQueueBytes: number;
  readonly #stallTimeoutMs: number;
  readonly #onStalled: () => void;
  #stalled: NodeJS.Timeout | undefined;

  constructor(
    connection: LineSocket,
    options: { maxQueueBytes: number; stallTimeoutMs: number; onCaughtUp: () => void; onStalled: () => void },
  ) {
    this.connection = connection;
    this.#maxQueueBytes = options.maxQueueBytes;
    this.#stallTimeoutMs = options.stallTimeoutMs;
    this.#onStalled = options.onStalled;
    connection.onDrain(() => {
      if (!this.isBehind) return;
      clearTimeout(this.#stalled);
      this.#stalled = undefined;
      options.onCaughtUp();
    });
    void connection.closed.then(() => clearTimeout(this.#stalled));
  }

  get isBehind(): boolean {
    return this.#stalled !== undefined;
  }

  /** Sends whole lines, or drops them while the listener is behind. */
  send(text: string): void {
    if (this.isBehind) {
      this.dropped += 1;
      return;
    }
    this.connection.send(text);
    if (this.connection.unsentBytes <= this.#maxQueueBytes) return;
    // What the system takes at once does not count.
    this.connection.flush();
    if (this.connection.unsentBytes <= this.#maxQueueBytes || this.connection.isClosed) return;
    this.#stalled = setTimeout(this.#onStalled, this.#stallTimeoutMs);
  }
}
