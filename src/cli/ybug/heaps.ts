import { SpinnError } from "../../errors.js";
import { areaOf, HEAP_BLOCK, HEAP_ROOT } from "../../machine/index.js";
import { type CommandTable, hex8 } from "../shell/command.js";
import type { YbugSession } from "./session.js";

const HEAPS = {
  sdram: { title: "SDRAM", pointer: "sdram_heap" },
  sysram: { title: "SysRAM", pointer: "sysram_heap" },
  system: { title: "System", pointer: "sys_heap" },
} as const;

type HeapName = keyof typeof HEAPS;

const NAMES = Object.keys(HEAPS) as HeapName[];
/** Owners of blocks in use have these bits set; a free block holds the address of the next free one. */
const USED = 0xffff0000;
/** A longer chain is taken for damaged: the table of tags has as many places. */
const MAX_BLOCKS = 65_536;

const address = (value: number): string => value.toString(16).padStart(8);

/** One heap as it lies in memory: every block, then the free ones again by their links. One round trip for each. */
async function heapText(session: YbugSession, name: HeapName): Promise<string> {
  const board = await session.board();
  const chip = await session.chip();
  const { title, pointer } = HEAPS[name];
  const base = Number(await board.readSystemVariable(chip, pointer, session.calls));
  const area = areaOf(base);
  const root = await board.readMemory(chip, base, HEAP_ROOT.size, session.calls);
  const lines = [`\n${title} ${HEAP_ROOT.number(root, "free_bytes")}`, "-".repeat(title.length)];
  const seen = { block: new Set<number>(), free: new Set<number>() };

  const walk = async (kind: "block" | "free", first: number): Promise<void> => {
    for (let at = first; at !== 0; ) {
      if (areaOf(at) !== area || seen[kind].has(at) || seen[kind].size === MAX_BLOCKS) {
        throw new SpinnError("ERR_SPINN_MEMORY", `the ${name} heap is damaged: its chain leads to ${hex8(at)}`, {
          hint: "a program has written outside its memory; boot the machine again",
        });
      }
      seen[kind].add(at);
      const block = await board.readMemory(chip, at, HEAP_BLOCK.size, session.calls);
      const [next, free] = [HEAP_BLOCK.number(block, "next"), HEAP_BLOCK.number(block, "free")];
      const size = next === 0 ? 0 : next - at - HEAP_BLOCK.size;
      const owner = `Tag ${String(free & 255).padStart(3)} ID ${String((free >>> 8) & 255).padStart(3)}`;
      lines.push(
        kind === "block"
          ? `BLOCK  ${address(at)}  Next ${address(next)}  ${free >= USED ? owner : `Free  ${hex8(free)}`}  size ${size}`
          : `FREE   ${address(at)}  Next ${address(next)}  Free  ${hex8(free)}  Size ${size}`,
      );
      at = kind === "block" ? next : free;
    }
  };
  await walk("block", HEAP_ROOT.number(root, "first"));
  await walk("free", HEAP_ROOT.number(root, "free"));
  return `${lines.join("\n")}\n`;
}

export const HEAP: CommandTable<YbugSession> = {
  heap: {
    usage: "[sdram|sysram|system]",
    purpose: "Show the blocks of a chip's heaps",
    parse(words) {
      const names = words.left === 0 ? NAMES : [words.choice("heap", NAMES)];
      return async (session) => {
        for (const name of names) session.out(await heapText(session, name));
        session.out("\n");
      };
    },
  },
};
