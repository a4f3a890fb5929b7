/** The ARM instruction set of ARMv5TE, one function per group of encodings (DDI 0100, part A chapters 3 to 5 and 10). */
import { type Cpu, Mode } from "./cpu.js";
import { multiply } from "./multiply.js";

/** Executes one instruction word; its condition is checked here. `cpu.r[15]` is its address + 8, `cpu.pc` its address + 4. */
export function executeArm(cpu: Cpu, op: number): void {
  const condition = op >>> 28;
  if (condition !== 14 && !(condition === 15 ? unconditional(cpu, op) : conditionHolds(cpu, condition))) return;
  switch ((op >>> 25) & 7) {
    case 0:
      if ((op & 0x90) === 0x90) {
        if ((op & 0x60) === 0) {
          if ((op & 0x0100_0000) === 0) multiply(cpu, op);
          else swap(cpu, op);
        } else extraTransfer(cpu, op);
      } else if ((op & 0x0190_0000) === 0x0100_0000) miscellaneous(cpu, op);
      else dataProcessing(cpu, op, (op & 0x10) === 0 ? shiftedByConstant(cpu, op) : shiftedByRegister(cpu, op));
      return;
    case 1:
      if ((op & 0x0190_0000) === 0x0100_0000) {
        if ((op & 0x0020_0000) !== 0) moveToStatus(cpu, op, rotatedConstant(cpu, op));
        else cpu.undefinedInstruction();
      } else dataProcessing(cpu, op, rotatedConstant(cpu, op));
      return;
    case 2:
      singleTransfer(cpu, op, op & 0xfff);
      return;
    case 3:
      if ((op & 0x10) !== 0) cpu.undefinedInstruction();
      else singleTransfer(cpu, op, shiftedByConstant(cpu, op));
      return;
    case 4:
      blockTransfer(cpu, op);
      return;
    case 5:
      if ((op & 0x0100_0000) !== 0) cpu.r[14] = cpu.pc;
      cpu.branch(cpu.r[15]! + ((op << 8) >> 6));
      return;
    case 6:
      cpu.undefinedInstruction(); // LDC, STC, MCRR, MRRC: no coprocessor here has them
      return;
    default:
      if ((op & 0x0100_0000) !== 0) cpu.softwareInterrupt();
      else coprocessor(cpu, op);
  }
}

/** Does `condition` (0 EQ ... 14 AL) hold? */
export function conditionHolds(cpu: Cpu, condition: number): boolean {
  switch (condition) {
    case 0:
      return cpu.z === 0;
    case 1:
      return cpu.z !== 0;
    case 2:
      return cpu.c !== 0;
    case 3:
      return cpu.c === 0;
    case 4:
      return cpu.n < 0;
    case 5:
      return cpu.n >= 0;
    case 6:
      return cpu.v < 0;
    case 7:
      return cpu.v >= 0;
    case 8:
      return cpu.c !== 0 && cpu.z !== 0;
    case 9:
      return cpu.c === 0 || cpu.z === 0;
    case 10:
      return (cpu.n ^ cpu.v) >= 0;
    case 11:
      return (cpu.n ^ cpu.v) < 0;
    case 12:
      return cpu.z !== 0 && (cpu.n ^ cpu.v) >= 0;
    case 13:
      return cpu.z === 0 || (cpu.n ^ cpu.v) < 0;
    default:
      return true;
  }
}

/** The encodings without a condition: BLX to Thumb, PLD. Always false: nothing is left to do for the caller. */
function unconditional(cpu: Cpu, op: number): false {
  if ((op & 0x0e00_0000) === 0x0a00_0000) {
    cpu.r[14] = cpu.pc;
    cpu.branchExchange(cpu.r[15]! + ((op << 8) >> 6) + ((op >>> 23) & 2) + 1);
  } else if ((op & 0x0d70_f000) !== 0x0550_f000) cpu.undefinedInstruction();
  return false;
}

// ---- operands ----

function rotatedConstant(cpu: Cpu, op: number): number {
  const turn = (op >>> 7) & 30;
  const value = op & 0xff;
  if (turn === 0) {
    cpu.carryOut = cpu.c;
    return value;
  }
  const rotated = (value >>> turn) | (value << (32 - turn));
  cpu.carryOut = rotated >>> 31;
  return rotated;
}

function shiftedByConstant(cpu: Cpu, op: number): number {
  const value = cpu.r[op & 15]!;
  const amount = (op >>> 7) & 31;
  switch ((op >>> 5) & 3) {
    case 0:
      if (amount === 0) {
        cpu.carryOut = cpu.c;
        return value;
      }
      cpu.carryOut = (value >>> (32 - amount)) & 1;
      return value << amount;
    case 1:
      if (amount === 0) {
        cpu.carryOut = value >>> 31;
        return 0;
      }
      cpu.carryOut = (value >>> (amount - 1)) & 1;
      return value >>> amount;
    case 2:
      if (amount === 0) {
        cpu.carryOut = value >>> 31;
        return value >> 31;
      }
      cpu.carryOut = (value >>> (amount - 1)) & 1;
      return value >> amount;
    default:
      if (amount === 0) {
        cpu.carryOut = value & 1;
        return (value >>> 1) | (cpu.c << 31);
      }
      cpu.carryOut = (value >>> (amount - 1)) & 1;
      return (value >>> amount) | (value << (32 - amount));
  }
}

function shiftedByRegister(cpu: Cpu, op: number): number {
  return shift(cpu, (op >>> 5) & 3, cpu.r[op & 15]!, cpu.r[(op >>> 8) & 15]! & 0xff);
}

/** LSL, LSR, ASR, ROR (0 to 3) by a register's low byte; the carry goes to `cpu.carryOut`. */
export function shift(cpu: Cpu, kind: number, value: number, amount: number): number {
  if (amount === 0) {
    cpu.carryOut = cpu.c;
    return value;
  }
  switch (kind) {
    case 0:
      cpu.carryOut = amount <= 32 ? (value >>> (32 - amount)) & 1 : 0;
      return amount < 32 ? value << amount : 0;
    case 1:
      cpu.carryOut = amount <= 32 ? (value >>> (amount - 1)) & 1 : 0;
      return amount < 32 ? value >>> amount : 0;
    case 2:
      cpu.carryOut = (value >> Math.min(amount - 1, 31)) & 1;
      return value >> Math.min(amount, 31);
    default: {
      const turn = amount & 31;
      cpu.carryOut = (value >>> ((amount - 1) & 31)) & 1;
      return turn === 0 ? value : (value >>> turn) | (value << (32 - turn));
    }
  }
}

// ---- data processing ----

function dataProcessing(cpu: Cpu, op: number, operand: number): void {
  const { r } = cpu;
  const first = r[(op >>> 16) & 15]!;
  const target = (op >>> 12) & 15;
  if ((op & 0x0010_0000) === 0) {
    setRegister(cpu, target, result(cpu, (op >>> 21) & 15, first, operand) | 0);
    return;
  }
  let value: number;
  switch ((op >>> 21) & 15) {
    case 0: // AND
      value = logical(cpu, first & operand);
      break;
    case 1: // EOR
      value = logical(cpu, first ^ operand);
      break;
    case 2: // SUB
      value = subtractWithFlags(cpu, first, operand);
      break;
    case 3: // RSB
      value = subtractWithFlags(cpu, operand, first);
      break;
    case 4: // ADD
      value = addWithFlags(cpu, first, operand, 0);
      break;
    case 5: // ADC
      value = addWithFlags(cpu, first, operand, cpu.c);
      break;
    case 6: // SBC
      value = addWithFlags(cpu, first, ~operand, cpu.c);
      break;
    case 7: // RSC
      value = addWithFlags(cpu, operand, ~first, cpu.c);
      break;
    case 8: // TST
      logical(cpu, first & operand);
      return;
    case 9: // TEQ
      logical(cpu, first ^ operand);
      return;
    case 10: // CMP
      subtractWithFlags(cpu, first, operand);
      return;
    case 11: // CMN
      addWithFlags(cpu, first, operand, 0);
      return;
    case 12: // ORR
      value = logical(cpu, first | operand);
      break;
    case 13: // MOV
      value = logical(cpu, operand);
      break;
    case 14: // BIC
      value = logical(cpu, first & ~operand);
      break;
    default: // MVN
      value = logical(cpu, ~operand);
  }
  if (target !== 15) r[target] = value;
  else {
    cpu.restoreStatus();
    cpu.branch(value);
  }
}

function result(cpu: Cpu, operation: number, first: number, operand: number): number {
  switch (operation) {
    case 0:
      return first & operand;
    case 1:
      return first ^ operand;
    case 2:
      return first - operand;
    case 3:
      return operand - first;
    case 4:
      return first + operand;
    case 5:
      return first + operand + cpu.c;
    case 6:
      return first - operand - 1 + cpu.c;
    case 7:
      return operand - first - 1 + cpu.c;
    case 12:
      return first | operand;
    case 13:
      return operand;
    case 14:
      return first & ~operand;
    default:
      return ~operand;
  }
}

function logical(cpu: Cpu, value: number): number {
  cpu.n = cpu.z = value;
  cpu.c = cpu.carryOut;
  return value;
}

/** a + b + carry with all four flags; a subtraction adds the complement with carry 1. */
export function addWithFlags(cpu: Cpu, a: number, b: number, carry: number): number {
  const sum = (a + b + carry) | 0;
  cpu.n = cpu.z = sum;
  cpu.v = (a ^ sum) & (b ^ sum);
  cpu.c = ((a & b) | ((a | b) & ~sum)) >>> 31; // the carry out of bit 31, without leaving 32-bit arithmetic
  return sum;
}

/** a - b with all four flags. */
export function subtractWithFlags(cpu: Cpu, a: number, b: number): number {
  const difference = (a - b) | 0;
  cpu.n = cpu.z = difference;
  cpu.v = (a ^ b) & (a ^ difference);
  cpu.c = ((a & ~b) | (~(a ^ b) & ~difference)) >>> 31; // no borrow
  return difference;
}

function setRegister(cpu: Cpu, index: number, value: number): void {
  if (index === 15) cpu.branch(value);
  else cpu.r[index] = value;
}

// ---- status register, BX, CLZ, saturating arithmetic ----

function miscellaneous(cpu: Cpu, op: number): void {
  const { r } = cpu;
  const source = r[op & 15]!;
  switch ((op >>> 4) & 15) {
    case 0:
      if ((op & 0x0020_0000) !== 0) moveToStatus(cpu, op, source);
      else r[(op >>> 12) & 15] = (op & 0x0040_0000) !== 0 ? cpu.spsr : cpu.cpsr;
      return;
    case 1:
      if ((op & 0x0060_0000) === 0x0020_0000) cpu.branchExchange(source);
      else if ((op & 0x0060_0000) === 0x0060_0000) r[(op >>> 12) & 15] = Math.clz32(source);
      else cpu.undefinedInstruction();
      return;
    case 3:
      if ((op & 0x0060_0000) !== 0x0020_0000) cpu.undefinedInstruction();
      else {
        r[14] = cpu.pc;
        cpu.branchExchange(source);
      }
      return;
    case 5: {
      const kind = (op >>> 21) & 3;
      let other = r[(op >>> 16) & 15]!;
      if ((kind & 2) !== 0) other = saturated(cpu, 2 * other);
      r[(op >>> 12) & 15] = saturated(cpu, (kind & 1) === 0 ? source + other : source - other);
      return;
    }
    case 7:
      if ((op & 0x0060_0000) === 0x0020_0000) cpu.prefetchAbort(cpu.pc - 4);
      else cpu.undefinedInstruction();
      return;
    case 8:
    case 10:
    case 12:
    case 14:
      multiply(cpu, op);
      return;
    default:
      cpu.undefinedInstruction();
  }
}

function saturated(cpu: Cpu, value: number): number {
  if (value === (value | 0)) return value;
  cpu.q = 1;
  return value < 0 ? -0x8000_0000 : 0x7fff_ffff;
}

function moveToStatus(cpu: Cpu, op: number, value: number): void {
  if ((op & 0x0040_0000) !== 0) {
    const mask =
      ((op & 0x1_0000) !== 0 ? 0xff : 0) |
      ((op & 0x2_0000) !== 0 ? 0xff00 : 0) |
      ((op & 0x4_0000) !== 0 ? 0xff_0000 : 0) |
      ((op & 0x8_0000) !== 0 ? 0xff00_0000 : 0);
    cpu.spsr = (cpu.spsr & ~mask) | (value & mask);
    return;
  }
  if ((op & 0x8_0000) !== 0) cpu.setFlags(value);
  if ((op & 0x1_0000) !== 0) cpu.setControlBits(value);
}

/** CP15, the only coprocessor: its control register and wait for interrupt; cache and buffer operations have nothing to do here. */
function coprocessor(cpu: Cpu, op: number): void {
  if ((op & 0x0f10) !== 0x0f10 || cpu.mode === Mode.USR) {
    cpu.undefinedInstruction();
    return;
  }
  const register = (op >>> 16) & 15;
  const target = (op >>> 12) & 15;
  if ((op & 0x0010_0000) !== 0) {
    if (target === 15) return;
    cpu.r[target] = register === 1 ? cpu.control : register === 0 ? 0x4105_9680 : 0;
  } else if (register === 1) cpu.control = cpu.r[target]!;
  else if (register === 7 && (op & 0xef) === 0x80) cpu.waitForInterrupt();
}

// ---- loads and stores ----

function singleTransfer(cpu: Cpu, op: number, distance: number): void {
  const { r } = cpu;
  const base = (op >>> 16) & 15;
  const target = (op >>> 12) & 15;
  const start = r[base]!;
  const moved = ((op & 0x0080_0000) !== 0 ? start + distance : start - distance) | 0;
  const before = (op & 0x0100_0000) !== 0;
  const address = before ? moved : start;
  const writeBack = !before || (op & 0x0020_0000) !== 0;
  if ((op & 0x0010_0000) !== 0) {
    const value = (op & 0x0040_0000) !== 0 ? cpu.read8(address) : cpu.read32(address);
    if (writeBack) r[base] = moved;
    if (target === 15) cpu.branchExchange(value);
    else r[target] = value;
    return;
  }
  const value = target === 15 ? r[15]! + 4 : r[target]!; // a stored pc is 12 ahead on this core
  if ((op & 0x0040_0000) !== 0) cpu.write8(address, value);
  else cpu.write32(address, value);
  if (writeBack) r[base] = moved;
}

/** Half words, signed bytes, double words. */
function extraTransfer(cpu: Cpu, op: number): void {
  const { r } = cpu;
  const base = (op >>> 16) & 15;
  const target = (op >>> 12) & 15;
  const distance = (op & 0x0040_0000) !== 0 ? ((op >>> 4) & 0xf0) | (op & 15) : r[op & 15]!;
  const start = r[base]!;
  const moved = ((op & 0x0080_0000) !== 0 ? start + distance : start - distance) | 0;
  const before = (op & 0x0100_0000) !== 0;
  const address = before ? moved : start;
  const writeBack = !before || (op & 0x0020_0000) !== 0;
  const kind = ((op >>> 5) & 3) | ((op & 0x0010_0000) !== 0 ? 4 : 0);
  let value = 0;
  switch (kind) {
    case 1: // STRH
      cpu.write16(address, r[target]!);
      break;
    case 2: {
      // LDRD
      const low = cpu.read32(address);
      const high = cpu.read32(address + 4);
      if (writeBack) r[base] = moved;
      r[target & 14] = low;
      if ((target | 1) === 15) cpu.branch(high);
      else r[target | 1] = high;
      return;
    }
    case 3: // STRD
      cpu.write32(address, r[target & 14]!);
      cpu.write32(address + 4, r[target | 1]!);
      break;
    case 5: // LDRH
      value = cpu.read16(address);
      break;
    case 6: // LDRSB
      value = (cpu.read8(address) << 24) >> 24;
      break;
    default: // LDRSH
      value = (cpu.read16(address) << 16) >> 16;
  }
  if (writeBack) r[base] = moved;
  if ((kind & 4) !== 0) setRegister(cpu, target, value);
}

function swap(cpu: Cpu, op: number): void {
  if ((op & 0x00b0_0f00) !== 0) {
    cpu.undefinedInstruction();
    return;
  }
  const { r } = cpu;
  const address = r[(op >>> 16) & 15]!;
  const source = r[op & 15]!;
  let old: number;
  if ((op & 0x0040_0000) !== 0) {
    old = cpu.read8(address);
    cpu.write8(address, source);
  } else {
    old = cpu.read32(address);
    cpu.write32(address, source);
  }
  r[(op >>> 12) & 15] = old;
}

function blockTransfer(cpu: Cpu, op: number): void {
  const { r } = cpu;
  const base = (op >>> 16) & 15;
  const list = op & 0xffff;
  const start = r[base]!;
  const count = bitCount(list);
  const up = (op & 0x0080_0000) !== 0;
  const before = (op & 0x0100_0000) !== 0;
  const moved = (up ? start + 4 * count : start - 4 * count) | 0;
  let address = (up ? start : moved) + (before === up ? 4 : 0);
  const writeBack = (op & 0x0020_0000) !== 0;
  const user = (op & 0x0040_0000) !== 0;
  if (count > 1) cpu.cycles += count - 1;
  if ((op & 0x0010_0000) === 0) {
    for (let index = 0; index < 16; index++) {
      if ((list & (1 << index)) === 0) continue;
      const value = index === 15 ? r[15]! + 4 : user ? cpu.userRegister(index) : r[index]!;
      cpu.write32(address, value);
      address += 4;
    }
    if (writeBack) r[base] = moved;
    return;
  }
  const withPc = (list & 0x8000) !== 0;
  const toUserBank = user && !withPc;
  let pc = 0;
  try {
    for (let index = 0; index < 16; index++) {
      if ((list & (1 << index)) === 0) continue;
      const value = cpu.read32(address);
      if (index === 15) pc = value;
      else if (toUserBank) cpu.setUserRegister(index, value);
      else r[index] = value;
      address += 4;
    }
  } catch (fault) {
    r[base] = start; // the base comes back when a transfer aborts
    throw fault;
  }
  if (writeBack && (list & (1 << base)) === 0) r[base] = moved;
  if (!withPc) return;
  if (user) {
    cpu.restoreStatus();
    cpu.branch(pc);
  } else cpu.branchExchange(pc);
}

export function bitCount(value: number): number {
  let count = 0;
  for (let rest = value; rest !== 0; rest &= rest - 1) count++;
  return count;
}
