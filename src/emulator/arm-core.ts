/**
 * One application core of a chip: the CPU, its private peripherals, and time. Times are clocks of the machine (200 per microsecond) as plain
 * numbers, exact up to 2^53.
 */
import { executeLoadTable } from "./aplx-loader.js";
import { Comms, type Packet } from "./comms.js";
import { BusFault, Cpu, Mode } from "./cpu.js";
import { Dma } from "./dma.js";
import { interpret } from "./interpreter.js";
import { Timer } from "./timer.js";
import { Interrupt, Vic } from "./vic.js";

/** Memory and registers that all cores of the chip share. Addresses unsigned; throws anything but an Error where nothing answers. */
export interface SharedMemory {
  readByte(address: number): number;
  readHalf(address: number): number;
  readWord(address: number): number;
  writeByte(address: number, value: number): void;
  writeHalf(address: number, value: number): void;
  writeWord(address: number, value: number): void;
}

export interface ArmCoreOptions {
  readonly memory: SharedMemory;
  /** Physical number, 0 to 17: what the core reads in its DMA status. */
  readonly physicalCore: number;
  /** Takes every packet the core sends. Called while the core runs: keep it for the end of the slice. */
  readonly send: (packet: Packet) => void;
}

/** Runs a CPU until its `cycles` reach `until`, it sleeps, or {@link Cpu.limit} was pulled in. */
export type Engine = (cpu: Cpu, until: number) => void;

export class ArmCore {
  readonly cpu: Cpu;
  readonly physicalCore: number;
  readonly comms: Comms;
  /** Engine of this core. Default: the interpreter. */
  engine: Engine = interpret;
  /** Stopped by a debugger in the middle of a run, which goes on where it stood once this is false again. */
  halted = false;
  /** Instructions executed since it was made. */
  instructions = 0;
  readonly #vic: Vic;
  readonly #timers = [new Timer(), new Timer()] as const;
  readonly #dma: Dma;
  readonly #memory: SharedMemory;
  /** Its place among the due times of the machine, which asks a thousand cores for them in every slice: side by side they are quickly read. */
  #due = new Float64Array(1).fill(Infinity);
  #dueAt = 0;
  /** Clock of the machine at which `cpu.cycles` was 0. */
  #base = 0;
  #stopped = false;

  constructor(options: ArmCoreOptions) {
    this.#memory = options.memory;
    this.physicalCore = options.physicalCore;
    this.cpu = new Cpu({
      read: (address, size) => this.#read(address, size),
      write: (address, size, value) => this.#write(address, size, value),
    });
    this.#vic = new Vic(this.cpu);
    this.#dma = new Dma(this.cpu, options.physicalCore);
    this.comms = new Comms(options.send);
    this.#driveLines();
  }

  /** Clock at which it next has something to do: 0 when awake, its timers and DMA when asleep, Infinity when only others can wake it. */
  get nextEvent(): number {
    return this.#due[this.#dueAt]!;
  }

  /** From now on keeps {@link nextEvent} in `due[at]`. */
  keepDue(due: Float64Array<ArrayBuffer>, at: number): void {
    due[at] = this.nextEvent;
    this.#due = due;
    this.#dueAt = at;
  }

  /** Clock of the machine as this core sees it. */
  get now(): number {
    return this.#base + this.cpu.cycles;
  }

  /** Its clock goes off, until {@link startClock} or a reset. */
  stopClock(): void {
    this.#stopped = true;
    this.#plan();
  }

  /** Its clock goes on again: the core runs on where it stood. */
  startClock(): void {
    this.#stopped = false;
    this.#plan();
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** As its reset line does at clock `now`: CPU and peripherals in their first state, memories kept. */
  reset(now: number): void {
    this.cpu.cycles = 0;
    this.#base = now;
    for (const timer of this.#timers) timer.reset(now);
    this.#dma.reset();
    this.comms.reset();
    this.#vic.reset();
    this.cpu.reset();
    this.#stopped = false;
    this.#driveLines();
    this.#plan();
  }

  /**
   * Resets the core and starts the APLX image at `image`. `bootWord` is what the monitor leaves for the application: flags << 8 | application
   * id. Answers false, with the core left asleep, when there is no image at that address or its table reaches where nothing is.
   */
  start(image: number, bootWord: number, now: number): boolean {
    this.reset(now);
    const { cpu } = this;
    let entry: number | undefined;
    try {
      entry = executeLoadTable(cpu, image | 0);
    } catch (fault) {
      if (!(fault instanceof BusFault)) throw fault;
    }
    if (entry === undefined) {
      cpu.waiting = true;
      this.#plan();
      return false;
    }
    cpu.control = 0; // the boot stub runs from the low vectors' side; SARK's first act is to write this register
    cpu.r[0] = bootWord;
    cpu.r[13] = 0x0041_0000;
    cpu.r[14] = 0xffff_0000 | 0;
    cpu.thumb = (entry & 1) !== 0;
    cpu.pc = entry & ~1;
    cpu.mask(true, true);
    cpu.switchMode(Mode.SVC);
    this.#plan();
    return true;
  }

  /** Runs from clock `from`, up to which it slept if it is behind, to clock `until`. Sleep costs nothing. */
  run(from: number, until: number): void {
    const { cpu } = this;
    if (this.now < from) this.#base += from - this.now;
    while (this.now < until) {
      if (this.#deadline() <= this.now) this.#expire();
      const deadline = this.#deadline();
      const stop = Math.min(until, deadline);
      if (cpu.waiting) this.#base = stop - cpu.cycles;
      else {
        this.engine(cpu, (cpu.cycles + Math.max(1, stop - this.now)) | 0);
        this.#base += cpu.cycles;
        cpu.cycles = 0;
        this.instructions += cpu.instructions;
        cpu.instructions = 0;
        if (this.halted) break;
      }
    }
    if (this.#deadline() <= this.now) this.#expire();
    this.#plan();
  }

  /** The doorbell line from the system controller. */
  setDoorbell(level: boolean): void {
    this.setInput(Interrupt.DOORBELL, level);
  }

  /** A line from a device of the chip, by its interrupt number. */
  setInput(interrupt: number, level: boolean): void {
    this.#vic.setInput(interrupt, level);
    this.#plan();
  }

  /** A packet for this core, from link `route` (7: from this chip). */
  deliver(packet: Packet, route: number): void {
    this.comms.receive(packet, route);
    this.#drivePacketLines();
    this.#plan();
  }

  #plan(): void {
    this.#due[this.#dueAt] = this.#stopped ? Infinity : this.cpu.waiting ? this.#deadline() : 0;
  }

  #deadline(): number {
    return Math.min(this.#timers[0].deadline, this.#timers[1].deadline, this.#dma.deadline);
  }

  #expire(): void {
    const { now } = this;
    for (const timer of this.#timers) timer.expire(now);
    this.#dma.expire(now);
    this.#driveLines();
  }

  #driveLines(): void {
    this.#vic.setInput(Interrupt.TIMER1, this.#timers[0].level);
    this.#vic.setInput(Interrupt.TIMER2, this.#timers[1].level);
    this.#vic.setInput(Interrupt.DMA_DONE, this.#dma.doneLevel);
    this.#vic.setInput(Interrupt.DMA_ERROR, this.#dma.errorLevel);
    this.#vic.setInput(Interrupt.TX_EMPTY, true);
    this.#vic.setInput(Interrupt.TX_NOT_FULL, true);
    this.#drivePacketLines();
  }

  #drivePacketLines(): void {
    const type = this.comms.waitingType;
    this.#vic.setInput(Interrupt.PACKET, type !== undefined);
    for (let kind = 0; kind < 4; kind++) this.#vic.setInput(Interrupt.PACKET_TYPE + kind, type === kind);
  }

  // ---- bus: own peripherals by address, everything else shared ----

  #read(address: number, size: 1 | 2 | 4): number {
    switch (address >>> 24) {
      case 0x10:
      case 0x20: {
        const value = this.comms.read(address & 0xffc);
        if ((address & 0xffc) === 0x14) this.#drivePacketLines();
        return value;
      }
      case 0x11:
      case 0x21:
        return this.#timers[(address >> 5) & 1]!.read(address & 0x1c, this.now);
      case 0x1f:
      case 0x2f:
        return this.#vic.read(address & 0xffc);
      case 0x30:
      case 0x40:
        return this.#dma.read(address & 0xffc);
      case 0xff:
        if (address >= 0xffff_f000) return this.#vic.read(address & 0xffc);
        // The boot area: SysRAM from its start, once the monitor has switched the boot ROM away.
        return this.#readShared(0xe500_0000 + (address & 0x7fff), size);
    }
    return this.#readShared(address, size);
  }

  #readShared(address: number, size: 1 | 2 | 4): number {
    try {
      if (size === 4) return this.#memory.readWord(address);
      return size === 2 ? this.#memory.readHalf(address) : this.#memory.readByte(address);
    } catch (fault) {
      throw fault instanceof Error ? fault : new BusFault(address, "read");
    }
  }

  #write(address: number, size: 1 | 2 | 4, value: number): void {
    switch (address >>> 24) {
      case 0x10:
      case 0x20:
        this.comms.write(address & 0xffc, value);
        return;
      case 0x11:
      case 0x21:
        this.#timers[(address >> 5) & 1]!.write(address & 0x1c, value, this.now);
        this.#driveLines();
        this.#comeForward();
        return;
      case 0x1f:
      case 0x2f:
        this.#vic.write(address & 0xffc, value);
        return;
      case 0x30:
      case 0x40:
        this.#dma.write(address & 0xffc, value, this.now);
        this.#driveLines();
        this.#comeForward();
        return;
      case 0xff:
        if (address >= 0xffff_f000) {
          this.#vic.write(address & 0xffc, value);
          return;
        }
        throw new BusFault(address, "write");
      case 0xf6:
        throw new BusFault(address, "write"); // boot ROM
    }
    try {
      if (size === 4) this.#memory.writeWord(address, value);
      else if (size === 2) this.#memory.writeHalf(address, value);
      else this.#memory.writeByte(address, value);
    } catch (fault) {
      throw fault instanceof Error ? fault : new BusFault(address, "write");
    }
  }

  /** A deadline may have moved nearer than the run under way reaches. */
  #comeForward(): void {
    const limit = this.#deadline() - this.#base;
    if (limit < this.cpu.limit) this.cpu.limit = limit | 0;
  }
}
