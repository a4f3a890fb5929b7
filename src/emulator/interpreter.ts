/** The plain engine: one instruction after the other, decoded each time. The reference for the compiled one. */
import { executeArm } from "./arm.js";
import { BusFault, type Cpu } from "./cpu.js";
import { executeThumb } from "./thumb.js";

/** Runs `cpu` until its clock reaches `untilCycle` or it sleeps. The last instruction may overshoot by its own length. */
export function interpret(cpu: Cpu, untilCycle: number): void {
  cpu.limit = untilCycle;
  while (cpu.cycles < cpu.limit && !cpu.waiting) {
    let fetched = false;
    try {
      while (cpu.cycles < cpu.limit && !cpu.waiting) {
        if (cpu.attention !== 0) cpu.takeInterrupt();
        fetched = false;
        const { pc } = cpu;
        cpu.cycles++;
        cpu.instructions++;
        if (cpu.thumb) {
          const op = cpu.fetch16(pc);
          fetched = true;
          cpu.pc = (pc + 2) | 0;
          cpu.r[15] = pc + 4;
          executeThumb(cpu, op);
        } else {
          const op = cpu.fetch32(pc);
          fetched = true;
          cpu.pc = (pc + 4) | 0;
          cpu.r[15] = pc + 8;
          executeArm(cpu, op);
        }
      }
    } catch (fault) {
      if (!(fault instanceof BusFault)) throw fault;
      if (fetched) cpu.dataAbort(cpu.r[15]! - (cpu.thumb ? 4 : 8));
      else cpu.prefetchAbort(cpu.pc);
    }
  }
}
