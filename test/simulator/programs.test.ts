import { describe, expect, it } from "vitest";
import { type CoreContext, type CoreProgram, crasher, idle, SimulatedMachine } from "../../src/simulator/index.js";
import { TestClient, until } from "./client.js";

const APP = 0x1e000002;

async function run(program: () => CoreProgram, test: (machine: SimulatedMachine, client: TestClient) => Promise<void>): Promise<void> {
  await using machine = await SimulatedMachine.start({ board: "spin3", port: 0, timeScale: 0, programs: { "30": program } });
  await using client = await TestClient.open(machine.boards[0]!.address);
  await client.ask({ command: 19, arg1: APP });
  await test(machine, client);
}

const signal = (client: TestClient, number: number) => client.ask({ command: 22, arg1: 0, arg2: (number << 16) | 0xff1e });

describe("programs on cores", () => {
  it("crash with their code, and only the first message is swallowed", async () => {
    await run(crasher.bind(undefined, 11, 5), async (machine, client) => {
      const core = machine.chip(0, 0).cores[1]!;
      await until(() => core.state === 2);
      expect([core.rtCode, core.appId]).toEqual([11, 30]);
      client.send(client.request({ command: 0, p: 1 }));
      expect((await client.ask({ command: 0, p: 1 })).returnCode).toBe(0x86);
      await signal(client, 2);
      expect([core.state, core.rtCode]).toEqual([15, 0]);
      expect((await client.ask({ command: 0, p: 1 })).returnCode).toBe(0x80);
    });
  });

  it("wait at a barrier until its own signal", async () => {
    await run(
      () => idle({ barrier: "SYNC0" }),
      async (machine, client) => {
        const core = machine.chip(0, 0).cores[1]!;
        await until(() => core.state === 8);
        await signal(client, 5);
        expect(core.state).toBe(8);
        await signal(client, 4);
        expect(core.state).toBe(7);
        await signal(client, 8);
        expect(core.state).toBe(11);
      },
    );
  });

  it("hear signals, get time, and end when they throw or touch what is not there", async () => {
    const seen: string[] = [];
    let core: CoreContext | undefined;
    const program = (): CoreProgram => ({
      name: "a name that is too long for its field",
      start(context): void {
        core = context;
      },
      onSignal(number): void {
        seen.push(`signal ${number}`);
        if (number === 12) core!.memory.readWord(0x90000000);
      },
      onTick(): boolean {
        if (!seen.includes("tick")) seen.push("tick");
        return false;
      },
      stop(): void {
        seen.push("stop");
      },
    });
    await run(program, async (machine, client) => {
      await until(() => seen.includes("tick"));
      await signal(client, 9);
      expect(machine.chip(0, 0).cores[1]!.name).toBe("a name that is t");
      await signal(client, 12);
      expect(seen).toEqual(["tick", "signal 9", "signal 12", "stop"]);
      expect([core!.state, machine.chip(0, 0).cores[1]!.rtCode]).toEqual([2, 5]);
      // The run is over: nothing it does has any effect.
      core!.setState(7);
      expect(core!.state).toBe(2);
    });
  });

  it("that cannot even be made or stopped leave a crashed core, not a dead machine", async () => {
    const made = (): CoreProgram => {
      throw new Error("no such program");
    };
    await run(made, async (machine, client) => {
      expect(machine.chip(0, 0).cores[1]!.state).toBe(2);
      expect((await client.ask({ command: 0 })).returnCode).toBe(0x80);
    });
    const stubborn = (): CoreProgram => ({
      start(): void {},
      stop(): void {
        throw new Error("I stay");
      },
    });
    await run(stubborn, async (machine, client) => {
      await until(() => machine.chip(0, 0).cores[1]!.state === 7);
      expect((await signal(client, 2)).returnCode).toBe(0x80);
      expect(machine.chip(0, 0).cores[1]!.state).toBe(15);
    });
  });

  it("text longer than a block continues in the next", async () => {
    const program = (): CoreProgram => ({
      start(core): void {
        core.print("x".repeat(16384));
        core.print("y");
      },
    });
    await run(program, async (machine) => {
      const chip = machine.chip(0, 0);
      await until(() => chip.cores[1]!.state === 7);
      const first = chip.cores[1]!.iobuf;
      const second = chip.memory.readWord(first);
      expect([chip.memory.readWord(first + 12), chip.memory.readWord(second + 12)]).toEqual([16384, 1]);
      expect([chip.memory.readByte(second + 16), chip.memory.readWord(second)]).toEqual(["y".charCodeAt(0), 0]);
    });
  });
});
