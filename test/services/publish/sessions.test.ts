import { readFileSync } from "node:fs";
import { afterEach, expect, it } from "vitest";
import { Broadcaster, Notifier, Publisher } from "../../../src/services/publish/index.js";
import { decode, float, NdArray, Slice, tuple } from "../../../src/services/rpc/index.js";
import { RawClient } from "../rpc/raw-client.js";

interface Step {
  readonly from: "client" | "server";
  readonly line?: string;
  readonly event?: "close";
}

const { sessions } = JSON.parse(readFileSync(new URL("../../../fixtures/sipyco/sessions.json", import.meta.url), "utf8")) as {
  sessions: { name: string; exchange: Step[] }[];
};

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Plays the client's part and holds the server's lines, byte for byte, against the recorded ones. */
async function replay(name: string, port: number, act: () => Promise<void> | void = () => {}): Promise<void> {
  const client = new RawClient(port);
  closers.push(() => client.destroy());
  const { exchange } = sessions.find((one) => one.name === name)!;
  for (const step of exchange) if (step.from === "client" && step.line) client.send(step.line);
  const lines = exchange.filter((step) => step.from === "server" && step.line !== undefined).map((step) => step.line!);
  if (exchange.some((step) => step.from === "server" && step.event === "close")) {
    await client.closed;
    expect(client.received).toBe("");
    return;
  }
  const first = name.startsWith("sync/") ? [await client.line()] : [];
  await act();
  const got = [...first];
  while (got.length < lines.length) got.push(await client.line());
  expect(got.map((line) => `${line}\n`)).toEqual(lines);
  for (const line of got) decode(line);
  client.destroy();
  await client.closed;
}

async function publisher(notifier: Notifier): Promise<number> {
  const server = new Publisher({ state: notifier });
  await server.start();
  closers.push(() => server.stop());
  return server.port;
}

it("sync/init, sync/every_mod, sync/late", async () => {
  const notifier = new Notifier<unknown>({ list: [1, 2], d: {} });
  const port = await publisher(notifier);
  await replay("sync/init", port);
  await replay("sync/every_mod", port, () => {
    const list = notifier.at("list");
    notifier.setItem("a", { b: [tuple()] });
    notifier.setItem(5, null);
    list.append(3);
    list.insert(0, 0);
    list.insert(-1, 9);
    expect(list.pop()).toBe(3);
    list.pop(0);
    list.setItem(-1, 4);
    list.delItem(0);
    notifier.at("a", "b").append(float(1));
    list.setItem(new Slice(0, 1), [7, 8]);
    notifier.setItem("arr", new Float64Array([1.5]));
    notifier.delItem("arr");
    notifier.delItem(5);
  });
  await replay("sync/late", port);
});

it("sync/bad_name, sync/bad_banner", async () => {
  const port = await publisher(new Notifier({}));
  await replay("sync/bad_name", port);
  await replay("sync/bad_banner", port);
});

it("sync/init_pair_dict", async () => {
  const deep = new Map<unknown, unknown>([[tuple(1, 2), NaN]]);
  const notifier = new Notifier({ list: [7, 8, 4], d: {}, a: { b: [tuple(), float(1)] }, deep });
  await replay("sync/init_pair_dict", await publisher(notifier), () => notifier.at("deep").delItem(tuple(1, 2)));
});

it("broadcast/four_messages, broadcast/bad_banner", async () => {
  const server = new Broadcaster();
  await server.start();
  closers.push(() => server.stop());
  await replay("broadcast/four_messages", server.port, async () => {
    // Nothing is sent on subscribing: only a message that arrives tells that the channel is listened to.
    while (server.channels.length === 0) await new Promise((resolve) => setImmediate(resolve));
    server.broadcast("ch", 1);
    server.broadcast("other", "not heard");
    server.broadcast("ch", tuple<unknown>("log", 30, 1.5, "text"));
    server.broadcast("ch", { service: "s", args: tuple(), kwargs: {} });
    server.broadcast("ch", new NdArray("|b1", [1], Uint8Array.of(1)));
  });
  await replay("broadcast/bad_banner", server.port);
});
