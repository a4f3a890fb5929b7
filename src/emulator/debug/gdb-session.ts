import { formatCore } from "../../machine/index.js";
import type { ArmMachine, ScheduledCore } from "../arm-machine.js";
import { Debugger, readMemory, type StopReason, writeMemory } from "./debugger.js";
import { fromHex, MAX_PACKET, toHex } from "./gdb-packet.js";

/** Registers as the target description below numbers them: r0 to r15, then the status register. */
const REGISTER_COUNT = 17;
const STATUS = 16;
/** Error numbers are the stub's own to choose; gdb only shows them. */
const ERROR = { ARGUMENT: "E16", MEMORY: "E0e", THREAD: "E03", LIMIT: "E1c" } as const;
/** gdb's numbers of signals. */
const SIGNAL = { breakpoint: 5, step: 5, watchpoint: 5, interrupted: 2 } as const;
const FAILURE_SIGNAL = { memory: 11, "undefined instruction": 4, "software interrupt": 12 } as const;
/** Longest read that fits a packet in hexadecimal. */
const MAX_READ = MAX_PACKET / 2 - 8;

const TARGET = `<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0"><architecture>armv5te</architecture>
<feature name="org.gnu.gdb.arm.core">${Array.from({ length: 13 }, (_, index) => `<reg name="r${index}" bitsize="32" type="uint32"/>`).join("")}
<reg name="sp" bitsize="32" type="data_ptr"/><reg name="lr" bitsize="32"/><reg name="pc" bitsize="32" type="code_ptr"/>
<reg name="cpsr" bitsize="32"/></feature></target>`;

/**
 * The commands of one gdb that is attached. Each core is a thread; all of them stop and go on together. Source: the GDB manual, appendix E (Remote
 * Serial Protocol).
 */
export class GdbSession {
  readonly #machine: ArmMachine;
  readonly #debugger: Debugger;
  readonly #send: (content: string) => void;
  /** Thread numbers from 1 in the order of first sight; bounded by the cores of the machine. */
  readonly #threads = new Map<ScheduledCore, number>();
  #current: ScheduledCore | undefined;
  #isRunning = false;

  /** `send` takes the contents of a packet. */
  constructor(machine: ArmMachine, send: (content: string) => void) {
    this.#machine = machine;
    this.#send = send;
    this.#debugger = new Debugger(machine, (core, reason) => this.#stopped(core, reason));
    this.#number();
  }

  /** Ends it: the machine runs on without breakpoints. */
  close(): void {
    this.#debugger.close();
  }

  /** There is nothing to debug any more. */
  end(): void {
    if (this.#isRunning) this.#send("W00");
    this.#isRunning = false;
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.#debugger.interrupt();
  }

  /** Takes a packet. Answers false when gdb has let go of the machine. */
  receive(packet: string): boolean {
    if (packet === "D" || packet.startsWith("D;")) {
      this.#send("OK");
      return false;
    }
    if (packet === "k" || packet.startsWith("vKill")) {
      if (packet !== "k") this.#send("OK");
      return false;
    }
    const answer = this.#answer(packet);
    if (answer !== undefined) this.#send(answer);
    return true;
  }

  /** `undefined`: the answer comes when the machine stops. */
  #answer(packet: string): string | undefined {
    const rest = packet.slice(1);
    switch (packet[0]) {
      case "?":
        return this.#core === undefined ? "W00" : this.#stopText(this.#core, { kind: "breakpoint" });
      case "g":
        return this.#core === undefined ? ERROR.THREAD : toHex(registers(this.#core).flatMap(littleEndian));
      case "G":
        return this.#writeRegisters(rest);
      case "p":
        return this.#readRegister(number(rest));
      case "P":
        return this.#writeRegister(rest);
      case "m":
        return this.#readMemory(rest);
      case "M":
      case "X":
        return this.#writeMemory(packet[0], rest);
      case "c":
      case "C":
        return this.#resume(undefined);
      case "s":
      case "S":
        return this.#resume(this.#core);
      case "Z":
      case "z":
        return this.#point(packet[0] === "Z", rest);
      case "H":
        return this.#select(rest.slice(1));
      case "T":
        return this.#thread(rest) === undefined ? ERROR.THREAD : "OK";
      case "v":
        return this.#long(packet);
      case "q":
      case "Q":
        return this.#query(packet);
      default:
        return "";
    }
  }

  #long(packet: string): string | undefined {
    if (packet === "vCont?") return "vCont;c;C;s;S";
    if (!packet.startsWith("vCont;")) return "";
    const actions = packet.slice(6).split(";");
    const step = actions.find((action) => /^s|^S/.test(action));
    if (step === undefined) return this.#resume(undefined);
    const [, thread] = step.split(":");
    const core = thread === undefined ? this.#core : this.#thread(thread);
    return core === undefined ? ERROR.THREAD : this.#resume(core);
  }

  #query(packet: string): string {
    if (packet.startsWith("qSupported"))
      return `PacketSize=${MAX_PACKET.toString(16)};QStartNoAckMode+;qXfer:features:read+;vContSupported+`;
    if (packet === "qAttached" || packet.startsWith("qAttached:")) return "1";
    if (packet === "qC") return this.#core === undefined ? "" : `QC${this.#idOf(this.#core)}`;
    if (packet === "qfThreadInfo") {
      const ids = this.#machine.cores.map((core) => this.#idOf(core));
      return ids.length === 0 ? "l" : `m${ids.join(",")}`;
    }
    if (packet === "qsThreadInfo") return "l";
    if (packet.startsWith("qThreadExtraInfo,")) {
      const core = this.#thread(packet.slice(17));
      return core === undefined ? ERROR.THREAD : toHex(new TextEncoder().encode(nameOf(core)));
    }
    if (packet.startsWith("qXfer:features:read:target.xml:")) {
      const [offset, length] = pair(packet.slice(31));
      if (offset === undefined || length === undefined) return ERROR.ARGUMENT;
      const part = TARGET.slice(offset, offset + Math.min(length, MAX_READ));
      return `${offset + part.length < TARGET.length ? "m" : "l"}${part}`;
    }
    if (packet.startsWith("qSymbol:")) return "OK";
    return "";
  }

  get #core(): ScheduledCore | undefined {
    const { cores } = this.#machine;
    if (this.#current === undefined || !cores.includes(this.#current)) this.#current = cores[0];
    return this.#current;
  }

  #number(): void {
    for (const core of this.#machine.cores) this.#idOf(core);
  }

  #idOf(core: ScheduledCore): string {
    let id = this.#threads.get(core);
    if (id === undefined) {
      for (const known of this.#threads.keys()) if (!this.#machine.cores.includes(known)) this.#threads.delete(known);
      id = Math.max(0, ...this.#threads.values()) + 1;
      this.#threads.set(core, id);
    }
    return id.toString(16);
  }

  /** By gdb's number; 0 and -1 mean any. */
  #thread(text: string): ScheduledCore | undefined {
    if (text === "-1" || text === "0") return this.#core;
    const id = number(text);
    return this.#machine.cores.find((core) => this.#threads.get(core) === id);
  }

  #select(thread: string): string {
    const core = this.#thread(thread);
    if (core === undefined) return ERROR.THREAD;
    this.#current = core;
    return "OK";
  }

  #resume(step: ScheduledCore | undefined): undefined {
    this.#isRunning = true;
    this.#debugger.resume(step);
    return undefined;
  }

  #stopped(core: ScheduledCore | undefined, reason: StopReason): void {
    if (core !== undefined) this.#current = core;
    if (!this.#isRunning) return;
    this.#isRunning = false;
    const at = this.#core;
    this.#send(at === undefined ? "W00" : this.#stopText(at, reason));
  }

  #stopText(core: ScheduledCore, reason: StopReason): string {
    const signal = reason.kind === "failure" ? FAILURE_SIGNAL[reason.failure] : SIGNAL[reason.kind];
    const why = reason.kind === "watchpoint" ? `watch:${reason.address.toString(16)};` : "";
    const values = registers(core);
    const known = [15, STATUS].map((index) => `${index.toString(16).padStart(2, "0")}:${toHex(littleEndian(values[index]!))};`).join("");
    return `T${signal.toString(16).padStart(2, "0")}${known}thread:${this.#idOf(core)};${why}`;
  }

  #readRegister(index: number | undefined): string {
    const core = this.#core;
    if (core === undefined) return ERROR.THREAD;
    const value = index === undefined ? undefined : registers(core)[index];
    return value === undefined ? ERROR.ARGUMENT : toHex(littleEndian(value));
  }

  #writeRegister(text: string): string {
    const [name = "", content = ""] = text.split("=");
    const [index, bytes] = [number(name), fromHex(content)];
    const core = this.#core;
    if (core === undefined) return ERROR.THREAD;
    if (index === undefined || index >= REGISTER_COUNT || bytes?.length !== 4) return ERROR.ARGUMENT;
    setRegister(core, index, new DataView(bytes.buffer).getInt32(0, true));
    return "OK";
  }

  #writeRegisters(text: string): string {
    const bytes = fromHex(text);
    const core = this.#core;
    if (core === undefined) return ERROR.THREAD;
    if (bytes?.length !== 4 * REGISTER_COUNT) return ERROR.ARGUMENT;
    const view = new DataView(bytes.buffer);
    // The status goes first: it decides which bank r13 and r14 belong to.
    for (const index of [STATUS, ...Array(STATUS).keys()]) setRegister(core, index, view.getInt32(4 * index, true));
    return "OK";
  }

  #readMemory(text: string): string {
    const [address, length] = pair(text);
    const core = this.#core;
    if (core === undefined) return ERROR.THREAD;
    if (address === undefined || length === undefined || address > 0xffff_ffff) return ERROR.ARGUMENT;
    const bytes = readMemory(core.core.cpu, address, Math.min(length, MAX_READ));
    return bytes === undefined ? ERROR.MEMORY : toHex(bytes);
  }

  #writeMemory(kind: string, text: string): string {
    const colon = text.indexOf(":");
    const [address, length] = pair(text.slice(0, Math.max(0, colon)));
    const content = text.slice(colon + 1);
    const bytes = kind === "M" ? fromHex(content) : Uint8Array.from(content, (letter) => letter.charCodeAt(0));
    const core = this.#core;
    if (core === undefined) return ERROR.THREAD;
    if (address === undefined || address > 0xffff_ffff || bytes === undefined || bytes.length !== length) return ERROR.ARGUMENT;
    return writeMemory(core.core.cpu, address, bytes) ? "OK" : ERROR.MEMORY;
  }

  /** `0` and `1` are breakpoints, `2` watches writes; watching reads is not offered. */
  #point(set: boolean, text: string): string {
    const [type, ...where] = text.split(",");
    const [address, size] = pair(where.join(","));
    if (type !== "0" && type !== "1" && type !== "2") return "";
    if (address === undefined || size === undefined || address > 0xffff_ffff) return ERROR.ARGUMENT;
    if (type === "2") {
      if (!set) this.#debugger.removeWatchpoint(address, size);
      else if (!this.#debugger.addWatchpoint(address, size)) return ERROR.LIMIT;
    } else if (!set) this.#debugger.removeBreakpoint(address);
    else if (!this.#debugger.addBreakpoint(address)) return ERROR.LIMIT;
    return "OK";
  }
}

function nameOf({ place, order }: ScheduledCore): string {
  return place === undefined ? `chip ${order >>> 16},${(order >>> 8) & 0xff} physical core ${order & 0xff}` : `core ${formatCore(place)}`;
}

function registers({ core: { cpu } }: ScheduledCore): number[] {
  return [...cpu.r.subarray(0, 15), cpu.pc, cpu.cpsr];
}

function setRegister({ core: { cpu } }: ScheduledCore, index: number, value: number): void {
  if (index < 15) cpu.r[index] = value;
  else if (index === 15) cpu.pc = value & (cpu.thumb ? -2 : -4);
  else {
    cpu.setFlags(value);
    cpu.thumb = (value & 0x20) !== 0;
    cpu.setControlBits(value);
  }
}

function littleEndian(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

/** A hexadecimal number of at most eight digits. */
function number(text: string): number | undefined {
  return /^[0-9a-fA-F]{1,8}$/.test(text) ? Number.parseInt(text, 16) : undefined;
}

function pair(text: string): readonly [number | undefined, number | undefined] {
  const [first = "", second = ""] = text.split(/[,;]/);
  return [number(first), number(second)];
}
