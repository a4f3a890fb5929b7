import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { FAULT_PRESETS, SimulatedMachine, type Timeline, type TimelineStep } from "../../src/simulator/index.js";
import { checkTimeline } from "../../src/simulator/timeline.js";
import { TestClient, until } from "./client.js";

const start = (timeline: Timeline | undefined, onStep?: (step: TimelineStep, index: number) => void) =>
  SimulatedMachine.start({ board: "spin3", port: 0, timeScale: 0, ...(timeline && { timeline }), ...(onStep && { onStep }) });

describe("a timeline of faults", () => {
  it("is checked, and the words name the step", () => {
    const wrong = (step: unknown): (() => unknown) => {
      return () => checkTimeline({ steps: [{ at: "1s", faults: "none" }, step] }, 3);
    };
    expect(wrong({ at: "soon", reset: true })).toThrow(/step 2 of the timeline: "soon" is no time/);
    expect(wrong({ at: "0 requests", reset: true })).toThrow(/no time/);
    expect(wrong({ at: -1, reset: true })).toThrow(/no time/);
    expect(wrong({ at: "1s" })).toThrow(/does nothing/);
    expect(wrong({ at: "1s", faults: { los: 1 } })).toThrow(/step 2 .*no member "los"/);
    expect(wrong({ at: "1s", power: "up" })).toThrow(/power must be on or off/);
    expect(wrong({ at: "1s", power: "off", boards: [3] })).toThrow(/from 0 to 2/);
    expect(wrong({ at: "1s", seed: -1 })).toThrow(/seed/);
    expect(wrong({ at: "1s", rest: true })).toThrow(/no member "rest"/);
    expect(() => checkTimeline({ steps: {} }, 1)).toThrow(/list/);
    expect(checkTimeline({ steps: [{ at: "1.5s", power: "off" }] }, 1)[0]).toMatchObject({ atMs: 1500, atRequests: undefined });
  });

  it("of the fixture is one", () => {
    const text = readFileSync(new URL("../../fixtures/faults/night.yaml", import.meta.url), "utf8");
    expect(checkTimeline(parse(text), 1).map(({ atMs, atRequests }) => atMs ?? -atRequests!)).toEqual([
      -200, -300, 120_000, 121_000, 122_000,
    ]);
  });

  it("happens by the clock: power off, power on, in their order", async () => {
    const seen: number[] = [];
    const steps: TimelineStep[] = [
      { at: "30ms", power: "on" },
      { at: 1, power: "off", faults: "lossy" },
    ];
    await using machine = await start({ steps }, (_, index) => seen.push(index));
    await until(() => seen.length === 2);
    expect(seen).toEqual([1, 0]);
    expect(machine.boards[0]!.powered).toBe(true);
    expect(machine.isReady).toBe(false);
    expect(machine.faults).toBe("lossy");
  });

  it("happens by requests: the same session with the same seed is the same run", async () => {
    const run = async (seed: number): Promise<string> => {
      const steps: TimelineStep[] = [
        { at: "8 requests", faults: { toHost: { loss: 0.5 } } },
        { at: "24 requests", faults: { codes: [{ code: "BUF", probability: 0.5 }] } },
        { at: "40 requests", faults: "none" },
      ];
      await using machine = await start({ seed, steps });
      await using client = await TestClient.open(machine.boards[0]!.address);
      const { counters } = machine.boards[0]!;
      let pattern = "";
      for (let i = 1; i <= 44; i += 1) {
        const sent = counters.sent;
        client.send(client.request({ command: 0 }));
        await until(() => counters.sent + counters.dropped.fault === i);
        const reply = counters.sent > sent ? await client.next() : undefined;
        pattern += reply === undefined ? "." : reply[10] === 0x80 ? "1" : "b";
      }
      return pattern;
    };
    const [first, again, other] = [await run(7), await run(7), await run(8)];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    expect(first).toMatch(/^1{7}[1.]{16}[1b]{16}1{5}$/);
    expect(first).toMatch(/\..*b/);
  });

  it("is dropped when another one begins", async () => {
    const seen: number[] = [];
    await using machine = await start({ steps: [{ at: "2 requests", reset: true }] }, (_, index) => seen.push(index));
    machine.play({ steps: [{ at: "3 requests", faults: "slow" }] });
    await using client = await TestClient.open(machine.boards[0]!.address);
    for (let i = 0; i < 3; i += 1) await client.ask({ command: 0 });
    await until(() => seen.length === 1);
    expect([machine.isReady, machine.faults]).toEqual([true, "slow"]);
  });
});

describe("every named fault", () => {
  it("can be switched on and off while the machine runs", async () => {
    await using machine = await start(undefined);
    for (const name of Object.keys(FAULT_PRESETS) as (keyof typeof FAULT_PRESETS)[]) {
      machine.setFaults(name);
      expect(machine.faults).toBe(name);
    }
    machine.setFaults("none");
    await using client = await TestClient.open(machine.boards[0]!.address);
    expect((await client.ask({ command: 0 })).returnCode).toBe(0x80);
  });

  it("parts die in a running machine, and links come back", async () => {
    await using machine = await SimulatedMachine.start({ board: "spin5", port: 0, timeScale: 0 });
    await using client = await TestClient.open(machine.boards[0]!.address);
    const code = async (ask: Parameters<TestClient["ask"]>[0]): Promise<number> => (await client.ask(ask)).returnCode;
    const link = { command: 17, arg1: 0xf5007f00, arg2: 8, arg3: 0 };
    expect((await client.ask(link)).payload.length).toBe(8);
    machine.setFaults({ dead: { links: ["0,0:east"], chips: ["2,2"], cores: ["1,1,5"] } });
    expect((await client.ask(link)).payload.length).toBe(0);
    expect((await client.ask({ ...link, x: 1, arg3: 3 })).payload.length).toBe(0);
    expect(await code({ command: 0, x: 2, y: 2 })).toBe(0x8b);
    // The tables lead over the dead link as before: what lies behind is out of reach.
    expect(await code({ command: 0, x: 1, y: 0 })).toBe(0x8b);
    const virtual = machine.chip(1, 1).v2p.indexOf(5);
    client.send(client.request({ command: 0, x: 1, y: 1, p: virtual }));
    await until(() => machine.boards[0]!.counters.dropped.crashedCore === 1);
    machine.setFaults("none");
    expect((await client.ask(link)).payload.length).toBe(8);
    expect(await code({ command: 0, x: 1, y: 0 })).toBe(0x80);
    expect(await code({ command: 0, x: 2, y: 2 })).toBe(0x8b);
    expect(() => machine.setFaults({ dead: { chips: ["9,9"] } })).toThrow(/chip 9,9/);
    expect(() => machine.setFaults({ dead: { links: ["0,0:up"] } })).toThrow(/no link/);
    expect(machine.faults).toBe("none");
  });

  it("fewer transient tags drop what comes beyond them", async () => {
    await using machine = await start(undefined);
    machine.setFaults("cramped");
    await using client = await TestClient.open(machine.boards[0]!.address);
    for (let i = 0; i < 4; i += 1) client.send(client.request({ command: 0 }));
    const { counters } = machine.boards[0]!;
    await until(() => counters.received === 4);
    await until(() => counters.sent + counters.dropped.noTransientTag === 4);
    expect(counters.dropped.noTransientTag).toBeGreaterThan(0);
    machine.setFaults({ transientTags: 0 });
    client.send(client.request({ command: 0 }));
    await until(() => counters.received === 5);
    expect(counters.sent + counters.dropped.noTransientTag).toBe(5);
  });

  it("a slow BMP answers late, and not sooner than told", async () => {
    await using machine = await SimulatedMachine.start({ board: "spin5", port: 0, timeScale: 0 });
    machine.setFaults({ bmpDelayMs: 40 });
    await using client = await TestClient.open(machine.bmps[0]!.address);
    const begin = performance.now();
    expect((await client.ask({ command: 0 })).returnCode).toBe(0x80);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(39);
  });
});
