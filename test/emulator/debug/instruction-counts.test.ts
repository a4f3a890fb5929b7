import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ArmMachine, armProgram, ElfFile, InstructionCounts } from "../../../src/emulator/index.js";
import { application, BenchChip } from "../bench-chip.js";

const elf = ElfFile.read(new Uint8Array(readFileSync(new URL("../../../fixtures/apps/faulty.elf", import.meta.url))));

function run(engine: "compiled" | "interpreter", way: number, ms = 10, name = "faulty") {
  const chip = new BenchChip();
  const machine = new ArmMachine();
  const counts = new InstructionCounts();
  chip.setUser(1, 1, way);
  armProgram({ machine, engine, speed: 0, counts, onTrouble: () => undefined })().start(chip.context(1, application(name)));
  machine.advance(ms * 200_000);
  return { counts, instructions: machine.instructions };
}

describe("counts of instructions", () => {
  it("add up to what was executed, the same in both engines", () => {
    const compiled = run("compiled", 1000, 10, "hello");
    const interpreted = run("interpreter", 1000, 10, "hello");
    expect(compiled.counts.words.reduce((sum, count) => sum + count, 0)).toBe(compiled.instructions);
    expect(compiled.instructions).toBe(interpreted.instructions);
    expect(compiled.counts.words).toEqual(interpreted.counts.words);
  });

  it("profile: by function, the most expensive first, calls counted", () => {
    const { counts, instructions } = run("compiled", 9);
    const profile = counts.profile(elf);
    expect(profile.reduce((sum, entry) => sum + entry.instructions, 0)).toBe(instructions);
    expect(profile.reduce((sum, entry) => sum + entry.share, 0)).toBeCloseTo(1);
    expect(profile.map((entry) => entry.instructions)).toEqual(profile.map((entry) => entry.instructions).sort((a, b) => b - a));
    // The third call fails.
    expect(profile.find(({ name }) => name === "store")).toMatchObject({ calls: 3 });
    expect(profile.find(({ name }) => name === "app_main")).toMatchObject({ calls: 1 });
    expect(profile.some(({ name }) => name === "print")).toBe(false);
  });

  it("coverage: which lines were never executed", () => {
    const { counts } = run("compiled", 9);
    const { files, functions, instructions } = counts.coverage(elf);
    const source = readFileSync(new URL("../../../fixtures/apps/faulty/faulty.c", import.meta.url), "utf8").split("\n");
    const { missed, executed, total } = files.find(({ file }) => file.endsWith("faulty.c"))!;
    const missing = missed.map((line) => source[line - 1]!.trim());
    expect(missing).toContain("WORD(0xf6000000) = 1;");
    expect(missing).not.toContain("WORD(address) = value;");
    expect(total - executed).toBe(missed.length);
    expect(functions.find(({ name }) => name === "print")).toMatchObject({ executed: 0 });
    expect(instructions.executed).toBeLessThan(instructions.total);
    const store = elf.functionNamed("store")!;
    expect(functions.find(({ name }) => name === "store")).toMatchObject({ total: store.sizeBytes / 2 });
  });
});
