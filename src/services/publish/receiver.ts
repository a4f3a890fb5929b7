import { BROADCAST_BANNER } from "./broadcaster.js";
import { Listener } from "./listener.js";

/** Receives the messages of one broadcast channel. */
export class Receiver extends Listener {
  readonly #callbacks: readonly ((value: unknown) => void)[];

  constructor(channel: string, notifyCb: ((value: unknown) => void) | readonly ((value: unknown) => void)[]) {
    super(`${BROADCAST_BANNER}\n${channel}\n`);
    this.#callbacks = typeof notifyCb === "function" ? [notifyCb] : notifyCb;
  }

  protected override receive(value: unknown): void {
    this.tell(this.#callbacks.map((callback) => () => callback(value)));
  }
}
