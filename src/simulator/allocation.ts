import type { Chip } from "./chip.js";

/** Takes SDRAM for an application; 0 when refused. `again`: a repeat of the same request gets the block of the first. */
export function allocateSdram(chip: Chip, appId: number, sizeBytes: number, tag: number, again: boolean): number {
  if (tag > 255) return 0;
  if (tag !== 0) {
    const known = chip.memory.readWord(chip.allocTag(appId, tag));
    if (known !== 0) return again && sizeOf(chip, known) === sizeBytes ? known : 0;
  }
  const address = chip.sdramHeap.allocate(sizeBytes, appId, tag);
  if (address !== 0) {
    if (tag !== 0) chip.memory.writeWord(chip.allocTag(appId, tag), address);
    soil(chip, appId);
  }
  return address;
}

/** Gives one block of SDRAM back, and its tag. A wild address is a data abort. */
export function freeSdram(chip: Chip, address: number): void {
  const mark = chip.memory.readWord((address - 4) >>> 0);
  const [appId, tag] = [(mark >>> 8) & 0xff, mark & 0xff];
  chip.sdramHeap.free(address);
  if (mark >>> 16 === 0xffff && tag !== 0) chip.memory.writeWord(chip.allocTag(appId, tag), 0);
}

/** Gives back all SDRAM of an application; the number of blocks. */
export function freeSdramOf(chip: Chip, appId: number): number {
  const own = chip.sdramHeap.blocks().filter((block) => block.appId === appId);
  for (const block of own) freeSdram(chip, block.payload);
  return own.length;
}

/** Everything an application holds on a chip: memory of all heaps (its text too), routes, its record. */
export function cleanUp(chip: Chip, appId: number): void {
  freeSdramOf(chip, appId);
  for (const heap of [chip.sysramHeap, chip.systemHeap]) {
    for (const block of heap.blocks()) if (block.appId === appId) heap.free(block.payload);
  }
  chip.routes.releaseApplication(appId, true);
  const record = chip.appData(appId);
  chip.memory.writeWord(record, 1 << 8);
  chip.memory.writeWord(record + 4, 0);
}

/** Whether a chip holds anything of an application. */
export function isClean(chip: Chip, appId: number): boolean {
  return chip.memory.readByte(chip.appData(appId) + 1) === 1;
}

/** From now on STOP has something to clean up. */
export function soil(chip: Chip, appId: number): void {
  chip.memory.writeByte(chip.appData(appId) + 1, 0);
}

function sizeOf(chip: Chip, payload: number): number {
  return chip.memory.readWord(payload - 8) - payload;
}
