export { CoreMemory } from "./core-memory.js";
export type { CoreContext, CoreProgram, ProgramChoice, ProgramImage, Programs } from "./core-program.js";
export { Counters, type DropReason } from "./counters.js";
export { type CodeFault, FAULT_PRESETS, type Faults, type PathFaults } from "./faults.js";
export { ChipMemory, DataAbort, type MemoryAccess, Page, type RegisterDevice } from "./memory.js";
export type { DeadParts } from "./network.js";
export * from "./programs/index.js";
export { SimulatedMachine, type SimulatedMachineOptions } from "./simulated-machine.js";
