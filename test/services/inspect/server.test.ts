import { afterEach, describe, expect, it } from "vitest";
import { IDict, type InspectServer, inspect, type RunServerOptions, runServer } from "../../../src/services/inspect/index.js";
import { Subscriber } from "../../../src/services/publish/index.js";
import { Client } from "../../../src/services/rpc/index.js";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
};

const KNOBS = { gain: { type: "float", value: 1, min: 0, max: 10 } } as const;
type Values = { n: number; big?: Float64Array };

async function serve(options: RunServerOptions = {}): Promise<{ idict: IDict<Values, typeof KNOBS>; server: InspectServer }> {
  const idict = new IDict<Values, typeof KNOBS>({ n: 0 }, { knobs: KNOBS, minIntervalMs: 1, maxValueBytes: 1000 });
  const server = await runServer(idict, options);
  closers.push(() => server.close());
  return { idict, server };
}

/** A computation that counts its steps until it is told to end. */
async function count(idict: IDict<Values, typeof KNOBS>): Promise<void> {
  while (!(await idict.wait()).terminated) {
    idict.set("n", idict.get("n") + idict.knob("gain"));
    idict.notifyUpdate();
  }
  idict.notifyUpdate({ final: true });
}

describe("a watcher", () => {
  it("follows, pauses, steps, steers and ends a computation", async () => {
    const { idict, server } = await serve();
    const { host, port } = server.address;
    const counting = count(idict);
    await using watcher = await inspect<Values>(host, port, { who: "Ada" });
    let last = 0;
    for await (const { values } of watcher) {
      expect(values.n).toBeGreaterThanOrEqual(last);
      last = values.n;
      if (last > 50) break;
    }
    await watcher.pause();
    await until(() => watcher.run.state === "paused");
    expect(watcher.run.paused_by).toEqual(["Ada"]);
    const before = idict.get("n");
    await watcher.set("gain", 7);
    await watcher.step(2);
    await until(() => watcher.values.n === before + 14);
    await expect(watcher.set("gain", 11)).rejects.toMatchObject({
      remoteClass: "ValueError",
      message: expect.stringContaining("from 0 to 10") as string,
    });
    await watcher.resume();
    await until(() => watcher.values.n > before + 28);
    const end = (async () => {
      const states: string[] = [];
      for await (const { run } of watcher) states.push(run.state);
      return states;
    })();
    await watcher.terminate("enough");
    await counting;
    expect(await server.waitThenClose({ timeoutMs: 5000 })).toMatchObject({ reason: "all left" });
    expect((await end).at(-1)).toBe("aborted");
    expect(watcher.run).toMatchObject({ final: true, stop_reason: "enough" });
    expect(watcher.lost).toBeUndefined();
  });

  it("that stops reading for a while gets the newest state", async () => {
    const { idict, server } = await serve();
    const counting = count(idict);
    await using watcher = await inspect<Values>("127.0.0.1", server.address.port);
    const seen: number[] = [];
    for await (const { seq } of watcher) {
      seen.push(seq);
      if (seen.length === 5) break;
      const now = seq;
      await until(() => watcher.now.seq > now + 3);
    }
    expect(seen.every((seq, i) => i === 0 || seq > seen[i - 1]! + 3)).toBe(true);
    idict.terminate();
    await counting;
  });

  it("fetches what is too large to publish", async () => {
    const { idict, server } = await serve();
    idict.set("big", new Float64Array(1000).fill(2));
    idict.notifyUpdate();
    await using watcher = await inspect<Values>("127.0.0.1", server.address.port);
    expect(watcher.values.big).toMatchObject({ $large: 8008 });
    expect((await watcher.get("big", "n")).n).toBe(0);
    await expect(watcher.get("none" as "n")).rejects.toMatchObject({ remoteClass: "ValueError" });
  });

  it("learns that the process of the computation is gone", async () => {
    const { server } = await serve();
    await using watcher = await inspect<Values>("127.0.0.1", server.address.port);
    const reading = (async () => {
      for await (const _ of watcher);
    })();
    await server.close();
    await expect(reading).rejects.toMatchObject({ code: "ERR_SPINN_INCOMPLETE" });
  });
});

describe("a client that dies while it has paused", () => {
  it.each([
    ["goes on after the lease", {}, 20],
    ["goes on at once when it was until the disconnection", { untilDisconnect: true }, 60_000],
  ])("%s", async (_, options, leaseMs) => {
    const { idict, server } = await serve({ leaseMs });
    const watcher = await inspect<Values>("127.0.0.1", server.address.port);
    await watcher.pause(options);
    const waiting = idict.wait();
    await until(() => idict.state === "paused");
    await watcher.close();
    expect((await waiting).terminated).toBe(false);
    expect(idict.isPaused).toBe(false);
  });

  it("leaves it paused when it was asked to, until the server closes", async () => {
    const { idict, server } = await serve({ leaseMs: 0 });
    const watcher = await inspect<Values>("127.0.0.1", server.address.port);
    await watcher.pause({ keep: true });
    await watcher.close();
    await until(() => server.clients === 0);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(idict.isPaused).toBe(true);
    const waiting = idict.wait();
    await server.close();
    await waiting;
  });
});

describe("the end", () => {
  it("stays on show until the last watcher has left", async () => {
    const { idict, server } = await serve();
    const subscriber = new Subscriber("run", (struct) => struct);
    await subscriber.connect("127.0.0.1", server.address.notifyPort);
    await until(() => server.clients === 1);
    idict.set("n", 5);
    idict.notifyUpdate({ final: true });
    const end = server.waitThenClose({ timeoutMs: 10_000 });
    await until(() => (subscriber.target as { run?: { final?: boolean } })?.run?.final === true || final(subscriber.target));
    await subscriber.close();
    expect(await end).toEqual({ reason: "all left", clients: 0 });
  });

  it("does not wait for ever for a watcher that stays", async () => {
    const { server } = await serve();
    const subscriber = new Subscriber("run", (struct) => struct);
    await subscriber.connect("127.0.0.1", server.address.notifyPort);
    closers.push(() => subscriber.close());
    await until(() => server.clients === 1);
    expect(await server.waitThenClose({ timeoutMs: 20 })).toEqual({ reason: "timeout", clients: 1 });
    await expect(server.waitThenClose({ timeoutMs: 20 })).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  });
});

function final(struct: unknown): boolean {
  const run = struct instanceof Map ? (struct.get("run") as unknown) : undefined;
  return run instanceof Map && run.get("final") === true;
}

it("two clients that pause and resume at once do each other no harm", async () => {
  const { idict, server } = await serve();
  const counting = count(idict);
  const clients = await Promise.all([1, 2].map(() => Client.connect("127.0.0.1", server.address.port)));
  for (const client of clients) closers.push(() => client.close());
  await Promise.all(clients.flatMap((client) => Array.from({ length: 50 }, (_, i) => client.call(i % 2 === 0 ? "pause" : "resume"))));
  await clients[0]!.call("resume");
  const before = idict.get("n");
  await until(() => idict.get("n") > before);
  await clients[1]!.call("pause", [], { who: "Bob", keep: true });
  await until(() => idict.state === "paused");
  await clients[0]!.call("request_stop");
  await counting;
  expect(idict.state).toBe("aborted");
  expect(Object.keys((await clients[0]!.getRpcMethodList()) as object)).toContain("methods");
});
