/** ARM cores that execute unmodified APLX images, and their chip's peripherals. The simulator plugs them in as programs of its cores. */
export { ArmChip, type ChipMember, type ChipMemoryPort } from "./arm-chip.js";
export { ArmCore, type ArmCoreOptions, type Engine, type SharedMemory } from "./arm-core.js";
export { ArmMachine, type ScheduledCore, SLICE_CLOCKS, type SliceChip } from "./arm-machine.js";
export { type ArmCoreContext, ArmProgram, type ArmProgramOptions, type ArmTrouble, armProgram, type PacketEvent } from "./arm-program.js";
export type { Packet } from "./comms.js";
export { type CompiledBlock, Compiler, compileBlock, readBlock } from "./compiler.js";
export { type Bus, BusFault, Cpu, DTCM_BASE, DTCM_SIZE, ITCM_SIZE, Mode, Vector } from "./cpu.js";
export { type FrameOrigin, frameText, type StackFrame } from "./debug/backtrace.js";
export { type CoreDump, type CoreSnapshot, dumpBacktrace, dumpData, dumpText, type ModeRegisters } from "./debug/core-dump.js";
export { type CodeKind, ElfFile, type ElfFunction } from "./debug/elf-file.js";
export { GdbServer, type GdbServerOptions } from "./debug/gdb-server.js";
export { type FileCoverage, type FunctionProfile, InstructionCounts, type ProgramCoverage } from "./debug/instruction-counts.js";
export { interpret } from "./interpreter.js";
export type { SdpLike } from "./mailbox.js";
export { Pace } from "./pace.js";
export { SystemController, type SystemControllerPorts } from "./system-controller.js";
export { Interrupt } from "./vic.js";
