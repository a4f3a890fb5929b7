import { readFile } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { armProgram } from "../../src/emulator/index.js";
import { overBoards } from "../../src/engine/index.js";
import type { Client } from "../../src/services/cluster/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { rejection } from "../services/cluster/recorded.js";

const HELLO = new URL("../../fixtures/apps/hello.aplx", import.meta.url);
const boardOf = (machine: SimulatedMachine) => ({ ...machine.boards[0]!.address });

describe("a client over two boards", () => {
  let machines: SimulatedMachine[];
  let image: Uint8Array;
  let client: Client;
  beforeAll(async () => {
    image = await readFile(HELLO);
    const programs = armProgram({ speed: Number.POSITIVE_INFINITY });
    machines = [];
    for (const host of ["127.91.7.1", "127.91.7.2"])
      machines.push(await SimulatedMachine.start({ board: "spin3", host, port: 0, timeScale: 0.01, programs }));
  });
  afterAll(async () => {
    for (const machine of machines) await machine.close();
  });
  beforeEach(async () => {
    client = await overBoards(machines.map(boardOf), { textEveryMs: 10 });
  });
  afterEach(() => client.close());

  it("calls the controller's methods, by place, by name and as JSON", async () => {
    const all = client.directView("all");
    expect(client.ids).toEqual([0, 1]);
    expect(await all.call("info")).toMatchObject([{ name: "SC&MP" }, { name: "SC&MP" }]);
    const one = client.directView(1);
    await one.call("write", "0,0", 0x60240000, new Uint8Array([1, 2, 3, 4]));
    expect(await all.call("read", "0,0", 0x60240000, 4)).toMatchObject([{ length: 4 }, new Uint8Array([1, 2, 3, 4])]);
    const executed = one.execute('{"op": "read", "args": ["0,0"], "kwargs": {"address": 1612972032, "length": 4}}');
    await executed;
    await executed.waitForOutput();
    expect(executed.metadata[0]!.executeResult).toMatchObject({ "application/json": { base64: "AQIDBA==" } });
    const info = one.call("info");
    await info;
    expect(info.metadata[0]!.extra).toMatchObject({ board: machines[1]!.boards[0]!.address.host });
  });

  it("names what is wrong with a call", async () => {
    const one = client.directView(0);
    const cause = async (result: PromiseLike<unknown>): Promise<unknown> => ((await rejection(result)) as { cause?: unknown }).cause;
    expect(await cause(one.call("read", "0,0", 1, 2, 3))).toMatchObject({ ename: "ERR_SPINN_ARGUMENT", evalue: /takes 3 arguments/ });
    expect(await cause(one.call("read", "0,0"))).toMatchObject({ evalue: expect.stringContaining("read needs address") });
    expect(await cause(one.execute('{"op": "read", "args": ["0,0"], "kwargs": {"chip": "1,1"}}'))).toMatchObject({
      evalue: expect.stringContaining("by place and by name"),
    });
    expect(await cause(one.call("nothing"))).toMatchObject({ ename: "NameError" });
  });

  it("loads, runs and reads; the text of cores is the task's stdout; long calls are runs", async () => {
    const all = client.directView("all");
    const cores = ["0,0,1-3", "1,1,1"];
    const loaded = all.call("load", image, cores, 30, true);
    expect(await loaded).toMatchObject([{ cores: 4 }, { cores: 4 }]);
    expect(loaded.metadata.map(({ extra }) => extra["run"])).toEqual(["1", "1"]);
    await all.call("write_core_field", "0,0,1", "user1", 7);
    const started = all.call("signal", 30, "START");
    await started;
    const waited = all.call("wait_for", 30, ["EXIT"], 4, 10);
    await waited;
    // Cores that are done at once have printed while the signal was the task.
    await Promise.all([started.waitForOutput(), waited.waitForOutput()]);
    const lines = `${started.stdout.text}${waited.stdout.text}`.trim().split("\n");
    expect(new Set(lines.map((line) => line.split(":")[0]))).toEqual(new Set(["0,0,1", "0,0,2", "0,0,3", "1,1,1"]));
    const [address] = await all.call<number>("read_core_field", "0,0,1", "user0");
    const [words] = await all.call<number>("read_core_field", "0,0,1", "user2");
    expect((await all.call<Uint8Array>("read", "0,0", address, words! * 4))[0]).toHaveLength(words! * 4);
    expect(await all.call("states", 30)).toEqual([{ EXIT: 4 }, { EXIT: 4 }]);
    // Another's application is left alone.
    await client.directView(0).call("allocate", "0,0", 1024, 31);
    const other = await overBoards([boardOf(machines[0]!)]);
    await other.clear();
    await other.close();
    expect(await client.directView(0).call("states", 30)).toEqual({ EXIT: 4 });
    await client.clear();
    expect(await all.call("states", 30)).toEqual([{}, {}]);
    expect(await client.directView(0).call("heap", "0,0")).not.toMatchObject({ blocks: expect.arrayContaining([{ app_id: 31 }]) });
  });

  it("interrupts a run, and drops what waits", async () => {
    const one = client.directView(0);
    const running = one.call("wait_for", 99, ["RUN"], 1, 60);
    const waiting = one.call("info");
    const [first, second] = await Promise.all([running.cancel(), waiting.cancel()]);
    expect([first, second]).toEqual([["interrupted"], ["dropped before it started"]]);
    expect(await rejection(running)).toMatchObject({ message: expect.stringContaining("KeyboardInterrupt") });
    expect(running.metadata[0]!.extra).toMatchObject({ run: "1", error: { code: "ERR_SPINN_ABORTED" } });
    expect(await one.call("info")).toMatchObject({ name: "SC&MP" });
  });

  it("gives work to whichever board is free", async () => {
    const view = client.loadBalancedView();
    const calls = Array.from({ length: 6 }, () => view.call("version", "0,0"));
    await Promise.all(calls);
    expect(new Set(calls.map(({ engineIds }) => engineIds[0]))).toEqual(new Set([0, 1]));
  });
});

it("limits what clients may do, and runs works of one's own as runs", async () => {
  await using machine = await SimulatedMachine.start({ board: "spin3", host: "127.91.7.5", port: 0, timeScale: 0.01 });
  const works = {
    count: async (
      { args }: { readonly args: readonly unknown[] },
      { run, print }: { run: { id: string }; print: (text: string) => void },
    ) => {
      print(`run ${run.id}\n`);
      return Number(args[0]) + 1;
    },
  };
  const look = await overBoards([boardOf(machine)], { allow: "look" });
  expect(await rejection(look.directView(0).call("signal", 30, "START"))).toMatchObject({ cause: { ename: "ERR_SPINN_REFUSED" } });
  await look.close();
  await using client = await overBoards([boardOf(machine)], { works });
  const result = client.directView(0).call("count", 1);
  expect(await result).toBe(2);
  await result.waitForOutput();
  expect(result.stdout.text).toBe("run 1\n");
});

it("a board that does not answer is named", async () => {
  const gone = { host: "127.91.7.9", port: 9, connect: { probeMs: 100 } };
  expect(await rejection(overBoards([gone]))).toMatchObject({
    code: "ERR_SPINN_UNREACHABLE",
    message: expect.stringContaining("127.91.7.9"),
  });
});
