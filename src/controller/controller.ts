import { SpinnError } from "../errors.js";
import { formatChip } from "../machine/index.js";
import { Notifier, updateFromDict } from "../services/publish/index.js";
import type { Discovery, Transceiver } from "../transceiver/index.js";
import { BoardLink, type BoardLinkOptions } from "./board-link.js";
import { METHODS } from "./methods.js";
import { Observer } from "./observer.js";
import { checkArguments } from "./parameter.js";
import { plain } from "./plain.js";
import { type Run, Runs, type RunsOptions, type RunWork } from "./runs.js";

export interface ControllerOptions extends BoardLinkOptions, RunsOptions {
  /** Folder of bring-up scripts that may be run; what they write goes there too. Default none: they are refused. */
  readonly scriptFolder?: string | undefined;
  /** Always answer `ping` with true: for a simulated machine. Default `false`. */
  readonly isSimulation?: boolean | undefined;
}

/** Calls of methods by name, with arguments by name: the board here, or through a connection. */
export interface Door {
  /** The method's result; of one that takes long `{ run: id }`. */
  call(method: string, args?: Readonly<Record<string, unknown>>, options?: { readonly signal?: AbortSignal }): Promise<unknown>;
}

/** How long a board may take to answer a ping, ms: a manager gives up on us after 30 s. */
const PING_MS = 10_000;
/** Runs of these leave the board silent or take it for themselves: nobody else asks it meanwhile. */
const UNDISTURBED: ReadonlySet<string> = new Set(["boot", "bringup", "power_on"]);

/** A board as a service: the methods of the table, runs, and a state that is published. */
export class Controller implements Door {
  readonly board: BoardLink;
  readonly runs: Runs;
  /** `{ board, machine, chips, problems, runs, network, sensors, updated }`. */
  readonly notifier: Notifier;
  readonly #observer: Observer;
  /** Slots of boards that the BMP answers for; `undefined` before it was asked. */
  #slots: readonly number[] | undefined;
  readonly #options: ControllerOptions;
  #closing: Promise<void> | undefined;

  /** Does not connect yet: the first method that needs the board does. */
  constructor(options: ControllerOptions) {
    this.#options = options;
    this.board = new BoardLink(options);
    this.runs = new Runs(options);
    const board = { host: options.host, simulation: options.isSimulation ?? false, version: null };
    const unknown = { machine: null, chips: {}, problems: [], runs: {}, network: null, sensors: {}, updated: null };
    this.notifier = new Notifier({ board, ...unknown });
    this.#observer = new Observer({
      sample: () => this.#set("network", this.#network()),
      refresh: async () => {
        if (!this.#isUndisturbed) await this.refresh();
      },
      sensors: async () => {
        if (options.bmp !== undefined) await this.#readSensors();
      },
    });
    this.runs.onStart = (run) => this.#publishRun(run);
    this.runs.onForget = ({ id }) => this.notifier.at("runs").delItem(id);
  }

  /**
   * Throws `ERR_SPINN_ARGUMENT` (no such method, parameters that are missing, unknown or wrong) before anything is sent, and what the method
   * throws. A method that takes long answers at once with `{ run: id }`; its errors are in the run.
   */
  async call(
    name: string,
    args: Readonly<Record<string, unknown>> = {},
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<unknown> {
    const method = Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
    if (method === undefined) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `there is no method ${JSON.stringify(name.slice(0, 100))}`, {
        hint: `methods are ${Object.keys(METHODS).join(", ")}`,
      });
    }
    const checked = checkArguments(name, method.parameters, args) as never;
    const { scriptFolder } = this.#options;
    if (method.isRun) {
      return { run: this.start(name, (run) => method.call(this.board, checked, contextOf(run, scriptFolder))).id };
    }
    const context = { ...NO_RUN, signal: options.signal ?? new AbortController().signal, scriptFolder };
    const result = await method.call(this.board, checked, context);
    if (name === "discover") this.#show(await this.board.machine(), (result as Discovery).problems);
    return plain(result);
  }

  /** Puts work of one's own in the queue of runs: an experiment, a soak test. It pauses where it awaits `run.safePoint()`. */
  start(name: string, work: RunWork): Run {
    if (this.#closing !== undefined) throw new SpinnError("ERR_SPINN_CLOSED", "this controller is closed");
    return this.runs.start(name, work);
  }

  /** Whether the board answers. True while a run is under way (a board that boots is silent), and in simulation. */
  async ping(): Promise<boolean> {
    if (this.#options.isSimulation || this.runs.isBusy) return true;
    try {
      const transceiver = await this.board.machine();
      await transceiver.readVersion(transceiver.version, { signal: AbortSignal.timeout(PING_MS) });
      return true;
    } catch {
      return this.runs.isBusy;
    }
  }

  /** Asks the machine again and publishes what has changed. Throws what `discover` throws. */
  async refresh(options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const transceiver = await this.board.machine();
    const { problems } = await transceiver.discover(options);
    this.#show(transceiver, problems);
  }

  /**
   * Keeps the published state up to date while `isWatching` says so: the machine every `everyMs` (more seldom when that takes long), counters of
   * the connection each second, sensors each ten. Returns a function that ends it.
   */
  observe(isWatching: () => boolean, everyMs: number): () => void {
    return this.#observer.add(isWatching, everyMs);
  }

  /** Ends runs, then closes the connections to the board. Idempotent. */
  close(): Promise<void> {
    this.#observer.close();
    this.#closing ??= this.runs.close().then(() => this.board.close());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #show({ version: answer, machine }: Transceiver, problems: readonly string[]): void {
    if (machine === undefined) return;
    const { name, hardware, version } = answer;
    const words = `${name}/${hardware} ${version.major}.${version.minor}.${version.patch}`;
    this.#set("board", { host: this.#options.host, simulation: this.#options.isSimulation ?? false, version: words });
    this.#set("machine", { width: machine.width, height: machine.height, root: formatChip(machine.root) });
    this.#set("problems", [...problems]);
    const chips = [...machine.chips.values()].map((one) => {
      const { coreCount, coreStates, links, ethernet, largestSdramBlock, freeRouterEntries } = one;
      const shown = {
        core_count: coreCount,
        core_states: coreStates,
        links,
        ethernet: ethernet?.ip,
        largest_sdram_block: largestSdramBlock,
        free_router_entries: freeRouterEntries,
      };
      return [formatChip(one), plain(shown)] as const;
    });
    updateFromDict(this.notifier.at("chips"), new Map<unknown, unknown>(chips));
    this.notifier.setItem("updated", new Date().toISOString());
  }

  get #isUndisturbed(): boolean {
    return [...this.runs].some(({ idict, hasBegun }) => hasBegun && !idict.isFinal && UNDISTURBED.has(idict.get("method")));
  }

  /** What the connections to the board have done since they were opened, all together; null without any. */
  #network(): Record<string, number | null> | null {
    const all = this.board.connected?.connections.map(({ pipeline }) => pipeline.counters);
    if (all === undefined) return null;
    const sum = (name: "sent" | "received" | "resent" | "timeouts" | "inFlight"): number =>
      all.reduce((total, one) => total + one[name], 0);
    const trips = all.flatMap(({ roundTripMs }) => (roundTripMs === undefined ? [] : [roundTripMs]));
    return {
      connections: all.length,
      sent: sum("sent"),
      received: sum("received"),
      resent: sum("resent"),
      timeouts: sum("timeouts"),
      in_flight: sum("inFlight"),
      round_trip_ms: trips.length === 0 ? null : trips.reduce((total, one) => total + one, 0) / trips.length,
    };
  }

  async #readSensors(): Promise<void> {
    const bmp = await this.board.bmp();
    this.#slots ??= await bmp.listBoards();
    const found = await Promise.all(this.#slots.map(async (slot) => [slot, await bmp.readSensors(slot).catch(() => undefined)] as const));
    this.#set("sensors", Object.fromEntries(found.map(([slot, sensors]) => [String(slot), plain(sensors)])));
  }

  #set(key: string, value: unknown): void {
    if (JSON.stringify((this.notifier.rawView as Record<string, unknown>)[key]) !== JSON.stringify(value))
      this.notifier.setItem(key, value);
  }

  /** A line per run in the board's state, kept up with the run's own. */
  #publishRun(run: Run): void {
    const runs = this.notifier.at("runs");
    const line = (): Record<string, unknown> => ({ method: run.idict.get("method"), ...plainLine(run) });
    runs.setItem(run.id, line());
    run.idict.notifier.listen({
      prepare: () => {},
      publish: (change) => {
        // The number of an update is its last change. A run that was forgotten has no line any more.
        if ("key" in change && change.key === "seq" && [...this.runs].includes(run)) runs.setItem(run.id, line());
      },
    });
  }
}

function plainLine({ idict }: Run): Record<string, unknown> {
  const { step, progress } = idict.snapshot;
  return { state: idict.state, step, progress };
}

const NO_RUN = { onProgress: () => {}, onStep: () => {}, safePoint: async () => {} };

function contextOf({ signal, onProgress, onStep, safePoint }: Run, scriptFolder: string | undefined) {
  return { signal, onProgress, onStep, safePoint, scriptFolder };
}
