import type { CoreContext, CoreProgram } from "../core-program.js";

/**
 * Takes a block of SDRAM under the tag of its own core number, fills it with `(core << 24) + index` words, and leaves its address in user0 and
 * its size in bytes in user1.
 */
export function memoryFiller(sizeBytes = 1024): CoreProgram {
  return {
    name: "memory-filler",
    start(core: CoreContext): void {
      const address = core.allocate(sizeBytes, core.p);
      for (let i = 0; address !== 0 && i < sizeBytes >>> 2; i += 1) core.memory.writeWord(address + 4 * i, ((core.p << 24) | i) >>> 0);
      core.memory.writeWord(core.vcpu + 112, address);
      core.memory.writeWord(core.vcpu + 116, address === 0 ? 0 : sizeBytes & ~3);
    },
  };
}
