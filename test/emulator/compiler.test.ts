import { describe, expect, it } from "vitest";
import { ArmMachine, armProgram, type Bus, BusFault, Compiler, Cpu, interpret, Mode } from "../../src/emulator/index.js";
import { CoreState } from "../../src/machine/index.js";
import { application, BenchChip } from "./bench-chip.js";

const MS = 200_000;

const nothing: Bus = {
  read: (address) => {
    throw new BusFault(address, "read");
  },
  write: (address) => {
    throw new BusFault(address, "write");
  },
};

function core(code: readonly number[]): Cpu {
  const cpu = new Cpu(nothing);
  cpu.reset();
  cpu.control = 2;
  cpu.itcm.fill(0xeafffffe | 0, 0, 8);
  cpu.itcm.set(Int32Array.from(code), 0x40);
  cpu.switchMode(Mode.SYS);
  cpu.pc = 0x100;
  return cpu;
}

function work(engine: "compiled" | "interpreter", inArm: boolean) {
  const chip = new BenchChip();
  const machine = new ArmMachine();
  chip.setUser(1, 0, inArm ? 1 : 0);
  chip.setUser(1, 1, 3);
  chip.setUser(1, 2, 7);
  const program = armProgram({ machine, engine, speed: 0 })();
  program.start(chip.context(1, application("work")));
  machine.advance(50 * MS);
  expect(chip.vcpu(1, "cpu_state")).toBe(CoreState.EXIT);
  return { result: chip.user(1, 3), instructions: machine.instructions };
}

describe("compiled blocks", () => {
  it.each([true, false])("do what the interpreter does, in as many instructions (ARM: %s)", (inArm) => {
    const interpreted = work("interpreter", inArm);
    const compiled = work("compiled", inArm);
    // The watchdog's pings interrupt the two at different instructions, never at a different cost.
    expect(compiled).toEqual(interpreted);
  });

  it("count the same clocks as the interpreter", () => {
    // mov r0, #100; loop: push {r1,r2,r3}; ldr r4, [sp]; str r4, [sp, #4]; pop {r1,r2,r3}; subs r0, r0, #1; bne loop; undefined
    const code = [0xe3a00064, 0xe92d000e, 0xe59d4000, 0xe58d4004, 0xe8bd000e, 0xe2500001, 0x1afffff9, 0xe7f000f0];
    const clocks = [interpret, new Compiler().run].map((engine) => {
      const cpu = core(code);
      cpu.r[13] = 0x0040_1000;
      while (cpu.errors === 0) engine(cpu, cpu.cycles + 1);
      return { cycles: cpu.cycles, instructions: cpu.instructions, r: [...cpu.r.subarray(0, 13)], pc: cpu.pc };
    });
    expect(clocks[1]).toEqual(clocks[0]);
  });

  it("forget code that is written over", () => {
    // loop: add r0, r0, #1; subs r1, r1, #1; bne loop; str r3, [r2]; mov r1, #50; b loop    (r2 = address of the add)
    const cpu = core([0xe2800001, 0xe2511001, 0x1afffffc, 0xe5823000, 0xe3a01032, 0xeafffff9]);
    cpu.r[1] = 50;
    cpu.r[2] = 0x100;
    cpu.r[3] = 0xe2800064 | 0; // add r0, r0, #100
    const engine = new Compiler();
    while (cpu.r[0]! < 50) engine.run(cpu, cpu.cycles + 1);
    expect(engine.blockCount).toBeGreaterThan(0);
    while (cpu.r[0] === 50) engine.run(cpu, cpu.cycles + 1);
    expect(cpu.r[0]).toBe(150);
  });

  it("a block that writes over itself stops at once", () => {
    // Sixteen rounds make it worth compiling; then r2 points at the instruction behind the store.
    // loop: subs r1, r1, #1; addeq r2, pc, #0; str r3, [r2]; mov r0, #1; cmp r1, #0; bgt loop; b .
    const code = [0xe2511001, 0x028f2000, 0xe5823000, 0xe3a00001, 0xe3510000, 0xcafffff9, 0xeafffffe];
    for (const engine of [interpret, new Compiler().run]) {
      const cpu = core(code);
      cpu.r[1] = 16;
      cpu.r[2] = 0x0040_0000;
      cpu.r[3] = 0xe3a00002 | 0; // mov r0, #2
      while (cpu.pc !== 0x118) engine(cpu, cpu.cycles + 1);
      expect(cpu.r[0]).toBe(2);
    }
  });

  it("an access nobody answers leaves everything as the interpreter does", () => {
    // loop: add r0, r0, #4; ldr r4, [r5, r0]; str r4, [r5, #-4]!; b loop: walks off the end of DTCM, first by the load
    const code = [0xe2800004, 0xe7954000, 0xe5254004, 0xeafffffb];
    const [one, two] = [interpret, new Compiler().run].map((engine) => {
      const cpu = core(code);
      cpu.r[5] = 0x0040_f000;
      while (cpu.errors === 0) engine(cpu, cpu.cycles + 1);
      return {
        r: [...cpu.r.subarray(0, 13)],
        link: cpu.r[14],
        pc: cpu.pc,
        cycles: cpu.cycles,
        at: cpu.errorAddress,
        fault: cpu.lastFault?.address,
      };
    });
    expect(two).toEqual(one);
    expect(one!.at).toBe(0x108);
  });

  it("are shared between cores that run the same code", () => {
    const compiler = new Compiler();
    const blocks = [1, 2].map(() => {
      const cpu = core([0xe2800001, 0xe3500064, 0x1afffffc, 0xeafffffe]);
      for (let i = 0; i < 100; i++) compiler.run(cpu, cpu.cycles + 10);
      return compiler.blockCount;
    });
    expect(blocks[0]).toBeGreaterThan(0);
    expect(blocks[1]).toBe(blocks[0]);
  });
});
