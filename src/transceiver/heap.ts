import { hex32, SpinnError } from "../errors.js";
import type { ChipCoordinates } from "../machine/index.js";
import { areaOf, formatChip, HEAP_BLOCK, HEAP_ROOT } from "../machine/index.js";
import type { CallOptions } from "./call-options.js";
import { readMemory } from "./memory.js";
import type { Session } from "./session.js";
import { readSystemNumber } from "./struct-fields.js";

/** The three heaps of a chip: what applications allocate in SDRAM and SysRAM, and what SC&MP itself takes from SDRAM. */
export type HeapName = "sdram" | "sysram" | "system";

export interface HeapBlock {
  /** Address of the payload: what an allocation returned. */
  readonly address: number;
  /** Payload bytes. */
  readonly sizeBytes: number;
  readonly free: boolean;
  /** Owner and tag of a block in use. */
  readonly appId: number | undefined;
  readonly tag: number | undefined;
}

export interface Heap {
  /** Free bytes as the heap itself counts them. */
  readonly freeBytes: number;
  readonly blocks: readonly HeapBlock[];
}

const POINTERS: Record<HeapName, string> = { sdram: "sdram_heap", sysram: "sysram_heap", system: "sys_heap" };
const USED = 0xffff0000;
/** More blocks than this are taken for a damaged chain: the table of tags has 65536 places, and SDRAM holds no more useful blocks. */
const MAX_BLOCKS = 65_536;

/**
 * Walks a heap from its first block to its last. One round trip per block.
 * Throws `ERR_SPINN_MEMORY` when the chain leaves its memory or runs backwards: something has written over it.
 */
export async function readHeap(
  session: Session,
  chip: ChipCoordinates,
  name: HeapName = "sdram",
  options: CallOptions = {},
): Promise<Heap> {
  const base = await readSystemNumber(session, chip, POINTERS[name], options);
  const broken = (why: string): SpinnError =>
    new SpinnError("ERR_SPINN_MEMORY", `the ${name} heap of chip ${formatChip(chip)} is damaged: ${why}`, {
      hint: "a program has written outside its memory; boot the machine again",
    });
  if (areaOf(base) === undefined) throw broken(`it should begin at ${hex32(base)}`);
  const root = await readMemory(session, chip, base, HEAP_ROOT.size, options);
  const blocks: HeapBlock[] = [];
  const area = areaOf(base);
  let at = HEAP_ROOT.number(root, "first");
  for (;;) {
    if (areaOf(at) !== area || at % 4 !== 0) throw broken(`a block at ${hex32(at)}`);
    const header = await readMemory(session, chip, at, HEAP_BLOCK.size, options);
    const next = HEAP_BLOCK.number(header, "next");
    if (next === 0) break;
    if (next < at + HEAP_BLOCK.size) throw broken(`the block at ${hex32(at)} is followed by ${hex32(next)}`);
    if (blocks.length === MAX_BLOCKS) throw broken(`more than ${MAX_BLOCKS} blocks`);
    const owner = HEAP_BLOCK.number(header, "free");
    const used = owner >= USED;
    blocks.push({
      address: at + HEAP_BLOCK.size,
      sizeBytes: next - at - HEAP_BLOCK.size,
      free: !used,
      appId: used ? (owner >>> 8) & 0xff : undefined,
      tag: used ? owner & 0xff : undefined,
    });
    at = next;
  }
  return { freeBytes: HEAP_ROOT.number(root, "free_bytes"), blocks };
}
