import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Client, Engine, type EngineMethod, kw, LocalCluster } from "../../../src/services/cluster/index.js";
import { rejection } from "./recorded.js";

const untilStopped: EngineMethod = (_, { signal, print }) => {
  print("begun\n");
  return new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));
};

describe("a cluster within one process", () => {
  let cluster: LocalCluster;
  let engines: Engine[];
  let client: Client;
  let cleared = 0;
  beforeEach(async () => {
    cluster = new LocalCluster({ beatMs: 20 });
    const methods: Record<string, EngineMethod> = {
      add: ({ args: [a], kwargs }) => Number(a) + Number(kwargs["b"] ?? 0),
      talk: ({ args }, task) => task.print(`${String(args[0])}\n`),
      wait: untilStopped,
      fail: () => Promise.reject(new TypeError("no")),
      bytes: ({ args }) => args[0],
    };
    const start = (i: number) =>
      Engine.start({
        ...cluster.forEngines,
        methods: { ...methods, which: () => i },
        clear: () => {
          cleared += 1;
        },
      });
    engines = [await start(0), await start(1)];
    client = await Client.connect(cluster.forClients);
  });
  afterEach(async () => {
    await client.close();
    for (const engine of engines) await engine.close();
    await cluster.close();
  });

  it("calls engines, one and all, with output and errors", async () => {
    expect(client.ids).toEqual([0, 1]);
    const all = client.directView("all");
    expect(await all.call("add", 1, kw({ b: 2 }))).toEqual([3, 3]);
    expect(await all.call("which")).toEqual([0, 1]);
    const said = client.directView(1).call("talk", "hello");
    await said;
    await said.waitForOutput();
    expect(said.stdout.text).toBe("hello\n");
    expect(said.metadata[0]).toMatchObject({ engineId: 1, stdout: "hello\n" });
    expect(await rejection(client.directView(0).call("fail"))).toMatchObject({
      code: "ERR_SPINN_REMOTE",
      cause: { ename: "TypeError", evalue: "no" },
    });
    await client.clear();
    expect(cleared).toBe(2);
  });

  it("takes calls as JSON, with bytes both ways", async () => {
    const result = client.directView(0).execute('{"op": "bytes", "args": [{"base64": "AQI="}]}');
    await result;
    await result.waitForOutput();
    expect(result.metadata[0]!.executeResult).toMatchObject({ "application/json": { base64: "AQI=" } });
  });

  it("gives work to whichever engine is free, and never two tasks to one", async () => {
    const view = client.loadBalancedView();
    const blocked = client.directView(0).call("wait");
    expect(await Promise.all(Array.from({ length: 4 }, () => view.with({ targets: [1] }).call("which")))).toEqual([1, 1, 1, 1]);
    const running = view.with({ targets: [1] }).call("wait");
    expect(await rejection(view.with({ targets: [1], startTimeoutMs: 10 }).call("which"))).toMatchObject({
      message: expect.stringContaining("TaskTimeout"),
    });
    const waiting = view.with({ targets: [1] }).call("which");
    // An engine drops it when it comes: that is after what runs.
    expect(await Promise.all([waiting.cancel(), running.cancel()])).toEqual([["dropped before it started"], ["interrupted"]]);
    expect(await blocked.cancel()).toEqual(["interrupted"]);
    expect(await rejection(view.map("lambda x: x", [1]))).toMatchObject({ message: expect.stringContaining("NameError") });
  });

  it("says what takes a controller", async () => {
    const first = client.loadBalancedView().call("which");
    await first;
    const words = { message: expect.stringContaining("controller") };
    expect(await rejection(client.loadBalancedView({ after: first }).call("which"))).toMatchObject(words);
    expect(await rejection(client.loadBalancedView({ retries: 1 }).call("which"))).toMatchObject(words);
    expect(await rejection(client.hubHistory())).toMatchObject(words);
  });

  it("loses an engine in the middle of a task at once, and one that does not answer after ten beats", async () => {
    const [sent, scheduled] = [client.directView(0).call("wait"), client.loadBalancedView({ targets: [0] }).call("wait")];
    for await (const line of sent.stdout) if (line === "begun") break;
    await engines[0]!.close();
    expect(await rejection(sent)).toMatchObject({ code: "ERR_SPINN_INCOMPLETE", message: expect.stringContaining("engine 0 went away") });
    expect(await rejection(scheduled)).toBeInstanceOf(Error);
    expect(client.ids).toEqual([1]);
    let alive = true;
    await using dying = await Engine.start({ ...cluster.forEngines, methods: {}, isAlive: () => alive });
    await client.waitForEngines(2);
    expect(client.ids).toEqual([1, dying.id]);
    const left = new Promise<void>((resolve) => client.onEngines((ids) => ids.length === 1 && resolve()));
    alive = false;
    await left;
  });

  it("ends for all: clients and engines hear of it", async () => {
    const waiting = client.directView(1).call("wait");
    for await (const line of waiting.stdout) if (line === "begun") break;
    await cluster.close();
    expect(await rejection(waiting)).toMatchObject({ code: "ERR_SPINN_END_OF_STREAM" });
    expect(await engines[0]!.ended).toMatchObject({ code: "ERR_SPINN_INCOMPLETE" });
    expect(await engines[1]!.ended).toMatchObject({ code: "ERR_SPINN_INCOMPLETE" });
  });

  it("refuses a name that is taken, and closes what was opened for a client", async () => {
    expect(await rejection(Engine.start({ ...cluster.forEngines, methods: {}, uuid: engines[0]!.uuid }))).toMatchObject({
      code: "ERR_SPINN_REFUSED",
    });
    expect(await client.directView(0).call("which")).toBe(0);
    let closed = 0;
    const alsoClose = {
      async [Symbol.asyncDispose]() {
        closed += 1;
      },
    };
    const other = await Client.connect({ ...cluster.forClients, alsoClose });
    await other.close();
    expect(closed).toBe(1);
  });
});
