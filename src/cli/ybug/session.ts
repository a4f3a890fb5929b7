import type { OpenChannel, PipelineCounters } from "../../connections/index.js";
import type { ChipCoordinates, CoreCoordinates } from "../../machine/index.js";
import { BMPTransceiver, Transceiver } from "../../transceiver/index.js";
import type { Job } from "../job.js";
import { type Endpoint, type RawPacket, type RawRequest, rawPacket, type ShellOptions, ShellSession } from "../shell/session.js";
import { usage } from "../usage.js";

export interface YbugOptions extends ShellOptions {
  readonly board: Endpoint & { readonly open?: OpenChannel | undefined };
  /** The BMP for `power` and `reset`, and the slots they mean. Default: these commands are refused. */
  readonly bmp?: (Endpoint & { readonly slots: readonly number[] }) | undefined;
  /** UDP port of the boot ROM. Default 54321. */
  readonly bootPort?: number | undefined;
  /** How long the board may stay silent before it is taken for absent, ms. Default 3000. */
  readonly probeMs?: number | undefined;
}

/** SDP flag by which a packet is not routed but served by the chip that gets it. Source: spinnaker_tools `include/spinnaker.h`. */
const NO_ROUTING = 0x20;
const FLAGS = 0x07;

/**
 * What the commands of one run share: the board, opened when a command first needs it, the selected chip and core, and where text goes.
 */
export class YbugSession extends ShellSession {
  /** The board, and how datagrams get there. */
  readonly endpoint: YbugOptions["board"];
  readonly bootPort: number | undefined;
  readonly #bmp: YbugOptions["bmp"];
  readonly #probeMs: number | undefined;
  /** Selected by `sp`; `undefined` is the root chip. */
  #chip: ChipCoordinates | undefined;
  #core = 0;
  #isRouted = true;
  #board: Transceiver | undefined;

  constructor(job: Job, options: YbugOptions) {
    super(job, options);
    this.endpoint = options.board;
    this.bootPort = options.bootPort;
    this.#bmp = options.bmp;
    this.#probeMs = options.probeMs;
  }

  override get host(): string {
    return this.endpoint.host;
  }

  override get lines(): readonly { readonly remote: string; readonly counters: PipelineCounters }[] {
    return (this.#board?.connections ?? []).map(({ remote, pipeline }) => ({ remote, counters: pipeline.counters }));
  }

  /** The board; opens the connection if there is none. */
  async board(): Promise<Transceiver> {
    if (this.#board !== undefined) return this.#board;
    this.#board = await Transceiver.connect({
      ...this.endpoint,
      signal: this.signal,
      ...(this.#probeMs === undefined ? {} : { probeMs: this.#probeMs }),
      ...(this.packetTimeoutMs === undefined ? {} : { packetTimeoutMs: this.packetTimeoutMs }),
    });
    return this.#board;
  }

  /** Drops the connection: the machine behind it is, or may be, another one now. */
  override async forget(): Promise<void> {
    const board = this.#board;
    this.#board = undefined;
    await board?.close();
  }

  protected override async send(request: RawPacket, core?: CoreCoordinates): Promise<Uint8Array> {
    return await (await this.board()).call({ ...request, ...(core ?? (await this.core())) }, this.calls);
  }

  /** As `raw`, to a core of its own. */
  rawTo(core: CoreCoordinates, request: RawRequest): Promise<Uint8Array> {
    return this.send(rawPacket(request), core);
  }

  /** The chip that commands go to. */
  async chip(): Promise<ChipCoordinates> {
    const { version } = await this.board();
    if (this.#chip === undefined || !this.#isRouted) return { x: version.x, y: version.y };
    return this.#chip;
  }

  /** The chip with the selected core, for memory that belongs to a core. */
  async core(): Promise<CoreCoordinates> {
    return { ...(await this.chip()), p: this.#core };
  }

  select(chip: ChipCoordinates | undefined, core: number): void {
    this.#chip = chip;
    this.#core = core;
  }

  selectCore(core: number): void {
    this.#core = core;
  }

  /** Whether packets travel on to the selected chip; if not, the chip with the Ethernet serves them, whatever `sp` says. */
  set isRouted(on: boolean) {
    this.#isRouted = on;
  }

  get flags(): number {
    return this.#isRouted ? FLAGS : FLAGS | NO_ROUTING;
  }

  /** Runs work with the BMP. Throws `ERR_SPINN_ARGUMENT` when none was named. */
  async withBmp(work: (bmp: BMPTransceiver, slots: readonly number[]) => Promise<void>): Promise<void> {
    if (this.#bmp === undefined) throw usage("no BMP is named", "start it with --bmp HOST, or --bmp HOST/SLOTS");
    const { slots, host, port } = this.#bmp;
    await using bmp = await BMPTransceiver.connect({ host, port, open: this.endpoint.open, signal: this.signal });
    await work(bmp, slots);
    await this.forget();
  }

  /** `host:x,y,core > `; the root chip is 0,0 until a board has said otherwise. */
  override get prompt(): string {
    const { host } = this.endpoint;
    const { x, y } = this.#chip ?? this.#board?.version ?? { x: 0, y: 0 };
    return `${/^\d/.test(host) ? host : host.replace(/\..*/, "")}:${x},${y},${this.#core} > `;
  }
}
