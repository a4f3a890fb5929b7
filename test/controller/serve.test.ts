import { afterEach, describe, expect, it } from "vitest";
import { Controller, RemoteController, type RunValues, type ServedController, serveController } from "../../src/controller/index.js";
import { inspect } from "../../src/services/inspect/index.js";
import { Subscriber } from "../../src/services/publish/index.js";
import { Client } from "../../src/services/rpc/index.js";
import { SimulatedMachine } from "../../src/simulator/index.js";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
};

async function serve(host: string, pollMs = 0): Promise<{ machine: SimulatedMachine; controller: Controller; served: ServedController }> {
  const machine = await SimulatedMachine.start({ board: "spin3", host, port: 0 });
  closers.push(() => machine.close());
  const connect = { nRetries: 1, packetTimeoutMs: 50 };
  const controller = new Controller({ host, port: machine.boards[0]!.address.port, connect, maxEnded: 3, maxQueued: 2 });
  const served = await serveController(controller, { port: 0, pollMs });
  closers.push(() => served.close());
  return { machine, controller, served };
}

async function subscribe(port: number, name: string): Promise<Subscriber<Record<string, unknown>>> {
  const subscriber = new Subscriber(name, (struct) => struct as Record<string, unknown>);
  await subscriber.connect("127.0.0.1", port, { values: "plain" });
  closers.push(() => subscriber.close());
  await until(() => subscriber.target !== undefined);
  return subscriber;
}

describe("a served controller", () => {
  it("is what a manager of controllers expects", async () => {
    const { machine, served } = await serve("127.87.21.1");
    const client = await Client.connect("127.0.0.1", served.port, { target: null });
    closers.push(() => client.close());
    expect(client.getRpcId().targets).toEqual(["board", "datagrams", "runs"]);
    await client.selectRpcTarget("board");
    expect(await client.call("ping")).toBe(true);
    const { methods } = (await client.getRpcMethodList()) as { methods: Record<string, [Record<string, unknown>, string]> };
    expect(methods["read"]![0]).toMatchObject({ args: ["self", "chip", "address", "length"], annotations: { length: "int" } });
    expect(methods["read"]![1]).toMatch(/^Reads memory of a chip\.\nchip \(str\)/);
    expect(await client.call("read", ["0,0", 0x60240000, 4])).toHaveLength(4);
    await expect(client.call("read", ["0,0", 0x60240000, -4])).rejects.toMatchObject({ remoteClass: "ValueError" });
    machine.setFaults({ toBoard: { loss: 1 } });
    expect(await client.call("ping")).toBe(false);
    await client.call("terminate");
    await served.terminated;
  });

  it("publishes the machine and its runs", async () => {
    const { controller, served } = await serve("127.87.22.1", 5);
    const state = await subscribe(served.notifyPort, "board");
    await until(() => state.target!["machine"] !== null);
    expect(state.target!["board"]).toMatchObject({ host: "127.87.22.1", version: "SC&MP/SpiNNaker 4.0.0" });
    expect(Object.keys(state.target!["chips"] as object)).toHaveLength(4);
    const own = controller.start("experiment", async () => "result");
    await until(() => (state.target!["runs"] as Record<string, { state: string }>)[own.id]?.state === "done");
    const run = await subscribe(served.notifyPort, `run_${own.id}`);
    expect(run.target!["values"]).toMatchObject({ method: "experiment", result: "result" });
  });

  it("lets a run be watched and stopped by anybody", async () => {
    const { controller, served } = await serve("127.87.23.1");
    const own = controller.start("soak", async ({ safePoint, onStep }) => {
      for (let round = 1; ; round += 1) {
        onStep(`round ${round}`);
        await safePoint();
      }
    });
    await using watcher = await inspect<RunValues>("127.0.0.1", served.port, { target: "runs", run: own.id, who: "Ada" });
    await watcher.pause({ untilDisconnect: true });
    await until(() => watcher.run.state === "paused");
    expect(watcher.run.paused_by).toEqual(["Ada"]);
    await watcher.resume();
    await until(() => watcher.run.state === "running");
    await watcher.terminate("enough");
    const states: string[] = [];
    for await (const { run } of watcher) states.push(run.state);
    expect(states.at(-1)).toBe("aborted");
    expect(watcher.values.error).toMatchObject({ code: "ERR_SPINN_ABORTED", message: "enough" });
    await expect(inspect("127.0.0.1", served.port, { target: "runs", run: "77" })).rejects.toMatchObject({ remoteClass: "ValueError" });
  });

  it("shows runs from before it was served too", async () => {
    const controller = new Controller({ host: "127.87.25.1" });
    await controller.start("early", async () => 1).ended;
    const served = await serveController(controller, { port: 0, pollMs: 0 });
    closers.push(() => served.close());
    await using watcher = await inspect<RunValues>("127.0.0.1", served.port, { target: "runs", run: "1" });
    expect(watcher.values).toMatchObject({ method: "early", result: 1 });
    const { board } = (await subscribe(served.notifyPort, "board")).target!;
    expect(board).toEqual({ host: "127.87.25.1", simulation: false, version: null });
  });

  it("ends runs that have begun and runs that wait, and takes no more", async () => {
    const { controller, served } = await serve("127.87.26.1");
    const stopping = controller.start(
      "wait",
      ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error))),
    );
    const queued = controller.start("queued", async () => 1);
    await until(() => stopping.hasBegun);
    await served.close();
    expect([stopping.state, queued.state]).toEqual(["aborted", "aborted"]);
    expect(() => controller.start("late", async () => 1)).toThrow(/closed/);
    await expect(controller.call("info")).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  });

  it("remembers so many runs, and takes so many", async () => {
    const { controller, served } = await serve("127.87.24.1");
    await using remote = await RemoteController.connect("127.0.0.1", served.port);
    for (let i = 1; i <= 6; i += 1) await controller.start("short", async () => i).ended;
    controller.start("short", async () => 7);
    expect((await remote.listRuns()).map(({ run }) => run)).toEqual(["4", "5", "6", "7"]);
    await controller.runs.get("7").ended;
    const never = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    const first = controller.start("never", ({ signal }) => never(signal));
    await until(() => first.hasBegun);
    controller.start("never", ({ signal }) => never(signal));
    controller.start("never", ({ signal }) => never(signal));
    expect(() => controller.start("never", ({ signal }) => never(signal))).toThrow(/waiting for their turn/);
    expect(await remote.ping()).toBe(true);
    expect(await remote.steer("wait_run", first.id, { timeout: 0.001 })).toMatchObject({ state: "running" });
  });

  it("answers others while calls wait for a silent board", async () => {
    const { machine, served } = await serve("127.87.27.1");
    await using one = await RemoteController.connect("127.0.0.1", served.port);
    await using other = await RemoteController.connect("127.0.0.1", served.port);
    await one.call("info");
    machine.setFaults({ toBoard: { loss: 1 } });
    const calls = ["read", "status", "routes"].map((method) =>
      one.call(method, method === "read" ? { chip: "0,0", address: 0x60240000, length: 4 } : { chip: "0,0" }).then(
        () => "answered",
        (error: { code: string }) => error.code,
      ),
    );
    let waiting = true;
    const all = Promise.all(calls).finally(() => {
      waiting = false;
    });
    expect(await other.listRuns()).toEqual([]);
    expect(await other.call("find_boards", { seconds: 0, address: "127.87.27.1", port: 54335 })).toEqual({ run: "1" });
    expect(waiting).toBe(true);
    expect(await all).toEqual(["ERR_SPINN_TIMEOUT", "ERR_SPINN_TIMEOUT", "ERR_SPINN_TIMEOUT"]);
  });

  it("waits for a run for its caller, and ends it when the caller is interrupted", async () => {
    const { served } = await serve("127.87.28.1");
    await using remote = await RemoteController.connect("127.0.0.1", served.port);
    const seen: string[] = [];
    const onReport = ({ state }: { state: string }) => seen.push(state);
    const place = { address: "127.87.28.1", port: 54336 };
    expect(await remote.run("find_boards", { seconds: 0.01, ...place }, { onReport })).toEqual([]);
    expect(seen.at(-1)).toBe("done");
    await expect(remote.run("boot", { image: new Uint8Array(4) })).resolves.toMatchObject({ already_booted: true });
    await expect(remote.run("bringup", { script: "x.yaml" })).rejects.toMatchObject({ code: "ERR_SPINN_REFUSED" });
    await expect(remote.run("find_boards", { seconds: -1 })).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    const interrupt = new AbortController();
    const long = remote.run("find_boards", { seconds: 600, ...place }, { signal: interrupt.signal });
    const gone = expect(long).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
    await expect.poll(async () => (await remote.listRuns()).at(-1)?.state).toBe("running");
    interrupt.abort();
    await gone;
    await expect.poll(async () => (await remote.listRuns()).at(-1)?.state).toBe("aborted");
  });
});
