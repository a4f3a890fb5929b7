import { SpinnError } from "../errors.js";
import { type CoreState, vcpuAddress } from "../machine/index.js";
import { Command, FLAGS_NO_REPLY, SDP_DATA_OFFSET, SDP_MAX_DATA, type SdpMessage, writeSdpHeader } from "../wire/index.js";
import { allocateSdram } from "./allocation.js";
import type { Chip } from "./chip.js";
import type { Ticking } from "./clock.js";
import type { Core } from "./core.js";
import type { CoreMemory } from "./core-memory.js";
import type { CoreContext, CoreProgram } from "./core-program.js";
import { DataAbort } from "./memory.js";
import type { System } from "./system.js";

const IOBUF_HEADER = 16;
const TUBE_MAX = 256;
const DATA_ABORT = 5;
const SOFTWARE_ERROR = 13;
const IOBUF_ERROR = 14;

/** One run of a program on a core: what it can reach, and its share of time. */
export class ProgramContext implements CoreContext, Ticking {
  readonly x: number;
  readonly y: number;
  readonly p: number;
  readonly physical: number;
  readonly appId: number;
  readonly wait: boolean;
  readonly memory: CoreMemory;
  readonly imageAddress: number;
  readonly image: Uint8Array;
  readonly vcpu: number;
  readonly clockMhz: number;
  readonly program: CoreProgram;
  readonly #system: System;
  readonly #chip: Chip;
  readonly #core: Core;
  /** Last block of the core's text; its characters are counted in its header. */
  #block = 0;
  #ended = false;

  constructor(
    system: System,
    chip: Chip,
    core: Core,
    appId: number,
    imageAddress: number,
    image: Uint8Array,
    wait: boolean,
    program: CoreProgram,
  ) {
    this.#system = system;
    this.#chip = chip;
    this.#core = core;
    this.x = chip.x;
    this.y = chip.y;
    this.p = core.p;
    this.physical = core.physical;
    this.appId = appId;
    this.wait = wait;
    this.memory = core.memory;
    this.imageAddress = imageAddress;
    this.image = image;
    this.vcpu = vcpuAddress(core.p);
    this.clockMhz = chip.sv("cpu_clk");
    this.program = program;
  }

  get state(): number {
    return this.#core.state;
  }

  setState(state: CoreState): void {
    if (!this.#ended) this.#core.state = state;
  }

  nowMs(): number {
    return this.#system.clock.now() - this.#system.bootTime;
  }

  print(text: string): void {
    if (this.#ended) return;
    const memory = this.#chip.memory;
    const size = this.#chip.sv("iobuf_size");
    for (const byte of new TextEncoder().encode(text)) {
      if (this.#block === 0 || memory.readWord(this.#block + 12) >= size) {
        if (!this.#nextBlock(size)) return;
      }
      const used = memory.readWord(this.#block + 12);
      memory.writeByte(this.#block + IOBUF_HEADER + used, byte);
      memory.writeWord(this.#block + 12, used + 1);
    }
  }

  tube(text: string): void {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(10, at);
      const end = Math.min(newline < 0 ? bytes.length : newline + 1, at + TUBE_MAX);
      const data = new Uint8Array(4 + end - at);
      data[0] = Command.TUBE;
      data.set(bytes.subarray(at, end), 4);
      const chip = this.#chip.sv("dbg_addr");
      this.sendSdp({ tag: 0, destPort: 7, destCpu: 31, destX: chip >>> 8, destY: chip & 0xff, srcPort: 0, data });
      at = end;
    }
  }

  sendSdp(message: Pick<SdpMessage, "tag" | "destPort" | "destCpu" | "destX" | "destY" | "data"> & Partial<SdpMessage>): void {
    if (this.#ended) return;
    if (message.data.length > SDP_MAX_DATA) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `an SDP message carries at most ${SDP_MAX_DATA} bytes, not ${message.data.length}`);
    }
    const bytes = new Uint8Array(SDP_DATA_OFFSET + message.data.length);
    writeSdpHeader(bytes, {
      flags: message.flags ?? FLAGS_NO_REPLY,
      tag: message.tag,
      destPort: message.destPort,
      destCpu: message.destCpu,
      srcPort: message.srcPort ?? 1,
      srcCpu: message.srcCpu ?? this.p,
      destX: message.destX,
      destY: message.destY,
      srcX: this.x,
      srcY: this.y,
    });
    bytes.set(message.data, SDP_DATA_OFFSET);
    this.#system.route(this.#chip, bytes);
  }

  sendMulticast(key: number, payload?: number): void {
    if (!this.#ended) this.#system.multicast(this.#chip, key, payload, false);
  }

  sendFixedRoute(key: number, payload?: number): void {
    if (!this.#ended) this.#system.multicast(this.#chip, key, payload, true);
  }

  allocate(sizeBytes: number, tag = 0): number {
    return this.#ended ? 0 : allocateSdram(this.#chip, this.appId, sizeBytes, tag, false);
  }

  crash(code: number): void {
    if (!this.#ended) this.#core.crash(code);
  }

  /** From now on time passes for the program. */
  run(): void {
    if (!this.#ended && this.program.onTick !== undefined) this.#system.clock.add(this);
  }

  tick(elapsedMs: number): boolean {
    try {
      return this.program.onTick?.(elapsedMs) ?? false;
    } catch (error) {
      this.#core.crash(error instanceof DataAbort ? DATA_ABORT : SOFTWARE_ERROR);
      return false;
    }
  }

  /** The core was reset: nothing the program still does has any effect. */
  end(): void {
    this.#ended = true;
    this.#system.clock.remove(this);
  }

  #nextBlock(size: number): boolean {
    const memory = this.#chip.memory;
    const block = this.#chip.systemHeap.allocate(IOBUF_HEADER + size, this.appId, 0);
    if (block === 0) {
      this.#core.crash(IOBUF_ERROR);
      return false;
    }
    memory.writeWord(block, 0);
    memory.writeWord(block + 4, this.#chip.sv("unix_time"));
    memory.writeWord(block + 8, this.#chip.sv("time_ms"));
    memory.writeWord(block + 12, 0);
    if (this.#block === 0) this.#core.iobuf = block;
    else memory.writeWord(this.#block, block);
    this.#block = block;
    return true;
  }
}
