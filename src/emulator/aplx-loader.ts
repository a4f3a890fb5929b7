import { AplxOpcode } from "../machine/index.js";

/** Memory as the loader sees it: the core's own view, signed addresses. Throws anything but an Error where nothing answers. */
export interface LoaderMemory {
  read32(address: number): number;
  write32(address: number, value: number): void;
}

const CHUNK = 32;
const MAX_ENTRIES = 64;
/** More than both memories of a core together: a length from the table is never trusted beyond this. */
const MAX_BYTES = 0x4_0000;

/**
 * Does what the monitor's boot stub does on a core: executes the load table at `image`, copying and filling in whole chunks of 32 bytes, up to
 * its first call. Answers the address to start at, `undefined` when the table calls nothing (no APLX image: the core would run into nowhere).
 * Source: spinnaker_tools `scamp/boot_aplx.s`.
 */
export function executeLoadTable(memory: LoaderMemory, image: number): number | undefined {
  for (let entry = 0; entry < MAX_ENTRIES; entry++) {
    const at = image + 16 * entry;
    const [opcode, first, second, third] = [0, 4, 8, 12].map((field) => memory.read32((at + field) | 0)) as [
      number,
      number,
      number,
      number,
    ];
    if (opcode === AplxOpcode.EXECUTE) return first;
    if (opcode === AplxOpcode.COPY) copy(memory, first, second, third);
    else if (opcode === AplxOpcode.RELATIVE_COPY) copy(memory, first, at + second, third);
    else if (opcode === AplxOpcode.FILL) {
      for (let done = 0; done < rounded(second); done += 4) memory.write32((first + done) | 0, third);
    } else return undefined;
  }
  return undefined;
}

function copy(memory: LoaderMemory, to: number, from: number, bytes: number): void {
  for (let done = 0; done < rounded(bytes); done += 4) memory.write32((to + done) | 0, memory.read32((from + done) | 0));
}

function rounded(bytes: number): number {
  return Math.min(Math.ceil((bytes >>> 0) / CHUNK) * CHUNK, MAX_BYTES);
}
