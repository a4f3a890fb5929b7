import { ArmMachine, Compiler, type Engine, interpret, Pace, type Packet } from "../../emulator/index.js";
import { SpinnError, throwIfAborted } from "../../errors.js";
import { type ChipCoordinates, type Link, type MachineGeometry, oppositeLink, SV } from "../../machine/index.js";
import { BOOT_BLOCK_SIZE, BOOT_MAX_BLOCKS, BOOT_PORT, BOOT_SV_OFFSET, BOOT_SV_SIZE, SCP_PORT } from "../../wire/index.js";
import type { Bmp } from "../bmp/bmp.js";
import { openBmps } from "../bmp/frame.js";
import { Clock } from "../clock.js";
import { firmwareOfImage } from "../firmware.js";
import { MachineNetwork } from "../network.js";
import { checkOptions, type SimulatedMachineOptions } from "../options.js";
import { addressAfter, onFreePorts } from "../port.js";
import { Readiness } from "../readiness.js";
import { Recorder } from "../recorder.js";
import { startValues } from "../start-values.js";
import { octets } from "../tags.js";
import { SiliconBoard } from "./silicon-board.js";
import { SiliconChip } from "./silicon-chip.js";

/** A packet that has passed so many routers goes in circles. */
const MAX_HOPS = 1024;
/** Packets on their way within one slice; further ones are lost. */
const MAX_TRAVELLING = 1 << 16;
const SYSTEM_VARIABLES = 0xf500_7f00;
const NETINIT_DONE = 0xff;
/** Start values that a host writes into the image; the rest is the image's own. Source: boot sheet, section 5. */
const HOST_FIELDS = ["hw_ver", "unix_time", "led0", "root_chip", "boot_sig"] as const;

/** How a machine of emulated chips is made. */
export interface SiliconMachineOptions
  extends Pick<
    SimulatedMachineOptions,
    "board" | "host" | "bmpHost" | "port" | "bootPort" | "dead" | "record" | "signal" | "powered" | "timeScale"
  > {
  /** Image of SC&MP (`scamp.boot` of spinnaker_tools), which the boot ROM starts at once. Default: none, the ROM waits for one over UDP. */
  readonly image?: Uint8Array;
  /** Clocks of the cores per clock of real ones once the machine is booted: 1 real time, Infinity as fast as the host can. Default 1. */
  readonly speed?: number;
  /** The same while it boots. Default Infinity. */
  readonly bootSpeed?: number;
  /** `compiled`: basic blocks become JavaScript functions; `interpreter`: one instruction after the other. Default `compiled`. */
  readonly engine?: "compiled" | "interpreter";
  /** Called when the emulator itself fails; the machine stands still then. Default: the error is thrown where nobody catches it. */
  readonly onFailure?: (error: unknown) => void;
}

interface Travelling {
  readonly chip: SiliconChip;
  readonly packet: Packet;
  readonly from: Link | undefined;
  readonly hops: number;
}

/**
 * A machine whose chips are emulated down to their monitors: the firmware is a real image of SC&MP, booted by a played boot ROM, and answers hosts
 * itself through an emulated Ethernet MAC. The judge of the simulated machine.
 */
export class SiliconMachine implements AsyncDisposable {
  readonly geometry: MachineGeometry;
  readonly network: MachineNetwork;
  readonly machine = new ArmMachine();
  readonly boards: readonly SiliconBoard[] = [];
  /** The board management processors, in the order of the boards; none for a board of 4 chips. These are played. */
  readonly bmps: readonly Bmp[] = [];
  readonly #index = new Map<number, SiliconChip>();
  readonly #travelling: Travelling[] = [];
  readonly #pace: Pace;
  readonly #recorder: Recorder | undefined;
  readonly #options: SiliconMachineOptions;
  readonly #engine: Engine;
  readonly #clock = new Clock();
  #hops = 0;
  readonly #readiness = new Readiness();
  #watch: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  readonly #abort = (): void => void this.close();

  private constructor(options: SiliconMachineOptions, geometry: MachineGeometry) {
    this.#options = options;
    this.geometry = geometry;
    this.network = new MachineNetwork(geometry, options.dead);
    this.#recorder = options.record === undefined ? undefined : new Recorder(options.record);
    this.#engine = options.engine === "interpreter" ? interpret : new Compiler().run;
    this.#pace = new Pace(this.machine, options.bootSpeed ?? Infinity, (error) => this.#fail(error));
  }

  /** Opens the sockets; with an image the machine begins to boot. Throws as `SimulatedMachine.start` does. */
  static async start(options: SiliconMachineOptions = {}): Promise<SiliconMachine> {
    return onFreePorts(options.port, () => SiliconMachine.#open(options));
  }

  static async #open(options: SiliconMachineOptions): Promise<SiliconMachine> {
    throwIfAborted(options.signal);
    const opened = new SiliconMachine(options, checkOptions(options));
    try {
      const port = options.port ?? SCP_PORT;
      const boards = opened.boards as SiliconBoard[];
      for (const [index, chip] of opened.geometry.ethernetChips.entries()) {
        const board = await SiliconBoard.open({
          chip,
          host: addressAfter(options.host ?? "127.0.0.1", index),
          port: boards[0]?.address.port ?? port,
          bootPort: boards[0]?.bootAddress.port ?? options.bootPort ?? (port === 0 ? 0 : BOOT_PORT),
          nudge: () => opened.#wake(),
          recorder: opened.#recorder,
        });
        boards.push(board);
      }
      await openBmps(opened.bmps as Bmp[], options, boards, opened.geometry, {
        clock: opened.#clock,
        recorder: opened.#recorder,
        timeScale: options.timeScale ?? 1,
        delayMs: () => 0,
        power: (index, on) => opened.setPower(on, [index]),
        reset: (index, held) => opened.setPower(!held, [index]),
      });
      if (options.powered ?? true) opened.setPower(true);
      throwIfAborted(options.signal);
      options.signal?.addEventListener("abort", opened.#abort, { once: true });
      if (options.image !== undefined) opened.boot(options.image);
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** Resolves when the firmware says that its network is up; rejects with `ERR_SPINN_CLOSED` when the machine is closed before. */
  get ready(): Promise<void> {
    return this.#readiness.promise;
  }

  get isReady(): boolean {
    return this.#readiness.isReady;
  }

  chip(x: number, y: number): SiliconChip | undefined {
    return this.#index.get(key(x, y));
  }

  /** The chips that have their supply. */
  get chips(): readonly SiliconChip[] {
    return [...this.#index.values()];
  }

  /** Where the boot ROM of the first board listens. */
  get bootAddress(): { readonly host: string; readonly port: number } {
    return this.boards[0]!.bootAddress;
  }

  /** Switches the supply of boards: off, and their chips are gone; on, and new ones wait for an image. Default: all boards. */
  setPower(on: boolean, boards: readonly number[] = this.boards.map((_, index) => index)): void {
    for (const index of boards) {
      const board = this.boards[index];
      if (board === undefined) continue;
      for (const { x, y } of this.geometry.chipsOnBoard(board.chip)) {
        this.#index.get(key(x, y))?.end();
        this.#index.delete(key(x, y));
        if (on && this.network.hasChip(x, y)) this.#index.set(key(x, y), this.#makeChip({ x, y }, board));
      }
      board.attach(this.chip(board.chip.x, board.chip.y));
    }
    if (!this.isReady) return;
    this.#readiness.reset();
    this.#pace.speed = this.#options.bootSpeed ?? Infinity;
  }

  /**
   * Starts an image on the root chip, with the start values a host would write. Throws `ERR_SPINN_FILE` for what is no image of SC&MP,
   * `ERR_SPINN_STATE` when the machine is off or booted.
   */
  boot(image: Uint8Array): void {
    if (
      image.length < BOOT_SV_OFFSET + BOOT_SV_SIZE ||
      image.length > BOOT_MAX_BLOCKS * BOOT_BLOCK_SIZE ||
      firmwareOfImage(image) === undefined
    ) {
      throw new SpinnError("ERR_SPINN_FILE", `the boot image of ${image.length} bytes is no SC&MP`, {
        hint: "give scamp.boot of spinnaker_tools, SpiNNMan or rig",
      });
    }
    const prepared = Uint8Array.from(image);
    const start = new Uint8Array(SV.size);
    start.set(image.subarray(BOOT_SV_OFFSET, BOOT_SV_OFFSET + BOOT_SV_SIZE));
    const host = new Uint8Array(SV.size);
    host.set(startValues(this.geometry.board, Math.floor(Date.now() / 1000)));
    for (const field of HOST_FIELDS) SV.write(start, field, SV.number(host, field));
    prepared.set(start.subarray(0, BOOT_SV_SIZE), BOOT_SV_OFFSET);
    const root = this.chip(0, 0);
    if (root === undefined || root.started) {
      throw new SpinnError("ERR_SPINN_STATE", `the machine ${root === undefined ? "has no supply" : "is booted"}`, {
        hint: "switch it on first",
      });
    }
    root.start(prepared);
    this.#wake();
  }

  #makeChip({ x, y }: ChipCoordinates, board: SiliconBoard): SiliconChip {
    const hasEthernet = x === board.chip.x && y === board.chip.y;
    const hardwareVersion = this.geometry.board === "spin3" ? 3 : 5;
    return new SiliconChip({
      x,
      y,
      workingCores: this.network.workingCores(x, y),
      ethernet: hasEthernet ? { ip: octets(board.address.host), hardwareVersion } : undefined,
      engine: this.#engine,
      machine: this.machine,
      carry: (chip, packet) => this.#carry(chip, packet),
      leave: (chip, link, packet) => this.#leave(chip, link, packet),
      transmit: (_, frame) => board.transmit(frame),
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#pace.stop();
    this.#clock.close();
    clearInterval(this.#watch);
    this.#readiness.fail(new SpinnError("ERR_SPINN_CLOSED", "the machine was closed before it was booted"));
    await Promise.all([...this.boards, ...this.bmps].map((part) => part.close()));
    this.#recorder?.close();
  }

  #fail(error: unknown): void {
    clearInterval(this.#watch);
    this.#readiness.fail(error);
    if (this.#options.onFailure === undefined) throw error;
    this.#options.onFailure(error);
  }

  /** Something came from outside. Until the network is up its state is looked at now and then. */
  #wake(): void {
    this.#pace.start();
    this.#pace.nudge();
    if (this.isReady || this.#watch !== undefined) return;
    this.#watch = setInterval(() => this.#lookReady(), 10);
  }

  #lookReady(): void {
    const offset = SV.field("netinit_phase").offset;
    if (!this.chip(0, 0)?.started || !this.chips.every(({ memory }) => memory.readByte(SYSTEM_VARIABLES + offset) === NETINIT_DONE)) return;
    clearInterval(this.#watch);
    this.#watch = undefined;
    this.#pace.speed = this.#options.speed ?? 1;
    this.#readiness.set();
  }

  /** Carries a packet through the routers until nobody has it any more. */
  #carry(chip: SiliconChip, packet: Packet): void {
    this.#travelling.push({ chip, packet, from: undefined, hops: 0 });
    for (let at = 0; at < this.#travelling.length; at += 1) {
      const { chip: here, packet: carried, from, hops } = this.#travelling[at]!;
      this.#hops = hops;
      here.router.route(carried, from);
    }
    this.#travelling.length = 0;
  }

  #leave(chip: SiliconChip, link: Link, packet: Packet): boolean {
    const to = this.network.neighbour(chip.x, chip.y, link);
    const neighbour = to === undefined ? undefined : this.chip(to.x, to.y);
    if (neighbour === undefined) return false;
    if (this.#hops < MAX_HOPS && this.#travelling.length < MAX_TRAVELLING)
      this.#travelling.push({ chip: neighbour, packet, from: oppositeLink(link), hops: this.#hops + 1 });
    return true;
  }
}

function key(x: number, y: number): number {
  return (x << 8) | y;
}
