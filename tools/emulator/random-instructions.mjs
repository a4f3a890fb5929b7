// Random ARMv5TE programs for comparing CPUs: every test loads all registers and flags, executes one instruction (or a short
// sequence around one that branches or moves the stack), and stores all registers and flags. The same seed gives the same program.
//
// A program is one image at CODE that ends in `write(1, records, length); exit(0)` as Linux system calls, so that qemu-arm can run it
// and any other CPU can stop at the first SWI. Per test, a record of 30 words at RECORDS: flags, r0-r12, r14 | r0-r12, r14, flags.

export const CODE = 0x60000000;
export const RECORDS = 0x61000000;
export const RECORD_WORDS = 30;
export const OUTPUT_WORD = 15;
/** Two places for loads and stores: one where the core has its own data memory, one on the bus. */
export const SCRATCH = [0x00400000, 0x62000000];
export const SCRATCH_SIZE = 0x1000;

const FREE = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14];

/** xorshift32, so that a seed means the same everywhere. */
function generator(seed) {
  let x = seed | 0 || 1;
  const next = () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
  for (let i = 0; i < 8; i++) next();
  const below = (n) => Math.floor((next() / 0x100000000) * n);
  return {
    next,
    below,
    bit: () => below(2),
    pick: (list) => list[below(list.length)],
    value: () => {
      const kind = below(8);
      if (kind === 0) return [0, 1, 0xffffffff, 0x7fffffff, 0x80000000, 0x80000001, 0xffff, 0xffff8000][below(8)];
      if (kind === 1) return below(70);
      if (kind === 2) return (1 << below(32)) >>> 0;
      return next();
    },
  };
}

/** `count` tests: code words, record words, the disassemblable core of each test (`what`: state and opcodes). */
export function program(seed, count) {
  const random = generator(seed);
  const code = [];
  const records = new Uint32Array(count * RECORD_WORDS);
  const what = [];
  const here = () => CODE + 4 * code.length;
  const constant = (register, value) => {
    code.push(0xe59f0000 | (register << 12), 0xea000000, value >>> 0); // ldr rX, [pc]; b past; the value
  };
  constant(13, RECORDS);
  for (let index = 0; index < count; index++) {
    const registers = Array.from({ length: 15 }, () => random.value());
    code.push(0xe49d0004, 0xe128f000, 0xe8bd5fff); // ldr r0,[sp],#4; msr cpsr_f,r0; ldm sp!,{r0-r12,lr}
    const test = random.below(3) === 0 ? thumbTest(random, registers, here() + 4) : armTest(random, registers, here());
    if (test.thumb) {
      const halves = test.ops.slice();
      if (halves.length % 2 !== 0) halves.push(0x46c0);
      halves.push(0x4778, 0x46c0); // bx pc; nop: back to ARM two half words on
      code.push(0xfaffffff); // blx to the next word
      for (let at = 0; at < halves.length; at += 2) code.push(((halves[at + 1] << 16) | halves[at]) >>> 0);
    } else code.push(...test.ops.map((op) => op >>> 0));
    what.push({ thumb: test.thumb, ops: test.ops });
    code.push(0xe8ad5fff, 0xe10f0000, 0xe48d0004); // stm sp!,{r0-r12,lr}; mrs r0,cpsr; str r0,[sp],#4
    const at = index * RECORD_WORDS;
    records[at] = (random.next() & 0xf8000000) >>> 0;
    for (let r = 0; r < 13; r++) records[at + 1 + r] = registers[r] >>> 0;
    records[at + 14] = registers[14] >>> 0;
  }
  // write(1, RECORDS, length); write(1, each scratch); exit(0)
  for (const [address, length] of [[RECORDS, 4 * records.length], ...SCRATCH.map((address) => [address, SCRATCH_SIZE])]) {
    constant(0, 1);
    constant(1, address);
    constant(2, length);
    constant(7, 4);
    code.push(0xef000000);
  }
  constant(0, 0);
  constant(7, 1);
  code.push(0xef000000, ...new Array(64).fill(0)); // room for the last Thumb loads relative to pc
  return { code: Uint32Array.from(code), records, what };
}

// ---- ARM ----

function armTest(random, registers, address) {
  const kind = random.below(20);
  const condition = random.below(3) === 0 ? random.below(15) : 14;
  const top = condition << 28;
  const ops = [];
  if (kind < 8) ops.push(top | dataProcessing(random));
  else if (kind < 10) ops.push(top | multiplication(random));
  else if (kind === 10) ops.push(top | saturating(random));
  else if (kind < 14) ops.push(top | single(random, registers));
  else if (kind < 16) ops.push(top | extra(random, registers));
  else if (kind < 18) ops.push(top | block(random, registers));
  else if (kind === 18) ops.push(...branch(random, registers, address, top));
  else ops.push(top | status(random, registers));
  return { thumb: false, ops };
}

function dataProcessing(random) {
  const operation = random.below(16);
  const compares = operation >= 8 && operation <= 11;
  const moves = operation === 13 || operation === 15;
  const byRegister = random.below(4) === 0;
  const source = () => (!byRegister && random.below(12) === 0 ? 15 : random.pick(FREE));
  let op = (operation << 21) | ((compares ? 1 : random.bit()) << 20);
  if (!moves) op |= source() << 16;
  if (!compares) op |= random.pick(FREE) << 12;
  if (byRegister) return op | (random.pick(FREE) << 8) | (random.below(4) << 5) | 0x10 | random.pick(FREE);
  if (random.bit()) return op | 0x02000000 | random.below(0x1000);
  const amount = random.below(3) === 0 ? random.pick([0, 1, 31]) : random.below(32);
  return op | (amount << 7) | (random.below(4) << 5) | source();
}

function multiplication(random) {
  const [high, low, a, b] = [random.pick(FREE), random.pick(FREE), random.pick(FREE), random.pick(FREE)];
  const other = low === high ? (high === 14 ? 0 : FREE[(FREE.indexOf(high) + 1) % FREE.length]) : low;
  switch (random.below(5)) {
    case 0:
      return 0x00000090 | (random.bit() << 20) | (high << 16) | (b << 8) | a;
    case 1:
      return 0x00200090 | (random.bit() << 20) | (high << 16) | (other << 12) | (b << 8) | a;
    case 2:
      return 0x00800090 | (random.below(4) << 21) | (random.bit() << 20) | (high << 16) | (other << 12) | (b << 8) | a;
    default: {
      const family = random.below(4);
      const x = random.bit() << 5;
      const y = random.bit() << 6;
      const accumulates = family === 0 || family === 2 || (family === 1 && x === 0);
      return 0x01000080 | (family << 21) | (high << 16) | ((accumulates ? other : 0) << 12) | (b << 8) | y | x | a;
    }
  }
}

function saturating(random) {
  const [n, d, m] = [random.pick(FREE), random.pick(FREE), random.pick(FREE)];
  if (random.below(4) === 0) return 0x016f0f10 | (d << 12) | m; // clz
  return 0x01000050 | (random.below(4) << 21) | (n << 16) | (d << 12) | m;
}

/** Sets registers so that base +- distance (or base alone, when the index comes after) is an address in scratch memory, and answers it. */
function aim(random, registers, base, distance, up, before, size) {
  const room = SCRATCH_SIZE - 128;
  const address = random.pick(SCRATCH) + 64 + Math.floor(random.below(room) / size) * size;
  registers[base] = (before ? (up ? address - distance : address + distance) : address) >>> 0;
}

function single(random, registers) {
  const load = random.bit();
  const byte = random.bit();
  const up = random.bit();
  const before = random.bit();
  const writeBack = before ? random.bit() : 0;
  const base = random.pick(FREE);
  let target = random.pick(FREE);
  while (target === base) target = random.pick(FREE);
  let op = 0x04000000 | (before << 24) | (up << 23) | (byte << 22) | (writeBack << 21) | (load << 20) | (base << 16) | (target << 12);
  if (random.bit()) {
    const distance = random.below(0x1000);
    aim(random, registers, base, distance, up, before, byte ? 1 : 4);
    return op | distance;
  }
  let index = random.pick(FREE);
  while (index === base || index === target) index = random.pick(FREE);
  const kind = random.below(3);
  const amount = random.below(32);
  op |= 0x02000000 | (amount << 7) | (kind << 5) | index;
  const value = registers[index] | 0;
  const shifted = [value << amount, amount === 0 ? 0 : value >>> amount, value >> (amount === 0 ? 31 : amount)][kind];
  aim(random, registers, base, shifted, up, before, byte ? 1 : 4);
  return op;
}

function extra(random, registers) {
  if (random.below(8) === 0) {
    const base = random.pick(FREE);
    const byte = random.bit();
    const others = FREE.filter((register) => register !== base);
    aim(random, registers, base, 0, 1, 0, byte ? 1 : 4);
    return 0x01000090 | (byte << 22) | (base << 16) | (random.pick(others) << 12) | random.pick(others); // swp
  }
  const [bits, load, size] = random.pick([
    [0xb0, 0, 2],
    [0xb0, 1, 2],
    [0xd0, 1, 1],
    [0xf0, 1, 2],
    [0xd0, 0, 8],
    [0xf0, 0, 8],
  ]);
  const up = random.bit();
  const before = random.bit();
  const writeBack = before ? random.bit() : 0;
  const target = size === 8 ? 2 * random.below(6) : random.pick(FREE);
  const taken = size === 8 ? [target, target + 1] : [target];
  const others = FREE.filter((register) => !taken.includes(register));
  const base = random.pick(others);
  const op = bits | (before << 24) | (up << 23) | (writeBack << 21) | (load << 20) | (base << 16) | (target << 12);
  if (random.bit()) {
    const distance = random.below(256);
    aim(random, registers, base, distance, up, before, size);
    return op | 0x00400000 | ((distance & 0xf0) << 4) | (distance & 15);
  }
  const index = random.pick(others.filter((register) => register !== base));
  aim(random, registers, base, registers[index] | 0, up, before, size);
  return op | index;
}

function block(random, registers) {
  const base = random.pick(FREE);
  const writeBack = random.bit();
  let list = 0;
  while (list === 0) {
    list = random.next() & random.next() & 0x5fff;
    if (writeBack) list &= ~(1 << base);
  }
  aim(random, registers, base, 0, 1, 0, 4);
  const middle = registers[base] & ~(SCRATCH_SIZE - 1);
  registers[base] = (middle + 256 + 4 * random.below((SCRATCH_SIZE - 512) / 4)) >>> 0;
  return 0x08000000 | (random.below(4) << 23) | (writeBack << 21) | (random.bit() << 20) | (base << 16) | list;
}

/** A branch over one instruction that would be noticed. */
function branch(random, registers, address, top) {
  const noticed = 0xe2800001; // add r0, r0, #1
  const target = 1 + random.below(12);
  switch (random.below(6)) {
    case 0:
      return [top | 0x0a000000, noticed];
    case 1:
      return [top | 0x0b000000, noticed];
    case 2:
      registers[target] = address + 8;
      return [top | 0x012fff10 | target, noticed];
    case 3:
      registers[target] = address + 8;
      return [top | 0x012fff30 | target, noticed];
    case 4:
      registers[target] = address + 8;
      return [top | 0x01a0f000 | target, noticed]; // mov pc, rX
    default:
      // blx rX into Thumb: add r1, #1; nop; bx pc; nop; the noticed one is behind and runs
      registers[target] = address + 4 + 1;
      return [0xe12fff30 | target, 0x46c03101, 0x46c04778, noticed];
  }
}

function status(random, registers) {
  const register = random.pick(FREE);
  registers[register] = (registers[register] & 0xf8000000) >>> 0;
  if (random.bit()) return 0x0128f000 | register; // msr cpsr_f, rX
  return 0x0328f000 | (2 << 8) | (random.below(16) << 4) | random.below(16); // msr cpsr_f, #constant at the top
}

// ---- Thumb ----

function thumbTest(random, registers, address) {
  const one = (...ops) => ({ thumb: true, ops });
  const low = () => random.below(8);
  const kind = random.below(18);
  if (kind < 5) return one(random.below(0x4000)); // shifts, add, sub, mov, cmp
  if (kind < 8) {
    const op = 0x4000 | random.below(0x400);
    return one(op);
  }
  if (kind === 8) return one(0x4400 | (random.below(3) << 8) | highPair(random));
  if (kind === 9) return one(0x4800 | (random.below(0x800) & 0x73f));
  if (kind === 10) {
    const [base, index] = two(random);
    const operation = random.below(8);
    const size = [4, 2, 1, 1, 4, 2, 1, 2][operation];
    aim(random, registers, base, registers[index] | 0, 1, 1, size);
    return one(0x5000 | (operation << 9) | (index << 6) | (base << 3) | low());
  }
  if (kind < 13) {
    const [group, size] = random.pick([
      [0x6000, 4],
      [0x7000, 1],
      [0x8000, 2],
    ]);
    const distance = random.below(32);
    const base = low();
    aim(random, registers, base, distance * size, 1, 1, size);
    return one(group | (random.bit() << 11) | (distance << 6) | (base << 3) | low());
  }
  if (kind === 13) {
    const distance = random.below(14);
    return one(0x9000 | (random.bit() << 11) | (low() << 8) | distance);
  }
  if (kind === 14) return random.bit() ? one(0xa000 | random.below(0x1000)) : one(0xb000 | 5, 0xb080 | 5);
  if (kind === 15) {
    const list = random.below(256) | 1;
    let count = 0;
    for (let rest = list; rest; rest &= rest - 1) count++;
    if (random.bit()) {
      const link = random.bit();
      return one(0xb400 | (link << 8) | list, 0xb000 | (count + link));
    }
    return one(0xb080 | count, 0xbc00 | list); // sub sp; pop
  }
  if (kind === 16) {
    const base = low();
    const load = random.bit();
    const list = random.below(256) & (load ? 0xff : ~(1 << base)) || 1 << ((base + 1) & 7);
    aim(random, registers, base, 0, 1, 0, 4);
    return one(0xc000 | (load << 11) | (base << 8) | list);
  }
  const noticed = 0x3001; // add r0, #1
  switch (random.below(4)) {
    case 0:
      return one(0xd000 | (random.below(14) << 8), noticed);
    case 1:
      return one(0xe000, noticed);
    case 2:
      return one(0xf000, 0xf801, noticed, 0x46c0); // bl over one half word
    default: {
      const target = 1 + random.below(7);
      registers[target] = address + 4 + 1;
      return one(0x4700 | (random.bit() << 7) | (target << 3), noticed);
    }
  }
}

function two(random) {
  const first = random.below(8);
  return [first, (first + 1 + random.below(7)) & 7];
}

/** Destination and source for the high-register forms: no r13, no r15 as destination, not both low. */
function highPair(random) {
  const target = random.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14]);
  const source = target < 8 ? random.pick([8, 9, 10, 11, 12, 14]) : random.pick(FREE);
  return ((target & 8) << 4) | (source << 3) | (target & 7);
}
