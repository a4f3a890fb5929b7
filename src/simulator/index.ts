export type { CoreContext, CoreProgram, ProgramChoice, ProgramImage, Programs } from "./core-program.js";
export { Counters, type DropReason } from "./counters.js";
export { type CodeFault, FAULT_PRESETS, type Faults, type PathFaults } from "./faults.js";
export type { DeadParts } from "./network.js";
export { SimulatedMachine, type SimulatedMachineOptions } from "./simulated-machine.js";
