import { ITCM_SIZE } from "../cpu.js";
import type { ElfFile, ElfFunction } from "./elf-file.js";

/** A function's part in what was executed. */
export interface FunctionProfile {
  /** Empty for code that belongs to no function of the ELF file. */
  readonly name: string;
  readonly address: number;
  /** Times its first instruction was executed. */
  readonly calls: number;
  /** Executed in the function itself, not in those it called. */
  readonly instructions: number;
  /** Of all that was executed, 0 to 1. */
  readonly share: number;
}

interface Part {
  readonly executed: number;
  readonly total: number;
}

export interface FileCoverage extends Part {
  readonly file: string;
  /** Lines with code of which nothing was executed, in order. */
  readonly missed: readonly number[];
}

/** How much of a program was executed at least once. */
export interface ProgramCoverage {
  /** Instructions; the two halves of a Thumb call count as two. */
  readonly instructions: Part;
  readonly functions: readonly (Part & { readonly name: string; readonly address: number })[];
  /** Lines, where the program was compiled with -g. */
  readonly files: readonly FileCoverage[];
}

/** How often each instruction in ITCM was executed, by all cores it is given to: they should run the same program. */
export class InstructionCounts {
  /** By half word. */
  readonly words = new Float64Array(ITCM_SIZE / 2);

  /** By function, the most expensive first; functions that were never entered are left out. */
  profile(elf: ElfFile): FunctionProfile[] {
    const all = this.words.reduce((sum, count) => sum + count, 0);
    const found = elf.functions.map(({ name, address, sizeBytes }) => {
      const instructions = this.#sum(address, sizeBytes);
      return { name, address, calls: this.words[address >> 1] ?? 0, instructions, share: all === 0 ? 0 : instructions / all };
    });
    const rest = all - found.reduce((sum, { instructions }) => sum + instructions, 0);
    if (rest > 0) found.push({ name: "", address: 0, calls: 0, instructions: rest, share: rest / all });
    return found.filter(({ instructions }) => instructions > 0).sort((a, b) => b.instructions - a.instructions || a.address - b.address);
  }

  coverage(elf: ElfFile): ProgramCoverage {
    const functions = elf.functions
      .map((one) => ({ name: one.name, address: one.address, ...this.#part(elf, one) }))
      .filter(({ total }) => total > 0);
    return {
      instructions: {
        executed: functions.reduce((sum, { executed }) => sum + executed, 0),
        total: functions.reduce((sum, { total }) => sum + total, 0),
      },
      functions,
      files: this.#files(elf),
    };
  }

  #sum(address: number, sizeBytes: number): number {
    return this.words.subarray(address >> 1, (address + sizeBytes) >> 1).reduce((sum, count) => sum + count, 0);
  }

  #part(elf: ElfFile, { address, sizeBytes }: ElfFunction): Part {
    let executed = 0;
    let total = 0;
    const end = Math.min(address + sizeBytes, ITCM_SIZE);
    for (let at = address; at < end; ) {
      const kind = elf.kindAt(at);
      if (kind !== "data") {
        total += 1;
        if (this.words[at >> 1]! > 0) executed += 1;
      }
      at += kind === "thumb" ? 2 : 4;
    }
    return { executed, total };
  }

  #files(elf: ElfFile): FileCoverage[] {
    const files = new Map<string, Map<number, boolean>>();
    const { rows } = elf.lines;
    for (const [index, { address, file, line, ends }] of rows.entries()) {
      if (ends || line === 0 || address >= ITCM_SIZE || !elf.isCode(address) || rows[index + 1]?.address === address) continue;
      const lines = files.get(file) ?? new Map<number, boolean>();
      files.set(file, lines);
      lines.set(line, lines.get(line) === true || this.words[address >> 1]! > 0);
    }
    return [...files].map(([file, lines]) => ({
      file,
      executed: [...lines.values()].filter(Boolean).length,
      total: lines.size,
      missed: [...lines].flatMap(([line, executed]) => (executed ? [] : line)).sort((a, b) => a - b),
    }));
  }
}
