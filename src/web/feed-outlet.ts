import type { ServerResponse } from "node:http";

interface FeedOutletOptions {
  /** Unsent bytes at which a page is behind. Default 1 MiB. */
  readonly maxQueueBytes?: number | undefined;
  /** How long it may be behind, ms. Default 30 000. */
  readonly stallTimeoutMs?: number | undefined;
}

/**
 * The bounded way out to one page. While more than `maxQueueBytes` wait for it, news are not queued; once it has taken all, it gets the whole
 * state anew. A page that takes nothing for `stallTimeoutMs` is cut off.
 */
export class FeedOutlet {
  readonly #response: ServerResponse;
  readonly #options: FeedOutletOptions;
  #stalled: NodeJS.Timeout | undefined;

  constructor(response: ServerResponse, onCaughtUp: () => void, options: FeedOutletOptions = {}) {
    this.#response = response;
    this.#options = options;
    response.on("drain", () => {
      if (this.#stalled === undefined) return;
      clearTimeout(this.#stalled);
      this.#stalled = undefined;
      onCaughtUp();
    });
    response.on("close", () => clearTimeout(this.#stalled));
  }

  get isBehind(): boolean {
    return this.#stalled !== undefined;
  }

  send(text: Buffer): void {
    const { maxQueueBytes = 1024 * 1024, stallTimeoutMs = 30_000 } = this.#options;
    if (this.isBehind || this.#response.destroyed || this.#response.writableEnded) return;
    this.#response.write(text);
    // The state alone may be larger; the first piece of it must not make a page late.
    if (this.#response.writableNeedDrain && this.#response.writableLength > Math.max(maxQueueBytes, 2 * text.length)) {
      this.#stalled = setTimeout(() => this.#response.destroy(), stallTimeoutMs);
    }
  }

  end(): void {
    this.#response.end();
  }
}
