import { afterEach, describe, expect, it } from "vitest";
import {
  Client,
  connectGlobalRpc,
  kw,
  REXEC_SUFFIX,
  type RemoteExecOptions,
  RemoteExecServer,
  RpcServer,
  tuple,
} from "../../../src/services/rpc/index.js";
import { plainTarget } from "./lab-target.js";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Rexec {
  add_code(code: string): null;
  call(name: string, ...args: unknown[]): unknown;
}

async function serve(options: RemoteExecOptions = {}): Promise<RemoteExecServer> {
  const server = new RemoteExecServer("plain", plainTarget(), options);
  await server.start();
  closers.push(() => server.stop());
  return server;
}

async function connect(server: RpcServer): Promise<Client<Rexec>> {
  const client = await Client.connect<Rexec>("127.0.0.1", server.port, { target: `plain${REXEC_SUFFIX}` });
  closers.push(() => client.close());
  return client;
}

/** What a piece of code gives or throws. */
async function result(client: Client<Rexec>, body: string): Promise<unknown> {
  await client.rpc.add_code(`async function probe() { ${body} }`);
  return client.rpc.call("probe");
}

describe("remote execution", () => {
  it("runs code next to the driver, one namespace for each connection", async () => {
    const server = await serve({ initialNamespace: { gain: 3, table: { a: [1, 2] }, helper: { twice: (x: number) => x * 2 } } });
    const [first, second] = [await connect(server), await connect(server)];
    await first.rpc.add_code(
      "let calls = 0; async function f(x, extra) { calls += 1; return [x * gain, await controller_driver.ping(), calls, extra?.k ?? null, table.a[1]]; }",
    );
    expect(await first.rpc.call("f", 7)).toEqual([21, true, 1, null, 2]);
    expect(await first.rpc.call("f", 1, kw({ k: "v" }))).toEqual([3, true, 2, "v", 2]);
    await expect(second.rpc.call("f")).rejects.toMatchObject({ remoteClass: "KeyError", remoteMessage: "'f'" });
    expect(await result(second, "return await helper.twice(21)")).toBe(42);
    expect(await result(second, "return Object.keys(controller_initial_namespace).sort()")).toEqual(["gain", "helper", "table"]);
    expect(await result(second, "return await controller_driver.add(2, 3)")).toBe(5);
    // The target itself is there as on any server.
    const plain = await Client.connect("127.0.0.1", server.port, { target: "plain" });
    closers.push(() => plain.close());
    expect(await plain.call("ping")).toBe(true);
  });

  it("carries values over and says which it cannot", async () => {
    const client = await connect(await serve());
    await client.rpc.add_code("const same = (x) => x; function inspect(x) { return JSON.stringify(x); }");
    const value = { n: [1, 1.5, null, true, "x", NaN, -Infinity], big: 2n ** 70n, __proto__x: 1 };
    expect(await client.rpc.call("same", value)).toEqual(Object.assign(Object.create(null), value));
    expect(await client.rpc.call("inspect", new Float64Array([1, 2]))).toBe('{"dtype":"<f8","shape":[2],"data":[1,2]}');
    expect(await client.rpc.call("inspect", tuple(1, 2))).toBe("[1,2]");
    await expect(client.rpc.call("inspect", new Map([[1, 2]]))).rejects.toMatchObject({ remoteClass: "TypeError" });
    for (const body of ["return () => 0", "return Symbol()", "const a = []; a.push(a); return a", "return { $: 1 }"]) {
      await expect(result(client, body)).rejects.toThrow(/cannot leave the namespace/);
    }
  });

  it("reports errors of the code, of the driver, and in the source", async () => {
    const client = await connect(await serve());
    await expect(client.rpc.add_code("null.x")).rejects.toMatchObject({ remoteClass: "TypeError" });
    await expect(client.rpc.add_code("let = 1 +")).rejects.toMatchObject({ remoteClass: "SyntaxError" });
    await expect(client.rpc.add_code("throw { get name() { throw 1 } }")).rejects.toThrow(/cannot be described/);
    await expect(result(client, "throw new RangeError('far')")).rejects.toMatchObject({ remoteClass: "ValueError", remoteMessage: "far" });
    await expect(result(client, "await controller_driver.fail()")).rejects.toMatchObject({ remoteClass: "ValueError" });
    expect(await result(client, "try { await controller_driver.fail_lab() } catch (e) { return e.message }")).toBe("LabError: board off");
    await expect(client.call("add_code", [1])).rejects.toMatchObject({ remoteClass: "TypeError" });
    await expect(client.rpc.call("a b")).rejects.toMatchObject({ remoteClass: "KeyError" });
  });
});

describe("walls", () => {
  it("no Node, no modules, no code from text, no buffers", async () => {
    const client = await connect(await serve());
    const names =
      "process require module fetch WebSocket setTimeout Buffer console WebAssembly ArrayBuffer Uint8Array SharedArrayBuffer structuredClone";
    expect(await result(client, `return ${JSON.stringify(names.split(" "))}.filter((name) => name in globalThis)`)).toEqual([]);
    await expect(client.rpc.add_code("async function f() { return im" + "port('node:fs'); }")).rejects.toMatchObject({
      remoteClass: "PermissionError",
    });
    const attempts = [
      "return eval('1')",
      "return Function('return 1')()",
      "return (async () => {}).constructor('return 1')()",
      "return this.constructor.constructor('return process')().pid",
      "return globalThis.constructor.constructor('return process')().pid",
      "return controller_driver.ping.constructor('return process')().pid",
      "return controller_driver.ping().constructor.constructor('return process')().pid",
      "try { await controller_driver.fail() } catch (e) { return e.constructor.constructor('return process')().pid }",
      "Error.prepareStackTrace = (_, frames) => frames; const t = new Error().stack.map((f) => f.getThis()).find((x) => x?.process); return t.process.pid",
      "let found; const dig = () => { try { dig() } catch (e) { found ??= e; } }; dig(); return found.constructor.constructor('return process')().pid",
      // The way out called at the very end of the stack, where it may overflow at any point (Node then complains on stderr).
      `let out; const look = (e) => { try { out ??= e.constructor.constructor('return process')().pid } catch {} };
       const deep = () => { try { deep() } catch (e) { look(e); try { controller_driver.ping().catch(look) } catch (f) { look(f) } throw e } };
       try { deep() } catch (e) { look(e) }
       if (!out) throw new Error('walled');
       return out`,
      "Object.defineProperty(Error, Symbol.hasInstance, { value(e) { e.constructor.constructor('return process')().pid } }); return new Error() instanceof Error ? undefined.x : undefined.y",
    ];
    for (const body of attempts) await expect(result(client, body), body).rejects.toMatchObject({ code: "ERR_SPINN_REMOTE" });
  });

  it("bounded calls to the server", async () => {
    const client = await connect(await serve());
    const body =
      "const all = []; for (let i = 0; i < 5000; i += 1) all.push(controller_driver.ping()); return (await Promise.allSettled(all)).filter((x) => x.status === 'rejected').length";
    expect(await result(client, body)).toBe(4000);
    expect(await result(client, "return await controller_driver.ping()")).toBe(true);
  });

  it("time: endless loops of either kind, and promises that never settle, are ended; the server goes on", async () => {
    const server = await serve({ timeLimitMs: 300, allowParallel: true });
    const other = await Client.connect("127.0.0.1", server.port, { target: "plain" });
    closers.push(() => other.close());
    const client = await connect(server);
    const bodies = ["for (;;);", "for (;;) await null;", "await new Promise(() => {})", "/(a+)+$/.test('a'.repeat(40) + 'b')"];
    for (const body of bodies) {
      const ended = expect(result(client, body), body).rejects.toMatchObject({
        remoteClass: "TimeoutError",
        message: expect.stringContaining("destroyed"),
      });
      expect(await other.call("ping")).toBe(true);
      await ended;
    }
    // Answering first and looping afterwards does not help.
    expect(await result(client, "(async () => { for (;;) await null; })(); return 1")).toBe(1);
    await expect(client.rpc.call("probe")).rejects.toMatchObject({ remoteClass: "TimeoutError" });
    expect(await result(client, "return 'fresh'")).toBe("fresh");
  });

  it("memory: what takes too much is ended; the server goes on", async () => {
    const server = await serve({ memoryLimitMb: 24, timeLimitMs: 15_000 });
    const client = await connect(server);
    const bodies = [
      "const a = []; for (;;) a.push({ a });",
      "let s = 'x'; const all = []; for (;;) { all.push(s + all.length + s); s += s.slice(0, 1e5); }",
    ];
    for (const body of bodies) await expect(result(client, body), body).rejects.toMatchObject({ code: "ERR_SPINN_REMOTE" });
    expect(await result(client, "return 'fresh'")).toBe("fresh");
  });

  it("is on loopback unless told otherwise, and holds a bounded number of namespaces, which end with their connections", async () => {
    const server = new RemoteExecServer("plain", plainTarget());
    for (const host of ["0.0.0.0", "::", "192.168.1.1", "example.org"]) {
      await expect(server.start(host)).rejects.toMatchObject({ code: "ERR_SPINN_REFUSED" });
    }
    const bounded = await serve({ maxNamespaces: 1 });
    const first = await connect(bounded);
    expect(await result(first, "return 1")).toBe(1);
    await expect(connect(bounded)).rejects.toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
    await first.close();
    while (bounded.connectionCount > 0) await new Promise((resolve) => setImmediate(resolve));
    expect(await result(await connect(bounded), "return 2")).toBe(2);
  });
});

describe("connectGlobalRpc", () => {
  it("gives every namespace another server's methods, where it is allowed", async () => {
    const datasets = new Map<string, unknown>();
    const master = new RpcServer({
      dataset_db: { get: (key: string) => datasets.get(key) ?? null, put: (key: string, value: unknown) => void datasets.set(key, value) },
    });
    await master.start();
    closers.push(() => master.stop());
    const server = await serve({ allowConnect: true });
    const [first, second] = [await connect(server), await connect(server)];
    expect(await result(second, "return typeof dataset_db")).toBe("undefined");
    await connectGlobalRpc(first as unknown as Client, { port: master.port, target: "dataset_db" });
    await connectGlobalRpc(first as unknown as Client, { port: 1 });
    await result(first, "await dataset_db.put('k', [1, 2])");
    expect(datasets.get("k")).toEqual([1, 2]);
    expect(await result(second, "return await controller_initial_namespace.dataset_db.get('k')")).toEqual([1, 2]);
    await expect(connectGlobalRpc((await connect(await serve())) as unknown as Client)).rejects.toMatchObject({
      code: "ERR_SPINN_ARGUMENT",
    });
  });
});
