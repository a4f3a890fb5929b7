import { checkInteger } from "../errors.js";

/** SC&MP lends 8 transient IP tags per Ethernet chip (spinnaker_tools `scamp/scamp-3.c`): the ninth unanswered request is dropped. */
export const BOARD_WINDOW = 8;
/** Largest window that a caller may ask for: slots have a 282-byte buffer each, and sequence numbers must outnumber slots by far. */
export const MAX_WINDOW = 1024;

/**
 * How many requests may be unanswered. Two numbers, as in SpiNNMan: the send window, and, once it has been full, the count down to which
 * replies are taken before sending goes on (the receive window).
 *
 * Automatic (`null`): starts at 4, grows by one per round trip without loss up to the board's 8, shrinks by one at most once per round
 * trip on loss or a busy code. The decrease is small on purpose: on a LAN most loss is not congestion, and halving eight slots for one
 * lost packet costs more than it saves; a queue that really overflows still brings the window down within a few round trips.
 */
export class SendWindow {
  readonly #automatic: boolean;
  readonly #waits: number | null;
  #size: number;
  #draining = false;
  #lastDecreaseMs = Number.NEGATIVE_INFINITY;

  constructor(nChannels: number | null, intermediateChannelWaits: number | null) {
    this.#automatic = nChannels === null;
    this.#size = nChannels === null ? BOARD_WINDOW / 2 : checkInteger("nChannels", nChannels, 1, MAX_WINDOW);
    this.#waits =
      intermediateChannelWaits === null
        ? null
        : checkInteger("intermediateChannelWaits", intermediateChannelWaits, 0, (nChannels ?? BOARD_WINDOW) - 1);
  }

  /** Most slots that can ever be in use. */
  get capacity(): number {
    return this.#automatic ? BOARD_WINDOW : this.#size;
  }

  /** Requests that may be unanswered now. */
  get size(): number {
    return Math.floor(this.#size);
  }

  /** May another request go out with `inFlight` unanswered? */
  admits(inFlight: number): boolean {
    const size = this.size;
    if (inFlight >= size) {
      this.#draining = true;
      return false;
    }
    if (!this.#draining) return true;
    if (inFlight > Math.min(this.#waits ?? size - 1, size - 1)) return false;
    this.#draining = false;
    return true;
  }

  grow(): void {
    if (this.#automatic && this.#size < BOARD_WINDOW) this.#size = Math.min(BOARD_WINDOW, this.#size + 1 / this.#size);
  }

  shrink(nowMs: number, roundTripMs: number): void {
    if (!this.#automatic || nowMs - this.#lastDecreaseMs < roundTripMs) return;
    this.#lastDecreaseMs = nowMs;
    this.#size = Math.max(1, this.#size - 1);
  }
}
