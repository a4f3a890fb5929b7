import { createServer, type Socket } from "node:net";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import {
  Broadcaster,
  type Mod,
  Notifier,
  Publisher,
  type PublisherOptions,
  Receiver,
  Subscriber,
  updateFromDict,
} from "../../../src/services/publish/index.js";
import { encode, Slice, tuple } from "../../../src/services/rpc/index.js";
import { RawClient } from "../rpc/raw-client.js";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const same = (struct: unknown): unknown => struct;
const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};

async function publish(notifier: Notifier, options: PublisherOptions = {}): Promise<Publisher> {
  const publisher = new Publisher({ state: notifier }, options);
  await publisher.start();
  closers.push(() => publisher.stop());
  return publisher;
}

/** A subscriber that has its init. */
async function subscribe(port: number, notify: (mod: Mod) => void = () => {}): Promise<Subscriber> {
  let ready = false;
  const subscriber = new Subscriber("state", same, [notify, () => (ready = true)]);
  await subscriber.connect("127.0.0.1", port, { values: "exact" });
  closers.push(() => subscriber.close());
  await until(() => ready);
  return subscriber;
}

describe("mirror", () => {
  const key = fc.constantFrom("a", "b", "list", 5, tuple(1, 2), "__proto__");
  const index = fc.integer({ min: -4, max: 4 });
  const value = fc.oneof(
    fc.integer(),
    fc.constant(null),
    fc.constant([1, 2, 3]).map((list) => [...list]),
    fc.constant(0).map(() => ({ x: 1 })),
  );
  const slice = fc.tuple(fc.option(index), fc.option(index), fc.constantFrom(null, 1, 2, -1)).map(([a, b, c]) => new Slice(a, b, c));
  const place = fc.constantFrom<unknown[][]>([], ["list"], ["a"], ["list", 0], ["nowhere"]);
  const act = fc.oneof(
    fc.record({ at: place, do: fc.constant("append" as const), x: value }),
    fc.record({ at: place, do: fc.constant("insert" as const), i: index, x: value }),
    fc.record({ at: place, do: fc.constant("pop" as const), i: index }),
    fc.record({
      at: place,
      do: fc.constant("set" as const),
      key: fc.oneof(key, index, slice),
      x: fc.oneof(value, fc.array(fc.integer(), { maxLength: 3 })),
    }),
    fc.record({ at: place, do: fc.constant("del" as const), key: fc.oneof(key, index, slice) }),
  );

  it("is the same as the original after any changes, and a failing change changes nothing", async () => {
    const notifier = new Notifier<unknown>({});
    const publisher = await publish(notifier);
    let failed = 0;
    let made = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
        notifier.setItem("list", [0, 1, 2, 3]);
        const subscriber = await subscribe(publisher.port);
        for (const one of acts) {
          const before = encode(notifier.rawView);
          const where = notifier.at(...one.at);
          try {
            if (one.do === "append") where.append(one.x);
            else if (one.do === "insert") where.insert(one.i, one.x);
            else if (one.do === "pop") where.pop(one.i);
            else if (one.do === "set") where.setItem(one.key, one.x);
            else where.delItem(one.key);
            made += 1;
          } catch (error) {
            failed += 1;
            expect(error).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
            expect(encode(notifier.rawView)).toBe(before);
          }
        }
        notifier.setItem("end", made + failed);
        await until(() => (subscriber.target as Map<unknown, unknown>).get("end") === made + failed);
        expect(encode(subscriber.target)).toBe(encode(notifier.rawView));
        await subscriber.close();
      }),
      { numRuns: 60 },
    );
    expect(Math.min(made, failed)).toBeGreaterThan(20);
  });

  it("refuses a value that cannot be sent, before anything is changed", async () => {
    const notifier = new Notifier({ a: 1 });
    await publish(notifier);
    expect(() => notifier.setItem("a", () => 0)).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    expect(notifier.rawView).toEqual({ a: 1 });
  });

  it("follows the view's index syntax", async () => {
    const notifier = new Notifier<{ chips: { x: number }[]; names: Map<unknown, unknown>; inner: Record<string, unknown>; t?: number }>({
      chips: [],
      names: new Map<unknown, unknown>([["k", [1]]]),
      inner: {},
    });
    const publisher = await publish(notifier);
    const mods: Mod[] = [];
    const subscriber = await subscribe(publisher.port, (mod) => mods.push(mod));
    const { view } = notifier;
    view.t = 21;
    view.chips.push({ x: 1 }, { x: 2 }, { x: 3 });
    view.chips[0]!.x = 10;
    view.chips.splice(1, 1, { x: 7 }, { x: 8 });
    view.chips.length = 3;
    view.chips[3] = { x: 9 };
    view.inner["deep"] = { list: [1] };
    (view.inner["deep"] as { list: number[] }).list.unshift(0);
    (view.names.get("k") as number[]).push(2);
    view.names.set(5, view.chips);
    view.names.delete("k");
    delete view.t;
    expect(() => delete view.chips[0]).toThrow(/hole/);
    expect(() => (view.chips[9] = { x: 1 })).toThrow(/hole/);
    expect(view.chips.map((chip) => chip.x)).toEqual([10, 7, 8, 9]);
    expect(encode(notifier.rawView)).toBe(
      '{"chips":[{"x":10},{"x":7},{"x":8},{"x":9}],"names":{"__jsonclass__":["dict",[[[5,[{"x":10},{"x":7},{"x":8},{"x":9}]]]]]},"inner":{"deep":{"list":[0,1]}}}',
    );
    await until(() => mods.at(-1)?.action === "delitem");
    expect(encode(subscriber.target)).toBe(encode(notifier.rawView));
    expect(mods[0]).toMatchObject({ action: "init" });
  });

  it("keeps to its container when the list is sorted or items change places", () => {
    const notifier = new Notifier({ list: [{ x: 3 }, { x: 1 }, { x: 2 }], map: new Map([["k", { x: 5 }]]) });
    const { view } = notifier;
    view.list.sort((a, b) => a.x - b.x);
    expect(notifier.rawView.list).toEqual([{ x: 1 }, { x: 2 }, { x: 3 }]);
    const first = view.list[0]!;
    view.list[0] = view.list[2]!;
    view.list[2] = first;
    expect(notifier.rawView.list).toEqual([{ x: 3 }, { x: 2 }, { x: 1 }]);
    expect(() => (first.x = 9)).toThrow(/moved or removed/);
    expect(() => first.x).toThrow(/moved or removed/);
    const { map } = view;
    notifier.delItem("map");
    expect(() => map.get("k")).toThrow(/moved or removed/);
  });

  it("takes over a dict by updateFromDict with as few changes as there are", () => {
    const notifier = new Notifier<unknown>({ a: 1, b: [1], c: 3 });
    const seen: string[] = [];
    notifier.listen({ prepare: () => {}, publish: (change) => seen.push(`${change.action} ${"key" in change ? String(change.key) : ""}`) });
    updateFromDict(notifier, { b: [1], c: 4, d: 5 });
    expect(seen).toEqual(["delitem a", "setitem c", "setitem d"]);
    expect(notifier.rawView).toEqual({ b: [1], c: 4, d: 5 });
  });

  it("works in the old notation", async () => {
    const notifier = new Notifier<unknown>({ t: tuple(1), nan: NaN });
    const publisher = await publish(notifier, { notation: "v1" });
    const subscriber = await subscribe(publisher.port);
    notifier.setItem("s", new Set([1]));
    await until(() => (subscriber.target as Map<string, unknown>).has("s"));
    expect(subscriber.target).toEqual(
      new Map<string, unknown>([
        ["t", tuple(1)],
        ["nan", NaN],
        ["s", new Set([1])],
      ]),
    );
  });
});

describe("publishers", () => {
  it("take on and let go of structures at run time", async () => {
    const publisher = await publish(new Notifier({}));
    const added = new Notifier<unknown>([1]);
    publisher.add("more", added);
    expect(() => publisher.add("more", added)).toThrow(/already/);
    let lost = 0;
    const subscriber = new Subscriber<unknown[]>("more", (struct) => struct as unknown[]);
    await subscriber.connect("127.0.0.1", publisher.port, { disconnectCb: () => (lost += 1) });
    closers.push(() => subscriber.close());
    await until(() => subscriber.target !== undefined);
    added.append(2);
    await until(() => subscriber.target!.length === 2);
    expect(publisher.remove("more")).toBe(true);
    expect(publisher.remove("more")).toBe(false);
    await until(() => lost === 1);
    added.append(3);
    expect(subscriber.target).toEqual([1, 2]);
  });

  it("drop changes for a subscriber that does not read, and send it the structure anew when it does", async () => {
    const notifier = new Notifier<{ n: number; pad: string }>({ n: 0, pad: "" });
    const publisher = await publish(notifier, { maxQueueBytes: 100_000 });
    const quick = await subscribe(publisher.port);
    const slow = new RawClient(publisher.port);
    closers.push(() => slow.destroy());
    slow.send("ARTIQ sync_struct\nstate\n");
    await slow.line();
    slow.socket.pause();
    let n = 0;
    const pad = "x".repeat(20_000);
    while (publisher.status("state").dropped < 100) {
      n += 1;
      notifier.setItem("pad", pad + n);
      if (n % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    notifier.setItem("n", n);
    await until(() => (quick.target as Map<string, unknown>).get("n") === n);
    slow.socket.resume();
    let last: { action: string; struct?: { n: number } } = { action: "" };
    while (last.struct?.n !== n) last = JSON.parse(await slow.line()) as typeof last;
    expect(last.action).toBe("init");
    expect(publisher.resyncs).toBe(1);
    notifier.setItem("n", -1);
    expect(JSON.parse(await slow.line())).toMatchObject({ action: "setitem", value: -1 });
  });

  it("cut off a subscriber that takes nothing for too long", async () => {
    const notifier = new Notifier<unknown>({});
    const publisher = await publish(notifier, { maxQueueBytes: 1000, stallTimeoutMs: 30 });
    const slow = new RawClient(publisher.port);
    slow.send("ARTIQ sync_struct\nstate\n");
    await slow.line();
    slow.socket.pause();
    const warned = new Promise<string>((resolve) => publisher.on("warning", (error) => resolve(error.message)));
    for (let n = 0; n < 600; n += 1) notifier.setItem("pad", "x".repeat(20_000));
    expect(await warned).toContain("took nothing for 30 ms");
    slow.destroy();
    await until(() => publisher.connectionCount === 0);
  });

  it("are not moved by subscribers that vanish, talk, or greet wrongly", async () => {
    const notifier = new Notifier<unknown>({ n: 0 });
    const publisher = await publish(notifier);
    const good = await subscribe(publisher.port);
    for (const text of [
      "ARTIQ sync_struct\nstate\n",
      `ARTIQ sync_struct\nstate\n${"talk\n".repeat(1000)}`,
      "ARTIQ sync_str",
      "\n\n",
      "ARTIQ sync_struct\nstate",
    ]) {
      const raw = new RawClient(publisher.port);
      raw.send(text);
      notifier.setItem("n", text);
      raw.destroy();
    }
    await until(() => publisher.connectionCount === 1);
    notifier.setItem("n", 1);
    await until(() => (good.target as Map<string, unknown>).get("n") === 1);
  });
});

describe("subscribers", () => {
  it("come back by themselves when asked to, with a new init", async () => {
    const notifier = new Notifier<unknown>({ n: 1 });
    const first = await publish(notifier);
    const { port } = first;
    const events: string[] = [];
    const subscriber = new Subscriber<{ n: number }>(
      "state",
      (struct) => struct as { n: number },
      (mod) => events.push(mod.action),
    );
    await subscriber.connect("127.0.0.1", port, { reconnect: { firstMs: 1, mostMs: 20 }, disconnectCb: () => events.push("lost") });
    closers.push(() => subscriber.close());
    await until(() => events.length === 1);
    await first.stop();
    await until(() => events.includes("lost"));
    const second = new Publisher({ state: new Notifier({ n: 2 }) });
    await second.start("127.0.0.1", port);
    closers.push(() => second.stop());
    await until(() => subscriber.target?.n === 2);
    expect(events).toEqual(["init", "lost", "init"]);
    await subscriber.close();
    await second.stop();
    expect(events).toEqual(["init", "lost", "init"]);
  });

  it("go on when a callback throws, and end when a change makes no sense", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    closers.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as { port: number };
    const bad = [
      '{"action":"setitem","path":["nowhere"],"key":1,"value":1}',
      '{"action":"dance","path":[]}',
      '{"action":"append","path":[],"x":1}',
      '{"action":"pop","path":["l"],"i":7}',
      '{"action":"setitem","path":1,"key":1,"value":1}',
      '{"action":"setitem","path":[]}',
      "[1]",
      "not pyon at all (",
    ];
    for (const line of bad) {
      const thrown: unknown[] = [];
      let lost: unknown;
      const seen: string[] = [];
      const subscriber = new Subscriber("s", same, [
        () => {
          throw new Error("mine");
        },
        (mod) => seen.push(mod.action),
      ]);
      await subscriber.connect("127.0.0.1", port, { onError: (error) => thrown.push(error), disconnectCb: (error) => (lost = error) });
      await until(() => sockets.length === 1);
      sockets[0]!.write(`{"action":"init","struct":{"l":[]}}\n{"action":"append","path":["l"],"x":1}\n${line}\n`);
      await until(() => lost !== undefined);
      expect(seen).toEqual(["init", "append"]);
      expect(thrown).toHaveLength(2);
      expect(lost).toMatchObject({ code: expect.stringMatching(/ERR_SPINN_(PROTOCOL|ARGUMENT)/) });
      await subscriber.close();
      sockets.pop()!.destroy();
    }
  });

  it("refuse to connect where nobody listens, and after close", async () => {
    const subscriber = new Subscriber("s", same);
    await expect(subscriber.connect("127.66.3.1", 1, { reconnect: true })).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
    await subscriber.close();
    await expect(subscriber.connect("127.66.3.1", 1)).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  });
});

describe("broadcasts", () => {
  it("reach the receivers of their channel, a burst as well", async () => {
    const broadcaster = new Broadcaster();
    await broadcaster.start();
    closers.push(() => broadcaster.stop());
    const got: unknown[] = [];
    const receiver = new Receiver("ch", (value) => got.push(value));
    await receiver.connect("127.0.0.1", broadcaster.port);
    closers.push(() => receiver.close());
    await until(() => broadcaster.channels.includes("ch"));
    for (let i = 0; i < 20_000; i += 1) broadcaster.broadcast("ch", i);
    broadcaster.broadcast("other", -1);
    await until(() => got.length === 20_000);
    expect(got).toEqual(Array.from({ length: 20_000 }, (_, i) => i));
    expect(broadcaster.dropped).toBe(0);
    await receiver.close();
    await until(() => broadcaster.channels.length === 0);
    expect(() => broadcaster.broadcast("ch", () => 0)).not.toThrow();
  });
});
