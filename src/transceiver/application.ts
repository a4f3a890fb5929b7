import type { ReverseTag, TagDestination } from "../commands/index.js";
import { freeRouterEntriesOf, freeSdramOf } from "../commands/index.js";
import { SpinnError } from "../errors.js";
import { type ChipCoordinates, type CoreCoordinates, checkAppId, chipKey, chipOfKey, Signal } from "../machine/index.js";
import { type AllocateOptions, allocate, allocateIO, allocateMany, type Wanted } from "./allocation.js";
import type { CallOptions, LongCallOptions } from "./call-options.js";
import { type CoreStatus, describeCore, readChipStatus } from "./core-status.js";
import { clearIpTag, setIpTag, setReverseIpTag, type TagOptions } from "./ip-tags.js";
import type { KnownMachine } from "./known-machine.js";
import { type LoadOptions, type LoadResult, load } from "./load.js";
import { loadMany, type Program } from "./load-many.js";
import type { MemoryIO, MemoryIOOptions } from "./memory-io.js";
import { pause } from "./pause.js";
import type { Routers, RoutingTable } from "./routers.js";
import { type LoadRoutesOptions, loadRoutes } from "./routes.js";
import type { Session } from "./session.js";
import { sendSignal, stop } from "./signals.js";
import { countInState, readApplication, type WaitOptions, waitForCores, waitForCount } from "./states.js";

export interface ApplicationOptions {
  /** How long cores may take to be gone after STOP, ms; it is sent again on the way. Default 5000. */
  readonly stopMs?: number | undefined;
}

type Own<T> = Omit<T, "appId">;

const DEFAULT_STOP_MS = 5000;
/** Between two looks, and looks between two STOPs. */
const LOOK_MS = 20;
const LOOKS = 10;

/**
 * An application id as a scope: what is loaded, allocated, routed and tagged through it is gone when the scope is left, also when its body
 * throws or is aborted.
 *
 * ```ts
 * await using app = spinn.application(30);
 * const address = await app.allocate({ x: 1, y: 1 }, 4096);
 * await app.load(image, cores);
 * await app.waitForCores(cores, [CoreState.EXIT], { timeoutMs: 10_000 });
 * console.log(await spinn.readMemory({ x: 1, y: 1 }, address, 4096));
 * ```
 *
 * Leaving ends what is still under way here with `ERR_SPINN_ABORTED`, then sends STOP to the application on the whole machine, as often as needed for every chip used here to be rid of its cores, frees its
 * SDRAM and routes on these chips by themselves, in case the signal missed one, and clears the tags set here. The id belongs to the scope:
 * what somebody else loaded under it is stopped too. After that every method throws `ERR_SPINN_CLOSED`.
 */
export class Application implements AsyncDisposable {
  readonly appId: number;
  readonly #session: Session;
  readonly #known: KnownMachine;
  readonly #routers: Routers;
  readonly #stopMs: number;
  /** Chips this application was brought to, by `chipKey`: at most those of the machine. */
  readonly #chips = new Set<number>();
  /** Tags set here, with the Ethernet chip they are on: at most 8 for each. */
  readonly #tags = new Map<string, { readonly tag: number; readonly ethernet: ChipCoordinates | undefined }>();
  /** Windows given out that are still open. */
  readonly #windows = new Set<MemoryIO>();
  /** What has been asked for and is not done. */
  readonly #underWay = new Set<Promise<unknown>>();
  readonly #leaving = new AbortController();
  #stopping: Promise<void> | undefined;

  constructor(session: Session, known: KnownMachine, routers: Routers, appId: number, options: ApplicationOptions) {
    this.appId = checkAppId(appId);
    this.#session = session;
    this.#known = known;
    this.#routers = routers;
    this.#stopMs = options.stopMs ?? DEFAULT_STOP_MS;
  }

  /** Loads a program, as `Transceiver.load`. */
  async load(image: Uint8Array, cores: Iterable<CoreCoordinates>, options: Own<LoadOptions> = {}): Promise<LoadResult> {
    const list = [...cores];
    return this.#do(list, options, async (own) => {
      await this.#known.get(own);
      return load(this.#session, image, list, own);
    });
  }

  /** Loads several programs and starts them together; see `Transceiver.loadMany`. */
  async loadMany(programs: Iterable<Program>, options: Own<LoadOptions> = {}): Promise<LoadResult> {
    const list = [...programs].map(({ image, cores }) => ({ image, cores: [...cores] }));
    const cores = list.flatMap((program) => program.cores);
    return this.#do(cores, options, async (own) => {
      await this.#known.get(own);
      return loadMany(this.#session, list, own);
    });
  }

  async sendSignal(signal: Signal, options: CallOptions = {}): Promise<void> {
    return this.#do([], options, (own) => sendSignal(this.#session, signal, own));
  }

  /** Lets cores that were loaded with `wait` begin. */
  async start(options: CallOptions = {}): Promise<void> {
    return this.sendSignal(Signal.START, options);
  }

  async allocate(chip: ChipCoordinates, sizeBytes: number, options: Own<AllocateOptions> = {}): Promise<number> {
    return this.#do([chip], options, (own) => allocate(this.#session, chip, sizeBytes, own));
  }

  /** A block as a window that is used like a file; it is closed when the scope is left, and what it has collected is not sent then. */
  async allocateIO(chip: ChipCoordinates, sizeBytes: number, options: Own<AllocateOptions> & MemoryIOOptions = {}): Promise<MemoryIO> {
    return this.#do([chip], options, async (own) => {
      const io = await allocateIO(this.#session, chip, sizeBytes, own);
      for (const other of this.#windows) if (other.closed) this.#windows.delete(other);
      this.#windows.add(io);
      return io;
    });
  }

  /** Blocks on many chips, all or none; see `Chips.allocate`. */
  async allocateMany(wanted: readonly Wanted[], options: CallOptions = {}): Promise<number[]> {
    return this.#do(wanted, options, (own) => allocateMany(this.#session, wanted, own));
  }

  async loadRoutes(chip: ChipCoordinates, entries: RoutingTable["entries"], options: Own<LoadRoutesOptions> = {}): Promise<number> {
    return this.#do([chip], options, (own) => loadRoutes(this.#session, chip, entries, own));
  }

  /** Tables of many chips; see `Routers.loadTables`. */
  async loadRoutingTables(
    tables: Iterable<RoutingTable>,
    options: Own<LoadRoutesOptions> & LongCallOptions = {},
  ): Promise<(number | undefined)[]> {
    const list = [...tables];
    return this.#do(list, options, (own) => this.#routers.loadTables(list, own));
  }

  async setIpTag(tag: number, destination: TagDestination, options: TagOptions = {}): Promise<void> {
    return this.#do([], options, (own) => setIpTag(this.#session, this.#remember(tag, own), destination, own));
  }

  async setReverseIpTag(tag: number, reverse: ReverseTag, options: TagOptions = {}): Promise<void> {
    return this.#do([], options, (own) => setReverseIpTag(this.#session, this.#remember(tag, own), reverse, own));
  }

  async countInState(state: number, options: CallOptions = {}): Promise<number> {
    return this.#do([], options, async (own) => {
      await this.#known.get(own);
      return countInState(this.#session, this.appId, state, own);
    });
  }

  async waitForCount(count: number, states: readonly number[], options: Own<WaitOptions> = {}): Promise<void> {
    return this.#do([], options, async (own) => {
      await this.#known.get(own);
      return waitForCount(this.#session, count, states, own);
    });
  }

  async waitForCores(cores: Iterable<CoreCoordinates>, states: readonly number[], options: Own<WaitOptions> = {}): Promise<void> {
    return this.#do([], options, (own) => waitForCores(this.#session, cores, states, own));
  }

  /** Status of every core of the application on the machine. */
  async readStatus(options: CallOptions = {}): Promise<CoreStatus[]> {
    return this.#do([], options, async (own) => {
      await this.#known.get(own);
      return readApplication(this.#session, this.appId, own);
    });
  }

  /**
   * Ends the application and gives everything back; a second call waits for the first. Throws `ERR_SPINN_STATE` naming cores that are still
   * there after `stopMs`.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    const session = this.#session;
    // What is still under way, such as a load beside which something failed, must not go on after STOP.
    this.#leaving.abort(new SpinnError("ERR_SPINN_CLOSED", `app ${this.appId} is being stopped`));
    await Promise.allSettled(this.#underWay);
    await Promise.all([...this.#windows].map((io) => io.discard()));
    const left = await this.#stopCores();
    // Both may be asked for twice, and find nothing where STOP has been.
    await session.forEach([...this.#chips].map(chipOfKey), async (chip, own) => {
      await session.call(freeSdramOf(chip, this.appId), own);
      await session.call(freeRouterEntriesOf(chip, this.appId), own);
    });
    for (const { tag, ethernet } of this.#tags.values()) await clearIpTag(session, tag, { ethernet });
    if (left.length === 0) return;
    const where = `${left.length} ${left.length === 1 ? "core" : "cores"}: ${left.slice(0, 8).map(describeCore).join("; ")}`;
    throw new SpinnError("ERR_SPINN_STATE", `app ${this.appId} did not stop on ${where}`, {
      hint: "the chips do not hear signals: reset the board and boot it again",
      board: session.remote,
    });
  }

  /** STOP until no chip used here has a core of the application; those that still have in the end. */
  async #stopCores(): Promise<CoreStatus[]> {
    const session = this.#session;
    const giveUpAt = performance.now() + this.#stopMs;
    let chips = [...this.#chips].map(chipOfKey);
    for (let look = 0; ; look += 1) {
      if (look % LOOKS === 0) await stop(session, this.appId);
      const found = await session.map(chips, (chip, own) => readChipStatus(session, chip, own));
      const left = found.flat().filter((core) => core.p > 0 && core.appId === this.appId);
      if (left.length === 0 || performance.now() > giveUpAt) return left;
      chips = chips.filter((chip) => left.some((core) => core.x === chip.x && core.y === chip.y));
      await pause(LOOK_MS, undefined);
    }
  }

  /**
   * Does something as this application, and ends it when the scope is left. Chips are remembered before anything is done on them.
   * Throws `ERR_SPINN_CLOSED` after the scope has been left.
   */
  async #do<O extends CallOptions, T>(
    chips: Iterable<ChipCoordinates>,
    options: O,
    work: (options: O & { readonly appId: number; readonly signal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    if (this.#stopping !== undefined) throw new SpinnError("ERR_SPINN_CLOSED", `app ${this.appId} has been stopped`);
    for (const chip of chips) this.#chips.add(chipKey(chip.x, chip.y));
    const leaving = this.#leaving.signal;
    const signal = options.signal === undefined ? leaving : AbortSignal.any([options.signal, leaving]);
    const result = work({ ...options, appId: this.appId, signal });
    this.#underWay.add(result);
    try {
      return await result;
    } finally {
      this.#underWay.delete(result);
    }
  }

  #remember(tag: number, { ethernet }: TagOptions): number {
    this.#tags.set(`${ethernet?.x},${ethernet?.y},${tag}`, { tag, ethernet });
    return tag;
  }
}
