/** The plain engine: one instruction after the other, decoded each time. The reference for the compiled one. */
import { executeArm } from "./arm.js";
import { BusFault, type Cpu, ITCM_SIZE } from "./cpu.js";
import { executeThumb } from "./thumb.js";

/** Runs `cpu` until its clock reaches `untilCycle`, or {@link Cpu.limit} when that is pulled in, or it sleeps. May overshoot by one instruction. */
export function interpret(cpu: Cpu, untilCycle: number): void {
  cpu.limit = untilCycle;
  while (cpu.cycles < cpu.limit && !cpu.waiting) {
    try {
      step(cpu);
    } catch (fault) {
      abort(cpu, fault);
    }
  }
}

/** Executes until the limit; sleep sets the limit to 0. Throws at the first access nobody answers. */
function step(cpu: Cpu): void {
  const { r, itcm, itcmHalves } = cpu;
  let executed = 0;
  try {
    while (cpu.cycles < cpu.limit) {
      if (cpu.attention !== 0) cpu.takeInterrupt();
      const { pc } = cpu;
      cpu.cycles++;
      executed++;
      if (cpu.thumb) {
        const op = (pc & -ITCM_SIZE) === 0 ? itcmHalves[pc >> 1]! : cpu.fetch16(pc);
        cpu.pc = (pc + 2) | 0;
        r[15] = (pc + 4) | 0;
        executeThumb(cpu, op);
      } else {
        const op = (pc & -ITCM_SIZE) === 0 ? itcm[pc >> 2]! : cpu.fetch32(pc);
        cpu.pc = (pc + 4) | 0;
        r[15] = (pc + 8) | 0;
        executeArm(cpu, op);
      }
    }
  } finally {
    cpu.instructions += executed;
  }
}

/** One instruction, without a look at interrupts. Throws when it touches what is not there. */
export function stepOnce(cpu: Cpu): void {
  const { pc } = cpu;
  cpu.cycles++;
  cpu.instructions++;
  if (cpu.thumb) {
    const op = cpu.fetch16(pc);
    cpu.pc = (pc + 2) | 0;
    cpu.r[15] = pc + 4;
    executeThumb(cpu, op);
  } else {
    const op = cpu.fetch32(pc);
    cpu.pc = (pc + 4) | 0;
    cpu.r[15] = pc + 8;
    executeArm(cpu, op);
  }
}

/** The abort that an access nobody answered ends in; anything else is thrown on. */
export function abort(cpu: Cpu, fault: unknown): void {
  if (!(fault instanceof BusFault)) throw fault;
  if (fault.access === "fetch") cpu.prefetchAbort(cpu.pc);
  else cpu.dataAbort(cpu.r[15]! - (cpu.thumb ? 4 : 8));
}

/** As {@link interpret}, and counts every instruction in {@link Cpu.counts}: an engine of its own, so that the other does not look whether to. */
export function interpretCounting(cpu: Cpu, untilCycle: number): void {
  cpu.limit = untilCycle;
  while (cpu.cycles < cpu.limit && !cpu.waiting) {
    try {
      if (cpu.attention !== 0) cpu.takeInterrupt();
      count(cpu);
      stepOnce(cpu);
    } catch (fault) {
      abort(cpu, fault);
    }
  }
}

/** Counts the instruction at the core's pc. */
export function count(cpu: Cpu): void {
  if ((cpu.pc & -ITCM_SIZE) === 0) cpu.counts![cpu.pc >> 1]! += 1;
}
