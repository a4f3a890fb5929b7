import { afterEach, describe, expect, it } from "vitest";
import { ArmMachine, type ArmProgram, type ArmTrouble, armProgram } from "../../src/emulator/index.js";
import { CoreState, vcpuAddress } from "../../src/machine/index.js";
import { type DeadParts, SimulatedMachine } from "../../src/simulator/index.js";
import { TestClient, until, word } from "../simulator/client.js";
import { application, helloTable } from "./bench-chip.js";

const APP = 30;
const START = 0x0003_0000;

describe("applications of a simulated machine on emulated cores", () => {
  let machine: SimulatedMachine;
  let client: TestClient;
  let arm: ArmMachine;
  let troubles: ArmTrouble[];

  const open = async (speed = Number.POSITIVE_INFINITY, dead: DeadParts = {}) => {
    arm = new ArmMachine();
    troubles = [];
    const programs = armProgram({ machine: arm, speed, onTrouble: (trouble) => troubles.push(trouble) });
    machine = await SimulatedMachine.start({ board: "spin3", port: 0, timeScale: 0, programs, dead });
    client = await TestClient.open(machine.boards[0]!.address);
  };
  const state = async (p: number, at = {}) => (await client.read(vcpuAddress(p) + 46, 1, at))[0]!;
  const user = (p: number, index: number, at = {}) => client.word(vcpuAddress(p) + 112 + 4 * index, at);
  const setUser = (p: number, index: number, value: number, at = {}) =>
    client.write(vcpuAddress(p) + 112 + 4 * index, new Uint8Array(Uint32Array.of(value).buffer), at);
  const load = async (name: string, mask: number, { wait = false, at = {} } = {}) => {
    await client.write(0x6780_0000, application(name), at);
    await client.ask({ command: 19, ...at, arg1: ((APP << 24) | (wait ? 1 << 18 : 0) | mask) >>> 0 });
  };
  const iobuf = async (p: number, at = {}) => {
    let text = "";
    for (let block = await client.word(vcpuAddress(p) + 88, at); block !== 0; ) {
      const header = await client.read(block, 16, at);
      text += Buffer.from(await client.read(block + 16, word(header, 12), at)).toString();
      block = word(header);
    }
    return text;
  };

  afterEach(async () => {
    await client.close();
    await machine.close();
  });

  it("hello: loaded, waiting, started, read, stopped, over SCP alone", async () => {
    await open();
    const at = { x: 1, y: 0 };
    for (const p of [1, 2, 3]) await setUser(p, 1, 1000 + p, at);
    await load("hello", 0b1110, { wait: true, at });
    await until(async () => (await state(3, at)) === CoreState.WAIT);
    expect(await user(1, 2, at)).toBe(0);
    await client.ask({ command: 22, x: 255, y: 255, arg1: 0, arg2: START | 0xff00 | APP });
    for (const p of [1, 2, 3]) {
      await until(async () => (await state(p, at)) === CoreState.EXIT);
      const table = await user(p, 0, at);
      expect(await iobuf(p, at)).toBe(`hello from core ${p} of chip 1,0\n1024 words at 0x${table.toString(16)}\n`);
      const bytes = await client.read(table, 4 * (await user(p, 2, at)), at);
      expect(new Uint32Array(bytes.buffer)).toEqual(helloTable(p, 1000 + p));
    }
    expect(troubles).toEqual([]);
    // VER and READ go to the core, which answers out of its own code and memory.
    const version = await client.ask({ command: 0, ...at, p: 2 });
    expect(Buffer.from(version.payload).toString("latin1")).toContain("SARK/SpiNNaker");
    expect(version.payload[0]).toBe(2);
    const vectors = await client.read(0, 32, { ...at, p: 2 });
    expect(word(vectors, 0x18)).toBe(0xe51ffff0);
    // STOP gives the cores back to SARK's stub and the memory to the heap.
    await client.ask({ command: 22, arg1: 2, arg2: 0x0002_ff00 | APP });
    await until(async () => (await state(2, at)) === CoreState.IDLE);
  });

  it("devices: timer in the machine's time, a packet through the real routing table, text on tag 0", async () => {
    await open();
    await using tube = await TestClient.open(machine.boards[0]!.address);
    await tube.ask({ command: 26, arg1: 0x0001_0000, arg2: tube.port, arg3: 0x0100_007f });
    await setUser(4, 1, 20);
    await load("devices", 1 << 4);
    await until(async () => (await state(4)) === CoreState.EXIT);
    expect(await iobuf(4)).toBe("20 ticks\nmemory moved\npacket received\n");
    expect(await user(4, 3)).toBe(0x12345678);
    expect((await tube.next())?.subarray(14).toString()).toBe("devices: done\n");
    expect(troubles).toEqual([]);
  });

  it("devices: a route the application writes itself reaches its core where virtual and physical numbers differ", async () => {
    await open(Number.POSITIVE_INFINITY, { cores: [{ x: 0, y: 0, p: 2 }] });
    await setUser(4, 1, 1);
    await load("devices", 1 << 4);
    await until(async () => (await state(4)) === CoreState.EXIT);
    expect((await client.read(vcpuAddress(4) + 45, 1))[0]).toBe(5);
    expect(await iobuf(4)).toBe("1 ticks\nmemory moved\npacket received\n");
    expect(troubles).toEqual([]);
  });

  it("a fixed-route packet follows the fixed routes of the chips to a core, and is counted where no route leads on", async () => {
    const programs: ArmProgram[] = [];
    arm = new ArmMachine();
    troubles = [];
    const choose = armProgram({ machine: arm, speed: Number.POSITIVE_INFINITY, onTrouble: (trouble) => troubles.push(trouble) });
    machine = await SimulatedMachine.start({
      board: "spin3",
      port: 0,
      timeScale: 0,
      programs: () => {
        programs.push(choose());
        return programs.at(-1)!;
      },
    });
    client = await TestClient.open(machine.boards[0]!.address);
    const setRoute = (route: number, at: { readonly x: number; readonly y: number }) =>
      client.write(0xf100_0084, new Uint8Array(Uint32Array.of(route).buffer), at);
    for (const at of [
      { x: 0, y: 0 },
      { x: 1, y: 0 },
    ])
      await load("echo", 1 << 6, { at });
    for (const x of [0, 1]) await until(async () => (await state(6, { x, y: 0 })) === CoreState.RUN);
    const [sender, receiver] = programs as [ArmProgram, ArmProgram];
    const physical = receiver.core.physicalCore;
    await setRoute(1 << 0, { x: 0, y: 0 }); // east
    await setRoute(1 << (6 + physical), { x: 1, y: 0 });
    sender.route({ control: 0xc0, key: 0xfeed, payload: undefined });
    expect(receiver.core.comms.waitingType).toBe(3);
    expect(receiver.core.comms.read(0x14)).toBe(0xfeed);
    await setRoute(1 << 5, { x: 1, y: 0 }); // south, where a board of four chips has a wire too
    await setRoute(0, { x: 1, y: 1 });
    sender.route({ control: 0xc2, key: 1, payload: 2 });
    expect(receiver.core.comms.waitingType).toBeUndefined();
    // Local and external packets of the fixed route, router counters 6 and 7.
    expect([await client.word(0xf100_0318), await client.word(0xf100_031c, { x: 1, y: 0 })]).toEqual([2, 2]);
  });

  it("LEDs are pins: whoever sets them, host or core, before and after cores execute", async () => {
    await open();
    const chip = () => machine.chip(0, 0);
    const led = (orders: number) => client.ask({ command: 25, arg1: orders });
    const pin = (register: number, pins: number) => client.write(0xf200_0000 + register, new Uint8Array(Uint32Array.of(pins).buffer));
    expect(chip().leds).toBe(0);
    await led(0b1100);
    expect(chip().leds).toBe(2);
    await pin(0x4c, 1);
    expect(chip().leds).toBe(3);
    await load("hello", 1 << 3);
    await until(async () => (await state(3)) === CoreState.EXIT);
    expect(chip().leds).toBe(3);
    await pin(0x48, 0x20);
    expect(chip().leds).toBe(1);
    await led(0b0101);
    expect(chip().leds).toBe(2);
    expect((await client.word(0xf200_0040)) & 0x21).toBe(1);
  });

  it("echo: messages from the host come back, EXIT ends it", async () => {
    await open();
    await load("echo", 1 << 6);
    await until(async () => (await state(6)) === CoreState.RUN);
    client.send(client.request({ command: 77, p: 6, port: 1, arg1: 1, arg2: 2, arg3: 3, data: Uint8Array.of(9, 8, 7) }));
    const back = await client.next();
    expect(back).toBeDefined();
    expect([...back!.subarray(26)]).toEqual([9, 8, 7]);
    expect(await user(6, 0)).toBe(1);
    await client.ask({ command: 22, x: 255, y: 255, arg1: 0, arg2: 0x0008_ff00 | APP });
    await until(async () => (await state(6)) === CoreState.EXIT);
  });

  it("a core that fails is in state RTE with its registers; the others and the host go on", async () => {
    await open();
    await setUser(5, 1, 0);
    await load("faulty", 1 << 5);
    await until(async () => (await state(5)) === CoreState.RTE);
    const vcpu = await client.read(vcpuAddress(5), 128);
    expect(vcpu[44]).toBe(5);
    expect(troubles).toMatchObject([
      { x: 0, y: 0, p: 5, message: expect.stringMatching(/boot ROM/) as string, dump: { p: 5, state: CoreState.RTE } },
    ]);
    await load("hello", 1 << 7);
    await until(async () => (await state(7)) === CoreState.EXIT);
  });

  it("in real time a machine of sleeping cores is all but idle", async () => {
    await open(1);
    await setUser(1, 1, 30);
    await load("devices", 0b10);
    await until(async () => (await state(1)) === CoreState.EXIT);
    expect(arm.now).toBeGreaterThan(30 * 200_000);
    expect(arm.instructions).toBeLessThan(100_000);
  });
});
