/** The Thumb instruction set of ARMv5TE, one case per encoding (DDI 0100, part A chapters 6 and 7). */
import { addWithFlags, bitCount, conditionHolds, shift, subtractWithFlags } from "./arm.js";
import type { Cpu } from "./cpu.js";

/** Executes one half word. `cpu.r[15]` is its address + 4, `cpu.pc` its address + 2. */
export function executeThumb(cpu: Cpu, op: number): void {
  const { r } = cpu;
  const low = op & 7;
  const next = (op >>> 3) & 7;
  switch (op >>> 11) {
    case 0: {
      const amount = (op >>> 6) & 31;
      const value = r[next]!;
      if (amount !== 0) cpu.c = (value >>> (32 - amount)) & 1;
      cpu.n = cpu.z = r[low] = value << amount;
      return;
    }
    case 1: {
      const amount = (op >>> 6) & 31;
      const value = r[next]!;
      cpu.c = (value >>> ((amount - 1) & 31)) & 1;
      r[low] = amount === 0 ? 0 : value >>> amount;
      cpu.n = cpu.z = r[low]!;
      return;
    }
    case 2: {
      const amount = (op >>> 6) & 31;
      const value = r[next]!;
      cpu.c = (value >>> ((amount - 1) & 31)) & 1;
      cpu.n = cpu.z = r[low] = value >> (amount === 0 ? 31 : amount);
      return;
    }
    case 3: {
      const field = (op >>> 6) & 7;
      const operand = (op & 0x400) !== 0 ? field : r[field]!;
      r[low] = (op & 0x200) === 0 ? addWithFlags(cpu, r[next]!, operand, 0) : subtractWithFlags(cpu, r[next]!, operand);
      return;
    }
    case 4:
      cpu.n = cpu.z = r[(op >>> 8) & 7] = op & 0xff;
      return;
    case 5:
      subtractWithFlags(cpu, r[(op >>> 8) & 7]!, op & 0xff);
      return;
    case 6:
      r[(op >>> 8) & 7] = addWithFlags(cpu, r[(op >>> 8) & 7]!, op & 0xff, 0);
      return;
    case 7:
      r[(op >>> 8) & 7] = subtractWithFlags(cpu, r[(op >>> 8) & 7]!, op & 0xff);
      return;
    case 8:
      if ((op & 0x400) === 0) arithmetic(cpu, op, low, r[next]!);
      else highRegisters(cpu, op);
      return;
    case 9:
      r[(op >>> 8) & 7] = cpu.read32((r[15]! & ~3) + 4 * (op & 0xff));
      return;
    case 10:
    case 11:
      registerOffset(cpu, op, low, (r[next]! + r[(op >>> 6) & 7]!) | 0);
      return;
    case 12:
      cpu.write32((r[next]! + 4 * ((op >>> 6) & 31)) | 0, r[low]!);
      return;
    case 13:
      r[low] = cpu.read32((r[next]! + 4 * ((op >>> 6) & 31)) | 0);
      return;
    case 14:
      cpu.write8((r[next]! + ((op >>> 6) & 31)) | 0, r[low]!);
      return;
    case 15:
      r[low] = cpu.read8((r[next]! + ((op >>> 6) & 31)) | 0);
      return;
    case 16:
      cpu.write16((r[next]! + 2 * ((op >>> 6) & 31)) | 0, r[low]!);
      return;
    case 17:
      r[low] = cpu.read16((r[next]! + 2 * ((op >>> 6) & 31)) | 0);
      return;
    case 18:
      cpu.write32((r[13]! + 4 * (op & 0xff)) | 0, r[(op >>> 8) & 7]!);
      return;
    case 19:
      r[(op >>> 8) & 7] = cpu.read32((r[13]! + 4 * (op & 0xff)) | 0);
      return;
    case 20:
      r[(op >>> 8) & 7] = (r[15]! & ~3) + 4 * (op & 0xff);
      return;
    case 21:
      r[(op >>> 8) & 7] = r[13]! + 4 * (op & 0xff);
      return;
    case 22:
      if ((op & 0xff00) === 0xb000) r[13] = r[13]! + ((op & 0x80) === 0 ? 4 : -4) * (op & 0x7f);
      else if ((op & 0x0600) === 0x0400) push(cpu, op);
      else cpu.undefinedInstruction();
      return;
    case 23:
      if ((op & 0x0600) === 0x0400) pop(cpu, op);
      else if ((op & 0x0f00) === 0x0e00) cpu.prefetchAbort(cpu.pc - 2);
      else cpu.undefinedInstruction();
      return;
    case 24:
    case 25:
      multiple(cpu, op);
      return;
    case 26:
    case 27: {
      const condition = (op >>> 8) & 15;
      if (condition === 15) cpu.softwareInterrupt();
      else if (condition === 14) cpu.undefinedInstruction();
      else if (conditionHolds(cpu, condition)) cpu.branch(r[15]! + ((op << 24) >> 23));
      return;
    }
    case 28:
      cpu.branch(r[15]! + ((op << 21) >> 20));
      return;
    case 29:
      if ((op & 1) !== 0) cpu.undefinedInstruction();
      else linkedBranch(cpu, op, true);
      return;
    case 30:
      r[14] = r[15]! + ((op << 21) >> 9);
      return;
    default:
      linkedBranch(cpu, op, false);
  }
}

function arithmetic(cpu: Cpu, op: number, low: number, other: number): void {
  const { r } = cpu;
  const own = r[low]!;
  switch ((op >>> 6) & 15) {
    case 0:
      cpu.n = cpu.z = r[low] = own & other;
      return;
    case 1:
      cpu.n = cpu.z = r[low] = own ^ other;
      return;
    case 2:
      shifted(cpu, low, 0, other);
      return;
    case 3:
      shifted(cpu, low, 1, other);
      return;
    case 4:
      shifted(cpu, low, 2, other);
      return;
    case 5:
      r[low] = addWithFlags(cpu, own, other, cpu.c);
      return;
    case 6:
      r[low] = addWithFlags(cpu, own, ~other, cpu.c);
      return;
    case 7:
      shifted(cpu, low, 3, other);
      return;
    case 8:
      cpu.n = cpu.z = own & other;
      return;
    case 9:
      r[low] = subtractWithFlags(cpu, 0, other);
      return;
    case 10:
      subtractWithFlags(cpu, own, other);
      return;
    case 11:
      addWithFlags(cpu, own, other, 0);
      return;
    case 12:
      cpu.n = cpu.z = r[low] = own | other;
      return;
    case 13:
      cpu.n = cpu.z = r[low] = Math.imul(own, other);
      return;
    case 14:
      cpu.n = cpu.z = r[low] = own & ~other;
      return;
    default:
      cpu.n = cpu.z = r[low] = ~other;
  }
}

function shifted(cpu: Cpu, low: number, kind: number, amount: number): void {
  const value = shift(cpu, kind, cpu.r[low]!, amount & 0xff) | 0;
  cpu.n = cpu.z = cpu.r[low] = value;
  cpu.c = cpu.carryOut;
}

function highRegisters(cpu: Cpu, op: number): void {
  const { r } = cpu;
  const target = (op & 7) | ((op >>> 4) & 8);
  const value = r[(op >>> 3) & 15]!;
  switch ((op >>> 8) & 3) {
    case 0:
      if (target === 15) cpu.branch(r[15]! + value);
      else r[target] = r[target]! + value;
      return;
    case 1:
      subtractWithFlags(cpu, r[target]!, value);
      return;
    case 2:
      if (target === 15) cpu.branch(value);
      else r[target] = value;
      return;
    default:
      if ((op & 0x80) !== 0) r[14] = cpu.pc | 1;
      cpu.branchExchange(value);
  }
}

function registerOffset(cpu: Cpu, op: number, low: number, address: number): void {
  const { r } = cpu;
  switch ((op >>> 9) & 7) {
    case 0:
      cpu.write32(address, r[low]!);
      return;
    case 1:
      cpu.write16(address, r[low]!);
      return;
    case 2:
      cpu.write8(address, r[low]!);
      return;
    case 3:
      r[low] = (cpu.read8(address) << 24) >> 24;
      return;
    case 4:
      r[low] = cpu.read32(address);
      return;
    case 5:
      r[low] = cpu.read16(address);
      return;
    case 6:
      r[low] = cpu.read8(address);
      return;
    default:
      r[low] = (cpu.read16(address) << 16) >> 16;
  }
}

function push(cpu: Cpu, op: number): void {
  const { r } = cpu;
  const count = bitCount(op & 0x1ff);
  const bottom = (r[13]! - 4 * count) | 0;
  let address = bottom;
  if (count > 1) cpu.cycles += count - 1;
  for (let index = 0; index < 8; index++) {
    if ((op & (1 << index)) === 0) continue;
    cpu.write32(address, r[index]!);
    address += 4;
  }
  if ((op & 0x100) !== 0) cpu.write32(address, r[14]!);
  r[13] = bottom;
}

function pop(cpu: Cpu, op: number): void {
  const { r } = cpu;
  const count = bitCount(op & 0x1ff);
  let address = r[13]!;
  if (count > 1) cpu.cycles += count - 1;
  for (let index = 0; index < 8; index++) {
    if ((op & (1 << index)) === 0) continue;
    r[index] = cpu.read32(address);
    address += 4;
  }
  if ((op & 0x100) === 0) {
    r[13] = address;
    return;
  }
  const target = cpu.read32(address);
  r[13] = address + 4;
  cpu.branchExchange(target);
}

function multiple(cpu: Cpu, op: number): void {
  const { r } = cpu;
  const base = (op >>> 8) & 7;
  const start = r[base]!;
  const load = (op & 0x800) !== 0;
  const count = bitCount(op & 0xff);
  if (count > 1) cpu.cycles += count - 1;
  let address = start;
  try {
    for (let index = 0; index < 8; index++) {
      if ((op & (1 << index)) === 0) continue;
      if (load) r[index] = cpu.read32(address);
      else cpu.write32(address, r[index]!);
      address += 4;
    }
  } catch (fault) {
    r[base] = start;
    throw fault;
  }
  if (!load || (op & (1 << base)) === 0) r[base] = address;
}

/** The second half of BL and BLX: the first left the upper part of the target in r14. */
function linkedBranch(cpu: Cpu, op: number, toArm: boolean): void {
  const { r } = cpu;
  const target = (r[14]! + 2 * (op & 0x7ff)) | 0;
  r[14] = cpu.pc | 1;
  if (toArm) cpu.thumb = false;
  cpu.branch(target);
}
