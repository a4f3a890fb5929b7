import { type Controller, METHODS } from "../controller/index.js";
import { SpinnError } from "../errors.js";
import { type ChipCoordinates, CoreState, formatChip } from "../machine/index.js";
import { Steering } from "../services/inspect/index.js";

/** Methods of the table that only look: a page may call them whether actions are allowed or not. */
export const LOOKS: ReadonlySet<string> = new Set(["info", "iobuf", "router_counters", "routes", "sensors", "states", "status", "tags"]);
export const ACTION_HINT = "start spinn serve with --web-allow";
/** Text of a core that a page gets: the end of it, characters. */
const MAX_TAIL = 4096;
/** Pages whose pauses are remembered while they are away. */
const MAX_VISITS = 256;

/** The methods that steer runs, by name. */
type Steer = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** A page, over all its connections: what it has paused is let go when it stays away. */
interface Visit {
  readonly gone: AbortController;
  connections: number;
  timer: NodeJS.Timeout | undefined;
}

/** What pages may ask of the controller, and what becomes of what they hold. */
export class Visits {
  readonly #controller: Controller;
  readonly #isAllowed: boolean;
  readonly #leaseMs: number;
  /** Bounded by `MAX_VISITS`; a visit ends when its page has been away for the lease. */
  readonly #visits = new Map<string, Visit>();
  /** The lease is this class's own: a page that reconnects keeps what it holds. */
  readonly #steering = new Steering({ leaseMs: 0 });
  readonly #steer: Steer;

  constructor(controller: Controller, options: { readonly isAllowed: boolean; readonly leaseMs: number }) {
    this.#controller = controller;
    this.#isAllowed = options.isAllowed;
    this.#leaseMs = options.leaseMs;
    const find = (id: unknown): never => controller.runs.get(id).idict as never;
    this.#steer = this.#steering.target(find, { name: "run", type: "str" }) as Steer;
  }

  /** A page has connected; returns what to call when that connection ends. Throws `ERR_SPINN_REFUSED` when there are too many. */
  enter(page: string): () => void {
    const visit = this.#visitOf(page);
    clearTimeout(visit.timer);
    visit.connections += 1;
    return () => {
      visit.connections -= 1;
      if (visit.connections > 0) return;
      visit.timer = setTimeout(() => this.#leave(page, visit), this.#leaseMs);
      visit.timer.unref();
    };
  }

  /**
   * A method of the table by name, or with `target` `runs` one that steers a run: the same as over pc_rpc.
   * Throws `ERR_SPINN_REFUSED` for what is not allowed, `ERR_SPINN_ARGUMENT`, and what the method throws.
   */
  async call(target: unknown, method: unknown, args: unknown, page: string, signal: AbortSignal): Promise<unknown> {
    if (typeof method !== "string") throw new SpinnError("ERR_SPINN_ARGUMENT", "method must be text");
    const isRuns = target === "runs";
    if (!isRuns && target !== "board") throw new SpinnError("ERR_SPINN_ARGUMENT", "target must be board or runs");
    if (!this.#isAllowed && (isRuns || (Object.hasOwn(METHODS, method) && !LOOKS.has(method)))) {
      throw new SpinnError("ERR_SPINN_REFUSED", `${method}: this page may look, not act`, { hint: ACTION_HINT });
    }
    if (!isRuns) {
      if (typeof args !== "object" || args === null || Array.isArray(args)) {
        throw new SpinnError("ERR_SPINN_ARGUMENT", "args of a method of the board are an object");
      }
      return this.#controller.call(method, args as Readonly<Record<string, unknown>>, { signal });
    }
    const call = this.#steer[method];
    if (!Object.hasOwn(this.#steer, method) || call === undefined || !Array.isArray(args)) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `runs has no method ${JSON.stringify(method.slice(0, 100))}, or its args are no list`, {
        hint: `methods are ${Object.keys(this.#steer).join(", ")}`,
      });
    }
    const { gone } = this.#visitOf(page);
    await call({ signal: gone.signal, peer: "a page" }, ...(args as unknown[]));
    return null;
  }

  /** What a page shows of one chip: its cores, the end of their texts, its router's counters. Throws what the methods throw. */
  async lookAtChip(chip: ChipCoordinates, signal: AbortSignal): Promise<Readonly<Record<string, unknown>>> {
    const where = { chip: formatChip(chip) };
    const [cores, counters] = await Promise.all([
      this.#controller.call("status", where, { signal }) as Promise<readonly { readonly p: number; readonly state: number }[]>,
      this.#controller.call("router_counters", where, { signal }),
    ]);
    const talkers = cores.filter(({ p, state }) => p > 0 && state !== CoreState.IDLE).map(({ p }) => `${where.chip},${p}`);
    const texts =
      talkers.length === 0 ? {} : ((await this.#controller.call("iobuf", { cores: talkers }, { signal })) as Record<string, string>);
    const tails = Object.entries(texts).map(([core, text]) => [core, text.length > MAX_TAIL ? `…${text.slice(-MAX_TAIL)}` : text] as const);
    return { ...chip, cores, counters, texts: Object.fromEntries(tails) };
  }

  close(): void {
    for (const { timer } of this.#visits.values()) clearTimeout(timer);
    this.#visits.clear();
    this.#steering.close();
  }

  #visitOf(page: string): Visit {
    const known = this.#visits.get(page);
    if (known !== undefined) return known;
    if (this.#visits.size >= MAX_VISITS) {
      const idle = [...this.#visits].find(([, { connections }]) => connections === 0);
      if (idle === undefined) throw new SpinnError("ERR_SPINN_REFUSED", `${MAX_VISITS} pages are open already`);
      clearTimeout(idle[1].timer);
      this.#leave(...idle);
    }
    const visit: Visit = { gone: new AbortController(), connections: 0, timer: undefined };
    this.#visits.set(page, visit);
    return visit;
  }

  #leave(page: string, visit: Visit): void {
    this.#visits.delete(page);
    visit.gone.abort();
  }
}
