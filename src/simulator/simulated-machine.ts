import { SpinnError, throwIfAborted } from "../errors.js";
import type { MachineGeometry } from "../machine/index.js";
import { BOOT_PORT, BOOT_SV_OFFSET, BOOT_SV_SIZE, BOOT_VERSION, BootOpcode, encodeBoot, SCP_PORT } from "../wire/index.js";
import { deliverPacket } from "./applications.js";
import type { Bmp } from "./bmp/bmp.js";
import { openBmps } from "./bmp/frame.js";
import { Board } from "./board.js";
import { BootRom } from "./boot-rom.js";
import type { Chip } from "./chip.js";
import { Clock } from "./clock.js";
import { monitorCommands } from "./commands/index.js";
import { Counters } from "./counters.js";
import { FaultInjector } from "./fault-injector.js";
import { type CheckedFaults, checkFaults, type FAULT_PRESETS, type Faults } from "./faults.js";
import { type Firmware, firmware, firmwareOfImage } from "./firmware.js";
import { Multicast } from "./multicast.js";
import { MachineNetwork } from "./network.js";
import { checkOptions, type SimulatedMachineOptions } from "./options.js";
import { addressAfter, Port } from "./port.js";
import { Recorder } from "./recorder.js";
import { Scamp } from "./scamp.js";
import { startValues } from "./start-values.js";
import { System } from "./system.js";
import { octets } from "./tags.js";

/** Silence while the root chip starts and copies itself to its neighbours, ms (boot sheet, section 7). */
const SILENT_MS = 1200;
/** Tries to find a port that is free on every address of the machine. */
const ATTEMPTS = 5;
/** Between two hellos of the boot ROM, ms. */
const HELLO_MS = 4096;
/** Time in which VER answers 255,255, ms. */
const NETINIT_MS = 3300;

/**
 * A SpiNNaker machine that is not there: real UDP sockets, and behind them chips that answer as SC&MP does.
 *
 * ```ts
 * const machine = await SimulatedMachine.start({ board: "spin5", port: 0 });
 * const { host, port } = machine.boards[0].address;
 * ...
 * await machine.close();
 * ```
 */
export class SimulatedMachine implements AsyncDisposable {
  readonly boards: readonly Board[];
  /** The board management processors, in the order of the boards; none for a board of 4 chips. */
  readonly bmps: readonly Bmp[] = [];
  readonly geometry: MachineGeometry;
  readonly clock: Clock;
  readonly bootCounters = new Counters();
  readonly #options: SimulatedMachineOptions;
  readonly #injectors: readonly FaultInjector[];
  readonly #recorder: Recorder | undefined;
  #faults: CheckedFaults;
  #bootPort: Port | undefined;
  #rom: BootRom | undefined;
  #system: System | undefined;
  #firmware: Firmware;
  #ready!: Promise<void>;
  #resolveReady!: () => void;
  #rejectReady!: (error: SpinnError) => void;
  #isReady = false;
  #rebootIn: number | undefined;
  #closing: Promise<void> | undefined;
  readonly #abort = (): void => void this.close();

  private constructor(
    options: SimulatedMachineOptions,
    geometry: MachineGeometry,
    clock: Clock,
    boards: readonly Board[],
    injectors: readonly FaultInjector[],
    faults: CheckedFaults,
    recorder: Recorder | undefined,
  ) {
    this.#options = options;
    this.geometry = geometry;
    this.clock = clock;
    this.boards = boards;
    this.#injectors = injectors;
    this.#recorder = recorder;
    this.#faults = faults;
    this.#firmware = firmware(options.scamp ?? "4.0.0", options.maskErrors);
    this.#newReady();
  }

  /**
   * Opens the sockets. Throws `ERR_SPINN_ADDRESS_IN_USE` when one is taken, `ERR_SPINN_ARGUMENT` for options that make no machine.
   */
  static async start(options: SimulatedMachineOptions = {}): Promise<SimulatedMachine> {
    // A port that was free on the first address may be taken on the next one: then another is tried.
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await SimulatedMachine.#open(options);
      } catch (error) {
        const taken = error instanceof SpinnError && error.code === "ERR_SPINN_ADDRESS_IN_USE";
        if (!taken || options.port !== 0 || attempt === ATTEMPTS) throw error;
      }
    }
  }

  static async #open(options: SimulatedMachineOptions): Promise<SimulatedMachine> {
    throwIfAborted(options.signal);
    const geometry = checkOptions(options);
    const port = options.port ?? SCP_PORT;
    const faults = checkFaults(options.faults ?? {});
    const clock = new Clock();
    const recorder = options.record === undefined ? undefined : new Recorder(options.record);
    const boards: Board[] = [];
    const injectors: FaultInjector[] = [];
    let machine: SimulatedMachine | undefined;
    try {
      const host = options.host ?? "127.0.0.1";
      for (const [index, chip] of geometry.ethernetChips.entries()) {
        const injector = new FaultInjector((options.seed ?? 1) + index, clock);
        injector.set(faults);
        injectors.push(injector);
        // With any free port the boards behind the first share its number, as real ones do.
        const wanted = boards[0]?.address.port ?? port;
        boards.push(await Board.open(chip, addressAfter(host, index), wanted, clock, injector, recorder));
      }
      const opened = new SimulatedMachine(options, geometry, clock, boards, injectors, faults, recorder);
      machine = opened;
      await machine.#openBoot(options.bootPort ?? (port === 0 ? 0 : BOOT_PORT));
      options.signal?.addEventListener("abort", machine.#abort, { once: true });
      await openBmps(machine.bmps as Bmp[], options, boards, geometry, {
        clock,
        recorder,
        timeScale: options.timeScale ?? 1,
        delayMs: () => opened.#faults.bmpDelayMs,
        power: (index, on) => opened.setPower(on, [index]),
        reset: (index, held) => opened.holdReset(held, [index]),
      });
      throwIfAborted(options.signal);
      machine.setFaults(options.faults ?? {});
      for (const board of boards) board.powered = options.powered ?? true;
      if ((options.booted ?? true) && (options.powered ?? true)) machine.#becomeReady(machine.#boot(machine.#firmware, undefined));
      else machine.#unboot();
      return machine;
    } catch (error) {
      clock.close();
      await machine?.close();
      await Promise.all(boards.map((board) => board.close()));
      recorder?.close();
      throw error;
    }
  }

  /** Resolves when the machine is booted and its network is up; rejects with `ERR_SPINN_CLOSED` when it is closed before. */
  get ready(): Promise<void> {
    return this.#ready;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Version of SC&MP that answers, or will after the next boot without a version of its own. */
  get version(): string {
    return this.#firmware.version;
  }

  /** Where the boot ROM of the first board listens. */
  get bootAddress(): { readonly host: string; readonly port: number } {
    const { address: host, port } = this.#bootPort!;
    return { host, port };
  }

  /** The booted machine. Throws `ERR_SPINN_STATE` while it is not booted. */
  get system(): System {
    if (this.#system !== undefined) return this.#system;
    throw new SpinnError("ERR_SPINN_STATE", "the simulated machine is not booted", { hint: "boot it, or await machine.ready" });
  }

  /** One chip of the booted machine, to look into in tests. Throws `ERR_SPINN_STATE`, `ERR_SPINN_MACHINE`. */
  chip(x: number, y: number): Chip {
    return this.system.chipAt({ x, y });
  }

  /** Changes the faults while the machine runs. Throws `ERR_SPINN_ARGUMENT` naming the member that is wrong; then nothing has changed. */
  setFaults(faults: Faults | keyof typeof FAULT_PRESETS): void {
    this.#faults = checkFaults(faults);
    for (const injector of this.#injectors) injector.set(this.#faults);
    this.#rebootIn = this.#faults.rebootAfter;
    for (const board of this.boards) board.onRequest = this.#rebootIn === undefined ? undefined : () => this.#countDown();
    this.#crashCores();
  }

  /**
   * Switches the supply of boards, as their BMP does. Off: silence. On: the boot ROM waits for an image. Boards that keep their supply run on,
   * without the chips that are gone; without its first board the machine has no root, and all of it is unbooted. Default: all boards.
   */
  setPower(on: boolean, boards: readonly number[] = this.boards.map((_, index) => index)): void {
    this.#silence(boards, (board) => {
      board.powered = on;
    });
  }

  /** Holds the chips of boards in reset (silence), or lets them go (unbooted). */
  holdReset(held: boolean, boards: readonly number[]): void {
    this.#silence(boards, (board) => {
      board.held = held;
    });
  }

  /** Presses the reset button: the machine is unbooted. */
  reset(): void {
    this.#unboot();
  }

  /** Ends everything: sockets, timers, programs. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#system?.close();
    this.clock.close();
    if (!this.#isReady) this.#rejectReady(new SpinnError("ERR_SPINN_CLOSED", "the simulated machine was closed before it was booted"));
    await Promise.all([...this.boards.map((board) => board.close()), ...this.bmps.map((bmp) => bmp.close()), this.#bootPort?.close()]);
    this.#recorder?.close();
  }

  async #openBoot(port: number): Promise<void> {
    const first = this.boards[0]!;
    this.#bootPort = await Port.open(
      first.address.host,
      port,
      (bytes, address, from) => {
        this.bootCounters.received += 1;
        this.bootCounters.receivedBytes += bytes.length;
        this.#recorder?.write(bytes, address, from, first.address.host, this.#bootPort!.port);
        this.#bootDatagram(bytes);
      },
      () => {
        this.bootCounters.dropped.sendFailed += 1;
      },
    );
  }

  #bootDatagram(bytes: Buffer): void {
    if (!this.boards[0]!.powered || this.boards[0]!.held) this.bootCounters.dropped.unpowered += 1;
    else if (this.#rom === undefined) this.bootCounters.dropped.nobodyListens += 1;
    else {
      const image = this.#rom.receive(bytes);
      if (image !== undefined) this.#start(image);
    }
  }

  /** The ROM has started an image: silence, then answers from 255,255, then a machine. */
  #start(image: Uint8Array): void {
    this.#rom = undefined;
    const scale = this.#options.timeScale ?? 1;
    const version = firmwareOfImage(image);
    if (version !== undefined) this.#firmware = firmware(version, this.#options.maskErrors);
    const values =
      image.length >= BOOT_SV_OFFSET + BOOT_SV_SIZE ? image.subarray(BOOT_SV_OFFSET, BOOT_SV_OFFSET + BOOT_SV_SIZE) : undefined;
    this.clock.after(SILENT_MS * scale, () => {
      if (this.#rom !== undefined) return;
      const system = this.#boot(this.#firmware, values);
      this.clock.after(NETINIT_MS * scale, () => {
        if (this.#system === system) this.#becomeReady(system);
      });
    });
  }

  #boot(version: Firmware, values: Uint8Array | undefined): System {
    // Boards without supply are not there; the image spreads over the others.
    const absent = this.boards.filter((board) => !board.powered || board.held).flatMap((board) => this.geometry.chipsOnBoard(board.chip));
    const dead = { ...this.#options.dead, chips: [...(this.#options.dead?.chips ?? []), ...absent] };
    const network = new MachineNetwork(this.geometry, dead, version.countsBoards);
    const system = new System({
      network,
      firmware: version,
      startValues: values ?? startValues(this.geometry.board, Math.floor(Date.now() / 1000)),
      clock: this.clock,
      bootTime: this.clock.now(),
      programs: this.#options.programs ?? {},
      addresses: this.boards.map((board) => octets(board.address.host)),
      timeScale: this.#options.timeScale ?? 1,
    });
    new Scamp(system, monitorCommands, (reason) => {
      this.boards[0]!.counters.dropped[reason] += 1;
    });
    const multicast = new Multicast(system, deliverPacket);
    system.multicast = (chip, key, payload) => multicast.send(chip, key, payload);
    const byChip = new Map(this.boards.map((board) => [(board.chip.x << 8) | board.chip.y, board]));
    system.transmit = (chip, bytes) => byChip.get((chip.x << 8) | chip.y)?.transmit(bytes);
    system.board = (chip) => byChip.get((chip.x << 8) | chip.y);
    this.#system = system;
    this.#rom = undefined;
    for (const board of this.boards) board.attach(board.powered && network.hasChip(board.chip.x, board.chip.y) ? system : undefined);
    return system;
  }

  #becomeReady(system: System): void {
    system.up = true;
    this.#crashCores();
    this.#isReady = true;
    this.#resolveReady();
  }

  #unboot(): void {
    this.#system?.close();
    this.#system = undefined;
    for (const board of this.boards) board.attach(undefined);
    this.#rom = new BootRom();
    this.#sayHello(this.#rom);
    if (this.#isReady) this.#newReady();
  }

  /** The ROM tells the network that it waits, as long as it does. */
  #sayHello(rom: BootRom): void {
    const to = this.#options.helloTo;
    if (to === undefined || this.#rom !== rom) return;
    if (this.boards[0]!.powered) {
      this.bootCounters.sent += 1;
      this.#bootPort?.send(BOOT_HELLO, to.port, to.host);
    }
    this.clock.after(HELLO_MS * (this.#options.timeScale ?? 1), () => this.#sayHello(rom));
  }

  /** Boards lose their state: all, or some while the others run on. */
  #silence(boards: readonly number[], change: (board: Board) => void): void {
    const own = boards.flatMap((index) => this.boards[index] ?? []);
    for (const board of own) change(board);
    if (own.includes(this.boards[0]!)) {
      this.#unboot();
      return;
    }
    for (const board of own) {
      board.attach(undefined);
      for (const { x, y } of this.geometry.chipsOnBoard(board.chip)) this.#system?.chip(x, y)?.die();
    }
  }

  #newReady(): void {
    this.#isReady = false;
    this.#ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Nobody has to wait for it: closing a machine that never came up is no unhandled rejection.
    this.#ready.catch(() => undefined);
  }

  #countDown(): void {
    if (this.#rebootIn === undefined) return;
    this.#rebootIn -= 1;
    if (this.#rebootIn > 0) return;
    this.#rebootIn = undefined;
    this.#unboot();
  }

  #crashCores(): void {
    if (this.#system === undefined) return;
    for (const { x, y, p } of this.#faults.crashedCores) this.#system.chip(x, y)?.cores[p]?.crash(DATA_ABORT);
  }
}

const BOOT_HELLO = encodeBoot({
  version: BOOT_VERSION,
  opcode: BootOpcode.HELLO,
  operand1: 0x02010000,
  operand2: 0,
  operand3: 0x43505453,
  data: new Uint8Array(),
});

const DATA_ABORT = 5;
