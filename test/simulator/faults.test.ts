import { describe, expect, it } from "vitest";
import { checkFaults } from "../../src/simulator/faults.js";
import { SimulatedMachine, type SimulatedMachineOptions } from "../../src/simulator/index.js";
import { TestClient, until } from "./client.js";

const start = (options: SimulatedMachineOptions) => SimulatedMachine.start({ board: "spin3", port: 0, timeScale: 0, ...options });

describe("faults", () => {
  it("are checked, and the words name the member", () => {
    expect(() => checkFaults({ toHost: { los: 1 } })).toThrow(/toHost has no member "los"/);
    expect(() => checkFaults({ toHost: { loss: 2 } })).toThrow(/toHost\.loss must be a number from 0 to 1, not 2/);
    expect(() => checkFaults({ codes: [{ code: "NOPE", probability: 1 }] })).toThrow(/no return code/);
    expect(() => checkFaults({ crashedCores: [3] })).toThrow(/crashedCores\[0\]/);
    expect(() => checkFaults("unheard-of")).toThrow(/no named fault/);
    expect(() => checkFaults([])).toThrow(/must be an object/);
    expect(checkFaults("busy").codes[0]!.code).toBe(0x8d);
  });

  it("lose the same datagrams for the same seed", async () => {
    const run = async (seed: number): Promise<string> => {
      await using machine = await start({ seed, faults: { toHost: { loss: 0.5 } } });
      await using client = await TestClient.open(machine.boards[0]!.address);
      const { counters } = machine.boards[0]!;
      let pattern = "";
      for (let i = 1; i <= 24; i += 1) {
        const before = counters.sent;
        client.send(client.request({ command: 0 }));
        await until(() => counters.sent + counters.dropped.fault === i);
        pattern += counters.sent > before ? "1" : "0";
      }
      return pattern;
    };
    const [first, again, other] = [await run(7), await run(7), await run(8)];
    expect(first).toBe(again);
    expect(first).not.toBe(other);
    expect(first).toContain("0");
    expect(first).toContain("1");
  });

  it("double, damage and answer with codes; and can be changed while running", async () => {
    await using machine = await start({ faults: { toHost: { duplicate: 1 } } });
    await using client = await TestClient.open(machine.boards[0]!.address);
    client.send(client.request({ command: 0 }));
    expect(await client.next()).toEqual(await client.next());
    machine.setFaults({ codes: [{ code: "RC_P2P_BUSY", probability: 1, commands: [2] }] });
    const busy = await client.ask({ command: 2, x: 255, y: 255, arg1: 0x60000000, arg2: 4, arg3: 2 });
    expect([busy.returnCode, busy.srcX, busy.srcY]).toEqual([0x8d, 0, 0]);
    expect((await client.ask({ command: 0 })).returnCode).toBe(0x80);
    machine.setFaults({ toHost: { truncate: 1 } });
    client.send(client.request({ command: 0 }));
    expect((await client.next())!.length).toBeLessThan(48);
    machine.setFaults({ foreign: 1 });
    const request = client.request({ command: 0 });
    client.send(request);
    expect((await client.next())?.subarray(12, 14)).toEqual(Buffer.from(request.subarray(12, 14)));
    expect(await client.next()).toBeDefined();
    machine.setFaults({});
    expect((await client.ask({ command: 0 })).returnCode).toBe(0x80);
  });

  it("reordering lets the next datagram overtake", async () => {
    await using machine = await start({ faults: { toHost: { reorder: 1 } } });
    await using client = await TestClient.open(machine.boards[0]!.address);
    const [a, b] = [client.request({ command: 0 }), client.request({ command: 0 })];
    client.send(a);
    client.send(b);
    const [first, second] = [await client.next(), await client.next()];
    expect([first![12], second![12]]).toEqual([b[12], a[12]]);
  });

  it("a crashed core swallows one message and times out on the next", async () => {
    await using machine = await start({ faults: { crashedCores: ["1,0,2"] } });
    await using client = await TestClient.open(machine.boards[0]!.address);
    expect((await client.read(0xe5007000 + 256 + 44, 3, { x: 1 })).at(2)).toBe(2);
    client.send(client.request({ command: 0, x: 1, p: 2 }));
    await until(() => machine.boards[0]!.counters.dropped.crashedCore === 1);
    expect((await client.ask({ command: 0, x: 1, p: 2 })).returnCode).toBe(0x86);
    expect((await client.ask({ command: 0, x: 1, p: 3 })).returnCode).toBe(0x80);
  });

  it("the machine reboots half way", async () => {
    await using machine = await start({ faults: { rebootAfter: 3 } });
    await using client = await TestClient.open(machine.boards[0]!.address);
    await client.ask({ command: 0 });
    await client.ask({ command: 0 });
    client.send(client.request({ command: 0 }));
    await until(() => !machine.isReady);
    client.send(client.request({ command: 0 }));
    await until(() => machine.boards[0]!.counters.dropped.unbooted === 1);
  });

  it("dead parts are missing everywhere", async () => {
    await using machine = await start({
      board: "spin5",
      dead: { chips: [{ x: 1, y: 1 }], cores: [{ x: 0, y: 0, p: 5 }], links: [{ x: 0, y: 0, link: 0 }] },
    });
    await using client = await TestClient.open(machine.boards[0]!.address);
    const info = await client.ask({ command: 31 });
    expect([info.payload[0]! & 31, info.payload[1]! & 0x3f]).toEqual([17, 0b000100]);
    expect((await client.ask({ command: 31, x: 1, y: 0 })).payload[1]! & 0x3f).toBe(0b000011);
    expect((await client.ask({ command: 0, x: 1, y: 1 })).returnCode).toBe(0x87);
    expect(((await client.word(0xe1010080)) >>> 3) & 7).toBe(6);
    expect([...(await client.read(0xf5007fa8, 6))]).toEqual([0, 1, 2, 3, 4, 6]);
    await expect(start({ dead: { chips: [{ x: 0, y: 0 }] } })).rejects.toThrow(/root chip/);
    await expect(start({ dead: { links: [{ x: 5, y: 0, link: 0 }] } })).rejects.toThrow(/5,0/);
  });
});

describe("garbage", () => {
  it("of every length is counted and survived", async () => {
    await using machine = await start({});
    await using client = await TestClient.open(machine.boards[0]!.address);
    const lengths = [0, 1, 2, 9, 10, 13, 25, 26, 27, 282, 283, 1400, 65507];
    for (const fill of [0, 0xff, 0x55]) for (const length of lengths) client.send(new Uint8Array(length).fill(fill));
    await until(() => machine.boards[0]!.counters.received === 3 * lengths.length);
    await using other = await TestClient.open(machine.boards[0]!.address);
    await until(() => machine.boards[0]!.tags.firstFree() !== undefined);
    expect((await other.ask({ command: 0 })).payload.length).toBeGreaterThan(0);
    const { dropped } = machine.boards[0]!.counters;
    expect([dropped.tooLong, dropped.tooShort]).toEqual([9, 12]);
  });

  it("two cores that answer each other do not hang the machine", async () => {
    await using machine = await start({});
    await using client = await TestClient.open(machine.boards[0]!.address);
    const request = client.request({ command: 0, p: 1 });
    request[5] = 2;
    client.send(request);
    await until(() => machine.boards[0]!.counters.dropped.nobodyListens === 1);
  });
});
