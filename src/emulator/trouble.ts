import { hex32 } from "../errors.js";
import { BOOT_ROM } from "../machine/index.js";
import { type Cpu, DTCM_BASE, DTCM_SIZE, ITCM_SIZE, Vector } from "./cpu.js";

/** The last error exception of a core, in words for whoever wrote its program. */
export function describeTrouble(cpu: Cpu): string {
  const where = `at ${hex32(cpu.errorAddress)}`;
  switch (cpu.errorVector) {
    case Vector.UNDEFINED:
      return `undefined instruction ${where}: the core ran into data, or the code is for another processor`;
    case Vector.SOFTWARE:
      return `SWI ${where}: there is no operating system to answer it`;
    case Vector.PREFETCH:
      return `prefetch abort: there is no code ${where}${jumpHint(cpu.errorAddress)}`;
    default:
      return `data abort: the instruction ${where} ${accessHint(cpu)}`;
  }
}

/** Why the watchdog stopped a core. */
export function describeSilence(cpu: Cpu): string {
  const doing = cpu.waiting ? "sleeps" : "runs";
  const masked = cpu.irqMasked ? " with interrupts off" : "";
  return `the watchdog stopped the core: it no longer answers the monitor; it ${doing}${masked} at ${hex32(cpu.pc)}`;
}

function jumpHint(address: number): string {
  if (address >>> 0 >= ITCM_SIZE) return "; a wrong function pointer or a return address that was overwritten on the stack";
  return "";
}

function accessHint(cpu: Cpu): string {
  const fault = cpu.lastFault;
  if (fault === undefined) return "touched memory that is not there";
  const { address } = fault;
  const did = `${fault.access === "write" ? "wrote" : "read"} ${hex32(address)}`;
  if (address >= BOOT_ROM.base && address < BOOT_ROM.base + BOOT_ROM.sizeBytes) return `${did}, which is boot ROM`;
  if (address < ITCM_SIZE || (address >= DTCM_BASE && address < DTCM_BASE + DTCM_SIZE) || (address & 3) !== 0)
    return `${did}, an address that is not aligned to the size of the access`;
  if (address < 0x10000) return `${did}: a null pointer with an offset`;
  if (address >= DTCM_BASE + DTCM_SIZE && address < DTCM_BASE + 2 * DTCM_SIZE) return `${did}, past the end of DTCM`;
  return `${did}, where no memory is`;
}
