import { checkInteger, SpinnError } from "../errors.js";
import { type ChipCoordinates, type FieldValue, SV } from "../machine/index.js";
import { type AllocateOptions, allocateMany, type Wanted } from "./allocation.js";
import { type CallOptions, type LongCallOptions, ProgressCounter } from "./call-options.js";
import type { KnownMachine, SomeChips } from "./known-machine.js";
import { readMemory, targetOf, verifyMemory, writeMemory } from "./memory.js";
import { type P2PTable, readP2PTable } from "./p2p-table.js";
import type { Session } from "./session.js";
import { readSystemNumber, readSystemVariable, writeField } from "./struct-fields.js";

/** A system variable of one chip. */
export interface ChipValue<T extends FieldValue = FieldValue> extends ChipCoordinates {
  readonly value: T;
}

/** How a chip's clock runs against the root's. */
export interface ClockDrift extends ChipCoordinates {
  /** Cycles by which this chip's core clock runs ahead of the root's, per microsecond; negative: it is slower. */
  readonly cyclesPerMicrosecond: number;
  /** The same as parts per million of the core clock. */
  readonly partsPerMillion: number;
}

/** SC&MP's start value of sv.soft_wdog: unanswered pings until a core counts as stuck. Source: memory image of scamp.boot 4.0.0, `sark.struct`. */
const WATCHDOG_PINGS = 3;
/** Fraction bits of sv.clock_drift. Source: spinnaker_tools `include/scamp_spin1_sync.h`. */
const DRIFT_ONE = 2 ** 17;

/** Many chips at once, boards in parallel, and what concerns a chip as a whole. */
export class Chips {
  readonly #session: Session;
  readonly #known: KnownMachine;

  constructor(session: Session, known: KnownMachine) {
    this.#session = session;
    this.#known = known;
  }

  /**
   * Blocks of SDRAM on many chips, boards in parallel; addresses in the order asked for. All or nothing: when one is refused, those taken are
   * given back. Throws as `Transceiver.allocate`; a block whose allocation got no reply stays with the application until its STOP.
   */
  allocate(wanted: readonly Wanted[], options: Omit<AllocateOptions, "tag">): Promise<number[]> {
    return allocateMany(this.#session, wanted, options);
  }

  /**
   * The same bytes at the same address of every chip. Each chip is written by itself, which can be trusted and checked. A flood would not be
   * faster on a board: SC&MP rests 24 us before each packet on each link, 9.5 ms for 256 bytes, time enough for 48 writes.
   */
  async writeMemory(
    address: number,
    data: Uint8Array,
    options: SomeChips & LongCallOptions & { /** Read back and compare. Default `false`. */ readonly verify?: boolean } = {},
  ): Promise<void> {
    targetOf({ x: 0, y: 0 }, address, data.length, "write");
    const chips = await this.#known.chips(options);
    const progress = new ProgressCounter(options, "write", chips.length * data.length, "bytes");
    await this.#session.forEach(
      chips,
      async (chip, own) => {
        await writeMemory(this.#session, chip, address, data, own);
        if (options.verify) await verifyMemory(this.#session, chip, address, data, own);
        progress.add(data.length);
      },
      { signal: options.signal },
    );
  }

  /** Every system variable of a chip by name, in one read. */
  async readSystem(chip: ChipCoordinates, options: CallOptions = {}): Promise<Record<string, FieldValue>> {
    return SV.readAll(await readMemory(this.#session, { x: chip.x, y: chip.y }, SV.base, SV.size, options));
  }

  /** One system variable of many chips, e.g. `eth_up`. Throws `ERR_SPINN_ARGUMENT` for a name there is not. */
  async readVariable(name: string, options: SomeChips & CallOptions = {}): Promise<ChipValue[]> {
    SV.field(name);
    const read = async ({ x, y }: ChipCoordinates, own: CallOptions): Promise<ChipValue> => ({
      x,
      y,
      value: await readSystemVariable(this.#session, { x, y }, name, own),
    });
    return this.#session.map(await this.#known.chips(options), read, { signal: options.signal });
  }

  /** Writes one system variable of many chips. SC&MP trusts them: a wrong one can stop a chip until the next boot. */
  async writeVariable(name: string, value: FieldValue, options: SomeChips & CallOptions = {}): Promise<void> {
    SV.encode(name, value);
    await this.#session.forEach(
      await this.#known.chips(options),
      (chip, own) => writeField(this.#session, chip, SV, SV.base, name, value, own),
      {
        signal: options.signal,
      },
    );
  }

  /**
   * The watchdog over application cores: `false` switches it off, `true` puts it back to SC&MP's 3, a number 1..255 is how often in a row a
   * core may leave the monitor's ping unanswered before it is stopped in state WDOG. Holds until the next boot.
   */
  async setWatchdog(setting: boolean | number, options: SomeChips & CallOptions = {}): Promise<void> {
    const pings = typeof setting === "number" ? checkInteger("pings of the watchdog", setting, 1, 255) : setting ? WATCHDOG_PINGS : 0;
    await this.writeVariable("soft_wdog", pings, options);
  }

  /**
   * How the clocks of chips drift against the root's, as SC&MP 4.x estimates it from beacons every 2 s; 0 on the root, and while the beacons
   * are off (`setClockSync`). Throws `ERR_SPINN_REFUSED` with older firmware, which measures nothing.
   */
  async readClockDrift(options: SomeChips & CallOptions = {}): Promise<ClockDrift[]> {
    const session = this.#session;
    if (session.major < 4) {
      throw new SpinnError("ERR_SPINN_REFUSED", `SC&MP ${session.major}.${session.version.version.minor} does not measure clock drift`, {
        hint: "boot SC&MP 4",
        board: session.remote,
      });
    }
    const read = async ({ x, y }: ChipCoordinates, own: CallOptions): Promise<ClockDrift> => {
      const cyclesPerMicrosecond = (await readSystemNumber(session, { x, y }, "clock_drift", own)) / DRIFT_ONE;
      const megahertz = await readSystemNumber(session, { x, y }, "cpu_clk", own);
      return { x, y, cyclesPerMicrosecond, partsPerMillion: megahertz === 0 ? 0 : (1e6 * cyclesPerMicrosecond) / megahertz };
    };
    return session.map(await this.#known.chips(options), read, { signal: options.signal });
  }

  /** Where a chip sends messages for other chips. Since 4.0.0 only the root chip knows every chip. */
  async readP2PTable(chip: ChipCoordinates, options: CallOptions = {}): Promise<P2PTable> {
    return readP2PTable(this.#session, chip, await this.#known.get(options), options);
  }
}
