/** The emulated cores of one chip, what they share beyond memory, and the monitor's duties towards them. */
import { CORE_COUNT, CoreState, VCPU_BASE, VCPU_SIZE } from "../machine/index.js";
import type { ArmCore, SharedMemory } from "./arm-core.js";
import { MailboxCommand, Mailboxes, type SdpLike } from "./mailbox.js";
import { SystemController } from "./system-controller.js";

/** The chip's memory as the simulated machine provides it. */
export interface ChipMemoryPort extends SharedMemory {
  /** Called before the system variables are read: puts the running clocks in place. */
  refresh: (() => void) | undefined;
  /** Puts registers at 0xE`nibble`000000 and its alias 0xF`nibble`000000. */
  attach(
    nibble: number,
    sizeBytes: number,
    device: { readRegister(offset: number): number; writeRegister(offset: number, value: number): void },
  ): void;
}

/** Messages and signals that wait for a core's mailbox. Beyond this the monitor gives up, as on the board. */
const MAX_WAITING = 64;
const SV = 0xf500_7f00;
const PING_MS = 10;
const SYSTEM_CONTROLLER_NIBBLE = 2;
/** GPIO port of the system controller. */
const PINS = 0xf200_0040;

type Letter = { readonly message: SdpLike } | { readonly signal: number };

/** A core and its way to the rest of the machine. */
export interface ChipMember {
  readonly core: ArmCore;
  readonly virtualCore: number;
  /** Sends a message the core left in its mailbox. */
  readonly sendSdp: (message: SdpLike) => void;
  /** The watchdog has stopped the core. */
  readonly onWatchdog: () => void;
}

interface Member extends ChipMember {
  readonly waiting: Letter[];
  /** Turns of the watchdog that found the mailbox full. */
  silent: number;
}

export class ArmChip {
  readonly memory: ChipMemoryPort;
  readonly controller: SystemController;
  readonly #mailboxes: Mailboxes;
  /** By virtual number; at most 18. */
  readonly #members = new Map<number, Member>();
  /** The same by physical number. */
  readonly #byPhysical: (Member | undefined)[] = [];
  readonly #monitor: number;
  /** Doorbells rung during the slice, a mask of physical cores. */
  #rung = 0;
  /** Letters that wait in all queues together. */
  #letters = 0;
  #lastMs = -1;
  #pinged = 0;
  /** When the watchdog comes round next, milliseconds since boot. */
  nextPingMs = 0;
  readonly #nowMs: () => number;
  #ownRefresh: (() => void) | undefined;

  /** `nowMs`: milliseconds since boot on the cores' own clock. */
  constructor(memory: ChipMemoryPort, nowMs: () => number) {
    this.memory = memory;
    this.#monitor = memory.readByte(SV + 0xa8);
    this.controller = new SystemController(this.#monitor, {
      doorbell: (physical, level) => this.#doorbell(physical, level),
      sleeping: () => this.#sleeping(),
    });
    // Whatever was lit stays lit.
    this.controller.pins = memory.readWord(PINS);
    memory.attach(SYSTEM_CONTROLLER_NIBBLE, 0x1000, this.controller);
    this.#mailboxes = new Mailboxes(memory, this.controller);
    this.#nowMs = nowMs;
  }

  /** With its first core the chip's time is that of the cores; with the last one gone it is what it was before. */
  add(member: ChipMember): void {
    if (this.#members.size === 0) {
      const start = this.#nowMs();
      const unixTime = this.memory.readWord(SV + 0x1c) - Math.floor(start / 1000);
      this.nextPingMs = PING_MS * (Math.floor(start / PING_MS) + 1);
      this.#ownRefresh = this.memory.refresh;
      this.memory.refresh = () => this.#writeClocks(this.#nowMs(), unixTime);
    }
    const own: Member = { ...member, waiting: [], silent: 0 };
    this.#members.set(member.virtualCore, own);
    this.#byPhysical[member.core.physicalCore] = own;
    this.controller.flags |= 1 << member.virtualCore;
    if ((this.controller.doorbells & (1 << member.core.physicalCore)) !== 0)
      this.controller.writeRegister(0x0c, 0x5ec0_0000 | (1 << member.core.physicalCore));
  }

  remove(virtualCore: number): void {
    const member = this.#members.get(virtualCore);
    this.#letters -= member?.waiting.length ?? 0;
    if (member !== undefined) this.#byPhysical[member.core.physicalCore] = undefined;
    if (this.#members.delete(virtualCore) && this.#members.size === 0) this.memory.refresh = this.#ownRefresh;
  }

  /** A message for a core. `false`: its queue is full, the message is lost. */
  sendMessage(virtualCore: number, message: SdpLike): boolean {
    return this.#queue(virtualCore, { message });
  }

  /** A signal for a core. SYNC0 (4) and SYNC1 (5) are flags, the others go through the mailbox. */
  sendSignal(virtualCore: number, signal: number): boolean {
    if (signal !== 4 && signal !== 5) return this.#queue(virtualCore, { signal });
    this.controller.writeRegister(signal === 4 ? 0x5c : 0x58, 1 << virtualCore);
    const member = this.#members.get(virtualCore);
    if (member !== undefined) this.#rung |= 1 << member.core.physicalCore;
    return member !== undefined;
  }

  /** Cores hold locks: nobody but the cores should touch what these protect. */
  get isLocked(): boolean {
    return this.controller.locks !== 0;
  }

  /** Is there anything for {@link settle} to do? */
  needsSettling(nowMs: number): boolean {
    return this.#rung !== 0 || this.#letters > 0 || nowMs >= this.nextPingMs || (this.controller.doorbells & (1 << this.#monitor)) !== 0;
  }

  /** What the monitor does between two slices: empties the cores' mailboxes, fills them, passes doorbells on. */
  settle(nowMs: number): void {
    if ((this.controller.doorbells & (1 << this.#monitor)) !== 0) this.#collect();
    if (this.#letters > 0) for (const member of this.#members.values()) if (member.waiting.length > 0) this.#post(member);
    if (nowMs >= this.nextPingMs) {
      this.nextPingMs = PING_MS * (Math.floor(nowMs / PING_MS) + 1);
      this.#watch();
    }
    if (this.#rung === 0) return;
    const rung = this.#rung;
    this.controller.writeRegister(0x08, (0x5ec0_0000 | rung) >>> 0);
    for (let rest = rung; rest !== 0; rest &= rest - 1) this.#byPhysical[31 - Math.clz32(rest & -rest)]?.core.setDoorbell(true);
    this.#rung = 0;
  }

  #queue(virtualCore: number, letter: Letter): boolean {
    const member = this.#members.get(virtualCore);
    if (member === undefined || member.waiting.length >= MAX_WAITING) return false;
    member.waiting.push(letter);
    this.#letters += 1;
    return true;
  }

  #post(member: Member): void {
    const vcpu = vcpuAddress(member.virtualCore);
    const letter = member.waiting[0];
    if (letter === undefined || !this.#mailboxes.isFree(vcpu)) return;
    if ("message" in letter) {
      if (!this.#mailboxes.postMessage(vcpu, letter.message)) return;
    } else this.#mailboxes.post(vcpu, MailboxCommand.SIGNAL, letter.signal);
    member.waiting.shift();
    this.#letters -= 1;
    this.#rung |= 1 << member.core.physicalCore;
  }

  #collect(): void {
    const collected = this.#mailboxes.collect(vcpuAddress);
    if (collected === undefined) return;
    this.controller.writeRegister(0x0c, (0x5ec0_0000 | (1 << this.#monitor)) >>> 0);
    for (const { virtualCore, message } of collected) if (message !== undefined) this.#members.get(virtualCore)?.sendSdp(message);
  }

  #doorbell(physical: number, level: boolean): void {
    if (level) this.#rung |= 1 << physical;
    else {
      this.#rung &= ~(1 << physical);
      this.#byPhysical[physical]?.core.setDoorbell(false);
    }
  }

  /**
   * The soft watchdog: every 10 ms one core, in turn, finds a ping in its mailbox. A core whose mailbox is still full when its turn comes
   * again, sv.soft_wdog times in a row, has its clock stopped and is in state WDOG. Source: spinnaker_tools `scamp/scamp-3.c` (soft_wdog).
   */
  #watch(): void {
    const patience = this.memory.readByte(SV + 0x43);
    this.#pinged = (this.#pinged % (CORE_COUNT - 1)) + 1;
    const member = this.#members.get(this.#pinged);
    if (patience === 0 || member === undefined || member.core.stopped) return;
    const vcpu = vcpuAddress(member.virtualCore);
    if (this.memory.readByte(vcpu + 46) < CoreState.INIT) return;
    if (this.#mailboxes.isFree(vcpu)) {
      member.silent = 0;
      this.#mailboxes.post(vcpu, MailboxCommand.PING, 0);
      this.#rung |= 1 << member.core.physicalCore;
    } else if (++member.silent >= patience) {
      member.core.stopClock();
      this.memory.writeByte(vcpu + 46, CoreState.WDOG);
      member.onWatchdog();
    }
  }

  #sleeping(): number {
    let mask = 0;
    for (const { core } of this.#members.values()) if (core.cpu.waiting) mask |= 1 << core.physicalCore;
    return mask;
  }

  #writeClocks(nowMs: number, unixTime: number): void {
    const ms = Math.floor(nowMs);
    if (ms === this.#lastMs) return;
    this.#lastMs = ms;
    this.memory.writeWord(SV + 0x10, ms >>> 0);
    this.memory.writeWord(SV + 0x14, Math.floor(ms / 0x1_0000_0000));
    this.memory.writeHalf(SV + 0x18, ms % 1000);
    this.memory.writeWord(SV + 0x1c, (unixTime + Math.floor(ms / 1000)) >>> 0);
  }
}

/** Address of a core's vcpu block; numbers beyond the last core fall on the last. */
function vcpuAddress(virtualCore: number): number {
  return VCPU_BASE + VCPU_SIZE * Math.min(virtualCore, CORE_COUNT - 1);
}
