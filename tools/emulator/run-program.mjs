// Runs a program of random-instructions.mjs on the emulated CPU until its first system call.
import { CODE, OUTPUT_WORD, RECORD_WORDS, RECORDS, SCRATCH, SCRATCH_SIZE } from "./random-instructions.mjs";

/** Answers the records afterwards and the two scratch areas. The first argument is the emulator's public page. */
export function run({ Cpu, Mode }, { code, records: before }, engine) {
  const records = before.slice();
  const bytes = (words) => new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
  const areas = [
    [CODE, bytes(code)],
    [RECORDS, bytes(records)],
    [SCRATCH[1], new Uint8Array(SCRATCH_SIZE)],
  ].map(([base, content]) => ({ base, content, view: new DataView(content.buffer, content.byteOffset, content.byteLength) }));
  const find = (address) => {
    const area = areas.find(({ base, content }) => address >= base && address < base + content.length);
    if (!area) throw new Error(`access at ${address.toString(16)}`);
    return area;
  };
  const cpu = new Cpu({
    read(address, size) {
      const { base, view } = find(address);
      if (size === 4) return view.getUint32(address - base, true);
      return size === 2 ? view.getUint16(address - base, true) : view.getUint8(address - base);
    },
    write(address, size, value) {
      const { base, view } = find(address);
      if (size === 4) view.setUint32(address - base, value, true);
      else if (size === 2) view.setUint16(address - base, value, true);
      else view.setUint8(address - base, value);
    },
  });
  cpu.reset();
  cpu.control = 0; // vectors at 0: the SWI ends at 8
  cpu.itcm[2] = 0xeafffffe | 0; // there the core spins
  cpu.switchMode(Mode.USR);
  cpu.pc = CODE | 0;
  const limit = 40 * before.length;
  while (cpu.mode === Mode.USR && cpu.cycles < limit) engine(cpu, Math.min(limit, cpu.cycles + 2000));
  if (cpu.mode !== Mode.SVC)
    throw new Error(`the program did not reach its end: pc ${(cpu.pc >>> 0).toString(16)}, mode ${cpu.mode.toString(16)}`);
  return { records, scratch: [Buffer.from(cpu.dtcmBytes.subarray(0, SCRATCH_SIZE)), Buffer.from(areas[2].content)] };
}

/** An engine that compiles every block it meets and keeps none: slow, but nothing escapes the compiler. */
export function compiledEverywhere({ BusFault, compileBlock, readBlock }) {
  return (cpu, until) => {
    cpu.limit = until;
    while (cpu.cycles < cpu.limit) {
      try {
        compileBlock(readBlock(cpu), cpu.thumb)(cpu);
      } catch (fault) {
        if (!(fault instanceof BusFault)) throw fault;
        if (fault.access === "fetch") cpu.prefetchAbort(cpu.pc);
        else cpu.dataAbort(cpu.r[15] - (cpu.thumb ? 4 : 8));
      }
    }
  };
}

/** FNV-1a over the outcome of one test, flags masked to those that exist. */
export function digest(records, test) {
  let hash = 0x811c9dc5;
  for (let word = 0; word < 15; word++) {
    let value = records[test * RECORD_WORDS + OUTPUT_WORD + word];
    if (word === 14) value &= 0xf8000000;
    for (let shift = 0; shift < 32; shift += 8) hash = Math.imul(hash ^ ((value >>> shift) & 0xff), 0x01000193);
  }
  return hash >>> 0;
}
