import { ArmMachine, Compiler, type Engine, interpret, Pace, type Packet } from "../../emulator/index.js";
import { SpinnError, throwIfAborted } from "../../errors.js";
import { type Link, type MachineGeometry, oppositeLink, SV } from "../../machine/index.js";
import { BOOT_PORT, BOOT_SV_OFFSET, BOOT_SV_SIZE, SCP_PORT } from "../../wire/index.js";
import { BootRom } from "../boot-rom.js";
import { MachineNetwork } from "../network.js";
import { checkOptions, type SimulatedMachineOptions } from "../options.js";
import { addressAfter } from "../port.js";
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
/** Tries to find a port that is free on every address of the machine. */
const ATTEMPTS = 5;
/** Start values that a host writes into the image; the rest is the image's own. Source: boot sheet, section 5. */
const HOST_FIELDS = ["hw_ver", "unix_time", "led0", "root_chip", "boot_sig"] as const;

/** How a machine of emulated chips is made. */
export interface SiliconMachineOptions
  extends Pick<SimulatedMachineOptions, "board" | "host" | "port" | "bootPort" | "dead" | "record" | "signal"> {
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
  readonly chips: readonly SiliconChip[];
  readonly boards: readonly SiliconBoard[] = [];
  readonly #index = new Map<number, SiliconChip>();
  readonly #travelling: Travelling[] = [];
  readonly #pace: Pace;
  readonly #recorder: Recorder | undefined;
  readonly #options: SiliconMachineOptions;
  #hops = 0;
  #isReady = false;
  #watch: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  readonly #ready: Promise<void>;
  #resolveReady!: () => void;
  #rejectReady!: (error: unknown) => void;
  readonly #abort = (): void => void this.close();

  private constructor(options: SiliconMachineOptions, geometry: MachineGeometry) {
    this.#options = options;
    this.geometry = geometry;
    this.network = new MachineNetwork(geometry, options.dead);
    this.#recorder = options.record === undefined ? undefined : new Recorder(options.record);
    const engine: Engine = options.engine === "interpreter" ? interpret : new Compiler().run;
    const hardwareVersion = geometry.board === "spin3" ? 3 : 5;
    const addresses = new Map(
      geometry.ethernetChips.map(({ x, y }, index) => [key(x, y), addressAfter(options.host ?? "127.0.0.1", index)]),
    );
    this.chips = this.network.chips.map(({ x, y }) => {
      const address = addresses.get(key(x, y));
      return new SiliconChip({
        x,
        y,
        workingCores: this.network.workingCores(x, y),
        ethernet: address === undefined ? undefined : { ip: octets(address), hardwareVersion },
        engine,
        machine: this.machine,
        carry: (chip, packet) => this.#carry(chip, packet),
        leave: (chip, link, packet) => this.#leave(chip, link, packet),
        transmit: (chip, frame) => this.boards.find((board) => board.chip === chip)?.transmit(frame),
      });
    });
    for (const chip of this.chips) this.#index.set(key(chip.x, chip.y), chip);
    this.#pace = new Pace(this.machine, options.bootSpeed ?? Infinity, (error) => this.#fail(error));
    this.#ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    this.#ready.catch(() => undefined);
  }

  /** Opens the sockets; with an image the machine begins to boot. Throws as `SimulatedMachine.start` does. */
  static async start(options: SiliconMachineOptions = {}): Promise<SiliconMachine> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await SiliconMachine.#open(options);
      } catch (error) {
        const taken = error instanceof SpinnError && error.code === "ERR_SPINN_ADDRESS_IN_USE";
        if (!taken || options.port !== 0 || attempt === ATTEMPTS) throw error;
      }
    }
  }

  static async #open(options: SiliconMachineOptions): Promise<SiliconMachine> {
    throwIfAborted(options.signal);
    const opened = new SiliconMachine(options, checkOptions(options));
    try {
      const port = options.port ?? SCP_PORT;
      for (const [index, { x, y }] of opened.geometry.ethernetChips.entries()) {
        const chip = opened.chip(x, y);
        if (chip === undefined) continue;
        const board = await SiliconBoard.open({
          chip,
          rom: new BootRom(),
          host: addressAfter(options.host ?? "127.0.0.1", index),
          port: opened.boards[0]?.address.port ?? port,
          bootPort: opened.boards[0]?.bootAddress.port ?? options.bootPort ?? (port === 0 ? 0 : BOOT_PORT),
          nudge: () => opened.#wake(),
          recorder: opened.#recorder,
        });
        (opened.boards as SiliconBoard[]).push(board);
      }
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
    return this.#ready;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  chip(x: number, y: number): SiliconChip | undefined {
    return this.#index.get(key(x, y));
  }

  /** Starts an image on the root chip, with the start values a host would write. */
  boot(image: Uint8Array): void {
    if (image.length < BOOT_SV_OFFSET + BOOT_SV_SIZE) {
      throw new SpinnError("ERR_SPINN_FILE", `a boot image of ${image.length} bytes is no SC&MP`, {
        hint: "give scamp.boot of spinnaker_tools",
      });
    }
    const prepared = Uint8Array.from(image);
    const start = new Uint8Array(SV.size);
    start.set(image.subarray(BOOT_SV_OFFSET, BOOT_SV_OFFSET + BOOT_SV_SIZE));
    const host = new Uint8Array(SV.size);
    host.set(startValues(this.geometry.board, Math.floor(Date.now() / 1000)));
    for (const field of HOST_FIELDS) SV.write(start, field, SV.number(host, field));
    prepared.set(start.subarray(0, BOOT_SV_SIZE), BOOT_SV_OFFSET);
    this.chip(0, 0)!.start(prepared);
    this.#wake();
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
    clearInterval(this.#watch);
    if (!this.#isReady) this.#rejectReady(new SpinnError("ERR_SPINN_CLOSED", "the machine was closed before it was booted"));
    await Promise.all(this.boards.map((board) => board.close()));
    this.#recorder?.close();
  }

  #fail(error: unknown): void {
    clearInterval(this.#watch);
    this.#rejectReady(error);
    if (this.#options.onFailure === undefined) throw error;
    this.#options.onFailure(error);
  }

  /** Something came from outside. Until the network is up its state is looked at now and then. */
  #wake(): void {
    this.#pace.start();
    this.#pace.nudge();
    if (this.#isReady || this.#watch !== undefined) return;
    this.#watch = setInterval(() => this.#lookReady(), 10);
  }

  #lookReady(): void {
    const offset = SV.field("netinit_phase").offset;
    if (!this.chips.every(({ memory }) => memory.readByte(SYSTEM_VARIABLES + offset) === NETINIT_DONE)) return;
    clearInterval(this.#watch);
    this.#isReady = true;
    this.#pace.speed = this.#options.speed ?? 1;
    this.#resolveReady();
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
