/** Multiplications: 32 and 64 bits wide, and the signed 16-bit family of the E extension. */
import type { Cpu } from "./cpu.js";

/** Executes MUL ... SMLAL (bits 7:4 = 1001) and SMLAxy ... SMULxy (bits 7:4 = 1yx0 with bits 24:23 = 10). */
export function multiply(cpu: Cpu, op: number): void {
  const { r } = cpu;
  const high = (op >>> 16) & 15;
  const low = (op >>> 12) & 15;
  const a = r[op & 15]!;
  const b = r[(op >>> 8) & 15]!;
  if ((op & 0x0100_0000) !== 0) {
    signedHalves(cpu, op, high, low, a, b);
    return;
  }
  const setFlags = (op & 0x0010_0000) !== 0;
  if ((op & 0x0080_0000) === 0) {
    if ((op & 0x0040_0000) !== 0) {
      cpu.undefinedInstruction();
      return;
    }
    const product = (Math.imul(a, b) + ((op & 0x0020_0000) !== 0 ? r[low]! : 0)) | 0;
    r[high] = product;
    if (setFlags) cpu.n = cpu.z = product;
    return;
  }
  const signed = (op & 0x0040_0000) !== 0;
  let lowWord = Math.imul(a, b);
  let highWord = signed ? signedHigh(a, b) : unsignedHigh(a, b);
  if ((op & 0x0020_0000) !== 0) {
    const sum = (lowWord >>> 0) + (r[low]! >>> 0);
    highWord = (highWord + r[high]! + (sum > 0xffff_ffff ? 1 : 0)) | 0;
    lowWord = sum | 0;
  }
  r[low] = lowWord;
  r[high] = highWord;
  if (setFlags) {
    cpu.n = highWord;
    cpu.z = highWord | lowWord;
  }
}

/** The upper word of a signed 32 x 32 product. */
export function signedHigh(a: number, b: number): number {
  return (unsignedHigh(a, b) - (a < 0 ? b : 0) - (b < 0 ? a : 0)) | 0;
}

/** The upper word of an unsigned 32 x 32 product, by 16-bit halves: every intermediate stays below 2^32. */
export function unsignedHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const other = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + (middle >>> 16) + (other >>> 16)) | 0;
}

function signedHalves(cpu: Cpu, op: number, high: number, low: number, a: number, b: number): void {
  const { r } = cpu;
  const second = (op & 0x40) !== 0 ? b >> 16 : (b << 16) >> 16;
  const kind = (op >>> 21) & 3;
  if (kind === 1) {
    // SMLAWy, SMULWy: the upper 32 of 48 bits; a word times a half word is exact in a double
    const product = Math.floor((a * second) / 0x1_0000) | 0;
    r[high] = (op & 0x20) !== 0 ? product : addWithQ(cpu, product, r[low]!);
    return;
  }
  const product = ((op & 0x20) !== 0 ? a >> 16 : (a << 16) >> 16) * second;
  if (kind === 3)
    r[high] = product; // SMULxy
  else if (kind === 0) r[high] = addWithQ(cpu, product, r[low]!);
  else {
    const sum = (product >>> 0) + (r[low]! >>> 0);
    r[high] = (r[high]! + (product < 0 ? -1 : 0) + (sum > 0xffff_ffff ? 1 : 0)) | 0;
    r[low] = sum | 0;
  }
}

/** Wraps, but remembers the overflow in Q. */
function addWithQ(cpu: Cpu, a: number, b: number): number {
  const sum = a + b;
  if (sum !== (sum | 0)) cpu.q = 1;
  return sum | 0;
}
