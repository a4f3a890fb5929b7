import type { ArmMachine, ScheduledCore } from "../arm-machine.js";
import { BusFault, type Cpu, Vector } from "../cpu.js";
import { abort, stepOnce } from "../interpreter.js";

/** Why the machine stands. */
export type StopReason =
  | { readonly kind: "breakpoint" | "step" | "interrupted" }
  | { readonly kind: "watchpoint"; readonly address: number }
  | { readonly kind: "failure"; readonly failure: "memory" | "undefined instruction" | "software interrupt" };

interface Watchpoint {
  readonly address: number;
  readonly sizeBytes: number;
}

/** A core under the debugger. */
interface Watched {
  readonly scheduled: ScheduledCore;
  readonly engine: ScheduledCore["core"]["engine"];
  readonly onError: (() => void) | undefined;
  /** Address of a breakpoint at which it already stopped: it goes on past it. */
  passes: number | undefined;
  /** Address of an instruction that failed, which was told: its exception is entered now. */
  told: number | undefined;
  /** Contents of the watched memory when it was last looked at. */
  seen: readonly number[];
}

/** Breakpoints and watchpoints a debugger may set. */
const MAX_POINTS = 1024;

/**
 * Stops a machine of emulated cores at instructions, at changes of memory and at failures. While it is attached every core runs under it; the cores
 * share breakpoints, since they mostly share code. Time stands still for the whole machine when one core stops, in the middle of its slice: what
 * happens is what would have happened without it.
 */
export class Debugger {
  readonly #machine: ArmMachine;
  readonly #onStop: (core: ScheduledCore | undefined, reason: StopReason) => void;
  readonly #watched = new Map<ScheduledCore, Watched>();
  readonly #breakpoints = new Set<number>();
  readonly #watchpoints: Watchpoint[] = [];
  #stepping: ScheduledCore | undefined;

  /** `onStop` is called when the machine has come to stand; with the core at which, if it was one. */
  constructor(machine: ArmMachine, onStop: (core: ScheduledCore | undefined, reason: StopReason) => void) {
    this.#machine = machine;
    this.#onStop = onStop;
    for (const scheduled of machine.cores) this.#take(scheduled);
    machine.onAdd = (scheduled) => this.#take(scheduled);
    machine.paused = true;
  }

  /** Lets the machine be: without breakpoints, running. */
  close(): void {
    this.#machine.onAdd = undefined;
    for (const { scheduled, engine, onError } of this.#watched.values()) {
      scheduled.core.engine = engine;
      scheduled.core.cpu.onError = onError;
    }
    this.#watched.clear();
    this.resume();
  }

  /** Everything goes on; with `step` only until that core has executed one instruction. */
  resume(step?: ScheduledCore): void {
    this.#stepping = step;
    for (const watched of this.#watched.values()) watched.seen = this.#look(watched.scheduled.core.cpu);
    for (const { core } of this.#machine.cores) core.halted = false;
    this.#machine.paused = false;
  }

  /** Stops the machine where it is. Answers false when it stands already. */
  interrupt(): boolean {
    if (this.#machine.paused) return false;
    this.#machine.paused = true;
    this.#onStop(undefined, { kind: "interrupted" });
    return true;
  }

  /** False: there are too many. */
  addBreakpoint(address: number): boolean {
    if (this.#breakpoints.size >= MAX_POINTS) return false;
    this.#breakpoints.add(address >>> 0);
    return true;
  }

  removeBreakpoint(address: number): void {
    this.#breakpoints.delete(address >>> 0);
  }

  /** Stops behind an instruction that changes the memory. False: there are too many, or it is too large to be looked at all the time. */
  addWatchpoint(address: number, sizeBytes: number): boolean {
    if (this.#watchpoints.length >= MAX_POINTS || sizeBytes < 1 || sizeBytes > 8) return false;
    this.#watchpoints.push({ address: address >>> 0, sizeBytes });
    return true;
  }

  removeWatchpoint(address: number, sizeBytes: number): void {
    const at = this.#watchpoints.findIndex((point) => point.address === address >>> 0 && point.sizeBytes === sizeBytes);
    if (at >= 0) this.#watchpoints.splice(at, 1);
  }

  #take(scheduled: ScheduledCore): void {
    const { core } = scheduled;
    const { engine, cpu } = core;
    const watched: Watched = { scheduled, engine, onError: cpu.onError, passes: undefined, told: undefined, seen: this.#look(cpu) };
    this.#watched.set(scheduled, watched);
    core.cpu.onError = () => {
      watched.onError?.();
      core.cpu.limit = 0;
    };
    core.engine = (cpu, until) => this.#run(watched, cpu, until);
    // The schedule is the only one that knows when a core has left it.
    for (const known of this.#watched.keys()) if (!this.#machine.cores.includes(known)) this.#watched.delete(known);
  }

  #run(watched: Watched, cpu: Cpu, until: number): void {
    const { errors } = cpu;
    const isFree = this.#breakpoints.size + this.#watchpoints.length === 0 && this.#stepping !== watched.scheduled;
    if (isFree && watched.told === undefined) watched.engine(cpu, until);
    else this.#runCarefully(watched, cpu, until);
    if (cpu.errors === errors) return;
    const { told } = watched;
    watched.told = undefined;
    if (told === cpu.errorAddress) return;
    cpu.undoError();
    const { errorVector } = cpu;
    const failure =
      errorVector === Vector.UNDEFINED ? "undefined instruction" : errorVector === Vector.SOFTWARE ? "software interrupt" : "memory";
    this.#stop(watched, { kind: "failure", failure });
  }

  #runCarefully(watched: Watched, cpu: Cpu, until: number): void {
    const { errors } = cpu;
    const isStepping = this.#stepping === watched.scheduled;
    cpu.limit = until;
    while (cpu.cycles < cpu.limit && !cpu.waiting) {
      if (cpu.attention !== 0) cpu.takeInterrupt();
      const { pc } = cpu;
      if (watched.passes !== pc && this.#breakpoints.has(pc >>> 0)) {
        this.#stop(watched, { kind: "breakpoint" });
        return;
      }
      try {
        stepOnce(cpu);
      } catch (fault) {
        abort(cpu, fault);
      }
      if (cpu.errors !== errors) return;
      watched.passes = watched.told = undefined;
      if (this.#watchpoints.length > 0) {
        const changed = this.#changed(watched, cpu);
        if (changed !== undefined) {
          this.#stop(watched, { kind: "watchpoint", address: changed });
          return;
        }
      }
      if (isStepping) {
        this.#stop(watched, { kind: "step" });
        return;
      }
    }
  }

  #stop(watched: Watched, reason: StopReason): void {
    const { scheduled } = watched;
    const { pc } = scheduled.core.cpu;
    watched.passes = reason.kind === "breakpoint" ? pc : undefined;
    watched.told = reason.kind === "failure" ? pc : undefined;
    this.#stepping = undefined;
    scheduled.core.halted = true;
    this.#machine.paused = true;
    this.#onStop(scheduled, reason);
  }

  #changed(watched: Watched, cpu: Cpu): number | undefined {
    const now = this.#look(cpu);
    const at = now.findIndex((byte, index) => byte !== watched.seen[index]);
    watched.seen = now;
    if (at < 0) return undefined;
    let end = 0;
    return this.#watchpoints.find(({ sizeBytes }) => {
      end += sizeBytes;
      return at < end;
    })?.address;
  }

  #look(cpu: Cpu): number[] {
    return this.#watchpoints.flatMap(({ address, sizeBytes }) => [...(readMemory(cpu, address, sizeBytes) ?? [])]);
  }
}

/** Registers of devices: reading some of them does something, so they are read a word at a time and only when that is what was asked. */
function isDevice(address: number): boolean {
  const block = address >>> 24;
  return (block >= 0x10 && block < 0x60) || (block >= 0xe0 && block < 0xe5) || (block >= 0xf0 && block < 0xf5) || address >= 0xffff_f000;
}

/** Memory as the core sees it; as much as is there, `undefined` for nothing. Of devices one word at a time. */
export function readMemory(cpu: Cpu, address: number, sizeBytes: number): Uint8Array | undefined {
  const isWord = sizeBytes === 4 && (address & 3) === 0;
  if (isDevice(address) && !isWord) return undefined;
  const bytes = new Uint8Array(sizeBytes);
  let done = 0;
  quietly(cpu, () => {
    if (isWord) {
      new DataView(bytes.buffer).setInt32(0, cpu.read32(address | 0), true);
      done = 4;
    }
    for (; done < sizeBytes && !isDevice(address + done); done++) bytes[done] = cpu.read8((address + done) | 0);
  });
  return done === 0 ? undefined : bytes.subarray(0, done);
}

/** False where nothing can be written. */
export function writeMemory(cpu: Cpu, address: number, bytes: Uint8Array): boolean {
  return quietly(cpu, () => {
    if (bytes.length === 4 && (address & 3) === 0)
      cpu.write32(address | 0, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getInt32(0, true));
    else for (const [index, byte] of bytes.entries()) cpu.write8((address + index) | 0, byte);
  });
}

/** What the debugger does to memory is no fault of the program. */
function quietly(cpu: Cpu, access: () => void): boolean {
  const { lastFault } = cpu;
  try {
    access();
    return true;
  } catch (fault) {
    if (!(fault instanceof BusFault)) throw fault;
    cpu.lastFault = lastFault;
    return false;
  }
}
