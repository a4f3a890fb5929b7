import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { BestEffortClient, Client, FFProxy, IncompatibleServer, RpcServer } from "../../../src/services/rpc/index.js";
import { type PlainMethods, plainTarget } from "./lab-target.js";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function serve(port = 0): Promise<RpcServer> {
  const server = new RpcServer({ plain: plainTarget() });
  await server.start("127.0.0.1", port);
  closers.push(() => server.stop());
  return server;
}

async function bestEffort(port: number, options = {}): Promise<BestEffortClient<PlainMethods>> {
  const client = await BestEffortClient.connect<PlainMethods>("127.0.0.1", port, { retryMs: 5, ...options });
  closers.push(() => client.close());
  return client;
}

describe("BestEffortClient", () => {
  it("calls like any client, and throws the method's errors and the caller's own", async () => {
    const client = await bestEffort((await serve()).port);
    expect(await client.rpc.echo(1)).toBe(1);
    await expect(client.rpc.fail()).rejects.toMatchObject({ remoteClass: "ValueError" });
    await expect(client.rpc.echo(() => 0)).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await expect(client.call("nope")).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    await expect(BestEffortClient.connect("127.0.0.1", (await serve()).port, { target: "nope" })).rejects.toBeInstanceOf(
      IncompatibleServer,
    );
  });

  it("gives null while the server is gone, and values when it is back", async () => {
    const first = await serve();
    const { port } = first;
    const client = await bestEffort(port);
    const warnings: string[] = [];
    client.on("warning", (error) => warnings.push(error.code));
    const under = client.rpc.later(10_000);
    const gone = new Promise((resolve) => client.once("disconnect", () => resolve(true)));
    await first.stop();
    expect(await under).toBeNull();
    await gone;
    expect(await client.rpc.echo(1)).toBeNull();
    expect(warnings.slice(0, 2)).toEqual(["ERR_SPINN_OUTCOME_UNKNOWN", "ERR_SPINN_UNREACHABLE"]);
    const back = new Promise((resolve) => client.once("connect", () => resolve(true)));
    await serve(port);
    await back;
    expect(await client.rpc.echo(2)).toBe(2);
    await client.close();
    await expect(client.rpc.echo(3)).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  });

  it("starts without a server, and is not held up by one that never answers", async () => {
    const nobody = await BestEffortClient.connect<PlainMethods>("127.66.4.1", 1, { retryMs: 5 });
    closers.push(() => nobody.close());
    expect(nobody.isConnected).toBe(false);
    expect(await nobody.rpc.echo(1)).toBeNull();
    const sockets = new Set<Socket>();
    const mute = createServer((socket) => sockets.add(socket.on("error", () => {})));
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    closers.push(() => {
      for (const socket of sockets) socket.destroy();
      mute.close();
    });
    const client = await bestEffort((mute.address() as { port: number }).port, { firstConTimeoutMs: 20 });
    expect(await client.call("anything")).toBeNull();
  });
});

describe("FFProxy", () => {
  it("runs one call in the background and drops the next, on any client", async () => {
    const server = await serve();
    const client = await Client.connect<PlainMethods>("127.0.0.1", server.port);
    closers.push(() => client.close());
    const proxy = new FFProxy(client);
    const warnings: string[] = [];
    proxy.on("warning", (error) => warnings.push(error.message));
    expect(proxy.rpc.later(5)).toBeUndefined();
    proxy.rpc.echo(1);
    expect(proxy.dropped).toBe(1);
    expect(warnings).toEqual([expect.stringContaining("echo: a fire-and-forget call is still running")]);
    await proxy.ffJoin();
    proxy.rpc.fail();
    await proxy.ffJoin();
    expect(warnings[1]).toContain('fail: the fire-and-forget call failed: ValueError: bad "value"');
    proxy.rpc.echo(() => 0);
    await proxy.ffJoin();
    expect(warnings[2]).toContain("is a function");
    expect("ping" in proxy.rpc && !("nope" in proxy.rpc)).toBe(true);
    expect((proxy.rpc as Record<string, unknown>)["nope"]).toBeUndefined();
    await proxy.ffJoin();
  });

  it("works on plain objects, whose errors do not come out", async () => {
    const done: number[] = [];
    const proxy = new FFProxy({
      note: (n: number) => done.push(n),
      bad: () => {
        throw new Error("no");
      },
    });
    proxy.rpc.note(1);
    expect(done).toEqual([]);
    await proxy.ffJoin();
    proxy.rpc.bad();
    await proxy.ffJoin();
    expect(done).toEqual([1]);
  });
});
