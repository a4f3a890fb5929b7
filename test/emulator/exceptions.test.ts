import { describe, expect, it } from "vitest";
import { type Bus, BusFault, Cpu, interpret, Mode } from "../../src/emulator/index.js";

const nothing: Bus = {
  read: (address) => {
    throw new BusFault(address, "read");
  },
  write: (address) => {
    throw new BusFault(address, "write");
  },
};

/** A core in SYS mode at 0x100 with `code` there; every vector spins, so that the state right after the exception can be looked at. */
function core(code: readonly number[], { thumb = false, control = 2 } = {}): Cpu {
  const cpu = new Cpu(nothing);
  cpu.reset();
  cpu.control = control;
  for (let vector = 0; vector < 8; vector++) cpu.itcm[vector] = 0xeafffffe | 0;
  if (thumb) new Uint16Array(cpu.itcm.buffer).set(code, 0x80);
  else cpu.itcm.set(Int32Array.from(code), 0x40);
  cpu.switchMode(Mode.SYS);
  cpu.mask(false, false);
  cpu.thumb = thumb;
  cpu.pc = 0x100;
  return cpu;
}

const step = (cpu: Cpu, instructions: number) => {
  for (let i = 0; i < instructions; i++) interpret(cpu, cpu.cycles + 1);
};

describe("exceptions", () => {
  it.each([
    ["undefined instruction, ARM", [0xe7f000f0], false, 0x04, Mode.UND, 0x104],
    ["undefined instruction, Thumb", [0xde00], true, 0x04, Mode.UND, 0x102],
    ["coprocessor that is not there", [0xee000e10], false, 0x04, Mode.UND, 0x104],
    ["SWI, ARM", [0xef000000], false, 0x08, Mode.SVC, 0x104],
    ["SWI, Thumb", [0xdf00], true, 0x08, Mode.SVC, 0x102],
    ["BKPT, ARM", [0xe1200070], false, 0x0c, Mode.ABT, 0x104],
    ["BKPT, Thumb", [0xbe00], true, 0x0c, Mode.ABT, 0x104],
  ])("%s", (_name, code, thumb, vector, mode, link) => {
    const cpu = core(code, { thumb });
    const before = cpu.cpsr;
    step(cpu, 1);
    expect({ pc: cpu.pc, mode: cpu.mode, link: cpu.r[14], thumb: cpu.thumb }).toEqual({ pc: vector, mode, link, thumb: false });
    expect(cpu.spsr).toBe(before);
    expect(cpu.irqMasked).toBe(true);
    expect(cpu.fiqMasked).toBe(false);
  });

  it.each([
    ["load from nowhere", 0xe5910000, 0x9000_0000],
    ["store to nowhere", 0xe5810000, 0x9000_0000],
    ["unaligned word", 0xe5910000, 0x0040_0002],
    ["unaligned half word", 0xe1d100b0, 0x0040_0001],
  ])("data abort: %s", (_name, op, address) => {
    const cpu = core([op]);
    cpu.r[1] = address | 0;
    step(cpu, 1);
    expect({ pc: cpu.pc, mode: cpu.mode, link: cpu.r[14] }).toEqual({ pc: 0x10, mode: Mode.ABT, link: 0x108 });
    expect(cpu.lastFault?.address).toBe(address);
  });

  it("data abort in Thumb: the link is 8 ahead all the same", () => {
    const cpu = core([0x6808], { thumb: true }); // ldr r0, [r1]
    cpu.r[1] = 0x9000_0000 | 0;
    step(cpu, 1);
    expect(cpu.r[14]).toBe(0x108);
  });

  it("an aborted transfer leaves its base", () => {
    for (const op of [0xe4910004, 0xe5a10004, 0xe8b1000c, 0xe8a1000c, 0xe8910006]) {
      const cpu = core([op]); // ldr r0,[r1],#4; str r0,[r1,#4]!; ldm r1!,{r2,r3}; stm; ldm r1,{r1,r2}
      cpu.r[1] = 0x0040_fffc; // the first word is there, the second is not
      if (op === 0xe4910004) cpu.r[1] = 0x0041_0000;
      const base = cpu.r[1];
      step(cpu, 1);
      cpu.switchMode(Mode.SYS);
      expect(cpu.r[1]).toBe(base);
      expect(cpu.pc).toBe(0x10);
    }
  });

  it("prefetch abort where no memory is", () => {
    const cpu = core([0xe12fff11]); // bx r1
    cpu.r[1] = 0x9000_0000 | 0;
    step(cpu, 2);
    expect({ pc: cpu.pc, mode: cpu.mode, link: (cpu.r[14] ?? 0) >>> 0 }).toEqual({ pc: 0x0c, mode: Mode.ABT, link: 0x9000_0004 });
  });

  it("without the alignment check an unaligned load is rotated", () => {
    const cpu = core([0xe5910000], { control: 0 });
    cpu.dtcm[0] = 0x44332211;
    cpu.r[1] = 0x0040_0001;
    step(cpu, 1);
    expect(cpu.r[0]).toBe(0x11443322);
  });

  it("control bit 13 moves the vectors", () => {
    const cpu = core([0xef000000], { control: 1 << 13 });
    step(cpu, 1);
    expect(cpu.pc >>> 0).toBe(0xffff_0008);
  });
});

describe("interrupts", () => {
  it("IRQ: link, saved status, return with subs pc, lr, #4", () => {
    const cpu = core([0xe3a00001, 0xe3a00002]);
    cpu.itcm[6] = 0xe25ef004 | 0; // subs pc, lr, #4
    step(cpu, 1);
    cpu.setLines(true, false);
    step(cpu, 1);
    expect(cpu.pc).toBe(0x104);
    expect(cpu.mode).toBe(Mode.SYS);
    expect(cpu.irqMasked).toBe(false);
    cpu.setLines(false, false);
    step(cpu, 1);
    expect(cpu.r[0]).toBe(2);
  });

  it("FIQ goes first, masks both and has registers of its own", () => {
    const cpu = core([0xe3a08001]);
    cpu.r[8] = 77;
    cpu.setLines(true, true);
    step(cpu, 1);
    expect({ pc: cpu.pc, mode: cpu.mode, masked: [cpu.irqMasked, cpu.fiqMasked] }).toEqual({
      pc: 0x1c,
      mode: Mode.FIQ,
      masked: [true, true],
    });
    cpu.r[8] = 5;
    expect(cpu.userRegister(8)).toBe(77);
    cpu.switchMode(Mode.SYS);
    expect(cpu.r[8]).toBe(77);
    cpu.switchMode(Mode.FIQ);
    expect(cpu.r[8]).toBe(5);
  });

  it("every mode has its stack pointer and link", () => {
    const cpu = core([]);
    const modes = [Mode.SYS, Mode.FIQ, Mode.IRQ, Mode.SVC, Mode.ABT, Mode.UND];
    for (const mode of modes) {
      cpu.switchMode(mode);
      cpu.r[13] = mode;
      cpu.r[14] = -mode;
    }
    for (const mode of modes) {
      cpu.switchMode(mode);
      expect([cpu.r[13], cpu.r[14]]).toEqual([mode, -mode]);
    }
  });

  it("WFI sleeps until a line rises and goes on behind it even when masked", () => {
    const cpu = core([0xee070f90, 0xe3a00009]); // mcr p15,0,r0,c7,c0,4; mov r0, #9
    cpu.mask(true, true);
    interpret(cpu, cpu.cycles + 100);
    expect(cpu.waiting).toBe(true);
    expect(cpu.instructions).toBe(1);
    cpu.setLines(true, false);
    step(cpu, 1);
    expect(cpu.r[0]).toBe(9);
    expect(cpu.mode).toBe(Mode.SYS);
  });

  it("WFI with an interrupt already there does not sleep", () => {
    const cpu = core([0xee070f90, 0xe3a00009]);
    cpu.mask(true, true);
    cpu.setLines(true, false);
    step(cpu, 2);
    expect(cpu.r[0]).toBe(9);
  });

  it("ldm with ^ returns to Thumb", () => {
    const cpu = core([0xe8fd8000]); // ldm sp!, {pc}^
    cpu.switchMode(Mode.IRQ);
    cpu.spsr = 0x20 | Mode.SYS;
    cpu.r[13] = 0x0040_0000;
    cpu.dtcm[0] = 0x200;
    step(cpu, 1);
    expect({ pc: cpu.pc, thumb: cpu.thumb, mode: cpu.mode }).toEqual({ pc: 0x200, thumb: true, mode: Mode.SYS });
  });

  it("an unknown mode in msr changes nothing", () => {
    const cpu = core([0xe321f000]); // msr cpsr_c, #0
    step(cpu, 1);
    expect(cpu.mode).toBe(Mode.SYS);
  });
});
