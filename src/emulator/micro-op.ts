/** What an instruction does, independent of its encoding: the common ground of ARM and Thumb for the compiler. */

/** The second operand of data processing and the offset of a load: a constant, or a register shifted by a constant or by a register. */
export type Operand =
  | { readonly value: number /** Carry it produces; `undefined`: leaves it. */; readonly carry?: number | undefined }
  | { readonly register: number; readonly shift: number; readonly amount: number }
  | { readonly register: number; readonly shift: number; readonly by: number };

export type MicroOp = { readonly condition: number } & (
  | {
      readonly kind: "alu";
      readonly operation: number;
      readonly flags: boolean;
      readonly target: number;
      readonly first: number;
      readonly operand: Operand;
    }
  | {
      readonly kind: "multiply";
      readonly target: number;
      readonly a: number;
      readonly b: number;
      readonly plus: number | undefined;
      readonly flags: boolean;
    }
  | {
      readonly kind: "transfer";
      readonly load: boolean;
      readonly size: 1 | 2 | 4;
      readonly signed: boolean;
      readonly register: number;
      /** Base register, or a constant address when `undefined`. */
      readonly base: number | undefined;
      readonly offset: Operand;
      readonly up: boolean;
      readonly before: boolean;
      readonly writeBack: boolean;
    }
  | {
      readonly kind: "block";
      readonly load: boolean;
      readonly base: number;
      readonly list: number;
      readonly up: boolean;
      readonly before: boolean;
      readonly writeBack: boolean;
    }
  | {
      readonly kind: "branch";
      readonly target: number;
      readonly link: number | undefined /** From Thumb to ARM. */;
      readonly toArm?: boolean;
    }
  | { readonly kind: "exchange"; readonly register: number; readonly link: number | undefined }
  /** Left to the interpreter. `ends`: it may leave the block. */
  | { readonly kind: "other"; readonly ends: boolean }
);

const ALWAYS = 14;
const MOV = 13;
const STAYS: MicroOp = { condition: ALWAYS, kind: "other", ends: false };
const ENDS: MicroOp = { condition: ALWAYS, kind: "other", ends: true };

/** One ARM instruction at `address`. */
export function decodeArm(op: number, address: number): MicroOp {
  const condition = op >>> 28;
  if (condition === 15) return ENDS;
  const group = (op >>> 25) & 7;
  const first = (op >>> 16) & 15;
  const target = (op >>> 12) & 15;
  if (group === 5) {
    const link = (op & 0x0100_0000) !== 0 ? address + 4 : undefined;
    return { condition, kind: "branch", target: (address + 8 + ((op << 8) >> 6)) | 0, link };
  }
  if (group === 4) return decodeBlock(op, condition);
  if (group === 2 || (group === 3 && (op & 0x10) === 0)) {
    const load = (op & 0x0010_0000) !== 0;
    if (target === 15 || (first === 15 && ((op & 0x0020_0000) !== 0 || (op & 0x0100_0000) === 0))) return ENDS;
    return {
      condition,
      kind: "transfer",
      load,
      size: (op & 0x0040_0000) !== 0 ? 1 : 4,
      signed: false,
      register: target,
      base: first,
      offset: group === 2 ? { value: op & 0xfff } : shifted(op),
      up: (op & 0x0080_0000) !== 0,
      before: (op & 0x0100_0000) !== 0,
      writeBack: (op & 0x0100_0000) === 0 || (op & 0x0020_0000) !== 0,
    };
  }
  if (group > 1) return ENDS;
  if (group === 0 && (op & 0x90) === 0x90) return (op & 0x60) === 0 ? decodeMultiply(op, condition) : decodeExtra(op, condition);
  if ((op & 0x0190_0000) === 0x0100_0000) {
    if ((op & 0x0fff_ffd0) === 0x012f_ff10 && (op & 15) !== 15)
      return { condition, kind: "exchange", register: op & 15, link: (op & 0x20) !== 0 ? address + 4 : undefined };
    return (op & 0x0fb0_0000) === 0x0100_0000 ? STAYS : ENDS; // msr, bkpt and the like may change anything; mrs and clz not
  }
  const operation = (op >>> 21) & 15;
  const compares = operation >= 8 && operation <= 11;
  if (target === 15 && !compares) return ENDS;
  let operand: Operand;
  if (group === 1) {
    const turn = (op >>> 7) & 30;
    const value = turn === 0 ? op & 0xff : ((op & 0xff) >>> turn) | ((op & 0xff) << (32 - turn));
    operand = { value: value | 0, carry: turn === 0 ? undefined : value >>> 31 };
  } else if ((op & 0x10) === 0) operand = shifted(op);
  else {
    if (first === 15 || (op & 15) === 15) return ENDS;
    operand = { register: op & 15, shift: (op >>> 5) & 3, by: (op >>> 8) & 15 };
  }
  return { condition, kind: "alu", operation, flags: (op & 0x0010_0000) !== 0, target, first, operand };
}

function shifted(op: number): Operand {
  return { register: op & 15, shift: (op >>> 5) & 3, amount: (op >>> 7) & 31 };
}

function decodeBlock(op: number, condition: number): MicroOp {
  const base = (op >>> 16) & 15;
  const list = op & 0xffff;
  const load = (op & 0x0010_0000) !== 0;
  const writeBack = (op & 0x0020_0000) !== 0;
  // With ^, with pc stored, with the base among what is moved: rare, and the interpreter knows.
  if ((op & 0x0040_0000) !== 0 || list === 0 || base === 15 || (!load && (list & 0x8000) !== 0)) return ENDS;
  if ((list & (1 << base)) !== 0) return (list & 0x8000) !== 0 ? ENDS : STAYS;
  return { condition, kind: "block", load, base, list, up: (op & 0x0080_0000) !== 0, before: (op & 0x0100_0000) !== 0, writeBack };
}

function decodeMultiply(op: number, condition: number): MicroOp {
  if ((op & 0x0fc0_00f0) !== 0x0000_0090) return STAYS;
  const plus = (op & 0x0020_0000) !== 0 ? (op >>> 12) & 15 : undefined;
  return { condition, kind: "multiply", target: (op >>> 16) & 15, a: op & 15, b: (op >>> 8) & 15, plus, flags: (op & 0x0010_0000) !== 0 };
}

function decodeExtra(op: number, condition: number): MicroOp {
  const load = (op & 0x0010_0000) !== 0;
  const form = (op >>> 5) & 3;
  const target = (op >>> 12) & 15;
  const base = (op >>> 16) & 15;
  const before = (op & 0x0100_0000) !== 0;
  const writeBack = !before || (op & 0x0020_0000) !== 0;
  if ((!load && form !== 1) || target === 15 || (base === 15 && writeBack)) return ENDS;
  return {
    condition,
    kind: "transfer",
    load,
    size: form === 2 ? 1 : 2,
    signed: form !== 1,
    register: target,
    base,
    offset: (op & 0x0040_0000) !== 0 ? { value: ((op >>> 4) & 0xf0) | (op & 15) } : { register: op & 15, shift: 0, amount: 0 },
    up: (op & 0x0080_0000) !== 0,
    before,
    writeBack,
  };
}

const SIZES = [4, 2, 1, 1, 4, 2, 1, 2] as const;
/** ARM operation numbers of the sixteen Thumb ones where they correspond directly. */
const DIRECT: readonly (number | undefined)[] = [
  0,
  1,
  undefined,
  undefined,
  undefined,
  5,
  6,
  undefined,
  8,
  undefined,
  10,
  11,
  12,
  undefined,
  14,
  undefined,
];

/** One Thumb instruction at `address`. */
export function decodeThumb(op: number, address: number): MicroOp {
  const condition = ALWAYS;
  const low = op & 7;
  const next = (op >>> 3) & 7;
  const middle = (op >>> 8) & 7;
  const alu = (operation: number, target: number, first: number, operand: Operand, flags = true): MicroOp => ({
    condition,
    kind: "alu",
    operation,
    flags,
    target,
    first,
    operand,
  });
  const transfer = (
    load: boolean,
    size: 1 | 2 | 4,
    register: number,
    base: number | undefined,
    offset: Operand,
    signed = false,
  ): MicroOp => ({
    condition,
    kind: "transfer",
    load,
    size,
    signed,
    register,
    base,
    offset,
    up: true,
    before: true,
    writeBack: false,
  });
  const plain = (register: number): Operand => ({ register, shift: 0, amount: 0 });
  const here = (address + 4) & ~3;
  switch (op >>> 11) {
    case 0:
    case 1:
    case 2:
      return alu(MOV, low, 0, { register: next, shift: op >>> 11, amount: (op >>> 6) & 31 });
    case 3:
      return alu((op & 0x200) === 0 ? 4 : 2, low, next, (op & 0x400) !== 0 ? { value: (op >>> 6) & 7 } : plain((op >>> 6) & 7));
    case 4:
      return alu(MOV, middle, 0, { value: op & 0xff });
    case 5:
      return alu(10, 0, middle, { value: op & 0xff });
    case 6:
      return alu(4, middle, middle, { value: op & 0xff });
    case 7:
      return alu(2, middle, middle, { value: op & 0xff });
    case 8:
      return (op & 0x400) === 0 ? thumbArithmetic(op, low, next, alu, plain) : thumbHigh(op, address, alu, plain);
    case 9:
      return transfer(true, 4, middle, undefined, { value: here + 4 * (op & 0xff) });
    case 10:
    case 11: {
      const form = (op >>> 9) & 7;
      return transfer(form >= 3, SIZES[form]!, low, next, plain((op >>> 6) & 7), form === 3 || form === 7);
    }
    case 12:
    case 13:
      return transfer((op & 0x800) !== 0, 4, low, next, { value: 4 * ((op >>> 6) & 31) });
    case 14:
    case 15:
      return transfer((op & 0x800) !== 0, 1, low, next, { value: (op >>> 6) & 31 });
    case 16:
    case 17:
      return transfer((op & 0x800) !== 0, 2, low, next, { value: 2 * ((op >>> 6) & 31) });
    case 18:
    case 19:
      return transfer((op & 0x800) !== 0, 4, middle, 13, { value: 4 * (op & 0xff) });
    case 20:
      return alu(MOV, middle, 0, { value: here + 4 * (op & 0xff) }, false);
    case 21:
      return alu(4, middle, 13, { value: 4 * (op & 0xff) }, false);
    case 22:
      if ((op & 0xff00) === 0xb000) return alu((op & 0x80) === 0 ? 4 : 2, 13, 13, { value: 4 * (op & 0x7f) }, false);
      if ((op & 0x0600) !== 0x0400 || (op & 0x1ff) === 0) return ENDS;
      return {
        condition,
        kind: "block",
        load: false,
        base: 13,
        list: (op & 0xff) | ((op & 0x100) << 6),
        up: false,
        before: true,
        writeBack: true,
      };
    case 23:
      if ((op & 0x0600) !== 0x0400 || (op & 0x1ff) === 0) return ENDS;
      return {
        condition,
        kind: "block",
        load: true,
        base: 13,
        list: (op & 0xff) | ((op & 0x100) << 7),
        up: true,
        before: false,
        writeBack: true,
      };
    case 24:
    case 25:
      if ((op & 0xff) === 0 || (op & (1 << middle)) !== 0) return STAYS;
      return {
        condition,
        kind: "block",
        load: (op & 0x800) !== 0,
        base: middle,
        list: op & 0xff,
        up: true,
        before: false,
        writeBack: true,
      };
    case 26:
    case 27: {
      const when = (op >>> 8) & 15;
      return when >= 14 ? ENDS : { condition: when, kind: "branch", target: (address + 4 + ((op << 24) >> 23)) | 0, link: undefined };
    }
    case 28:
      return { condition, kind: "branch", target: (address + 4 + ((op << 21) >> 20)) | 0, link: undefined };
    case 30:
      return alu(MOV, 14, 0, { value: (address + 4 + ((op << 21) >> 9)) | 0 }, false);
    default:
      return ENDS;
  }
}

/** BL and BLX of Thumb: two half words that belong together; `undefined` when `second` does not complete `first`. */
export function decodeThumbCall(first: number, second: number, address: number): MicroOp | undefined {
  const form = second >>> 11;
  if (first >>> 11 !== 30 || (form !== 31 && form !== 29) || (form === 29 && (second & 1) !== 0)) return undefined;
  const target = (address + 4 + ((first << 21) >> 9) + 2 * (second & 0x7ff)) | 0;
  const toArm = form === 29;
  return { condition: ALWAYS, kind: "branch", target: toArm ? target & ~3 : target, link: (address + 4) | 1, toArm };
}

type MakeAlu = (operation: number, target: number, first: number, operand: Operand, flags?: boolean) => MicroOp;

function thumbArithmetic(op: number, low: number, next: number, alu: MakeAlu, plain: (register: number) => Operand): MicroOp {
  const form = (op >>> 6) & 15;
  const direct = DIRECT[form];
  if (direct !== undefined) return alu(direct, low, low, plain(next));
  if (form === 9) return alu(3, low, next, { value: 0 });
  if (form === 13) return { condition: ALWAYS, kind: "multiply", target: low, a: low, b: next, plus: undefined, flags: true };
  if (form === 15) return alu(15, low, 0, plain(next));
  return alu(MOV, low, 0, { register: low, shift: form === 7 ? 3 : form - 2, by: next });
}

function thumbHigh(op: number, address: number, alu: MakeAlu, plain: (register: number) => Operand): MicroOp {
  const target = (op & 7) | ((op >>> 4) & 8);
  const source = (op >>> 3) & 15;
  const form = (op >>> 8) & 3;
  if (source === 15) return ENDS;
  if (form === 3) return { condition: ALWAYS, kind: "exchange", register: source, link: (op & 0x80) !== 0 ? (address + 2) | 1 : undefined };
  if (target === 15) return ENDS;
  if (form === 1) return alu(10, 0, target, plain(source));
  return form === 0 ? alu(4, target, target, plain(source), false) : alu(MOV, target, 0, plain(source), false);
}
