import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ArmMachine,
  type ArmTrouble,
  armProgram,
  type CoreDump,
  dumpBacktrace,
  dumpData,
  dumpText,
  ElfFile,
} from "../../../src/emulator/index.js";
import { SpinnError } from "../../../src/errors.js";
import { application, BenchChip } from "../bench-chip.js";

const ELF = new Uint8Array(readFileSync(new URL("../../../fixtures/apps/faulty.elf", import.meta.url)));
const elf = ElfFile.read(ELF);

/** Lets the application `faulty` fail in one of its ways. */
function failures(way: number, engine: "compiled" | "interpreter" = "compiled", ms = 20): ArmTrouble[] {
  const chip = new BenchChip();
  const machine = new ArmMachine();
  const troubles: ArmTrouble[] = [];
  chip.setUser(1, 1, way);
  const choose = armProgram({ machine, engine, speed: 0, onTrouble: (trouble) => troubles.push(trouble) });
  choose().start(chip.context(1, application("faulty")));
  machine.advance(ms * 200_000);
  return troubles;
}

function dumpOf(way: number, ms?: number): CoreDump {
  const [trouble] = failures(way, "compiled", ms);
  return trouble!.dump!;
}

const calls = (dump: CoreDump, file?: ElfFile) => dumpBacktrace(dump, file).map(({ name, origin }) => `${name} ${origin}`);

describe("dump of a core that failed", () => {
  it("is taken before the error handler runs, and knows the calls by the compiler's frame information", () => {
    const dump = dumpOf(9);
    expect(calls(dump, elf)).toEqual([
      "store exact",
      expect.stringMatching(/^store_all.* exact$/),
      "app_main exact",
      "runtime_main exact",
      "reset exact",
    ]);
    const [first] = dumpBacktrace(dump, elf);
    expect(first).toMatchObject({ file: expect.stringMatching(/faulty\.c$/) as string, line: lineOf("WORD(address) = value") });
    expect(dump.registers[15]).toBe(first!.address);
    expect(dump.registers[0]).toBe(0x0041_0000);
    expect(dump.cpsr & 0x3f).toBe(0x3f); // SYS mode, Thumb: not yet the abort
    expect(dump.modes["USR"]!.sp).toBe(dump.registers[13]);
    expect(dump).toMatchObject({ x: 1, y: 2, p: 1, state: 2, runTimeError: 5, application: "faulty" });
    // What the program wrote before it ran past the end.
    expect([...dump.dtcm.subarray(0xfff8)]).toEqual([0, 0, 0, 0, 1, 0, 0, 0]);
  });

  it("is the same from both engines", () => {
    const [compiled, interpreted] = [failures(9)[0]!.dump!, failures(9, "interpreter")[0]!.dump!];
    expect(compiled.registers).toEqual(interpreted.registers);
    expect(compiled.instructions).toBeGreaterThan(0);
  });

  it("a jump to nowhere: the caller is the one whose return address r14 still holds", () => {
    expect(calls(dumpOf(3), elf)).toEqual(["undefined exact", "app_main likely", "runtime_main likely", "reset likely"]);
  });

  it("a program that gives up by itself, without an exception", () => {
    const [trouble] = failures(10);
    expect(trouble!.message).toMatch(/gave up with run-time error MALLOC: an allocation failed/);
    expect(calls(trouble!.dump!, elf).slice(0, 3)).toEqual(["sleep exact", "app_main likely", "runtime_main likely"]);
  });

  it("a core the watchdog stopped", () => {
    const dump = dumpOf(6, 700);
    expect(dump.message).toMatch(/watchdog/);
    expect(calls(dump, elf)[0]).toBe("app_main exact");
  });

  it("without an ELF file frames are guesses, and say so", () => {
    const found = dumpBacktrace(dumpOf(9));
    expect(found[0]).toMatchObject({ origin: "exact", name: undefined });
    expect(found.slice(1).every(({ origin }) => origin === "guess")).toBe(true);
    const exact = dumpBacktrace(dumpOf(9), elf).map(({ address }) => address);
    expect(exact.slice(1).every((address) => found.some((frame) => Math.abs(frame.address - address) <= 2))).toBe(true);
  });

  it("as text and as data", () => {
    const text = dumpText(dumpOf(9), elf);
    expect(text).toMatch(/^core 1,2,1 \(physical 0\), application faulty: data abort: .* wrote 0x00410000, past the end of DTCM\n/);
    expect(text).toMatch(/state RTE, run-time error 5 \(DABT\)/);
    expect(text).toMatch(/#0 0x[0-9a-f]{8} store\+0x[0-9a-f]+, .*faulty\.c:\d+\n/);
    expect(text).toMatch(/r0 {2}0x00410000/);
    expect(text).toMatch(/ABT {2}sp 0x0040ff00/);
    expect(JSON.parse(JSON.stringify(dumpData(dumpOf(0), elf)))).toMatchObject({
      state: "RTE",
      thumb: true,
      backtrace: [{ name: "app_main" }, { name: "runtime_main" }, { name: "reset" }],
    });
  });

  it("warns of an ELF file of another build", () => {
    const dump = dumpOf(9);
    dump.itcm[0x900] = dump.itcm[0x900]! ^ 1;
    expect(dumpText(dump, elf)).toMatch(/is not that of the ELF file \(1 bytes differ\)/);
  });

  it("a core that fails for ever is told of a few times", () => {
    const chip = new BenchChip();
    const machine = new ArmMachine();
    const troubles: ArmTrouble[] = [];
    const program = armProgram({ machine, speed: 0, onTrouble: (trouble) => troubles.push(trouble) })();
    program.start(chip.context(1, application("hello")));
    program.core.cpu.itcm[4] = 0xffff_ffff | 0; // the data abort vector itself
    program.core.cpu.itcm[1] = 0xffff_ffff | 0; // and that of undefined instructions
    program.core.cpu.pc = 4;
    machine.advance(2_000_000);
    expect(troubles.length).toBe(5);
    expect(troubles.at(-1)!.message).toMatch(/again and again/);
  });
});

describe("ELF file", () => {
  it("functions, kinds of code, source lines", () => {
    const store = elf.functionNamed("store")!;
    expect(elf.functionAt(store.address + 2)).toEqual(store);
    expect(elf.kindAt(store.address)).toBe("thumb");
    expect(elf.kindAt(elf.functionNamed("sleep")!.address)).toBe("arm");
    expect(elf.lineAt(store.address)?.file).toMatch(/faulty\/faulty\.c$/);
    expect(elf.functionAt(0x7000)).toBeUndefined();
    expect(elf.isCode(0x0040_0000)).toBe(false);
  });

  it("what is none is refused in words", () => {
    const message = (bytes: Uint8Array) => {
      try {
        ElfFile.read(bytes, "app.elf");
      } catch (error) {
        return (error as SpinnError).message;
      }
      return "read";
    };
    expect(message(application("faulty"))).toBe("app.elf is no ELF file");
    expect(message(ELF.with(18, 62))).toMatch(/^app\.elf is for another processor \(machine 62/);
    expect(message(ELF.subarray(0, 9000))).toMatch(/^app\.elf is damaged: /);
  });

  it("damaged anywhere it is read or refused, never trusted", () => {
    const dump = dumpOf(9);
    const edit = fc.tuple(fc.integer({ min: 0, max: ELF.length - 1 }), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 12 }), fc.integer({ min: 60, max: ELF.length }), (edits, length) => {
        const bytes = ELF.slice(0, Math.max(length, ELF.length - (length % 7)));
        for (const [at, value] of edits) bytes[at] = value;
        try {
          const frames = dumpBacktrace(dump, ElfFile.read(bytes));
          expect(frames.length).toBeLessThanOrEqual(64);
        } catch (error) {
          expect(error).toBeInstanceOf(SpinnError);
        }
      }),
      { numRuns: 300 },
    );
  });
});

function lineOf(text: string): number {
  const source = readFileSync(new URL("../../../fixtures/apps/faulty/faulty.c", import.meta.url), "utf8");
  return source.split("\n").findIndex((line) => line.includes(text)) + 1;
}
