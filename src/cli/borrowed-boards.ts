import { devicesOver, type FleetBoard, type FleetOptions } from "../bringup/index.js";
import { type OpenChannel, openUdp } from "../connections/index.js";
import { SpinnError } from "../errors.js";
import { type AllocateOptions, type Allocator, allocate, type ReadyJob } from "../services/allocation/index.js";
import { fleetBoard } from "./fleet-boards.js";
import type { Job } from "./job.js";

/** How long to wait for another board when one was bad: all that are free may be bad, or there is none. */
const SPARE_QUEUE_MS = 60_000;
/** What another board would not mend. */
const NO_BOARDS_FAULT = new Set(["ERR_SPINN_SCRIPT", "ERR_SPINN_ARGUMENT", "ERR_SPINN_FILE", "ERR_SPINN_ABORTED"]);

/**
 * Boards of an allocation server as a source for bring-up: a job for each, so that a bad one can be given back by itself. Bad boards are held
 * until the run has ended, since the server would lend them again.
 */
export class BorrowedBoards {
  readonly #job: Job;
  readonly #allocator: Allocator;
  readonly #request: Omit<AllocateOptions, "server">;
  /** Bounded by the boards of the run and their replacements. */
  readonly #jobs = new Map<string, ReadyJob>();
  readonly #bad = new Set<string>();
  readonly #ways = new Map<string, OpenChannel>();
  readonly #asked = new Set<Promise<FleetBoard>>();

  constructor(job: Job, allocator: Allocator, request: Omit<AllocateOptions, "server">) {
    this.#job = job;
    this.#allocator = allocator;
    this.#request = request;
  }

  /** Ways to the boards that are held: through the server where it wants that. */
  readonly devices: FleetOptions["devices"] = devicesOver((host, port, options) => (this.#ways.get(host) ?? openUdp)(host, port, options));

  /** `count` boards, of which `ahead` are asked for before they are wanted: boards take seconds to come on. */
  async *boards(count: number, ahead: number, signal: AbortSignal): AsyncGenerator<FleetBoard> {
    const asked: Promise<FleetBoard>[] = [];
    for (let given = 0; given < count; given += 1) {
      while (asked.length < ahead && given + asked.length < count) asked.push(this.#ask(signal, this.#request.queueTimeoutMs));
      yield await asked.shift()!;
    }
  }

  /** Another board for one that did not come up; none when it is not the board's fault, or no other is to be had. */
  readonly replace: NonNullable<FleetOptions["replace"]> = async (bad, error, signal) => {
    if (NO_BOARDS_FAULT.has(error.code)) return undefined;
    this.#bad.add(bad.name);
    try {
      return await this.#ask(signal, this.#request.queueTimeoutMs ?? SPARE_QUEUE_MS);
    } catch (cause) {
      if (!(cause instanceof SpinnError)) throw cause;
      if (!signal.aborted) this.#job.terminal.complain(`no other board for ${bad.name}: ${cause.message}`);
      return undefined;
    }
  };

  /** The jobs, each with the words that the server is told when it ends. Waits for those that are just being made. */
  async settle(): Promise<{ readonly id: number; close(): Promise<void> }[]> {
    await Promise.allSettled(this.#asked);
    return [...this.#jobs].map(([name, held]) => ({
      id: held.id,
      close: () => held.close(this.#bad.has(name) ? "not fit for use" : undefined),
    }));
  }

  #ask(signal: AbortSignal, queueTimeoutMs: number | null | undefined): Promise<FleetBoard> {
    const asked = this.#allocate(signal, queueTimeoutMs);
    this.#asked.add(asked);
    // Whoever takes it hears of an error; a run that ends before takes none.
    asked.catch(() => {}).finally(() => this.#asked.delete(asked));
    return asked;
  }

  async #allocate(signal: AbortSignal, queueTimeoutMs: number | null | undefined): Promise<FleetBoard> {
    const held = await allocate({ ...this.#request, queueTimeoutMs, server: this.#allocator, signal });
    const { host, machine, boards } = held.boards;
    const [place] = boards;
    const name = place === undefined ? `${machine}-${held.id}` : `${machine}-${place.x}.${place.y}.${place.z}`;
    this.#jobs.set(name, held);
    if (held.open !== undefined) this.#ways.set(host, held.open);
    held.lost.addEventListener("abort", () => this.#job.terminal.complain(`${name}: ${held.lost.reason.message}`), { once: true });
    return fleetBoard(name, { host, port: undefined, bmp: undefined }, undefined);
  }
}
