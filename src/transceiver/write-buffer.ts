import type { CallOptions } from "./call-options.js";

/** How collected bytes are sent. */
type Send = (address: number, bytes: Uint8Array, options: CallOptions) => Promise<void>;

/**
 * Collects writes that follow each other into one, and keeps everything done on one block of memory in the order in which it was asked for.
 * Holds one buffer of the size given.
 */
export class WriteBuffer {
  readonly #bytes: Uint8Array;
  readonly #send: Send;
  #address = 0;
  #length = 0;
  /** The last thing asked for. It never rejects. */
  #tail: Promise<unknown> = Promise.resolve();

  constructor(sizeBytes: number, send: Send) {
    this.#bytes = new Uint8Array(sizeBytes);
    this.#send = send;
  }

  /** Takes bytes. `data` is not looked at any more once the promise settles. */
  write(address: number, data: Uint8Array, options: CallOptions): Promise<void> {
    return this.#next(async () => {
      const joins = this.#length > 0 && address === this.#address + this.#length;
      if (!joins || this.#length + data.length > this.#bytes.length) await this.#sendCollected(options);
      if (data.length >= this.#bytes.length) return this.#send(address, data, options);
      if (this.#length === 0) this.#address = address;
      this.#bytes.set(data, this.#length);
      this.#length += data.length;
    });
  }

  /** Does `work` after everything asked for before; what has been collected for these bytes is sent first. */
  inOrder<T>(work: () => Promise<T>, range: { readonly address: number; readonly length: number }, options: CallOptions): Promise<T> {
    return this.#next(async () => {
      const apart = range.address + range.length <= this.#address || range.address >= this.#address + this.#length;
      if (!apart) await this.#sendCollected(options);
      return work();
    });
  }

  flush(options: CallOptions): Promise<void> {
    return this.#next(() => this.#sendCollected(options));
  }

  /** Forgets what has been collected. */
  drop(): Promise<void> {
    return this.#next(async () => {
      this.#length = 0;
    });
  }

  /** What cannot be sent is forgotten: trying it again and again would block everything behind it. */
  async #sendCollected(options: CallOptions): Promise<void> {
    if (this.#length === 0) return;
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    await this.#send(this.#address, bytes, options);
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
