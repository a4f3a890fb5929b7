import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Controller } from "../../src/controller/index.js";
import { BoardEngine, type BoardEngineOptions, type BoardEngineState } from "../../src/engine/index.js";
import { Client, LocalCluster } from "../../src/services/cluster/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { rejection } from "../services/cluster/recorded.js";

const HOST = "127.91.9.1";

describe("a board as an engine", () => {
  let cluster: LocalCluster;
  let machine: SimulatedMachine;
  let client: Client;
  let engine: BoardEngine;
  let states: { readonly state: BoardEngineState; readonly reason: string | undefined }[];
  let heard: () => void;
  beforeEach(async () => {
    cluster = new LocalCluster({ beatMs: 20 });
    machine = await SimulatedMachine.start({ board: "spin3", host: HOST, port: 0, timeScale: 0.01 });
    client = await Client.connect(cluster.forClients);
    states = [];
    heard = () => {};
  });
  afterEach(async () => {
    await engine.close();
    await client.close();
    await cluster.close();
    await machine.close();
  });
  const start = async (options: Partial<BoardEngineOptions> = {}): Promise<void> => {
    const { port } = machine.boards[0]!.address;
    const connect = { probeMs: 200, packetTimeoutMs: 50 };
    engine = await BoardEngine.start(new Controller({ host: HOST, port, connect }), {
      ...cluster.forEngines,
      name: "desk",
      askEveryMs: 20,
      onState: (state, reason) => {
        states.push({ state, reason });
        heard();
      },
      ...options,
    });
  };
  const until = async (wanted: BoardEngineState, count: number): Promise<void> => {
    while (states.filter(({ state }) => state === wanted).length < count) {
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    }
  };

  it("gets no work while the board is silent, and comes back with it under its number", async () => {
    await start({ silentMs: 400 });
    await client.waitForEngines(1);
    const { id } = engine;
    const { port } = machine.boards[0]!.address;
    const left = new Promise<void>((resolve) => client.onEngines((ids) => ids.length === 0 && resolve()));
    await machine.close();
    await until("silent", 1);
    await left;
    expect(states.at(-1)!.reason).toMatch(/has not answered for \d/);
    expect(() => client.directView(id!)).toThrow();
    machine = await SimulatedMachine.start({ board: "spin3", host: HOST, port, timeScale: 0.01 });
    await until("ready", 2);
    await client.waitForEngines(1);
    expect(client.ids).toEqual([id]);
    expect(await client.directView(id!).call("info")).toMatchObject({ name: "SC&MP" });
  });

  it("fails a task whose board stops answering, in time", async () => {
    await start();
    await client.waitForEngines(1);
    const running = client.directView("all").call("wait_for", 40, ["RUN"], 1, 3600);
    await expect.poll(() => [...engine.controller.runs].some(({ hasBegun }) => hasBegun)).toBe(true);
    await machine.close();
    expect(await rejection(running)).toBeInstanceOf(Error);
  });

  it("links task and run both ways, and is interrupted, cleared and shut down", async () => {
    await start({ place: { via: "127.0.0.1:1" } });
    await client.waitForEngines(1);
    const view = client.directView(engine.id!);
    const running = view.call("wait_for", 40, ["RUN"], 1, 60);
    await expect.poll(() => [...engine.controller.runs][0]?.idict.get("task")).toBe(running.msgIds[0]);
    await view.interrupt();
    expect(await rejection(running)).toMatchObject({ cause: { ename: "KeyboardInterrupt" } });
    expect(running.metadata[0]!.extra).toMatchObject({ run: "1", via: "127.0.0.1:1", board: HOST });
    expect([...engine.controller.runs][0]!.state).toBe("aborted");
    await view.call("set_tag", 3, "127.0.0.1", 17900);
    await view.call("allocate", "0,0", 4096, 41);
    expect(await view.call("tags")).toMatchObject([{ tag: 3 }]);
    await client.clear();
    expect(await view.call("tags")).toEqual([]);
    expect(await view.call("find_block", "0,0", 41, 1)).toBeNull();
    await client.shutdown();
    expect(await engine.ended).toBeUndefined();
    expect(states.at(-1)).toEqual({ state: "ended", reason: undefined });
  });

  it("ends with the cluster, and says so", async () => {
    await start();
    await cluster.close();
    expect(await engine.ended).toMatchObject({ code: "ERR_SPINN_INCOMPLETE" });
    expect(engine.id).toBeUndefined();
  });

  it("that does not answer from the start waits for its board", async () => {
    const { port } = machine.boards[0]!.address;
    await machine.close();
    machine = await SimulatedMachine.start({ board: "spin3", host: "127.91.9.2", port: 0, timeScale: 0.01 });
    engine = await BoardEngine.start(new Controller({ host: HOST, port, connect: { probeMs: 100 } }), {
      ...cluster.forEngines,
      askEveryMs: 20,
      onState: (state) => {
        states.push({ state, reason: undefined });
        heard();
      },
    });
    expect(engine.state).toBe("silent");
    await machine.close();
    machine = await SimulatedMachine.start({ board: "spin3", host: HOST, port, timeScale: 0.01 });
    await until("ready", 1);
    await client.waitForEngines(1);
    expect(await client.directView("all").call("info")).toMatchObject([{ name: "SC&MP" }]);
  });
});
