import { describe, expect, it } from "vitest";
import { ArmMachine, type ArmTrouble, armProgram, type SdpLike } from "../../src/emulator/index.js";
import { CoreState } from "../../src/machine/index.js";
import { application, BenchChip } from "./bench-chip.js";

const MS = 200_000;

function bench() {
  const chip = new BenchChip();
  const machine = new ArmMachine();
  const troubles: ArmTrouble[] = [];
  const choose = armProgram({ machine, speed: 0, onTrouble: (trouble) => troubles.push(trouble) });
  return { chip, machine, troubles, choose, run: (ms: number) => machine.advance(machine.now + ms * MS) };
}

describe("devices", () => {
  it("timer, DMA, packets, text", () => {
    const { chip, machine, troubles, choose } = bench();
    const program = choose();
    chip.setUser(4, 1, 25);
    program.start(chip.context(4, application("devices")));
    machine.advance(26 * MS);
    expect(chip.vcpu(4, "cpu_state")).toBe(CoreState.RUN);
    expect(chip.packets).toEqual([{ p: 4, key: 0x00c0de04, payload: 0x12345678 }]);
    program.onMulticast(0x00c0de04, 0x12345678);
    machine.advance(28 * MS);
    expect(troubles).toEqual([]);
    expect(chip.iobuf(4)).toBe("25 ticks\nmemory moved\npacket received\n");
    expect(chip.vcpu(4, "cpu_state")).toBe(CoreState.EXIT);
    expect([chip.user(4, 2), chip.user(4, 3)]).toEqual([25, 0x12345678]);
    const words = new Uint32Array(chip.memory.bytes(chip.user(4, 0), 256).buffer);
    expect(words).toEqual(Uint32Array.from({ length: 64 }, (_, i) => ~(0x01010101 * i)));
    expect(chip.sdp).toHaveLength(1);
    expect(chip.sdp[0]).toMatchObject({ flags: 7, tag: 0, destPort: 7, destCpu: 31, srcPort: 0, srcCpu: 4 });
    expect(new TextDecoder().decode(chip.sdp[0]!.data.subarray(4))).toBe("devices: done\n");
    // The route the application wrote leads to its own physical core.
    expect(chip.memory.readWord(0xe100_4000 + 4 * 5)).toBe(1 << (6 + chip.physical(4)));
  });

  it("time passes while everybody sleeps, without work", () => {
    const { chip, machine, choose } = bench();
    chip.setUser(4, 1, 1000);
    choose().start(chip.context(4, application("devices")));
    machine.advance(990 * MS);
    expect(chip.vcpu(4, "cpu_state")).toBe(CoreState.RUN);
    machine.advance(1002 * MS);
    expect(chip.user(4, 2)).toBe(1000);
    expect(machine.instructions).toBeLessThan(200_000); // of the 200 million clocks of that second
  });
});

describe("echo", () => {
  const message = (index: number): SdpLike => ({
    flags: 0x87,
    tag: 9,
    destPort: 1,
    destCpu: 6,
    srcPort: 7,
    srcCpu: 31,
    destX: 1,
    destY: 2,
    srcX: 0,
    srcY: 0,
    data: Uint8Array.from({ length: index % 273 }, (_, at) => at ^ index),
  });

  it("sends everything back, more than the chip has buffers for", () => {
    const { chip, choose, run } = bench();
    const program = choose();
    program.start(chip.context(6, application("echo")));
    run(1);
    const sent = Array.from({ length: 40 }, (_, index) => message(7 * index));
    for (const one of sent) program.onSdp(one);
    run(20);
    expect(chip.sdp.map(({ data }) => data)).toEqual(sent.map(({ data }) => data));
    expect(chip.sdp[0]).toMatchObject({ tag: 9, destPort: 7, destCpu: 31, destX: 0, srcPort: 1, srcCpu: 6, srcX: 1, srcY: 2 });
    expect(chip.user(6, 0)).toBe(40);
    expect(chip.sv("shm_root.count")).toBe(0);
  });

  it("knows its signals", () => {
    const { chip, choose, run } = bench();
    const program = choose();
    program.start(chip.context(6, application("echo")));
    run(1);
    program.onSignal(6);
    run(1);
    expect(chip.vcpu(6, "cpu_state")).toBe(CoreState.PAUSE);
    program.onSignal(7);
    program.onSignal(12);
    run(1);
    expect(chip.vcpu(6, "cpu_state")).toBe(CoreState.RUN);
    expect(chip.user(6, 1)).toBe(12);
    program.onSignal(8);
    run(1);
    expect(chip.vcpu(6, "cpu_state")).toBe(CoreState.EXIT);
  });
});

describe("applications that go wrong", () => {
  it.each([
    [0, 5, /wrote 0xf6000000, which is boot ROM/],
    [1, 5, /read 0x90000000, where no memory is/],
    [2, 5, /read 0x60000001, an address that is not aligned/],
    [3, 4, /prefetch abort.*0x0badc0d0.*wrong function pointer/],
    [4, 2, /undefined instruction/],
    [5, 3, /SWI.*no operating system/],
  ])("kind %i ends in state RTE with code %i and words", (kind, code, words) => {
    const { chip, choose, run, troubles } = bench();
    chip.setUser(2, 1, kind);
    choose().start(chip.context(2, application("faulty")));
    const other = choose();
    other.start(chip.context(3, application("hello")));
    run(10);
    expect({ state: chip.vcpu(2, "cpu_state"), code: chip.vcpu(2, "rt_code") }).toEqual({ state: CoreState.RTE, code });
    expect(troubles).toHaveLength(1);
    expect(troubles[0]!.message).toMatch(words);
    expect(troubles[0]!.p).toBe(2);
    expect(chip.vcpu(2, "sp")).toBeGreaterThan(0x40f000);
    expect(chip.vcpu(3, "cpu_state")).toBe(CoreState.EXIT);
  });

  it("spinning with interrupts off is seen by the watchdog, spinning with them on is not", () => {
    const { chip, choose, run, troubles } = bench();
    chip.setUser(2, 1, 6);
    chip.setUser(3, 1, 7);
    choose().start(chip.context(2, application("faulty")));
    choose().start(chip.context(3, application("faulty")));
    run(600);
    expect(troubles).toHaveLength(1);
    expect(chip.vcpu(2, "cpu_state")).toBe(CoreState.WDOG);
    expect(chip.vcpu(3, "cpu_state")).toBe(CoreState.RUN);
  });

  it("hoarded message buffers keep messages away and hurt nothing else", () => {
    const { chip, choose, run } = bench();
    chip.setUser(2, 1, 8);
    const faulty = choose();
    faulty.start(chip.context(2, application("faulty")));
    run(2);
    expect(chip.vcpu(2, "cpu_state")).toBe(CoreState.EXIT);
    for (let i = 0; i < 100; i++)
      faulty.onSdp({
        ...chip.sdp[0]!,
        flags: 7,
        tag: 0,
        destPort: 1,
        destCpu: 2,
        srcPort: 7,
        srcCpu: 31,
        destX: 1,
        destY: 2,
        srcX: 0,
        srcY: 0,
        data: new Uint8Array(4),
      });
    choose().start(chip.context(3, application("hello")));
    run(10);
    expect(chip.vcpu(3, "cpu_state")).toBe(CoreState.EXIT);
  });

  it.each([
    ["empty memory", new Uint8Array(64)],
    ["an ELF file", Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1, 0])],
    ["a table that copies from nowhere", new Uint8Array(Uint32Array.from([1, 0, 0x9000_0000, 64, 4, 0, 0, 0]).buffer)],
    [
      "a table that fills four gigabytes",
      new Uint8Array(Uint32Array.from([3, 0x60000000, 0xffffffff, 0, 3, 0, 0xffff_ffff, 0, 4, 0, 0, 0]).buffer),
    ],
  ])("%s instead of an image never starts", (_name, image) => {
    const { chip, choose, run, troubles } = bench();
    choose().start(chip.context(2, image));
    run(1);
    expect(chip.vcpu(2, "cpu_state")).toBe(CoreState.INIT);
    expect(troubles[0]!.message).toMatch(/no APLX application/);
  });

  it("an image cut short runs round in zeros until the watchdog stops it", () => {
    const { chip, choose, run, troubles } = bench();
    choose().start(chip.context(2, application("hello").subarray(0, 96)));
    run(600);
    expect(chip.vcpu(2, "cpu_state")).toBe(CoreState.WDOG);
    expect(troubles.map(({ message }) => message)).toEqual([expect.stringMatching(/watchdog.*runs with interrupts off at 0x0000/)]);
  });
});
