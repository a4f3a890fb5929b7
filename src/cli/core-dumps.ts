import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type CoreDump, dumpBacktrace, dumpData, dumpText, ElfFile, frameText } from "../emulator/index.js";
import { SpinnError } from "../errors.js";
import { readInputFile, writeOutputFile } from "./file.js";

/** Reads the ELF file of an application. Throws `ERR_SPINN_FILE`. */
export async function readElf(path: string): Promise<ElfFile> {
  return ElfFile.read(await readInputFile(path, "ELF file"), path);
}

/** The calls that led to a core's failure, a line each. */
export function backtraceLines(dump: CoreDump, elf: ElfFile): string[] {
  return dumpBacktrace(dump, elf).map((frame, depth) => `  #${depth} ${frameText(frame)}`);
}

/**
 * Writes dumps into a folder, which is made when it is not there: `core-X-Y-P.txt` to read, `.json` for programs, `.itcm` and `.dtcm` the core's
 * memories. A core's further failures have a number behind. Answers the names of the texts. Throws `ERR_SPINN_FILE`.
 */
export async function writeCoreDumps(folder: string, dumps: readonly CoreDump[], elf: ElfFile | undefined): Promise<string[]> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw new SpinnError("ERR_SPINN_FILE", `the folder ${folder} cannot be made: ${(cause as Error).message}`, {
      hint: "choose another",
      cause,
    });
  }
  const names = new Map<string, number>();
  const texts: string[] = [];
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  for (const dump of dumps) {
    const core = `core-${dump.x}-${dump.y}-${dump.p}`;
    const count = (names.get(core) ?? 0) + 1;
    names.set(core, count);
    const path = join(folder, count === 1 ? core : `${core}-${count}`);
    const parts = {
      txt: encode(dumpText(dump, elf)),
      json: encode(`${JSON.stringify({ schema: "spinn.dump", version: 1, ...dumpData(dump, elf) }, undefined, 1)}\n`),
      itcm: dump.itcm,
      dtcm: dump.dtcm,
    };
    for (const [ending, bytes] of Object.entries(parts)) await writeOutputFile(`${path}.${ending}`, async () => bytes);
    texts.push(`${path}.txt`);
  }
  return texts;
}
