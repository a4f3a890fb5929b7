/**
 * JavaScript for one basic block: registers and flags in local variables, the core's data memory reached directly, everything rare left to the
 * interpreter's functions. A conditional branch that is not taken stays in the block; one back to its start is a loop in JavaScript.
 */
import { bitCount } from "./arm.js";
import type { MicroOp, Operand } from "./micro-op.js";

/** An instruction of a block. */
export interface BlockEntry {
  readonly op: number;
  readonly address: number;
  /** 2 for the two halves of a Thumb call, else 1. */
  readonly length: number;
  readonly micro: MicroOp;
}

const N = 1;
const Z = 2;
const C = 4;
const V = 8;
const ALL = 15;
/** Flags a condition looks at. */
const CONDITION_USES = [Z, Z, C, C, N, N, V, V, C | Z, C | Z, N | V, N | V, N | Z | V, N | Z | V, 0];
const CONDITIONS = [
  "z===0",
  "z!==0",
  "c!==0",
  "c===0",
  "n<0",
  "n>=0",
  "v<0",
  "v>=0",
  "c!==0&&z!==0",
  "c===0||z===0",
  "(n^v)>=0",
  "(n^v)<0",
  "z!==0&&(n^v)>=0",
  "z===0||(n^v)<0",
];
/** Source of the registers' and flags' write-back, filled in when the whole block is known. */
const SAVE = "/*save*/";
const LOAD = "/*load*/";

/**
 * Source of a function `(cpu) => void` that executes the block once, or round and round up to `cpu.limit`. `counting`: it counts each instruction
 * in `cpu.counts`.
 */
export function blockSource(entries: readonly BlockEntry[], thumb: boolean, counting = false): string {
  return new BlockWriter(entries, thumb, counting).source();
}

class BlockWriter {
  readonly #entries: readonly BlockEntry[];
  readonly #thumb: boolean;
  readonly #counting: boolean;
  readonly #start: number;
  readonly #lines: string[] = [];
  #used = 0;
  #written = 0;
  /** Instructions up to and including the current one. */
  #count = 0;
  #entry!: BlockEntry;

  constructor(entries: readonly BlockEntry[], thumb: boolean, counting: boolean) {
    this.#counting = counting;
    this.#entries = entries;
    this.#thumb = thumb;
    this.#start = entries[0]!.address;
  }

  source(): string {
    const live = liveFlags(this.#entries);
    for (const [index, entry] of this.#entries.entries()) {
      this.#entry = entry;
      this.#count += entry.length;
      this.#instruction(entry, live[index]!);
    }
    const last = this.#entries.at(-1)!;
    this.#lines.push(`${this.#save((last.address + last.length * this.#step) | 0)}return;`);
    const registers = list(this.#used | this.#written);
    const written = list(this.#written);
    const load = [...registers.map((i) => `r${i}=R[${i}]`), "n=cpu.n", "z=cpu.z", "c=cpu.c", "v=cpu.v"];
    const save = [...written.map((i) => `R[${i}]=r${i}`), "cpu.n=n", "cpu.z=z", "cpu.c=c", "cpu.v=v"].join(",");
    const body = this.#lines.join("\n").replaceAll(SAVE, save).replaceAll(LOAD, load.join(","));
    return `const R=cpu.r,D=cpu.dtcm,D16=cpu.dtcmHalves,D8=cpu.dtcmBytes,I=cpu.itcm,I16=cpu.itcmHalves,I8=cpu.itcmBytes,w=cpu.codeWrites${this.#counting ? ",K=cpu.counts" : ""};
let ${load.join(",")};
let t=cpu.cycles,q=cpu.instructions,limit=cpu.limit,a=0,m=0,x=0,y=0,s=0,e=0;
for(;;){
${body}
}`;
  }

  get #step(): number {
    return this.#thumb ? 2 : 4;
  }

  /** What the instruction reads as pc. */
  get #pc(): number {
    return (this.#entry.address + 2 * this.#step) | 0;
  }

  get #next(): number {
    return (this.#entry.address + this.#entry.length * this.#step) | 0;
  }

  #get(register: number): string {
    if (register === 15) return `(${this.#pc})`;
    this.#used |= 1 << register;
    return `r${register}`;
  }

  #set(register: number, value: string): string {
    this.#written |= 1 << register;
    return `r${register}=${value};`;
  }

  /** Everything into the core's state, as after `count` instructions and `extra` clocks, with `pc` next. */
  #save(pc: number | string, extra = 0): string {
    return `${SAVE};cpu.cycles=t+${this.#count + extra};cpu.instructions=q+${this.#count};cpu.pc=${pc};`;
  }

  /** The same in an expression, before an access that may end in an abort or look at the clock. */
  #spill(): string {
    return `${SAVE},cpu.cycles=t+${this.#count},cpu.instructions=q+${this.#count},R[15]=${this.#pc}`;
  }

  #instruction(entry: BlockEntry, live: number): void {
    const { micro, address, length } = entry;
    const text = this.#text(micro, live);
    if (this.#counting) for (let part = 0; part < length; part++) this.#lines.push(`K[${(address >> 1) + part}]++;`);
    this.#lines.push(micro.condition === 14 ? `{${text}}` : `if(${CONDITIONS[micro.condition]}){${text}}`);
  }

  #text(micro: MicroOp, live: number): string {
    switch (micro.kind) {
      case "alu":
        return this.#alu(micro, live);
      case "multiply": {
        const plus = micro.plus === undefined ? "" : `+${this.#get(micro.plus)}`;
        const text = `x=(Math.imul(${this.#get(micro.a)},${this.#get(micro.b)})${plus})|0;`;
        return text + this.#set(micro.target, "x") + (micro.flags ? resultFlags(live) : "");
      }
      case "transfer":
        return this.#transfer(micro);
      case "block":
        return this.#block(micro);
      case "branch":
        return this.#branch(micro);
      case "exchange": {
        const target = `y=${this.#get(micro.register)};`;
        const link = micro.link === undefined ? "" : this.#set(14, String(micro.link));
        return `${target}${link}${this.#save("y")}cpu.branchExchange(y);return;`;
      }
      default:
        return this.#interpreted(micro.ends);
    }
  }

  /** Leaves the instruction to the interpreter. */
  #interpreted(ends: boolean): string {
    const call = `${this.#save(this.#next)}R[15]=${this.#pc};${this.#thumb ? "thumb" : "arm"}(cpu,${this.#entry.op});`;
    if (ends) return `${call}return;`;
    // It may write any register: all that the block uses are taken anew.
    return `${call}if(cpu.pc!==${this.#next}||cpu.mustStop(w))return;${LOAD};t=cpu.cycles-${this.#count};limit=cpu.limit;`;
  }

  #branch(micro: MicroOp & { kind: "branch" }): string {
    const link = micro.link === undefined ? "" : this.#set(14, String(micro.link));
    if (micro.target === this.#start && micro.toArm !== true) {
      const count = this.#count;
      const stop = `${SAVE};cpu.cycles=t;cpu.instructions=q;cpu.pc=${this.#start};return;`;
      return `${link}t+=${count + 2};q+=${count};if(t<limit)continue;${stop}`;
    }
    return `${link}${this.#save(micro.target, 2)}${micro.toArm === true ? "cpu.thumb=false;" : ""}return;`;
  }

  #alu(micro: MicroOp & { kind: "alu" }, live: number): string {
    const { operation, flags, target, operand } = micro;
    const first = operation === 13 || operation === 15 ? "0" : this.#get(micro.first);
    const isLogical = LOGICAL.has(operation);
    const wanted = flags ? live : 0;
    let text = this.#operand(operand, isLogical && (wanted & C) !== 0);
    if (isLogical) {
      text += `x=${LOGICAL.get(operation)!(first)};`;
      text += resultFlags(wanted);
    } else {
      const [left, right, carry] = ARITHMETIC[operation]!(first);
      // Adding the complement is how the processor subtracts: one rule for all flags.
      text += `a=${left};m=${right};s=${carry};x=(a+m+s)|0;`;
      if ((wanted & V) !== 0) text += "v=(a^x)&(m^x);";
      if ((wanted & C) !== 0) text += "c=((a&m)|((a|m)&~x))>>>31;";
      text += resultFlags(wanted);
    }
    const compares = operation >= 8 && operation <= 11;
    return compares ? text : text + this.#set(target, "x");
  }

  /** Puts the operand into `y`, and its carry into `c` when somebody wants it. */
  #operand(operand: Operand, carry: boolean): string {
    if ("value" in operand) {
      return `y=${operand.value};${carry && operand.carry !== undefined ? `c=${operand.carry};` : ""}`;
    }
    const value = this.#get(operand.register);
    if ("by" in operand)
      return `e=${value};s=${this.#get(operand.by)}&255;y=${SHIFT_BY[operand.shift]};${carry ? `if(s!==0)c=${CARRY_BY[operand.shift]};` : ""}`;
    const { shift, amount } = operand;
    if (shift === 0 && amount === 0) return `y=${value};`;
    const [shifted, out] = shiftByConstant(value, shift, amount);
    // Rotation through the carry reads the old carry before the new one is in place.
    return `e=${value};y=${shifted.replaceAll(value, "e")};${carry ? `c=${out.replaceAll(value, "e")};` : ""}`;
  }

  #transfer(micro: MicroOp & { kind: "transfer" }): string {
    const { base, offset, up, before, writeBack, load, size, register } = micro;
    let text = "";
    if (base === undefined) text += `a=${(offset as { value: number }).value};`;
    else {
      text += `${this.#operand(offset, false)}m=(${this.#get(base)}${up ? "+" : "-"}y)|0;a=${before ? "m" : this.#get(base)};`;
    }
    const [data, code, name] = ACCESS[size];
    const update = base !== undefined && writeBack ? this.#set(base, "m") : "";
    if (load) {
      const extend = micro.signed ? (size === 1 ? "x=x<<24>>24;" : "x=x<<16>>16;") : "";
      return `${text}x=${data}:${code}:(${this.#spill()},cpu.read${name}(a));${extend}${update}${this.#set(register, "x")}`;
    }
    const [condition, place] = data.split("?") as [string, string];
    const slow = `${this.#save(this.#next)}R[15]=${this.#pc};cpu.write${name}(a,${this.#get(register)});`;
    const stop = `if(cpu.mustStop(w)){${this.#save(this.#next)}return;}limit=cpu.limit;`;
    return `${text}if(${condition}){${place}=${this.#get(register)};${update}}else{${slow}${update}${stop}}`;
  }

  #block(micro: MicroOp & { kind: "block" }): string {
    const { base, up, before, load, writeBack } = micro;
    const count = bitCount(micro.list);
    const offset = (up ? 0 : -4 * count) + (before === up ? 4 : 0);
    const slow = this.#interpreted((micro.list & 0x8000) !== 0);
    let fast = `e=(a&65535)>>2;t+=${count - 1};`;
    let exit = "";
    list(micro.list).forEach((register, index) => {
      const place = `D[e+${index}]`;
      if (register === 15) exit = `x=${place};`;
      else fast += load ? this.#set(register, place) : `${place}=${this.#get(register)};`;
    });
    const update = writeBack ? this.#set(base, `(${this.#get(base)}${up ? "+" : "-"}${4 * count})|0`) : "";
    fast += exit + update + (exit === "" ? "" : `${this.#save("x")}cpu.branchExchange(x);return;`);
    const inData = `(a&-65533)===4194304&&((a+${4 * (count - 1)})&-65536)===4194304`;
    return `a=(${this.#get(base)}+${offset})|0;if(${inData}){${fast}}else{${slow}}`;
  }
}

/** Where a load or store goes: test and place in data memory, test and place in instruction memory, name of the slow way. */
const ACCESS: Readonly<Record<1 | 2 | 4, readonly [string, string, string]>> = {
  4: ["(a&-65533)===4194304?D[(a&65535)>>2]", "(a&-32765)===0?I[a>>2]", "32"],
  2: ["(a&-65535)===4194304?D16[(a&65535)>>1]", "(a&-32767)===0?I16[a>>1]", "16"],
  1: ["(a&-65536)===4194304?D8[a&65535]", "(a&-32768)===0?I8[a]", "8"],
};

const LOGICAL: ReadonlyMap<number, (first: string) => string> = new Map([
  [0, (first: string) => `${first}&y`],
  [1, (first: string) => `${first}^y`],
  [8, (first: string) => `${first}&y`],
  [9, (first: string) => `${first}^y`],
  [12, (first: string) => `${first}|y`],
  [13, () => "y"],
  [14, (first: string) => `${first}&~y`],
  [15, () => "~y"],
]);

/** Left and right summand and carry in. */
const ARITHMETIC: Readonly<Record<number, (first: string) => readonly [string, string, string]>> = {
  2: (first) => [first, "~y", "1"],
  3: (first) => ["y", `~${first}`, "1"],
  4: (first) => [first, "y", "0"],
  5: (first) => [first, "y", "c"],
  6: (first) => [first, "~y", "c"],
  7: (first) => ["y", `~${first}`, "c"],
  10: (first) => [first, "~y", "1"],
  11: (first) => [first, "y", "0"],
};

const SHIFT_BY = ["s<32?e<<s:0", "s<32?e>>>s|0:0", "e>>(s>31?31:s)", "(e>>>(s&31))|(e<<(32-(s&31)))"];
const CARRY_BY = ["s<=32?(e>>>(32-s))&1:0", "s<=32?(e>>>(s-1))&1:0", "(e>>(s>32?31:s-1))&1", "(e>>>((s-1)&31))&1"];

function shiftByConstant(value: string, shift: number, amount: number): readonly [string, string] {
  if (shift === 0) return [`${value}<<${amount}`, `(${value}>>>${32 - amount})&1`];
  if (shift === 1) return amount === 0 ? ["0", `${value}>>>31`] : [`${value}>>>${amount}|0`, `(${value}>>>${amount - 1})&1`];
  if (shift === 2) return amount === 0 ? [`${value}>>31`, `${value}>>>31`] : [`${value}>>${amount}`, `(${value}>>>${amount - 1})&1`];
  if (amount === 0) return [`(${value}>>>1)|(c<<31)`, `${value}&1`];
  return [`(${value}>>>${amount})|(${value}<<${32 - amount})`, `(${value}>>>${amount - 1})&1`];
}

function resultFlags(live: number): string {
  return ((live & N) !== 0 ? "n=x;" : "") + ((live & Z) !== 0 ? "z=x;" : "");
}

function list(mask: number): number[] {
  return Array.from({ length: 16 }, (_, index) => index).filter((index) => (mask & (1 << index)) !== 0);
}

/**
 * For every instruction the flags somebody may read after it. Leaving the block reads all; an access that fails or a store that ends the run
 * does not count: there a flag that nothing reads before it is set again may be an older one.
 */
function liveFlags(entries: readonly BlockEntry[]): number[] {
  const live = new Array<number>(entries.length);
  let after = ALL;
  for (let index = entries.length - 1; index >= 0; index--) {
    const { micro } = entries[index]!;
    live[index] = after;
    if (micro.kind === "branch" || micro.kind === "exchange" || micro.kind === "other") after = ALL;
    else if (micro.kind === "block" && (micro.list & 0x8000) !== 0) after = ALL;
    else {
      if (micro.condition === 14) after &= ~certainlySet(micro);
      after |= CONDITION_USES[micro.condition]! | carryUse(micro);
    }
  }
  return live;
}

function certainlySet(micro: MicroOp): number {
  if (micro.kind === "multiply") return micro.flags ? N | Z : 0;
  if (micro.kind !== "alu" || !micro.flags) return 0;
  if (!LOGICAL.has(micro.operation)) return ALL;
  const { operand } = micro;
  if ("value" in operand) return operand.carry === undefined ? N | Z : N | Z | C;
  if ("by" in operand) return N | Z;
  return operand.shift === 0 && operand.amount === 0 ? N | Z : N | Z | C;
}

function carryUse(micro: MicroOp): number {
  if (micro.kind !== "alu" && micro.kind !== "transfer") return 0;
  const operand = micro.kind === "alu" ? micro.operand : micro.offset;
  const rotatesThroughCarry = "amount" in operand && operand.shift === 3 && operand.amount === 0;
  const adds = micro.kind === "alu" && micro.operation >= 5 && micro.operation <= 7;
  return rotatesThroughCarry || adds ? C : 0;
}
