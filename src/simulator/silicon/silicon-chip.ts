import {
  ArmCore,
  type ArmMachine,
  type Engine,
  Interrupt,
  type Packet,
  type ScheduledCore,
  SystemController,
} from "../../emulator/index.js";
import { CORE_COUNT, type Link, SV } from "../../machine/index.js";
import { ChipMemory, DataAbort, PlainRegisters } from "../memory.js";
import { type EthernetSettings, SETTINGS_ADDRESS, serialRomContent, serialRomSettings } from "../serial-rom.js";
import { EthernetMac } from "./ethernet-mac.js";
import { FloodRom } from "./flood-rom.js";
import { SerialRomPins } from "./serial-rom-pins.js";
import { SiliconRouter } from "./silicon-router.js";

const KEY = 0x5ec0_0000;
/** Registers of the system controller that reach clocks, reset lines and pins. Source: spinnaker_tools `include/spinnaker.h`. */
const SC = {
  CLOCK_OFF: 0x04,
  SET_OK: 0x10,
  SOFT_RESET: 0x18,
  HARD_RESET: 0x1c,
  SUBSYSTEM_RESET: 0x20,
  PULSE_FIRST: 0x24,
  PULSE_LAST: 0x2c,
} as const;
const PINS = { PORT: 0x40, SET: 0x48, CLEAR: 0x4c } as const;
/** Status register of the SDRAM controller: its delay-locked loop has locked. */
const DLL_STATUS = 0x300;
const DLL_LOCKED = 1 << 18;
/** The boot ROM collects the image in the upper half of the monitor's DTCM and starts it there. */
const IMAGE_OFFSET = 0x8000;
const IMAGE_START = 0x0040_8000;
/** sv.rom_cpus. */
const ROM_CORES = 0xf500_7f00 + SV.field("rom_cpus").offset;
const ALL_CORES = (1 << CORE_COUNT) - 1;

export interface SiliconChipSetup {
  readonly x: number;
  readonly y: number;
  /** Physical numbers of the cores that work, the one the boot ROM makes monitor first. */
  readonly workingCores: readonly number[];
  /** `undefined`: no Ethernet on this chip. */
  readonly ethernet: EthernetSettings | undefined;
  readonly engine: Engine;
  readonly machine: ArmMachine;
  /** Carries a packet of one of the chip's cores to wherever it leads. */
  carry(chip: SiliconChip, packet: Packet): void;
  /** Takes a packet that leaves over a link; `false`: no wire. */
  leave(chip: SiliconChip, link: Link, packet: Packet): boolean;
  /** Takes a frame of the Ethernet MAC. */
  transmit(chip: SiliconChip, frame: Uint8Array): void;
}

/** A chip of which nothing is played: 18 emulated cores, the router, the system controller, the MAC and what else the firmware touches. */
export class SiliconChip {
  readonly x: number;
  readonly y: number;
  readonly memory = new ChipMemory();
  readonly router: SiliconRouter;
  readonly mac: EthernetMac | undefined;
  /** By physical number; a dead one is `undefined`. */
  readonly cores: readonly (ArmCore | undefined)[];
  readonly isLocked = false;
  readonly nextPingMs = Infinity;
  readonly #machine: ArmMachine;
  readonly #scheduled: ScheduledCore[] = [];
  readonly #controller: SystemController;
  readonly #serialRom: SerialRomPins;
  readonly #monitor: number;
  #rom: FloodRom | undefined = new FloodRom();
  #clockOff = 0;
  #held = 0;
  #rung = 0;

  constructor(setup: SiliconChipSetup) {
    const { machine } = setup;
    this.x = setup.x;
    this.y = setup.y;
    this.#machine = machine;
    this.#monitor = setup.workingCores[0]!;
    this.router = new SiliconRouter({
      deliver: (core, packet, route) => this.#deliver(core, packet, route),
      leave: (link, packet) => setup.leave(this, link, packet),
      access: (address, value) => this.#access(address, value),
    });
    this.#controller = new SystemController(this.#monitor, {
      doorbell: (core, level) => this.#doorbell(core, level),
      sleeping: () => this.cores.reduce((mask, core, physical) => (core?.cpu.waiting ? mask | (1 << physical) : mask), 0),
    });
    const ok = setup.workingCores.reduce((mask, core) => mask | (1 << core), 0);
    this.#controller.writeRegister(SC.SET_OK, (KEY | ok) >>> 0);
    this.#serialRom = new SerialRomPins(serialRomContent(setup.ethernet));
    if (setup.ethernet !== undefined) {
      this.mac = new EthernetMac(
        (frame) => setup.transmit(this, frame),
        (level) => this.cores[this.#monitorNow]?.setInput(Interrupt.ETHERNET_RECEIVED, level),
      );
      this.memory.copyIn(SETTINGS_ADDRESS, serialRomSettings(setup.ethernet), 0, 32);
    }
    this.#attachDevices();
    // What the boot ROM leaves: how many cores it found, and which it has made monitor.
    this.memory.writeByte(ROM_CORES, setup.workingCores.length);
    this.router.writeRegister(0, 0x0040_0001 | (this.#monitor << 8));
    this.cores = Array.from({ length: CORE_COUNT }, (_, physical) => (ok & (1 << physical) ? this.#makeCore(physical, setup) : undefined));
  }

  /** Has the image been started? */
  get started(): boolean {
    return this.#rom === undefined;
  }

  /** Lets the boot ROM start an image on the monitor. */
  start(image: Uint8Array): void {
    this.#rom = undefined;
    const core = this.cores[this.#monitor]!;
    core.reset(this.#machine.now);
    core.cpu.dtcmBytes.set(image.subarray(0, IMAGE_OFFSET), IMAGE_OFFSET);
    core.cpu.pc = IMAGE_START;
  }

  /** Its supply is gone: nothing of it runs any more. */
  end(): void {
    for (const scheduled of this.#scheduled) this.#machine.remove(scheduled);
  }

  needsSettling(): boolean {
    return this.#rung !== 0;
  }

  /** Doorbells ring at the end of a slice. */
  settle(): void {
    const rung = this.#rung & this.#controller.doorbells;
    this.#rung = 0;
    for (const [physical, core] of this.cores.entries()) if ((rung & (1 << physical)) !== 0) core?.setDoorbell(true);
  }

  get #monitorNow(): number {
    return (this.router.readRegister(0) >>> 8) & 0x1f;
  }

  #makeCore(physical: number, setup: SiliconChipSetup): ArmCore {
    const { machine } = setup;
    const scheduled: { core: ArmCore } & Omit<ScheduledCore, "core"> = {
      core: undefined as unknown as ArmCore,
      chip: this,
      order: (this.x << 16) | (this.y << 8) | physical,
      route: (packet) => setup.carry(this, packet),
      afterSlice: () => undefined,
    };
    scheduled.core = new ArmCore({
      memory: this.memory,
      physicalCore: physical,
      send: (packet) => machine.send(scheduled, packet),
    });
    scheduled.core.engine = setup.engine;
    // Asleep in the boot ROM.
    scheduled.core.stopClock();
    machine.add(scheduled);
    this.#scheduled.push(scheduled);
    return scheduled.core;
  }

  #attachDevices(): void {
    const { memory } = this;
    memory.attach(0x0, 0x1000, new PlainRegisters([[DLL_STATUS, DLL_LOCKED]]));
    memory.attach(0x1, 0x20000, this.router);
    memory.attach(0x2, 0x1000, {
      readRegister: (offset) => this.#readController(offset),
      writeRegister: (offset, value) => this.#writeController(offset, value),
    });
    memory.attach(0x3, 0x1000, new PlainRegisters());
    memory.attach(0x4, 0x10000, this.mac ?? new PlainRegisters());
    memory.attach(0x6, 0x8000, new PlainRegisters());
  }

  #readController(offset: number): number {
    if (offset === SC.CLOCK_OFF) return this.#clockOff;
    if (offset >= SC.SOFT_RESET && offset <= SC.SUBSYSTEM_RESET) return this.#held;
    const value = this.#controller.readRegister(offset);
    return offset === PINS.PORT || offset === PINS.SET ? (value & ~SerialRomPins.DATA_OUT) | this.#serialRom.output : value;
  }

  #writeController(offset: number, value: number): void {
    const keyed = ((value ^ KEY) & 0xfff0_0000) === 0;
    if (offset === SC.CLOCK_OFF) {
      if (keyed) this.#setClocks(value & ALL_CORES);
    } else if (offset >= SC.SOFT_RESET && offset <= SC.SUBSYSTEM_RESET) {
      if (keyed) this.#holdReset(value & ALL_CORES);
    } else if (offset >= SC.PULSE_FIRST && offset <= SC.PULSE_LAST) {
      if (!keyed) return;
      this.#holdReset(this.#held | (value & ALL_CORES));
      this.#holdReset(this.#held & ~value);
    } else {
      this.#controller.writeRegister(offset, value);
      if (offset === PINS.PORT || offset === PINS.SET || offset === PINS.CLEAR) this.#serialRom.drive(this.#controller.pins);
    }
  }

  #setClocks(off: number): void {
    const changed = off ^ this.#clockOff;
    this.#clockOff = off;
    for (const [physical, core] of this.cores.entries()) {
      if (core === undefined || (changed & (1 << physical)) === 0) continue;
      if ((off & (1 << physical)) !== 0) core.stopClock();
      else if ((this.#held & (1 << physical)) === 0) core.startClock();
    }
  }

  /** A core held in reset stands still; let go, it begins at its reset vector. */
  #holdReset(held: number): void {
    const changed = held ^ this.#held;
    this.#held = held;
    for (const [physical, core] of this.cores.entries()) {
      if (core === undefined || (changed & (1 << physical)) === 0) continue;
      if ((held & (1 << physical)) !== 0) core.stopClock();
      else if ((this.#clockOff & (1 << physical)) === 0) core.reset(this.#machine.now);
    }
  }

  #doorbell(physical: number, level: boolean): void {
    if (level) this.#rung |= 1 << physical;
    else {
      this.#rung &= ~(1 << physical);
      this.cores[physical]?.setDoorbell(false);
    }
  }

  #deliver(physical: number, packet: Packet, route: number): void {
    if (this.#rom !== undefined) {
      const image = packet.control >> 6 === 2 ? this.#rom.receive(packet.key, packet.payload ?? 0) : undefined;
      if (image !== undefined) this.start(image);
      return;
    }
    const core = this.cores[physical];
    if (core !== undefined && !core.stopped) core.deliver(packet, route);
  }

  #access(address: number, value: number | undefined): number | undefined {
    try {
      if (value !== undefined) this.memory.writeWord(address, value);
      return value ?? this.memory.readWord(address);
    } catch (fault) {
      if (fault instanceof DataAbort) return undefined;
      throw fault;
    }
  }
}
