/**
 * Round-trip estimate and the wait derived from it, after RFC 6298: SRTT and RTTVAR with gains 1/8 and 1/4, wait = SRTT + 4 RTTVAR.
 * The RFC's floor of 1 s is for the Internet; a board is one LAN hop away and answers in 0.1 to 3 ms, so the floor here is `MIN_WAIT_MS`.
 * Samples come only from requests that were sent once (Karn's rule). After a loss the wait doubles until the next clean sample, or a peer
 * that became slower than the wait would have every request repeated and never be measured again.
 */
export class RoundTrip {
  /** Wait before anything has been measured, ms: RFC 6298 says 1 s; a LAN answers long before this. */
  static readonly INITIAL_WAIT_MS = 250;
  /** Least wait, ms: two loop turns of a busy process, well under the 10 ms in which a lost packet should be on its way again. */
  static readonly MIN_WAIT_MS = 6;

  readonly #ceilingMs: number;
  #smoothedMs = 0;
  #variationMs = 0;
  #samples = 0;
  #backOff = 1;

  constructor(ceilingMs: number) {
    this.#ceilingMs = ceilingMs;
  }

  /** Smoothed round trip in ms, `undefined` before the first sample. */
  get smoothedMs(): number | undefined {
    return this.#samples === 0 ? undefined : this.#smoothedMs;
  }

  get variationMs(): number {
    return this.#variationMs;
  }

  sample(roundTripMs: number): void {
    if (this.#samples === 0) {
      this.#smoothedMs = roundTripMs;
      this.#variationMs = roundTripMs / 2;
    } else {
      const error = roundTripMs - this.#smoothedMs;
      this.#variationMs += (Math.abs(error) - this.#variationMs) / 4;
      this.#smoothedMs += error / 8;
    }
    this.#samples += 1;
    this.#backOff = 1;
  }

  backOff(): void {
    this.#backOff = Math.min(this.#backOff * 2, 64);
  }

  /** How long to wait for the reply to a request that has been sent `sends` times, ms: doubles with every repeat, up to the ceiling. */
  waitMs(sends: number): number {
    const base =
      this.#samples === 0 ? RoundTrip.INITIAL_WAIT_MS : Math.max(RoundTrip.MIN_WAIT_MS, this.#smoothedMs + 4 * this.#variationMs);
    return Math.min(this.#ceilingMs, base * Math.max(this.#backOff, 2 ** Math.min(sends - 1, 16)));
  }
}
