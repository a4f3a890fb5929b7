import type { Frame } from "./message.js";

/** As many beats as a controller allows an engine to miss; and never less than ten seconds. */
const BEATS = 10;
const LEAST_MS = 10_000;

export interface HeartbeatOptions {
  /** Between two beats of the controller. */
  readonly periodMs: number;
  /** Sends a beat back. */
  readonly answer: (frames: readonly Frame[]) => void;
  readonly isAlive: () => boolean;
  /** The controller was silent for `waitMs`: nothing else would tell that it is gone. */
  readonly silent: (waitMs: number) => void;
}

/** Answers the controller's heartbeats, unless there is nothing alive behind the engine. */
export class Heartbeat {
  /** Resolves when two beats have been answered: the controller lists an engine then. */
  readonly heard: Promise<void>;
  readonly #options: HeartbeatOptions;
  #resolve!: () => void;
  #answered = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.heard = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#listen();
  }

  take(frames: readonly Frame[]): void {
    this.#listen();
    if (!this.#options.isAlive()) return;
    this.#options.answer(frames);
    this.#answered += 1;
    if (this.#answered === 2) this.#resolve();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #listen(): void {
    clearTimeout(this.#timer);
    const { periodMs, silent } = this.#options;
    const waitMs = Math.max(BEATS * periodMs, LEAST_MS);
    this.#timer = setTimeout(() => silent(waitMs), waitMs);
  }
}
