import type { OpenChannel } from "../../connections/index.js";
import { SpinnError } from "../../errors.js";
import type { ChipCoordinates, CoreCoordinates } from "../../machine/index.js";
import { BMPTransceiver, Transceiver } from "../../transceiver/index.js";
import type { Job } from "../job.js";
import { usage } from "../usage.js";

/** Where a host listens. */
export interface Endpoint {
  readonly host: string;
  readonly port?: number | undefined;
}

export interface SessionOptions {
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
export class YbugSession {
  readonly job: Job;
  /** The board, and how datagrams get there. */
  readonly endpoint: SessionOptions["board"];
  readonly bootPort: number | undefined;
  readonly #bmp: SessionOptions["bmp"];
  readonly #probeMs: number | undefined;
  /** Selected by `sp`; `undefined` is the root chip. */
  #chip: ChipCoordinates | undefined;
  #core = 0;
  #isRouted = true;
  #board: Transceiver | undefined;
  #packetTimeoutMs: number | undefined;
  #collected = "";
  /** Ends the command under way. */
  signal: AbortSignal;
  debugLevel = 0;

  constructor(job: Job, options: SessionOptions) {
    this.job = job;
    this.endpoint = options.board;
    this.bootPort = options.bootPort;
    this.#bmp = options.bmp;
    this.#probeMs = options.probeMs;
    this.signal = job.signal;
  }

  get calls() {
    return { signal: this.signal, onProgress: this.job.terminal.progress.update };
  }

  /** The board; opens the connection if there is none. */
  async board(): Promise<Transceiver> {
    if (this.#board !== undefined) return this.#board;
    this.#board = await Transceiver.connect({
      ...this.endpoint,
      signal: this.signal,
      ...(this.#probeMs === undefined ? {} : { probeMs: this.#probeMs }),
      ...(this.#packetTimeoutMs === undefined ? {} : { packetTimeoutMs: this.#packetTimeoutMs }),
    });
    return this.#board;
  }

  /** Drops the connection: the machine behind it is, or may be, another one now. */
  async forgetBoard(): Promise<void> {
    const board = this.#board;
    this.#board = undefined;
    await board?.close();
  }

  get connected(): Transceiver | undefined {
    return this.#board;
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

  /** Seconds that a packet may stay unanswered before it is sent again. */
  get timeoutSeconds(): number {
    return (this.#packetTimeoutMs ?? 1000) / 1000;
  }

  async setTimeoutSeconds(seconds: number): Promise<void> {
    this.#packetTimeoutMs = Math.max(1, Math.round(seconds * 1000));
    await this.forgetBoard();
  }

  /** Runs work with the BMP. Throws `ERR_SPINN_ARGUMENT` when none was named. */
  async withBmp(work: (bmp: BMPTransceiver, slots: readonly number[]) => Promise<void>): Promise<void> {
    if (this.#bmp === undefined) throw usage("no BMP is named", "start it with --bmp HOST, or --bmp HOST/SLOTS");
    const { slots, host, port } = this.#bmp;
    await using bmp = await BMPTransceiver.connect({ host, port, open: this.endpoint.open, signal: this.signal });
    await work(bmp, slots);
    await this.forgetBoard();
  }

  /** `host:x,y,core > `; the root chip is 0,0 until a board has said otherwise. */
  get prompt(): string {
    const { host } = this.endpoint;
    const { x, y } = this.#chip ?? this.#board?.version ?? { x: 0, y: 0 };
    return `${/^\d/.test(host) ? host : host.replace(/\..*/, "")}:${x},${y},${this.#core} > `;
  }

  /** Text of a command. With --json it is kept for the command's object. */
  out(text: string): void {
    if (this.job.isJson) this.#collected += text;
    else this.job.terminal.out(text);
  }

  /** What was kept, and begins anew. */
  takeText(): string {
    const text = this.#collected;
    this.#collected = "";
    return text;
  }

  async close(): Promise<void> {
    await this.forgetBoard();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Whether an error says that this run was ended from outside. */
export function isAbort(error: unknown): boolean {
  return error instanceof SpinnError && error.code === "ERR_SPINN_ABORTED";
}
