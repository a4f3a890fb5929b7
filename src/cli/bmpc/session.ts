import type { OpenChannel, PipelineCounters } from "../../connections/index.js";
import { BMPTransceiver } from "../../transceiver/index.js";
import type { Job } from "../job.js";
import { type Endpoint, type RawPacket, type ShellOptions, ShellSession } from "../shell/session.js";

export interface BmpcOptions extends ShellOptions {
  readonly bmp: Endpoint & { readonly open?: OpenChannel | undefined };
  /** How long the BMP may stay silent before it is taken for absent, ms. Default 3000. */
  readonly probeMs?: number | undefined;
}

/** What the commands of one run share: the BMP, opened when a command first needs it, and the board of the frame that is selected. */
export class BmpcSession extends ShellSession {
  /** Selected by `sp`, 0 to 23. */
  board = 0;
  readonly #options: BmpcOptions;
  #bmp: BMPTransceiver | undefined;

  constructor(job: Job, options: BmpcOptions) {
    super(job, options);
    this.#options = options;
  }

  override get host(): string {
    return this.#options.bmp.host;
  }

  override get prompt(): string {
    const { host } = this;
    return `${/^\d/.test(host) ? host : host.replace(/\..*/, "")}:${this.board} > `;
  }

  override get lines(): readonly { readonly remote: string; readonly counters: PipelineCounters }[] {
    return this.#bmp === undefined ? [] : [this.#bmp];
  }

  /** The BMP; opens the connection if there is none. */
  async bmp(): Promise<BMPTransceiver> {
    this.#bmp ??= await BMPTransceiver.connect({
      ...this.#options.bmp,
      signal: this.signal,
      probeMs: this.#options.probeMs,
      packetTimeoutMs: this.packetTimeoutMs,
    });
    return this.#bmp;
  }

  override async forget(): Promise<void> {
    const bmp = this.#bmp;
    this.#bmp = undefined;
    await bmp?.close();
  }

  protected override async send(request: RawPacket): Promise<Uint8Array> {
    return await (await this.bmp()).call({ ...request, x: 0, y: 0, p: this.board }, this.calls);
  }
}
