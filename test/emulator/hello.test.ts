import { describe, expect, it } from "vitest";
import { ArmMachine, type ArmTrouble, armProgram } from "../../src/emulator/index.js";
import { CoreState } from "../../src/machine/index.js";
import { application, BenchChip, helloTable } from "./bench-chip.js";

function bench(chip = new BenchChip()) {
  const machine = new ArmMachine();
  const troubles: ArmTrouble[] = [];
  const choose = armProgram({ machine, speed: 0, onTrouble: (trouble) => troubles.push(trouble) });
  return { chip, machine, troubles, choose };
}

const MS = 200_000;

describe("hello", () => {
  it("greets, fills its table and exits", () => {
    const { chip, machine, troubles, choose } = bench();
    chip.setUser(3, 1, 42);
    choose().start(chip.context(3, application("hello")));
    machine.advance(10 * MS);
    expect(troubles).toEqual([]);
    expect(chip.vcpu(3, "cpu_state")).toBe(CoreState.EXIT);
    expect({ app: chip.vcpu(3, "app_id"), physical: chip.vcpu(3, "phys_cpu"), version: chip.vcpu(3, "sw_ver") }).toEqual({
      app: 30,
      physical: 2,
      version: 0x40000,
    });
    const table = chip.user(3, 0);
    expect(chip.iobuf(3)).toBe(`hello from core 3 of chip 1,2\n1024 words at 0x${table.toString(16)}\n`);
    const expected = helloTable(3, 42);
    expect(chip.user(3, 2)).toBe(expected.length);
    expect(new Uint32Array(chip.memory.bytes(table, 4 * expected.length).buffer)).toEqual(expected);
    expect(chip.user(3, 3)).toBe(expected.reduce((sum, word) => (sum ^ word) >>> 0, 0));
    expect(chip.user(3, 1)).toBe(42);
  });

  it("waits for START when told so", () => {
    const { chip, machine, choose } = bench();
    const program = choose();
    program.start(chip.context(7, application("hello"), { wait: true }));
    machine.advance(5 * MS);
    expect(chip.vcpu(7, "cpu_state")).toBe(CoreState.WAIT);
    expect(program.core.cpu.waiting).toBe(true);
    program.onSignal(3);
    machine.advance(10 * MS);
    expect(chip.vcpu(7, "cpu_state")).toBe(CoreState.EXIT);
  });

  it("answers VER and READ from the core itself, also after its end", () => {
    const { chip, machine, choose } = bench();
    const program = choose();
    program.start(chip.context(3, application("hello")));
    machine.advance(5 * MS);
    const request = (command: number, sequence: number, args: readonly number[]) => {
      const data = new DataView(new ArrayBuffer(16));
      data.setUint16(0, command, true);
      data.setUint16(2, sequence, true);
      for (const [index, arg] of args.entries()) data.setUint32(4 + 4 * index, arg, true);
      program.onSdp({
        flags: 0x87,
        tag: 3,
        destPort: 0,
        destCpu: 3,
        srcPort: 7,
        srcCpu: 31,
        destX: 1,
        destY: 2,
        srcX: 0,
        srcY: 0,
        data: new Uint8Array(data.buffer),
      });
    };
    request(0, 5, [0, 0, 0]);
    request(2, 6, [chip.user(3, 0), 64, 2]);
    machine.advance(machine.now + 5 * MS);
    expect(chip.sdp.length).toBe(2);
    const [version, read] = chip.sdp;
    expect(version).toMatchObject({ tag: 3, destPort: 7, destCpu: 31, destX: 0, destY: 0, srcPort: 0, srcCpu: 3, srcX: 1, srcY: 2 });
    expect([...version!.data.subarray(0, 12)]).toEqual([0x80, 0, 5, 0, 3, 2, 2, 1, 0, 1, 0xff, 0xff]);
    expect(new TextDecoder().decode(version!.data.subarray(16))).toContain("SARK/SpiNNaker");
    expect(read!.data.subarray(4)).toEqual(chip.memory.bytes(chip.user(3, 0), 64));
    expect(chip.sv("shm_root.count")).toBe(0);
    expect(chip.sv("mbox_flags")).toBe(0);
  });

  it("is the same on every run, and 17 cores do not get into each other's way", () => {
    const run = () => {
      const { chip, machine, choose } = bench();
      for (let p = 1; p < 18; p++) choose().start(chip.context(p, application("hello")));
      machine.advance(30 * MS);
      const cores = Array.from({ length: 17 }, (_, index) => index + 1);
      for (const p of cores) {
        expect(chip.vcpu(p, "cpu_state")).toBe(CoreState.EXIT);
        expect(new Uint32Array(chip.memory.bytes(chip.user(p, 0), 4096).buffer)).toEqual(helloTable(p, 0));
      }
      return { texts: cores.map((p) => chip.iobuf(p)), instructions: machine.instructions };
    };
    const first = run();
    expect(run()).toEqual(first);
    expect(new Set(first.texts).size).toBe(17);
  });
});
