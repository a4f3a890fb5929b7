import type { OpenChannel } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import { BMPTransceiver, Transceiver, type TransceiverOptions } from "../transceiver/index.js";

export interface BoardLinkOptions {
  /** Name or IPv4 address of the board. */
  readonly host: string;
  /** UDP port of SC&MP. Default 17893. */
  readonly port?: number | undefined;
  /** UDP port of the boot ROM. Default 54321. */
  readonly bootPort?: number | undefined;
  /** Its board management processor. Default none: then power and sensors are refused. */
  readonly bmp?: { readonly host: string; readonly port?: number | undefined } | undefined;
  /** How datagrams get to board and BMP. Default: this computer's own network. */
  readonly open?: OpenChannel | undefined;
  /** More for the connection: time-outs, retries, `locate`. Default none. */
  readonly connect?: Partial<TransceiverOptions> | undefined;
}

/** The one connection to the board, opened when it is first needed, and again after it was dropped. */
export class BoardLink {
  readonly options: BoardLinkOptions;
  #machine: Promise<Transceiver> | undefined;
  #bmp: Promise<BMPTransceiver> | undefined;
  #connected: Transceiver | undefined;
  readonly #closing = new AbortController();

  constructor(options: BoardLinkOptions) {
    this.options = options;
  }

  /** Throws what `Transceiver.connect` throws; the next call tries again. */
  machine(): Promise<Transceiver> {
    this.#checkOpen();
    const { host, port, open, connect } = this.options;
    // Not the signal of the caller: others wait for the same connection.
    if (this.#machine === undefined) {
      const opening = Transceiver.connect({ ...connect, host, port, open, signal: this.#closing.signal });
      const mine: Promise<Transceiver> = opening.then(
        (machine) => {
          // It may have been dropped meanwhile.
          if (this.#machine === mine) this.#connected = machine;
          return machine;
        },
        (error: unknown) => {
          this.#machine = undefined;
          throw error;
        },
      );
      this.#machine = mine;
    }
    return this.#machine;
  }

  /** The connection that stands now. */
  get connected(): Transceiver | undefined {
    return this.#connected;
  }

  /** Throws `ERR_SPINN_REFUSED` without a BMP, else what `BMPTransceiver.connect` throws. */
  bmp(): Promise<BMPTransceiver> {
    this.#checkOpen();
    const { bmp, open } = this.options;
    if (bmp === undefined) {
      throw new SpinnError("ERR_SPINN_REFUSED", "this controller knows no BMP of its board", { hint: "start it with the BMP's address" });
    }
    this.#bmp ??= BMPTransceiver.connect({ ...bmp, open, signal: this.#closing.signal }).catch((error: unknown) => {
      this.#bmp = undefined;
      throw error;
    });
    return this.#bmp;
  }

  /** Forgets what was known of the machine: it has been booted or switched. */
  async drop(): Promise<void> {
    const machine = this.#machine;
    this.#machine = undefined;
    this.#connected = undefined;
    await machine?.then((one) => one.close()).catch(() => {});
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const bmp = this.#bmp;
    await this.drop();
    await bmp?.then((one) => one.close()).catch(() => {});
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw new SpinnError("ERR_SPINN_CLOSED", "this controller is closed");
  }
}
