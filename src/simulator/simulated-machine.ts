import { SpinnError, throwIfAborted } from "../errors.js";
import type { MachineGeometry } from "../machine/index.js";
import { BOOT_PORT, BOOT_SV_OFFSET, BOOT_SV_SIZE, SCP_PORT } from "../wire/index.js";
import { type Assembly, assemble, isSame } from "./assembly.js";
import type { Bmp } from "./bmp/bmp.js";
import { openBmps } from "./bmp/frame.js";
import { Board } from "./board.js";
import { breakParts } from "./breakage.js";
import { bringUp } from "./bring-up.js";
import type { Chip } from "./chip.js";
import { Clock } from "./clock.js";
import type { Counters } from "./counters.js";
import { FaultInjector } from "./fault-injector.js";
import { type CheckedFaults, checkFaults, type FAULT_PRESETS, type Faults } from "./faults.js";
import { type Firmware, firmware, firmwareOfImage } from "./firmware.js";
import { checkDeadParts } from "./network.js";
import { checkOptions, type SimulatedMachineOptions } from "./options.js";
import { addressAfter, onFreePorts } from "./port.js";
import { Readiness } from "./readiness.js";
import { Recorder } from "./recorder.js";
import type { System } from "./system.js";
import { type CheckedStep, checkBoards, checkTimeline, type Timeline, TimelinePlayer } from "./timeline.js";

/** Silence while the root chip starts and copies itself to its neighbours, ms (boot sheet, section 7). */
const SILENT_MS = 1200;
/** Time in which VER answers 255,255, ms. */
const NETINIT_MS = 3300;
const DEFAULT_SEED = 1;

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
  /** The whole machine, counted from the first board. Booted from another board, chips count from that one. */
  readonly geometry: MachineGeometry;
  readonly clock: Clock;
  readonly #options: SimulatedMachineOptions;
  readonly #injectors: readonly FaultInjector[];
  readonly #recorder: Recorder | undefined;
  #faults: Faults | keyof typeof FAULT_PRESETS = {};
  #checked: CheckedFaults = checkFaults({});
  /** What runs, with how it was put together. One, unless boards were booted again while others went on; at most one per board. */
  readonly #systems = new Map<System, Assembly>();
  /** Boards on which an image has been started that is not up yet, with the start they belong to. */
  readonly #starting = new Map<Board, object>();
  #firmware: Firmware;
  readonly #readiness = new Readiness();
  #rebootIn: number | undefined;
  #timeline: TimelinePlayer | undefined;
  #closing: Promise<void> | undefined;
  readonly #abort = (): void => void this.close();

  private constructor(
    options: SimulatedMachineOptions,
    geometry: MachineGeometry,
    clock: Clock,
    boards: readonly Board[],
    injectors: readonly FaultInjector[],
    recorder: Recorder | undefined,
  ) {
    this.#options = options;
    this.geometry = geometry;
    this.clock = clock;
    this.boards = boards;
    this.#injectors = injectors;
    this.#recorder = recorder;
    this.#firmware = firmware(options.scamp ?? "4.0.0", options.maskErrors);
  }

  /**
   * Opens the sockets. Throws `ERR_SPINN_ADDRESS_IN_USE` when one is taken, `ERR_SPINN_ARGUMENT` for options that make no machine.
   */
  static async start(options: SimulatedMachineOptions = {}): Promise<SimulatedMachine> {
    return onFreePorts(options.port, () => SimulatedMachine.#open(options));
  }

  static async #open(options: SimulatedMachineOptions): Promise<SimulatedMachine> {
    throwIfAborted(options.signal);
    const geometry = checkOptions(options);
    const port = options.port ?? SCP_PORT;
    const { timeline } = options;
    if (timeline !== undefined) checkTimeline(timeline, geometry.ethernetChips.length);
    const clock = new Clock();
    const recorder = options.record === undefined ? undefined : new Recorder(options.record);
    const boards: Board[] = [];
    const injectors: FaultInjector[] = [];
    let machine: SimulatedMachine | undefined;
    try {
      const host = options.host ?? "127.0.0.1";
      for (const [index, chip] of geometry.ethernetChips.entries()) {
        const injector = new FaultInjector(clock);
        injectors.push(injector);
        // With any free port the boards behind the first share its number, as real ones do.
        const first = boards[0];
        const bootPort = first?.boot.address.port ?? options.bootPort ?? (port === 0 ? 0 : BOOT_PORT);
        boards.push(
          await Board.open(chip, addressAfter(host, index), first?.address.port ?? port, bootPort, {
            clock,
            recorder,
            timeScale: options.timeScale ?? 1,
            helloTo: options.helloTo,
            faults: injector,
            onImage: (board, image) => machine!.#start(board, image),
          }),
        );
      }
      const opened = new SimulatedMachine(options, geometry, clock, boards, injectors, recorder);
      machine = opened;
      options.signal?.addEventListener("abort", opened.#abort, { once: true });
      await openBmps(opened.bmps as Bmp[], options, boards, geometry, {
        clock,
        recorder,
        timeScale: options.timeScale ?? 1,
        delayMs: () => opened.#checked.bmpDelayMs,
        power: (index, on) => opened.setPower(on, [index]),
        reset: (index, held) => opened.holdReset(held, [index]),
      });
      throwIfAborted(options.signal);
      opened.reseed(timeline?.seed ?? options.seed ?? DEFAULT_SEED);
      opened.setFaults(timeline?.faults ?? options.faults ?? {});
      for (const board of boards) board.powered = options.powered ?? true;
      if ((options.booted ?? true) && (options.powered ?? true)) {
        const root = boards[0]!;
        opened.#becomeReady(opened.#boot(assemble(geometry, root.home, geometry.ethernetChips), opened.#firmware, undefined));
      } else opened.reset();
      if (timeline !== undefined) opened.play(timeline);
      return opened;
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
    return this.#readiness.promise;
  }

  /** Whether SC&MP runs on any board, with its network up; {@link Board.isBooted} says it of one. */
  get isReady(): boolean {
    return this.#readiness.isReady;
  }

  /** Version of SC&MP that answers, or will after the next boot without a version of its own. */
  get version(): string {
    return this.#firmware.version;
  }

  /** Where the boot ROM of the first board listens. */
  get bootAddress(): { readonly host: string; readonly port: number } {
    return this.boards[0]!.boot.address;
  }

  /** What the boot ROM of the first board saw. */
  get bootCounters(): Counters {
    return this.boards[0]!.boot.counters;
  }

  /** The booted machine: what was booted last, if several parts of it were. Throws `ERR_SPINN_STATE` while it is not booted. */
  get system(): System {
    const system = [...this.#systems.keys()].at(-1);
    if (system !== undefined) return system;
    throw new SpinnError("ERR_SPINN_STATE", "the simulated machine is not booted", { hint: "boot it, or await machine.ready" });
  }

  /** One chip of the booted machine, to look into in tests. Throws `ERR_SPINN_STATE`, `ERR_SPINN_MACHINE`. */
  chip(x: number, y: number): Chip {
    return this.system.chipAt({ x, y });
  }

  /** The faults as they were set last. */
  get faults(): Faults | keyof typeof FAULT_PRESETS {
    return this.#faults;
  }

  /** Changes the faults while the machine runs. Throws `ERR_SPINN_ARGUMENT` naming the member that is wrong; then nothing has changed. */
  setFaults(faults: Faults | keyof typeof FAULT_PRESETS): void {
    const checked = checkFaults(faults);
    checkDeadParts(this.geometry, checked.dead);
    this.#faults = faults;
    this.#checked = checked;
    for (const injector of this.#injectors) injector.set(checked);
    for (const board of this.boards) board.transientTags = checked.transientTags;
    this.#rebootIn = checked.rebootAfter;
    this.#watchRequests();
    for (const [system, { place }] of this.#systems) breakParts(this.geometry, system, place, checked);
  }

  /** Starts the generators of the faults anew: from here on the same session meets the same faults as in another machine with this seed. */
  reseed(seed: number): void {
    for (const [index, injector] of this.#injectors.entries()) injector.reseed(seed + index);
  }

  /** Lets a timeline begin, its clock and its count of requests now; the one before is dropped. Throws `ERR_SPINN_ARGUMENT`. */
  play(timeline: Timeline): void {
    const steps = checkTimeline(timeline, this.boards.length);
    this.#timeline?.stop();
    if (timeline.seed !== undefined) this.reseed(timeline.seed);
    if (timeline.faults !== undefined) this.setFaults(timeline.faults);
    this.#timeline = new TimelinePlayer(steps, this.clock, (step) => this.#happen(step));
    this.#watchRequests();
  }

  /** Whether datagrams go to the file of `record`; switch it while the machine runs. Throws `ERR_SPINN_STATE` when there is no such file. */
  get isRecording(): boolean {
    return this.#recorder !== undefined && !this.#recorder.paused;
  }

  set isRecording(on: boolean) {
    if (this.#recorder !== undefined) this.#recorder.paused = !on;
    else if (on)
      throw new SpinnError("ERR_SPINN_STATE", "the simulated machine has no file to record into", {
        hint: "name one when it is started: record, spinn simulate --record FILE",
      });
  }

  /**
   * Switches the supply of boards, as their BMP does. Off: silence. On: the boot ROM of the board waits for an image. Boards that keep their
   * supply run on, without the chips that are gone, which their tables still know. Default: all boards.
   */
  setPower(on: boolean, boards: readonly number[] = this.#allBoards()): void {
    this.#restart(boards, (board) => {
      board.powered = on;
    });
  }

  /** Holds the chips of boards in reset (silence), or lets them go (unbooted). */
  holdReset(held: boolean, boards: readonly number[]): void {
    this.#restart(boards, (board) => {
      board.held = held;
    });
  }

  /** Presses the reset button of boards: they are unbooted. Default: all. */
  reset(boards: readonly number[] = this.#allBoards()): void {
    this.#restart(boards, () => undefined);
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
    for (const system of this.#systems.keys()) system.close();
    this.clock.close();
    this.#readiness.fail(new SpinnError("ERR_SPINN_CLOSED", "the simulated machine was closed before it was booted"));
    await Promise.all([...this.boards.map((board) => board.close()), ...this.bmps.map((bmp) => bmp.close())]);
    this.#recorder?.close();
  }

  #allBoards(): number[] {
    return this.boards.map((_, index) => index);
  }

  /** A ROM has started an image: silence, then answers from 255,255, then a machine of all boards that waited. */
  #start(root: Board, image: Uint8Array): void {
    const waiting = this.boards.filter((board) => board.boot.isWaiting);
    const assembly = assemble(
      this.geometry,
      root.home,
      waiting.map(({ home }) => home),
    );
    const start = {};
    for (const board of this.#boardsOf(assembly)) {
      board.boot.stop();
      this.#starting.set(board, start);
    }
    const scale = this.#options.timeScale ?? 1;
    const version = firmwareOfImage(image);
    if (version !== undefined) this.#firmware = firmware(version, this.#options.maskErrors);
    const running = this.#firmware;
    const values =
      image.length >= BOOT_SV_OFFSET + BOOT_SV_SIZE ? image.subarray(BOOT_SV_OFFSET, BOOT_SV_OFFSET + BOOT_SV_SIZE) : undefined;
    this.clock.after(SILENT_MS * scale, () => {
      const still = this.#boardsOf(assembly).filter((board) => this.#starting.get(board) === start);
      for (const board of still) this.#starting.delete(board);
      if (!still.includes(root)) {
        // Nobody has sent them the image: their ROMs wait on.
        for (const board of still) this.#wait(board);
        return;
      }
      const homes = still.map(({ home }) => home);
      const system = this.#boot(assemble(this.geometry, root.home, homes), running, values);
      this.clock.after(NETINIT_MS * scale, () => {
        if (this.#systems.has(system)) this.#becomeReady(system);
      });
    });
  }

  #boot(assembly: Assembly, version: Firmware, values: Uint8Array | undefined): System {
    const system = bringUp({
      whole: this.geometry,
      assembly,
      boards: this.boards,
      firmware: version,
      startValues: values,
      clock: this.clock,
      options: this.#options,
      dead: [this.#options.dead ?? {}, this.#checked.dead],
    });
    this.#systems.set(system, assembly);
    return system;
  }

  #becomeReady(system: System): void {
    system.up = true;
    breakParts(this.geometry, system, this.#systems.get(system)!.place, this.#checked);
    this.#readiness.set();
  }

  /** Boards lose their state: all, or some while the others run on. */
  #restart(boards: readonly number[], change: (board: Board) => void): void {
    checkBoards("the simulated machine", boards, this.boards.length);
    const own = boards.map((index) => this.boards[index]!);
    for (const board of own) {
      change(board);
      this.#starting.delete(board);
      board.boot.stop();
      this.#leave(board);
    }
    // After all have lost their state: a ROM's hello must not speak for a board that is about to go.
    for (const board of own) this.#wait(board);
    if (![...this.#systems.keys()].some(({ up }) => up)) this.#readiness.reset();
  }

  /** The ROM of a board waits for an image, if the board can run at all. */
  #wait(board: Board): void {
    const gone = [this.#options.dead, this.#checked.dead].some((dead) => dead?.chips?.some((chip) => isSame(chip, board.home)));
    if (board.powered && !board.held && !gone) board.boot.wait();
  }

  #leave(board: Board): void {
    const { system, chip } = board;
    if (system === undefined) return;
    board.attach(undefined);
    if (this.boards.some((other) => other.system === system)) system.lose(system.network.geometry.chipsOnBoard(chip));
    else {
      system.close();
      this.#systems.delete(system);
    }
  }

  #boardsOf(assembly: Assembly): Board[] {
    return this.boards.filter(({ home }) => assembly.boards.some((ethernet) => isSame(ethernet, home)));
  }

  /** Requests are counted only while somebody wants to know. */
  #watchRequests(): void {
    const wanted = this.#rebootIn !== undefined || this.#timeline?.counts === true;
    for (const [index, board] of this.boards.entries()) board.onRequest = wanted ? () => this.#onRequest(index) : undefined;
  }

  #onRequest(board: number): void {
    this.#timeline?.request();
    if (this.#rebootIn === undefined) return;
    this.#rebootIn -= 1;
    if (this.#rebootIn > 0) return;
    this.#rebootIn = undefined;
    this.#watchRequests();
    this.reset([board]);
  }

  #happen({ step, index }: CheckedStep): void {
    const boards = step.boards ?? this.#allBoards();
    if (step.seed !== undefined) this.reseed(step.seed);
    if (step.faults !== undefined) this.setFaults(step.faults);
    if (step.power !== undefined) this.setPower(step.power === true || step.power === "on", boards);
    if (step.reset === true) this.reset(boards);
    this.#options.onStep?.(step, index);
  }
}
