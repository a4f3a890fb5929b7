import type { VersionInfo } from "../commands/index.js";
import { SCAMPConnection, type SCAMPConnectionOptions, type SCPRequestPipeLine } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import { type ChipCoordinates, chipKey, type Machine, type MachineGeometry } from "../machine/index.js";
import type { ScpRequest } from "../wire/index.js";
import type { CallOptions } from "./call-options.js";

/** Chips of one board that are worked on at a time: enough to keep the window of 8 full while some wait for their second request. */
const CHIPS_AT_A_TIME = 16;

/**
 * The connections to one machine and who serves whom: a chip's requests go through the Ethernet chip of its own board once that connection is
 * known, else through the one the session began with. Topics (memory, routes, states ...) work on a session; `Transceiver` is its face.
 */
export class Session {
  /** The connection the session began with. */
  readonly entry: SCAMPConnection;
  /** What the root chip answered to VER. */
  readonly version: VersionInfo;
  /** Ethernet chips with a connection of their own, by `chipKey`; at most one per board of the machine. */
  readonly #boards = new Map<number, SCAMPConnection>();
  /** The machine as last discovered. */
  machine: Machine | undefined;
  /** Which chip is on which board, known a little earlier than the machine. */
  geometry: MachineGeometry | undefined;
  #closing: Promise<void> | undefined;

  /** How connections are made: what the caller chose for the first one goes for all. */
  readonly #options: SCAMPConnectionOptions;

  constructor(entry: SCAMPConnection, version: VersionInfo, options: SCAMPConnectionOptions) {
    this.entry = entry;
    this.version = version;
    this.#options = options;
  }

  /** Opens a connection to another board of the machine, like the first one. It belongs to the caller until {@link adopt}. */
  open(host: string, port: number, signal: AbortSignal | undefined): Promise<SCAMPConnection> {
    return SCAMPConnection.open({ ...this.#options, host, port, signal });
  }

  /** Major version of SC&MP: 4 counts and copies otherwise than 3. */
  get major(): number {
    return this.version.version.major;
  }

  /** Position of the root chip. */
  get root(): ChipCoordinates {
    return { x: this.version.x, y: this.version.y };
  }

  /** `host:port` of the first connection, for errors. */
  get remote(): string {
    return this.entry.remote;
  }

  /** Throws `ERR_SPINN_MACHINE` before discovery. */
  get knownMachine(): Machine {
    if (this.machine !== undefined) return this.machine;
    throw new SpinnError("ERR_SPINN_MACHINE", "the machine has not been discovered yet", { hint: "call discover() first" });
  }

  /** Uses a connection for the board of an Ethernet chip. The session closes it. */
  adopt(ethernet: ChipCoordinates, connection: SCAMPConnection): void {
    this.#boards.set(chipKey(ethernet.x, ethernet.y), connection);
  }

  /** Whether the board of an Ethernet chip has a connection of its own. */
  hasConnection(ethernet: ChipCoordinates): boolean {
    return this.#boards.has(chipKey(ethernet.x, ethernet.y));
  }

  /** Every connection, the first one first. */
  get connections(): SCAMPConnection[] {
    return [...new Set([this.entry, ...this.#boards.values()])];
  }

  /** The connection that serves a chip; 255,255 is served by the first one. */
  connectionOf(chip: ChipCoordinates): SCAMPConnection {
    return this.#boards.get(this.#boardKey(chip)) ?? this.entry;
  }

  /** Its pipeline. */
  pipelineOf(chip: ChipCoordinates): SCPRequestPipeLine {
    return this.connectionOf(chip).pipeline;
  }

  /** One request, through the board of its own chip. */
  call<T>(request: ScpRequest<T>, options: CallOptions = {}): Promise<T> {
    return this.pipelineOf(request).call(request, { signal: options.signal });
  }

  /** Many requests to one chip. */
  run(chip: ChipCoordinates, requests: Iterable<ScpRequest<unknown>>, options: CallOptions = {}): Promise<void> {
    return this.pipelineOf(chip).run(requests, { signal: options.signal });
  }

  /**
   * Does something for each item, in parallel over boards and with several of one board at a time; a slow board holds up nobody else.
   * The first failure aborts the rest (through the signal handed to `work`) and is thrown when all have ended.
   */
  async forEach<T extends ChipCoordinates>(
    items: Iterable<T>,
    work: (item: T, options: { signal: AbortSignal }) => Promise<void>,
    options: CallOptions & { readonly atATime?: number } = {},
  ): Promise<void> {
    const stop = new AbortController();
    const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
    let failure: { readonly error: unknown } | undefined;
    const worker = async (queue: Iterator<T>): Promise<void> => {
      for (let next = queue.next(); !next.done && failure === undefined; next = queue.next()) {
        try {
          await work(next.value, { signal });
        } catch (error) {
          failure ??= { error };
          stop.abort(error);
        }
      }
    };
    const workers: Promise<void>[] = [];
    for (const group of this.#byBoard(items)) {
      const queue = group.values();
      const count = Math.min(group.length, options.atATime ?? CHIPS_AT_A_TIME);
      for (let i = 0; i < count; i += 1) workers.push(worker(queue));
    }
    await Promise.all(workers);
    if (failure !== undefined) throw failure.error;
  }

  /** As {@link forEach}; the results in the order of the items. */
  async map<T extends ChipCoordinates, R>(
    items: Iterable<T>,
    work: (item: T, options: { signal: AbortSignal }) => Promise<R>,
    options: CallOptions & { readonly atATime?: number } = {},
  ): Promise<R[]> {
    const list = [...items].map((item, index) => ({ x: item.x, y: item.y, item, index }));
    const results = new Array<R>(list.length);
    await this.forEach(
      list,
      async ({ item, index }, own) => {
        results[index] = await work(item, own);
      },
      options,
    );
    return results;
  }

  /** Closes every connection; what is under way ends with `ERR_SPINN_CLOSED`. */
  close(): Promise<void> {
    this.#closing ??= Promise.all(this.connections.map((connection) => connection.close())).then(() => undefined);
    return this.#closing;
  }

  #boardKey(chip: ChipCoordinates): number {
    const known = this.machine?.chips.get(chipKey(chip.x, chip.y))?.nearestEthernet;
    const ethernet = known ?? (this.geometry?.hasChip(chip.x, chip.y) ? this.geometry.nearestEthernet(chip.x, chip.y) : chip);
    return chipKey(ethernet.x, ethernet.y);
  }

  #byBoard<T extends ChipCoordinates>(items: Iterable<T>): T[][] {
    const groups = new Map<SCPRequestPipeLine, T[]>();
    for (const item of items) {
      const pipeline = this.pipelineOf(item);
      const group = groups.get(pipeline);
      if (group === undefined) groups.set(pipeline, [item]);
      else group.push(item);
    }
    return [...groups.values()];
  }
}
