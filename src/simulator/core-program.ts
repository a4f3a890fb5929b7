import type { CoreState, Signal } from "../machine/index.js";
import type { SdpMessage } from "../wire/index.js";
import type { CoreMemory } from "./core-memory.js";

/**
 * What runs on a simulated core. An object per start; nothing is called after `stop`. A method that throws a data abort of the memory ends
 * the core with a run-time error, as on the board; any other exception does too, and is reported through `util.debuglog('spinn')`.
 */
export interface CoreProgram {
  /** At most 16 bytes, shown in `vcpu.app_name`. Default: what the image says, or `application`. */
  readonly name?: string;
  /**
   * `true`: the program is the whole core with its own run-time library (an emulated ARM core). Then the simulated machine does not fill the
   * vcpu block, does not wait for START, does not answer SCP on port 0 and changes no state on signals: all messages and signals go to the
   * program. Default `false`.
   */
  readonly bare?: boolean;
  /** The core enters its main function: after loading, or at START when it was loaded to wait. A `bare` program starts at once. */
  start(core: CoreContext): void;
  /** A signal that is not the monitor's own business: PAUSE, CONT, EXIT, TIMER, USR0-3, SYNC0, SYNC1; for a bare program START too. */
  onSignal?(signal: Signal): void;
  /** A message to ports 1..7 (bare: any port). Its bytes are the callee's. */
  onSdp?(message: SdpMessage): void;
  /** A multicast packet that the routing tables led to this core. */
  onMulticast?(key: number, payload: number | undefined): void;
  /** A fixed-route packet that the routers' fixed routes led to this core. */
  onFixedRoute?(key: number, payload: number | undefined): void;
  /** Time passes. `true`: call again at once, there is work left. Keep each call below some milliseconds. */
  onTick?(elapsedMs: number): boolean | undefined;
  /** The core is reset. */
  stop?(): void;
}

/** What a program can do. */
export interface CoreContext {
  readonly x: number;
  readonly y: number;
  /** Virtual core. */
  readonly p: number;
  readonly physical: number;
  readonly appId: number;
  /** `true` when the start command asked to wait for START: a bare program waits by itself. */
  readonly wait: boolean;
  /** The core's memory: ITCM, DTCM, and through `memory.chip` what all cores of the chip share. */
  readonly memory: CoreMemory;
  /** Address of the APLX image in the chip's memory. */
  readonly imageAddress: number;
  /** The bytes that were loaded: as far as the load table of the image reaches; empty when there is no such table. */
  readonly image: Uint8Array;
  /** Address of the core's vcpu block. */
  readonly vcpu: number;
  /** Core clock in MHz, as booted. */
  readonly clockMhz: number;
  /** Milliseconds since boot, with fractions. */
  nowMs(): number;
  readonly state: number;
  setState(state: CoreState): void;
  /** Appends text to the core's output in SDRAM (IO_BUF). */
  print(text: string): void;
  /** Sends text through tag 0 of the nearest Ethernet chip (IO_STD). */
  tube(text: string): void;
  /** Sends a message as the core would: source fields are filled in. Destination port 7 and core 31 on an Ethernet chip is the host. */
  sendSdp(message: Pick<SdpMessage, "tag" | "destPort" | "destCpu" | "destX" | "destY" | "data"> & Partial<SdpMessage>): void;
  /** Puts a multicast packet into the router. */
  sendMulticast(key: number, payload?: number): void;
  /** Puts a packet into the router that goes where its fixed route leads. */
  sendFixedRoute(key: number, payload?: number): void;
  /** SDRAM under the application's id; 0 when there is none. */
  allocate(sizeBytes: number, tag?: number): number;
  /** Ends the core with a run-time error: state RTE and the code. */
  crash(code: number): void;
}

/** Which image is about to run where. */
export interface ProgramImage {
  readonly bytes: Uint8Array;
  /** Hash of `bytes`, hexadecimal. */
  readonly sha256: string;
  readonly appId: number;
  readonly x: number;
  readonly y: number;
  readonly p: number;
}

/** Makes the program of one core; `undefined` leaves the choice to the default: an application that does nothing. */
export type ProgramChoice = (image: ProgramImage) => CoreProgram | undefined;

/** A function, or programs by the SHA-256 of the image (hexadecimal) or by application id (decimal), `default` for the rest. */
export type Programs = ProgramChoice | Readonly<Record<string, (image: ProgramImage) => CoreProgram>>;
