/**
 * Emulated cores as programs of the simulated machine. The interfaces below are those of the simulator seen from this side; the simulator
 * plugs the emulator in, the emulator knows nothing of the simulator.
 */
import { debuglog } from "node:util";
import { CoreState, formatCore, runTimeError, VCPU, VCPU_SIZE, vcpuAddress } from "../machine/index.js";
import type { ArmChip, ChipMemoryPort } from "./arm-chip.js";
import { ArmCore, type Engine } from "./arm-core.js";
import { ArmMachine, type ScheduledCore } from "./arm-machine.js";
import type { Packet } from "./comms.js";
import { Compiler } from "./compiler.js";
import { type CoreDump, type CoreSnapshot, snapshot } from "./debug/core-dump.js";
import type { InstructionCounts } from "./debug/instruction-counts.js";
import { interpret, interpretCounting } from "./interpreter.js";
import type { SdpLike } from "./mailbox.js";
import { Pace } from "./pace.js";
import { describeSilence, describeTrouble } from "./trouble.js";

/** What the simulated machine lets the program of a core do. */
export interface ArmCoreContext {
  readonly x: number;
  readonly y: number;
  /** Virtual core. */
  readonly p: number;
  readonly physical: number;
  readonly appId: number;
  /** The start command asked to wait for START. */
  readonly wait: boolean;
  readonly memory: { readonly chip: ChipMemoryPort };
  /** Address of the APLX image in the chip's memory. */
  readonly imageAddress: number;
  /** Milliseconds since boot. */
  nowMs(): number;
  sendSdp(message: SdpLike): void;
  sendMulticast(key: number, payload?: number): void;
  sendFixedRoute(key: number, payload?: number): void;
}

/** Something an application author wants to know: a core that met an exception, an image that is none, messages that were lost. */
export interface ArmTrouble {
  readonly x: number;
  readonly y: number;
  readonly p: number;
  /** What happened, in words. */
  readonly message: string;
  /** What is left of a core that failed; `undefined` for a core that goes on. */
  readonly dump?: CoreDump | undefined;
}

/** A packet that a core sent, or that reached it. */
export interface PacketEvent {
  /** Microseconds since boot by the cores' clock. */
  readonly timeUs: number;
  readonly event: "sent" | "received";
  readonly x: number;
  readonly y: number;
  /** Virtual core. */
  readonly p: number;
  readonly type: (typeof PACKET_TYPES)[number];
  readonly key: number;
  readonly payload: number | undefined;
}

/** Bits 7:6 of a packet's control byte. */
const MULTICAST = 0;
const FIXED_ROUTE = 3;
/** Names by these bits. */
const PACKET_TYPES = ["multicast", "p2p", "neighbour", "fixed-route"] as const;

export interface ArmProgramOptions {
  /**
   * Clocks of the cores per clock of a real core: 1 real time, 2 twice as fast, Infinity as fast as the host can, 0 not
   * at all: then only {@link ArmMachine.advance} moves time. A host that cannot keep up
   * makes the machine slower, never different. Default: 1.
   */
  readonly speed?: number;
  /** `compiled`: basic blocks become JavaScript functions; `interpreter`: one instruction after the other. Default: `compiled`. */
  readonly engine?: "compiled" | "interpreter";
  /** The machine that the cores join. Default: a new one, shared by all programs of this choice. */
  readonly machine?: ArmMachine;
  /** Counts what all cores execute: for a profile or coverage. Default: nothing is counted, at no cost. */
  readonly counts?: InstructionCounts;
  /** Is told of every packet the cores send and receive. Called while they run: keep it short. Default: nobody is. */
  readonly onPacket?: (event: PacketEvent) => void;
  /** Default: `util.debuglog('spinn')`. */
  readonly onTrouble?: (trouble: ArmTrouble) => void;
}

const log = debuglog("spinn");
const CPU_STATE = VCPU.field("cpu_state").offset;
const RT_CODE = VCPU.field("rt_code").offset;
/** Failures of one core that are told: one that cannot even reach its error handler fails for ever. */
const MAX_FAILURES = 4;
/** Longest text kept of a core that failed, bytes. */
const MAX_TEXT = 1 << 16;

/**
 * Programs that execute the loaded APLX image on an emulated ARM968E-S: give it to the simulated machine as its choice of programs.
 *
 * ```
 * SimulatedMachine.start({ board: "spin3", programs: armProgram({ speed: Infinity }) })
 * ```
 */
export function armProgram(options: ArmProgramOptions = {}): () => ArmProgram {
  const machine = options.machine ?? new ArmMachine();
  const pace = new Pace(machine, options.speed ?? 1, (error) =>
    log("the emulator failed: %s", error instanceof Error ? error.stack : error),
  );
  const onTrouble = options.onTrouble ?? (({ x, y, p, message }) => log("core %s: %s", formatCore({ x, y, p }), message));
  const { counts } = options;
  const interpreter = counts === undefined ? interpret : interpretCounting;
  const engine = options.engine === "interpreter" ? interpreter : new Compiler({ counting: counts !== undefined }).run;
  return () => new ArmProgram(machine, pace, engine, onTrouble, counts, options.onPacket);
}

/** The program of one core. Its life is that of the application: from the start command to the next reset. */
export class ArmProgram implements ScheduledCore {
  readonly name = "arm";
  readonly bare = true;
  readonly #machine: ArmMachine;
  readonly #pace: Pace;
  readonly #engine: Engine;
  readonly #onTrouble: (trouble: ArmTrouble) => void;
  readonly #counts: InstructionCounts | undefined;
  readonly #onPacket: ((event: PacketEvent) => void) | undefined;
  #context: ArmCoreContext | undefined;
  #core: ArmCore | undefined;
  #chip: ArmChip | undefined;
  #seenExceptions = 0;
  /** The core as it was at the first failure nobody has told of yet. */
  #failure: CoreSnapshot | undefined;
  #failures = 0;
  /** Its state is known to be RTE. */
  #dead = false;

  constructor(
    machine: ArmMachine,
    pace: Pace,
    engine: Engine,
    onTrouble: (trouble: ArmTrouble) => void,
    counts: InstructionCounts | undefined,
    onPacket: ((event: PacketEvent) => void) | undefined,
  ) {
    this.#onPacket = onPacket;
    this.#counts = counts;
    this.#machine = machine;
    this.#pace = pace;
    this.#engine = engine;
    this.#onTrouble = onTrouble;
  }

  get core(): ArmCore {
    return this.#core!;
  }

  get chip(): ArmChip {
    return this.#chip!;
  }

  get place(): { readonly x: number; readonly y: number; readonly p: number } {
    return this.#context!;
  }

  get order(): number {
    const { x, y, physical } = this.#context!;
    return (x << 16) | (y << 8) | physical;
  }

  start(context: ArmCoreContext): void {
    const machine = this.#machine;
    this.#context = context;
    this.#chip = machine.chip(context.memory.chip, context.nowMs());
    const core = new ArmCore({
      memory: context.memory.chip,
      physicalCore: context.physical,
      send: (packet) => {
        if (this.#onPacket !== undefined) this.#tell("sent", packet, core.now);
        machine.send(this, packet);
      },
    });
    core.engine = this.#engine;
    core.cpu.counts = this.#counts?.words;
    core.cpu.onError = () => {
      if (this.#failures < MAX_FAILURES) this.#failure ??= snapshot(core.cpu, core.cpu.errorAddress);
    };
    this.#core = core;
    if (!core.start(context.imageAddress, ((context.wait ? 1 : 0) << 8) | context.appId, machine.now)) {
      this.#report("the image is no APLX application, or its load table reaches where no memory is; the core never starts");
    }
    this.#chip.add({
      core,
      virtualCore: context.p,
      sendSdp: (message) => context.sendSdp(message),
      onWatchdog: () => this.#report(describeSilence(core.cpu), snapshot(core.cpu)),
    });
    machine.add(this);
    this.#pace.start();
    this.#pace.nudge();
  }

  onSignal(signal: number): void {
    this.#pace.nudge();
    if (!this.chip.sendSignal(this.#context!.p, signal)) this.#report(`signal ${signal} was lost: the core does not empty its mailbox`);
  }

  onSdp(message: SdpLike): void {
    this.#pace.nudge();
    if (!this.chip.sendMessage(this.#context!.p, message)) this.#report("a message was lost: the core does not empty its mailbox");
  }

  onMulticast(key: number, payload: number | undefined): void {
    this.#pace.nudge();
    this.#deliver({ control: payload === undefined ? 0 : 2, key, payload });
  }

  onFixedRoute(key: number, payload: number | undefined): void {
    this.#pace.nudge();
    this.#deliver({ control: (FIXED_ROUTE << 6) | (payload === undefined ? 0 : 2), key, payload });
  }

  #deliver(packet: Packet): void {
    if (this.#onPacket !== undefined) this.#tell("received", packet, this.#machine.now);
    this.core.deliver(packet, 7);
  }

  #tell(event: PacketEvent["event"], { control, key, payload }: Packet, clock: number): void {
    const { x, y, p } = this.#context!;
    const timeUs = 1000 * this.#machine.nowMs + (clock - this.#machine.now) / this.#machine.clockMhz;
    this.#onPacket!({ timeUs, event, x, y, p, type: PACKET_TYPES[(control >> 6) & 3]!, key, payload });
  }

  stop(): void {
    this.#machine.remove(this);
    this.#chip?.remove(this.#context!.p);
  }

  route(packet: Packet): void {
    const type = packet.control >> 6;
    if (type === MULTICAST) this.#context!.sendMulticast(packet.key, packet.payload);
    else if (type === FIXED_ROUTE) this.#context!.sendFixedRoute(packet.key, packet.payload);
    // P2P and nearest-neighbour packets are for monitors: the played one has no use for those of an application.
  }

  afterSlice(): void {
    const { cpu } = this.core;
    if (cpu.errors !== this.#seenExceptions) {
      this.#seenExceptions = cpu.errors;
      this.#failures += 1;
      if (this.#failures <= MAX_FAILURES) this.#report(describeTrouble(cpu), this.#failure);
      if (this.#failures === MAX_FAILURES) this.#report("it fails again and again; further failures are not told");
      this.#failure = undefined;
    }
    if (cpu.waiting && !this.#dead) this.#lookDead();
  }

  /** A program that gives up by itself, as `rt_error` and `abort` do, meets no exception: it sets its state and sleeps. */
  #lookDead(): void {
    const { memory, p } = this.#context!;
    const block = vcpuAddress(p);
    if (memory.chip.readByte(block + CPU_STATE) !== CoreState.RTE) return;
    this.#dead = true;
    if (this.#failures > 0) return;
    const { name, meaning } = runTimeError(memory.chip.readByte(block + RT_CODE));
    this.#report(`the program gave up with run-time error ${name}: ${meaning}`, snapshot(this.core.cpu));
  }

  #report(message: string, left?: CoreSnapshot): void {
    const { x, y, p } = this.#context!;
    this.#onTrouble({ x, y, p, message, dump: left === undefined ? undefined : this.#dump(message, left) });
  }

  #dump(message: string, left: CoreSnapshot): CoreDump {
    const { x, y, p, physical, appId, memory } = this.#context!;
    const block = Uint8Array.from({ length: VCPU_SIZE }, (_, offset) => memory.chip.readByte(vcpuAddress(p) + offset));
    return {
      ...left,
      ...{ x, y, p, physical, appId, message },
      state: VCPU.number(block, "cpu_state"),
      runTimeError: VCPU.number(block, "rt_code"),
      application: String(VCPU.read(block, "app_name")),
      atMs: this.#machine.nowMs,
      instructions: this.core.instructions,
      iobuf: this.#text(VCPU.number(block, "iobuf")),
    };
  }

  /** The chain of text blocks as far as it makes sense: a core that failed may have written over it. */
  #text(first: number): string {
    const { chip } = this.#context!.memory;
    const bytes: number[] = [];
    try {
      for (let block = first; block !== 0 && bytes.length < MAX_TEXT; block = chip.readWord(block)) {
        const length = Math.min(chip.readWord(block + 12), MAX_TEXT - bytes.length);
        for (let at = 0; at < length; at++) bytes.push(chip.readByte(block + 16 + at));
        if (length === 0) break;
      }
    } catch (fault) {
      if (fault instanceof Error) throw fault;
    }
    return new TextDecoder().decode(Uint8Array.from(bytes));
  }
}
