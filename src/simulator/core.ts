import { debuglog } from "node:util";
import { CoreState, vcpuAddress } from "../machine/index.js";
import { CoreMemory } from "./core-memory.js";
import type { CoreProgram } from "./core-program.js";
import type { ChipMemory } from "./memory.js";

const log = debuglog("spinn");

// Offsets in the vcpu block (memory map, section 5).
const RT_CODE = 44;
const PHYS_CPU = 45;
const STATE = 46;
const APP_ID = 47;
const TIME = 68;
const NAME = 72;
const NAME_SIZE = 16;
const IOBUF = 88;
const SW_VER = 92;
/** user0..user3 begin here and survive every restart. */
const USER = 112;

/** One core: its vcpu block in the chip's SysRAM, its private memories, and the program that runs on it. */
export class Core {
  /** Virtual number; 0 is the monitor. */
  readonly p: number;
  readonly physical: number;
  readonly memory: CoreMemory;
  program: CoreProgram | undefined;
  /** Ends what belongs to the program: its ticks. */
  release: (() => void) | undefined;
  /** What START sets going. */
  pending: (() => void) | undefined;
  /** A message lies in the mailbox and will never be taken out: the core has crashed. */
  mailboxFull = false;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(p: number, physical: number, chip: ChipMemory) {
    this.p = p;
    this.physical = physical;
    this.memory = new CoreMemory(chip);
    const offset = vcpuAddress(p) & 0x7fff;
    this.#bytes = chip.sysram.bytes.subarray(offset, offset + 128);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, 128);
  }

  get state(): number {
    return this.#bytes[STATE]!;
  }

  set state(state: number) {
    this.#bytes[STATE] = state;
  }

  get appId(): number {
    return this.#bytes[APP_ID]!;
  }

  set appId(appId: number) {
    this.#bytes[APP_ID] = appId;
  }

  get rtCode(): number {
    return this.#bytes[RT_CODE]!;
  }

  get name(): string {
    const bytes = this.#bytes.subarray(NAME, NAME + NAME_SIZE);
    const end = bytes.indexOf(0);
    return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
  }

  /** First block of the core's text, 0 when it printed nothing. */
  get iobuf(): number {
    return this.#view.getUint32(IOBUF, true);
  }

  set iobuf(address: number) {
    this.#view.setUint32(IOBUF, address, true);
  }

  /** What SARK does first: the block is zeroed but for user0-3, and filled anew. */
  initialise(state: number, appId: number, name: string, time: number, version: number): void {
    this.#bytes.fill(0, 0, USER);
    this.#bytes[PHYS_CPU] = this.physical;
    this.#bytes[STATE] = state;
    this.#bytes[APP_ID] = appId;
    this.#view.setUint32(TIME, time, true);
    this.#view.setUint32(SW_VER, version, true);
    this.#bytes.set(new TextEncoder().encode(name).subarray(0, NAME_SIZE), NAME);
    this.mailboxFull = false;
  }

  /** A run-time error: the registers are lost, the core sleeps for ever. */
  crash(code: number, state: number = CoreState.RTE): void {
    this.#bytes[STATE] = state;
    this.#bytes[RT_CODE] = code;
    this.endProgram();
  }

  get hasCrashed(): boolean {
    const state = this.state;
    return state === CoreState.RTE || state === CoreState.WDOG || state === CoreState.PWRDN || state === CoreState.DEAD;
  }

  /** Stops whatever ran. The state is left to the caller. */
  endProgram(): void {
    const program = this.program;
    this.release?.();
    this.release = undefined;
    this.pending = undefined;
    this.program = undefined;
    try {
      program?.stop?.();
    } catch (error) {
      log("program on core %d failed to stop: %s", this.p, error instanceof Error ? error.stack : String(error));
    }
  }
}
