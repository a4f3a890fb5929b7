import type { Cpu, interpret, Mode } from "../../src/emulator/index.js";
import type { Program } from "./random-instructions.mjs";

export function run(
  emulator: { Cpu: typeof Cpu; interpret: typeof interpret; Mode: typeof Mode },
  program: Program,
): { records: Uint32Array; scratch: Uint8Array[] };
export function digest(records: Uint32Array, test: number): number;
