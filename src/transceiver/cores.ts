import { SpinnError } from "../errors.js";
import { type CoreCoordinates, type FieldValue, MAX_APP_ID, VCPU } from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { CoreSet } from "./core-set.js";
import { type CoreStatus, readChipStatus } from "./core-status.js";
import type { KnownMachine } from "./known-machine.js";
import type { Session } from "./session.js";
import { readCoreField, writeCoreField } from "./struct-fields.js";

export interface StatusOptions extends CallOptions {
  /** Application. Default: any. */
  readonly appId?: number | undefined;
  /** Only cores in one of these states, see `CoreState`. Default: any. */
  readonly states?: readonly number[] | undefined;
  /** Only cores in none of these states. Default: none. */
  readonly notStates?: readonly number[] | undefined;
}

/** A field of one core's block. */
export interface CoreValue<T extends FieldValue = FieldValue> extends CoreCoordinates {
  readonly value: T;
}

/** SDP port and commands of programs built on SpiNNFrontEndCommon's `simulation.c`. Source: SpiNNMan `sdp_ports.py`, `sdp_running_message_codes.py`. */
const RUN_TIME_PORT = 3;
const UPDATE_PROVENANCE_AND_EXIT = 8;

/** Application ids that {@link Cores.findFreeAppId} looks at: below are those of fixed use, as SpiNNMan's tracker has it. */
const FIRST_APP_ID = 17;
const LAST_APP_ID = MAX_APP_ID - 1;

/** Many cores at once, boards in parallel, and messages to cores. */
export class Cores {
  readonly #session: Session;
  readonly #known: KnownMachine;

  constructor(session: Session, known: KnownMachine) {
    this.#session = session;
    this.#known = known;
  }

  /**
   * Status of cores, ascending by chip; every application core of the machine when `cores` is left out. One read per chip, however many of its
   * cores are meant. Throws `ERR_SPINN_ARGUMENT` for the monitor among `cores`.
   */
  async readStatus(cores?: Iterable<CoreCoordinates>, options: StatusOptions = {}): Promise<CoreStatus[]> {
    const wanted = await this.#wanted(cores, options);
    const { appId, states, notStates = [] } = options;
    const chips = await this.#session.map(wanted.chips, (chip, own) => readChipStatus(this.#session, chip, own), {
      signal: options.signal,
    });
    return chips.flat().filter((core) => {
      if (((wanted.maskOf(core) >>> core.p) & 1) === 0) return false;
      if (appId !== undefined && core.appId !== appId) return false;
      return (states === undefined || states.includes(core.state)) && !notStates.includes(core.state);
    });
  }

  /** One field of many cores' `vcpu` blocks, e.g. `user0`, in the order given. Throws `ERR_SPINN_ARGUMENT` for a name there is not. */
  async readField(name: string, cores: Iterable<CoreCoordinates>, options: CallOptions = {}): Promise<CoreValue[]> {
    VCPU.field(name);
    return this.#session.map(
      cores,
      async ({ x, y, p }, own) => ({ x, y, p, value: await readCoreField(this.#session, { x, y, p }, name, own) }),
      { signal: options.signal },
    );
  }

  /** Writes one field of many cores; all values are checked before the first is sent. */
  async writeField(name: string, values: Iterable<CoreValue>, options: CallOptions = {}): Promise<void> {
    const list = [...values];
    for (const { value } of list) VCPU.encode(name, value);
    await this.#session.forEach(list, ({ x, y, p, value }, own) => writeCoreField(this.#session, { x, y, p }, name, value, own), {
      signal: options.signal,
    });
  }

  /**
   * Sends an SDP message to a core, through its own board; nothing says whether it arrives. `port` 1..7 is the program's, 0 its run-time
   * library's. At most 272 bytes. Throws `ERR_SPINN_ARGUMENT`. Answers: `connections` and their `sdp`.
   */
  sendSdp(core: CoreCoordinates, port: number, data: Uint8Array): void {
    this.#session.connectionOf(core).sdp.send({ x: core.x, y: core.y, p: core.p, port, data });
  }

  /**
   * Asks programs of SpiNNFrontEndCommon (sPyNNaker and its kin) to write their provenance and end: for those that do not end by themselves.
   * Other programs ignore it, or do not: it is an SDP message to port 3 with the command 8. Wait for the state EXIT to see its effect.
   */
  updateProvenanceAndExit(cores: Iterable<CoreCoordinates>): void {
    const data = Uint8Array.of(UPDATE_PROVENANCE_AND_EXIT, 0, 0, 0);
    for (const core of cores) this.sendSdp(core, RUN_TIME_PORT, data);
  }

  /**
   * An application id, 17..254, that no core of the machine has. Nothing reserves it until something is loaded under it; memory and routes that
   * were taken under an id without cores are not seen. Throws `ERR_SPINN_STATE` when all are in use.
   */
  async findFreeAppId(options: CallOptions = {}): Promise<number> {
    const used = new Set((await this.readStatus(undefined, options)).map((core) => core.appId));
    for (let appId = FIRST_APP_ID; appId <= LAST_APP_ID; appId += 1) if (!used.has(appId)) return appId;
    throw new SpinnError("ERR_SPINN_STATE", `every application id from ${FIRST_APP_ID} to ${LAST_APP_ID} is in use`, {
      hint: "stop applications that are no longer needed",
      board: this.#session.remote,
    });
  }

  async #wanted(cores: Iterable<CoreCoordinates> | undefined, options: CallOptions): Promise<CoreSet> {
    if (cores !== undefined) return new CoreSet(cores);
    const machine = await this.#known.get(options);
    return new CoreSet([...machine.cores()].filter((core) => core.p > 0));
  }
}
