import { executeArm } from "./arm.js";
import { type BlockEntry, blockSource } from "./block-source.js";
import { type Cpu, ITCM_SIZE } from "./cpu.js";
import { abort, count, stepOnce } from "./interpreter.js";
import { decodeArm, decodeThumb, decodeThumbCall, type MicroOp } from "./micro-op.js";
import { executeThumb } from "./thumb.js";

/** Executes one basic block on a core. */
export type CompiledBlock = (cpu: Cpu) => void;

/** A block is compiled when it has been entered so often: most code of a start-up runs once. */
const WORTH_COMPILING = 8;
const MAX_INSTRUCTIONS = 40;
/** Blocks kept for all cores together; beyond it the compiler forgets them all and begins anew. */
const MAX_SHARED = 1 << 15;

/** Entries of a page of a core's table: half words of code. */
const PAGE = 512;
const PAGE_SHIFT = 9;
const PAGES = (2 * ITCM_SIZE) / 2 / PAGE;

/**
 * Blocks of one core by half word of ITCM, ARM first and Thumb behind: the block, or how often it was entered. In pages made on first use: most
 * of a thousand cores use little of their memory.
 */
interface CoreCode {
  readonly owner: Compiler;
  readonly pages: ((CompiledBlock | number)[] | undefined)[];
  codeWrites: number;
}

/**
 * The fast engine: basic blocks in ITCM become JavaScript functions, shared between all cores that hold the same code. Code outside ITCM, and
 * code that rarely runs, is interpreted. A core that writes into its compiled code loses its blocks. Interrupts are taken between blocks and
 * after stores that leave the core's own memory, so they land a few instructions later than in the interpreter.
 */
export class Compiler {
  readonly #shared = new Map<string, CompiledBlock>();
  readonly #counting: boolean;

  /** `counting`: every instruction is counted in {@link Cpu.counts}, which all its cores must have. Without, blocks know nothing of counting. */
  constructor(options: { readonly counting?: boolean } = {}) {
    this.#counting = options.counting ?? false;
  }

  /** Blocks compiled so far and still known. */
  get blockCount(): number {
    return this.#shared.size;
  }

  /** The engine: runs `cpu` until its clock reaches `untilCycle`, {@link Cpu.limit} is pulled in, or it sleeps. */
  readonly run = (cpu: Cpu, untilCycle: number): void => {
    cpu.limit = untilCycle;
    let code = cpu.engineState as CoreCode | undefined;
    if (code?.owner !== this) {
      code = { owner: this, pages: new Array(PAGES).fill(undefined), codeWrites: cpu.codeWrites };
      cpu.engineState = code;
    }
    while (cpu.cycles < cpu.limit && !cpu.waiting) {
      try {
        this.#blocks(cpu, code);
      } catch (fault) {
        abort(cpu, fault);
      }
    }
  };

  #blocks(cpu: Cpu, code: CoreCode): void {
    while (cpu.cycles < cpu.limit) {
      if (cpu.attention !== 0) cpu.takeInterrupt();
      if (cpu.codeWrites !== code.codeWrites) this.#forget(cpu, code);
      const { pc } = cpu;
      if ((pc & -ITCM_SIZE) !== 0) {
        stepOnce(cpu); // counts are kept of ITCM alone
        continue;
      }
      const at = cpu.thumb ? (ITCM_SIZE + pc) >> 1 : pc >> 1;
      let page = code.pages[at >> PAGE_SHIFT];
      if (page === undefined) {
        page = new Array<CompiledBlock | number>(PAGE).fill(0);
        code.pages[at >> PAGE_SHIFT] = page;
      }
      const block = page[at & (PAGE - 1)]!;
      if (typeof block === "function") block(cpu);
      else if (block < WORTH_COMPILING) {
        page[at & (PAGE - 1)] = block + 1;
        if (this.#counting) count(cpu);
        stepOnce(cpu);
      } else page[at & (PAGE - 1)] = this.#compile(cpu);
    }
  }

  #forget(cpu: Cpu, code: CoreCode): void {
    code.pages.fill(undefined);
    cpu.codeWords.fill(0);
    code.codeWrites = cpu.codeWrites;
  }

  #compile(cpu: Cpu): CompiledBlock {
    const entries = readBlock(cpu);
    for (const { address, length } of entries) {
      cpu.codeWords[address >> 2] = 1;
      if (length === 2) cpu.codeWords[(address + 2) >> 2] = 1;
    }
    const key = `${cpu.thumb ? "t" : "a"}${cpu.pc}:${entries.map(({ op }) => op.toString(36)).join()}`;
    let block = this.#shared.get(key);
    if (block === undefined) {
      if (this.#shared.size >= MAX_SHARED) this.#shared.clear();
      block = compileBlock(entries, cpu.thumb, this.#counting);
      this.#shared.set(key, block);
    }
    return block;
  }
}

/** The instructions from the core's pc on that make one block. Throws the fetch's {@link BusFault} when there are none. */
export function readBlock(cpu: Cpu): BlockEntry[] {
  const entries: BlockEntry[] = [];
  const { thumb } = cpu;
  const step = thumb ? 2 : 4;
  for (let address = cpu.pc; entries.length < MAX_INSTRUCTIONS; ) {
    if (entries.length > 0 && (address & (ITCM_SIZE - 1)) === 0) break;
    const op = thumb ? cpu.fetch16(address) : cpu.fetch32(address);
    const second = thumb && op >>> 11 === 30 && (address & (ITCM_SIZE - 1)) !== ITCM_SIZE - 2 ? cpu.fetch16(address + 2) : 0;
    const call = decodeThumbCall(op, second, address);
    if (call !== undefined) {
      entries.push({ op: op | (second << 16), address, length: 2, micro: call });
      break;
    }
    const micro = thumb ? decodeThumb(op, address) : decodeArm(op, address);
    entries.push({ op, address, length: 1, micro });
    if (endsBlock(micro)) break;
    address = (address + step) | 0;
  }
  return entries;
}

function endsBlock(micro: MicroOp): boolean {
  if (micro.kind === "other") return micro.ends;
  if (micro.condition !== 14) return false;
  return micro.kind === "branch" || micro.kind === "exchange" || (micro.kind === "block" && (micro.list & 0x8000) !== 0 && micro.load);
}

/** The function of a block. The source holds nothing but numbers from decoded fields: nothing of the image reaches it as text. */
export function compileBlock(entries: readonly BlockEntry[], thumb: boolean, counting = false): CompiledBlock {
  const make = new Function("arm", "thumb", `return function(cpu){${blockSource(entries, thumb, counting)}}`);
  return make(executeArm, executeThumb) as CompiledBlock;
}
