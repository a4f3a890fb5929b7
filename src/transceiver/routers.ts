import { SpinnError } from "../errors.js";
import {
  type ChipCoordinates,
  type CoreCoordinates,
  chipKey,
  fixedRoutesTo,
  formatChip,
  type LoadedRoutingEntry,
  type RouterFilter,
  type RoutingEntry,
} from "../machine/index.js";
import { type CallOptions, type LongCallOptions, ProgressCounter } from "./call-options.js";
import type { KnownMachine, SomeChips } from "./known-machine.js";
import {
  type ClearCountersOptions,
  clearRouterCounters,
  ROUTER_COUNTER_NAMES,
  type RouterCounter,
  type RouterCounterName,
  readRouterCounters,
  type WriteFilterOptions,
  writeRouterFilter,
} from "./router-diagnostics.js";
import { clearRoutes, type LoadRoutesOptions, loadRoutes, readFixedRoute, readRoutes, writeFixedRoute } from "./routes.js";
import type { Session } from "./session.js";

/** The routes of one chip. */
export interface RoutingTable<T extends RoutingEntry = RoutingEntry> extends ChipCoordinates {
  readonly entries: readonly T[];
}

/** What the routers of some chips counted. */
export interface ChipCounters extends ChipCoordinates {
  readonly counters: Readonly<Record<RouterCounterName, number>>;
}

/** Non-local packets that no entry matched and that went straight on. */
const DEFAULT_ROUTED: RouterFilter = { packetTypes: ["multicast"], defaultRouted: ["defaultRouted"], sources: ["external"] };
/** Packets of this chip's own cores that no entry matched: they have no way to go on, and are lost. */
const UNROUTED: RouterFilter = { ...DEFAULT_ROUTED, sources: ["local"] };

/** The routers of many chips at once, boards in parallel. One chip alone: the methods of `Transceiver` (`loadRoutes`, `readRouterCounters` ...). */
export class Routers {
  readonly #session: Session;
  readonly #known: KnownMachine;

  constructor(session: Session, known: KnownMachine) {
    this.#session = session;
    this.#known = known;
  }

  /**
   * Loads the tables of many chips; resolves with the place of each table's first entry, in the order given. Tables without entries are left
   * out. When a chip refuses the others may be loaded already: a STOP of the application frees them all.
   *
   * Throws `ERR_SPINN_ARGUMENT` when a chip is named twice; else as `loadRoutes`.
   */
  async loadTables(tables: Iterable<RoutingTable>, options: LoadRoutesOptions & LongCallOptions): Promise<(number | undefined)[]> {
    const list = [...tables];
    const seen = new Set<number>();
    for (const table of list) {
      const key = chipKey(table.x, table.y);
      if (seen.has(key)) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", `chip ${formatChip(table)} has two routing tables`, {
          hint: "join their entries into one",
        });
      }
      seen.add(key);
    }
    const { appId, verify } = options;
    const progress = new ProgressCounter(options, "routes", list.length, "chips");
    return this.#session.map(
      list,
      async ({ x, y, entries }, { signal }) => {
        const base = entries.length === 0 ? undefined : await loadRoutes(this.#session, { x, y }, entries, { appId, verify, signal });
        progress.add(1);
        return base;
      },
      options,
    );
  }

  /** The entries in use; with `appId` only those of an application. Chips without any come back with an empty list. */
  async readTables(options: SomeChips & CallOptions & { readonly appId?: number } = {}): Promise<RoutingTable<LoadedRoutingEntry>[]> {
    const { appId } = options;
    return this.#map(options, async ({ x, y }, own) => {
      const entries = await readRoutes(this.#session, { x, y }, own);
      return { x, y, entries: appId === undefined ? entries : entries.filter((entry) => entry.appId === appId) };
    });
  }

  async readCounters(options: SomeChips & CallOptions = {}): Promise<ChipCounters[]> {
    return this.#map(options, async ({ x, y }, own) => ({ x, y, counters: await readRouterCounters(this.#session, { x, y }, own) }));
  }

  /** What routers counted while `work` was going on; counters are not cleared, and may run over once. Throws what `work` throws. */
  async countDuring(work: () => Promise<unknown>, options: SomeChips & CallOptions = {}): Promise<ChipCounters[]> {
    const chips = await this.#known.chips(options);
    const before = await this.readCounters({ ...options, chips });
    await work();
    const after = await this.readCounters({ ...options, chips });
    return after.map(({ x, y, counters }, i) => ({ x, y, counters: difference(before[i]!.counters, counters) }));
  }

  /** Sets counters to 0; see `Transceiver.clearRouterCounters`. */
  async clearCounters(options: SomeChips & ClearCountersOptions = {}): Promise<void> {
    const { counters } = options;
    await this.#map(options, (chip, { signal }) => clearRouterCounters(this.#session, chip, { counters, signal }));
  }

  /** What a counter of every router counts; see `Transceiver.writeRouterFilter`. The count before is cleared. */
  async setFilter(counter: RouterCounter, filter: RouterFilter | number, options: SomeChips & WriteFilterOptions = {}): Promise<void> {
    const { replace } = options;
    await this.#map(options, async (chip, { signal }) => {
      await writeRouterFilter(this.#session, chip, counter, filter, { replace, signal });
      await clearRouterCounters(this.#session, chip, { counters: [counter], signal });
    });
  }

  /**
   * A clean start: every routing entry but SC&MP's own is gone, whoever owned it; `user2` counts multicast packets that were default-routed
   * from elsewhere, `user3` those of own cores without a route (a missing entry), all counters are 0. What SpiNNMan's `reset_routing` does.
   */
  async reset(options: SomeChips & CallOptions = {}): Promise<void> {
    const session = this.#session;
    await this.#map(options, async (chip, own) => {
      await clearRoutes(session, chip, own);
      await writeRouterFilter(session, chip, "user2", DEFAULT_ROUTED, own);
      await writeRouterFilter(session, chip, "user3", UNROUTED, own);
      await clearRouterCounters(session, chip, own);
    });
  }

  /**
   * Leads the fixed-route packets of a board to one of its cores (a virtual number), over working links; each route is read back. With `chips`
   * from these chips instead, which may lie on several boards. Resolves with the number of chips.
   *
   * Throws `ERR_SPINN_MACHINE` when the core does not exist or chips have no way to it, before anything is written, and `ERR_SPINN_VERIFY`.
   */
  async leadFixedRoutesTo(core: CoreCoordinates, options: SomeChips & CallOptions = {}): Promise<number> {
    const machine = await this.#known.get(options);
    const chips = options.chips ?? machine.chipsOfBoard(machine.chip(core.x, core.y).nearestEthernet);
    const steps = fixedRoutesTo(machine, core, chips);
    await this.#session.forEach(
      steps,
      async ({ x, y, links, cores }, own) => {
        await writeFixedRoute(this.#session, { x, y }, { links, cores }, own);
        const back = await readFixedRoute(this.#session, { x, y }, own);
        if (back.links.join() === links.join() && back.cores.join() === cores.join()) return;
        throw new SpinnError("ERR_SPINN_VERIFY", `the fixed route of chip ${x},${y} is not what was written`, {
          hint: "does a program set it too?",
          board: this.#session.remote,
        });
      },
      options,
    );
    return steps.length;
  }

  async #map<R>(
    options: SomeChips & CallOptions,
    work: (chip: ChipCoordinates, options: { signal: AbortSignal }) => Promise<R>,
  ): Promise<R[]> {
    return this.#session.map(await this.#known.chips(options), work, { signal: options.signal });
  }
}

/** Counters have 32 bits and start again at 0. */
function difference(
  before: Readonly<Record<RouterCounterName, number>>,
  after: Readonly<Record<RouterCounterName, number>>,
): Record<RouterCounterName, number> {
  return Object.fromEntries(ROUTER_COUNTER_NAMES.map((name) => [name, (after[name] - before[name]) >>> 0])) as Record<
    RouterCounterName,
    number
  >;
}
