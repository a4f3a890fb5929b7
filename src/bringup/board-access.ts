import { SpinnError } from "../errors.js";
import { coreStateName, formatCore, isCrashed } from "../machine/index.js";
import type { Fact } from "./condition.js";
import type { BringupBmp, BringupDevices, BringupMachine } from "./devices.js";
import type { BoardAddress } from "./script.js";

/** UDP port of a BMP that names none. Source: spinnaker_tools. */
const SCP_PORT = 17893;
/** How long a failed run asks the board what state it is in, ms: long enough for a slow board, short enough for a person. */
const LOOK_MS = 3000;
/** How long a board may stay silent before a condition takes it for not booted, ms. */
const FACT_MS = 1500;
/** Crashed cores whose text is shown, and lines of each. */
const TEXTS = 4;
const LAST_LINES = 3;

/** Waits until a BMP, `host:port`, may switch its next board on. */
export type PowerTurn = (bmp: string, signal: AbortSignal) => Promise<void>;

/** `host:port` of a BMP, whether its port was written or not. */
export function bmpKey({ host, port = SCP_PORT }: NonNullable<BoardAddress["bmp"]>): string {
  return `${host}:${port}`;
}

/** The connections of one run: opened when a step first needs them, dropped when power or booting makes them void, closed at the end. */
export class BoardAccess {
  readonly address: BoardAddress;
  readonly devices: BringupDevices;
  readonly #signal: AbortSignal;
  readonly #turn: PowerTurn;
  #machine: Promise<BringupMachine> | undefined;
  #bmp: Promise<BringupBmp> | undefined;
  #bootSignature: number | undefined;
  /** Application ids that steps have started; bounded by 255. */
  readonly appIds = new Set<number>();
  /** What is known of the board without asking it. */
  lastKnown = "nothing was sent to it";

  constructor(address: BoardAddress, devices: BringupDevices, signal: AbortSignal, turn: PowerTurn = async () => undefined) {
    this.address = address;
    this.devices = devices;
    this.#signal = signal;
    this.#turn = turn;
  }

  /** Resolves when the board may be switched on: the boards of a fleet take turns. */
  async powerTurn(): Promise<void> {
    const { bmp } = this.address;
    if (bmp !== undefined) await this.#turn(bmpKey(bmp), this.#signal);
  }

  /** Throws `ERR_SPINN_ARGUMENT` without address, and what connecting throws. */
  machine(options: { readonly readyMs?: number; readonly probeMs?: number } = {}): Promise<BringupMachine> {
    this.#machine ??= this.#connect(options).catch((error: unknown) => {
      this.#machine = undefined;
      throw error;
    });
    return this.#machine;
  }

  bmp(): Promise<BringupBmp> {
    const { bmp } = this.address;
    if (bmp === undefined) return Promise.reject(missing("BMP"));
    this.#bmp ??= this.devices.connectBmp({ ...bmp, signal: this.#signal }).catch((error: unknown) => {
      this.#bmp = undefined;
      throw error;
    });
    return this.#bmp;
  }

  /** Host and ports of the board. Throws `ERR_SPINN_ARGUMENT` without address. */
  get board(): { readonly host: string; readonly port?: number | undefined; readonly bootPort?: number | undefined } {
    const { host, port, bootPort } = this.address;
    if (host === undefined) throw missing("board");
    return { host, port, bootPort };
  }

  /** What the connections knew is void: the board was switched or booted. */
  async forgetMachine(lastKnown: string): Promise<void> {
    const machine = this.#machine;
    this.#machine = undefined;
    this.#bootSignature = undefined;
    this.appIds.clear();
    this.lastKnown = lastKnown;
    if (machine !== undefined) await (await machine).close();
  }

  /**
   * What the host that booted the machine left in it (sv.boot_sig, the time of booting): as long as it is the same, so is what was loaded.
   * `undefined` while no step has talked to the machine.
   */
  async bootSignature(): Promise<number | undefined> {
    if (this.#machine === undefined) return undefined;
    if (this.#bootSignature === undefined) {
      const machine = await this.#machine;
      const { x, y } = machine.version;
      this.#bootSignature = Number(await machine.readSystemVariable({ x, y }, "boot_sig", { signal: this.#signal }));
    }
    return this.#bootSignature;
  }

  /**
   * A fact that a script asks for. Facts of the machine need it booted; whether it is, is itself one.
   * Throws `ERR_SPINN_STATE` when it is not, and what asking throws.
   */
  async fact(name: Fact): Promise<string | number | boolean> {
    let machine: BringupMachine;
    try {
      machine = await this.machine({ probeMs: FACT_MS });
    } catch (error) {
      const absent = error instanceof SpinnError && ["ERR_SPINN_TIMEOUT", "ERR_SPINN_UNREACHABLE"].includes(error.code);
      if (name === "booted" && absent) return false;
      if (!absent) throw error;
      throw new SpinnError("ERR_SPINN_STATE", `its ${name} cannot be told: ${error.message}`, {
        hint: "put the step behind boot, or ask for booted: true first",
        cause: error,
      });
    }
    if (name === "booted") return true;
    if (name === "version") {
      const { major, minor, patch } = machine.version.version;
      return `${major}.${minor}.${patch}`;
    }
    const found = (await machine.discover({ signal: this.#signal })).machine;
    if (name === "type") return found.geometry.board;
    // Core 0 of each chip is its monitor.
    return name === "chips" ? found.chips.size : found.coreCount - found.chips.size;
  }

  /** What state the board is in now, in words; asks it, briefly, and never throws. */
  async describe(): Promise<string> {
    if (this.#machine === undefined) return this.lastKnown;
    const signal = AbortSignal.timeout(LOOK_MS);
    try {
      const machine = await this.#machine;
      const { major, minor, patch } = machine.version.version;
      const parts = [`${machine.version.name} ${major}.${minor}.${patch} answers at ${machine.remote}`];
      for (const appId of this.appIds) {
        const cores = await machine.readApplication(appId, { signal });
        parts.push(`app ${appId}: ${countWords(cores)}`);
        const crashed = cores.filter(({ state }) => isCrashed(state)).slice(0, TEXTS);
        for (const core of await machine.readIobufs(crashed, { signal })) {
          const last = core.text.trimEnd().split("\n").slice(-LAST_LINES).join(" | ");
          if (last !== "") parts.push(`core ${formatCore(core)} printed last: ${last}`);
        }
      }
      return parts.join("; ");
    } catch (error) {
      const why = signal.aborted ? `silent for ${LOOK_MS / 1000} s` : error instanceof Error ? error.message : String(error);
      return `it does not answer any more (${why})`;
    }
  }

  async close(): Promise<void> {
    for (const connection of [this.#machine, this.#bmp]) {
      // A connection that never came about has nothing to close.
      const open = await connection?.catch(() => undefined);
      await open?.close();
    }
    this.#machine = undefined;
    this.#bmp = undefined;
  }

  async #connect(options: { readonly readyMs?: number; readonly probeMs?: number }): Promise<BringupMachine> {
    const { host, port } = this.board;
    const machine = await this.devices.connect({ host, ...(port === undefined ? {} : { port }), ...options, signal: this.#signal });
    this.lastKnown = `${machine.version.name} answers`;
    return machine;
  }
}

// `3 RUN, 1 RTE`
function countWords(cores: readonly { readonly state: number }[]): string {
  const counts = new Map<number, number>();
  for (const { state } of cores) counts.set(state, (counts.get(state) ?? 0) + 1);
  const words = [...counts].map(([state, count]) => `${count} ${coreStateName(state)}`);
  return words.length === 0 ? "no cores" : words.join(", ");
}

function missing(what: string): SpinnError {
  return new SpinnError("ERR_SPINN_ARGUMENT", `the address of the ${what} is not known`, {
    hint: `name it in the script under "board", or give it to the run`,
  });
}
