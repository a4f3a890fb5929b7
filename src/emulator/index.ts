export { type Bus, BusFault, Cpu, DTCM_BASE, DTCM_SIZE, ITCM_SIZE, Mode, Vector } from "./cpu.js";
export { interpret } from "./interpreter.js";
