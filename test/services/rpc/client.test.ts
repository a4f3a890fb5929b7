import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Client, RpcServer } from "../../../src/services/rpc/index.js";
import { type PlainMethods, plainTarget } from "./lab-target.js";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function pair(options: Parameters<typeof Client.connect>[2] = {}): Promise<{ client: Client<PlainMethods>; server: RpcServer }> {
  const server = new RpcServer({ plain: plainTarget() });
  await server.start();
  closers.push(() => server.stop());
  const client = await Client.connect<PlainMethods>("127.0.0.1", server.port, options);
  closers.push(() => client.close());
  return { client, server };
}

/** A server that runs `script` for each connection. */
async function fake(script: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    script(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return (server.address() as { port: number }).port;
}

const HELLO = '{"targets":["t"],"description":null,"features":["pyon_v2"]}\n{"__jsonclass__":["set",[["a"]]]}\n';

describe("pipelined calls", () => {
  it("from many tasks come back each with its own answer", async () => {
    const { client } = await pair();
    const answers = await Promise.all(Array.from({ length: 2000 }, (_, n) => client.rpc.echo(n)));
    expect(answers).toEqual(Array.from({ length: 2000 }, (_, n) => n));
    expect(client.pending).toBe(0);
  });

  it("a call out of time or cancelled shifts no later reply", async () => {
    const { client } = await pair();
    const controller = new AbortController();
    const slow = client.call("later", [40], {}, { timeoutMs: 5 });
    const cancelled = client.call("echo", ["cancelled"], {}, { signal: controller.signal });
    const kept = client.call("echo", ["kept"]);
    controller.abort(new Error("enough"));
    await expect(cancelled).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED", cause: { message: "enough" } });
    await expect(slow).rejects.toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
    expect(client.pending).toBe(3);
    expect(await kept).toBe("kept");
    expect(await client.rpc.echo("after")).toBe("after");
    expect(client.pending).toBe(0);
    await expect(client.call("echo", [1], {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "ERR_SPINN_ABORTED" });
  });

  it("are refused past maxPending", async () => {
    const { client } = await pair({ maxPending: 2 });
    const calls = [client.rpc.later(5), client.rpc.echo(1)];
    await expect(client.rpc.echo(2)).rejects.toMatchObject({ code: "ERR_SPINN_REFUSED" });
    expect(await Promise.all(calls)).toEqual(["done", 1]);
  });
});

describe("mistakes and losses", () => {
  it("an argument that cannot be sent is the caller's error and costs nothing", async () => {
    const { client } = await pair();
    await expect(client.rpc.echo(() => 0)).rejects.toMatchObject({
      code: "ERR_SPINN_ARGUMENT",
      message: expect.stringContaining("value.args[0]"),
    });
    await expect(client.call("nope")).rejects.toMatchObject({ code: "ERR_SPINN_ARGUMENT", hint: expect.stringContaining("echo") });
    expect((client.rpc as unknown as Record<string, unknown>)["nope"]).toBeUndefined();
    expect(await client.rpc.ping()).toBe(true);
  });

  it("is not taken for a promise", async () => {
    const { client } = await pair();
    const rpc = await Promise.resolve(client.rpc);
    expect(await rpc.ping()).toBe(true);
    expect("ping" in client.rpc && Object.keys(client.rpc).includes("ping")).toBe(true);
  });

  it("tells a lost connection from a remote error, and says the call may have been executed", async () => {
    const { client, server } = await pair();
    const lost = client.rpc.later(1000);
    const answer = expect(lost).rejects.toMatchObject({ code: "ERR_SPINN_OUTCOME_UNKNOWN" });
    await server.stop();
    await answer;
    await expect(client.rpc.ping()).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
    await client.closed;
  });

  it("after close, says so", async () => {
    const { client } = await pair();
    const under = client.rpc.later(1000).catch((error: unknown) => error);
    await client.close();
    await client.close();
    expect(await under).toMatchObject({ code: "ERR_SPINN_CLOSED" });
    await expect(client.rpc.echo(1)).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  });

  it("a port where nobody listens, a server that never answers, one that is no pc_rpc server", async () => {
    const port = await fake(() => {});
    await expect(Client.connect("127.0.0.1", port, { connectTimeoutMs: 20 })).rejects.toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
    await expect(Client.connect("127.0.0.1", port, { signal: AbortSignal.timeout(10) })).rejects.toMatchObject({
      code: "ERR_SPINN_ABORTED",
    });
    const closed = await fake((socket) => socket.destroy());
    await expect(Client.connect("127.0.0.1", closed)).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
    const web = await fake((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await expect(Client.connect("127.0.0.1", web)).rejects.toMatchObject({ code: "ERR_SPINN_PROTOCOL" });
    await expect(Client.connect("127.66.2.1", 1)).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
  });

  it("replies that are none, too many, or too long end the connection and nothing else", async () => {
    const replies: [string, string][] = [
      ["nonsense\n", "ERR_SPINN_PROTOCOL"],
      ["{}\n", "ERR_SPINN_PROTOCOL"],
      [`"${"x".repeat(3000)}"\n`, "ERR_SPINN_PROTOCOL"],
      ["half a li", "ERR_SPINN_OUTCOME_UNKNOWN"],
    ];
    for (const [reply, code] of replies) {
      const port = await fake((socket) => {
        socket.write(HELLO);
        socket.on("data", (chunk: Buffer) => chunk.includes("action") && socket.end(reply));
      });
      const client = await Client.connect("127.0.0.1", port, { maxLineBytes: 2000 });
      await expect(client.call("a")).rejects.toMatchObject({ code });
      await client.close();
    }
    const port = await fake((socket) => {
      socket.write(HELLO);
      socket.on("data", (chunk: Buffer) => chunk.includes("action") && socket.write('{"status":"ok","ret":1}\n{"status":"ok","ret":2}\n'));
    });
    const client = await Client.connect("127.0.0.1", port);
    expect(await client.call("a")).toBe(1);
    await client.closed;
    await expect(client.call("a")).rejects.toMatchObject({
      code: "ERR_SPINN_PROTOCOL",
      message: expect.stringContaining("nobody asked for"),
    });
  });

  it("an exception of any shape becomes a RemoteError", async () => {
    for (const failed of ['"exception":1', '"message":"ARTIQ 1 text"', '"exception":{"class":3,"message":[],"traceback":"x"}']) {
      const port = await fake((socket) => {
        socket.write(HELLO);
        socket.on("data", (chunk: Buffer) => chunk.includes("action") && socket.write(`{"status":"failed",${failed}}\n`));
      });
      const client = await Client.connect("127.0.0.1", port);
      await expect(client.call("a")).rejects.toMatchObject({ code: "ERR_SPINN_REMOTE" });
      await client.close();
    }
  });
});
