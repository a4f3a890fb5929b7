import { hex32 } from "../errors.js";
import {
  type ChipCoordinates,
  CORE_COUNT,
  type CoreCoordinates,
  CoreState,
  coreStateName,
  formatCore,
  type RunTimeErrorInfo,
  runTimeError,
  VCPU,
  VCPU_BASE,
  VCPU_SIZE,
  vcpuAddress,
} from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { readMemory } from "./memory.js";
import type { Session } from "./session.js";

/** What the `vcpu` block of a core says. */
export interface CoreStatus extends CoreCoordinates {
  readonly physicalCore: number;
  /** See `CoreState`. */
  readonly state: number;
  readonly appId: number;
  readonly appName: string;
  /** Why the core crashed; `undefined` unless it is in RTE. */
  readonly runTimeError: RunTimeErrorInfo | undefined;
  /** r0 .. r7, psr, sp, lr, as saved when it crashed. */
  readonly registers: Readonly<Record<string, number>>;
  /** Software errors counted, and line of the last one; the address of its file name. */
  readonly softwareErrors: { readonly count: number; readonly line: number; readonly fileAddress: number };
  /** Unix time of the start, seconds. */
  readonly startTime: number;
  /** Address of the first block of text, 0 for none. */
  readonly iobufAddress: number;
  /** user0 .. user3. */
  readonly user: readonly number[];
}

const REGISTERS = ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "psr", "sp", "lr"];

/** Status of one core. */
export async function readCoreStatus(session: Session, core: CoreCoordinates, options: CallOptions = {}): Promise<CoreStatus> {
  return decodeCoreStatus(core, await readMemory(session, { x: core.x, y: core.y }, vcpuAddress(core.p), VCPU_SIZE, options));
}

/** Status of all 18 cores of a chip, read in one go: their blocks are neighbours. Cores the chip does not have are DEAD. */
export async function readChipStatus(session: Session, chip: ChipCoordinates, options: CallOptions = {}): Promise<CoreStatus[]> {
  const blocks = await readMemory(session, { x: chip.x, y: chip.y }, VCPU_BASE, CORE_COUNT * VCPU_SIZE, options);
  return Array.from({ length: CORE_COUNT }, (_, p) =>
    decodeCoreStatus({ x: chip.x, y: chip.y, p }, blocks.subarray(p * VCPU_SIZE, (p + 1) * VCPU_SIZE)),
  );
}

/** A core and what is the matter with it, in words: `core 1,2,3: RTE (DIV0: ...)`. */
export function describeCore(core: CoreStatus): string {
  const app = core.appId === 0 ? "" : ` app ${core.appId}${core.appName === "" ? "" : ` "${core.appName}"`}`;
  const error = core.runTimeError;
  const detail =
    error === undefined ? "" : ` (${error.name}: ${error.meaning}; lr ${hex32(core.registers["lr"]!)}, sp ${hex32(core.registers["sp"]!)})`;
  return `core ${formatCore(core)}: ${coreStateName(core.state)}${detail}${app}`;
}

function decodeCoreStatus(core: CoreCoordinates, block: Uint8Array): CoreStatus {
  const number = (name: string): number => VCPU.number(block, name);
  const state = number("cpu_state");
  return {
    x: core.x,
    y: core.y,
    p: core.p,
    physicalCore: number("phys_cpu"),
    state,
    appId: number("app_id"),
    appName: VCPU.read(block, "app_name") as string,
    runTimeError: state === CoreState.RTE ? runTimeError(number("rt_code")) : undefined,
    registers: Object.fromEntries(REGISTERS.map((name) => [name, number(name)])),
    softwareErrors: { count: number("sw_count"), line: number("sw_line"), fileAddress: number("sw_file") },
    startTime: number("time"),
    iobufAddress: number("iobuf"),
    user: [number("user0"), number("user1"), number("user2"), number("user3")],
  };
}
