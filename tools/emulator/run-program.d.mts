import type * as emulator from "../../src/emulator/index.js";
import type { Program } from "./random-instructions.mjs";

export function run(
  page: Pick<typeof emulator, "Cpu" | "Mode">,
  program: Program,
  engine: emulator.Engine,
): { records: Uint32Array; scratch: Uint8Array[] };
export function compiledEverywhere(page: Pick<typeof emulator, "BusFault" | "compileBlock" | "readBlock">): emulator.Engine;
export function digest(records: Uint32Array, test: number): number;
