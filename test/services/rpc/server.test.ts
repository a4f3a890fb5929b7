import { afterEach, describe, expect, it } from "vitest";
import { Client, decode, describeTarget, RpcServer, type RpcServerOptions } from "../../../src/services/rpc/index.js";
import { type PlainMethods, plainTarget } from "./lab-target.js";
import { RawClient } from "./raw-client.js";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Methods that do what a server must survive. */
class Trouble {
  release: () => void = () => {};
  running = 0;
  aborted = 0;

  never(): Promise<never> {
    return new Promise(() => {});
  }

  held(): Promise<string> {
    this.running += 1;
    return new Promise((resolve) => {
      this.release = () => resolve("released");
    });
  }

  throws(): never {
    throw Object.assign(new Error("odd"), { message: undefined, name: 7 });
  }

  throwsNothing(): never {
    throw undefined;
  }

  big(count: number): Float64Array {
    return new Float64Array(count);
  }
}

async function started(options: RpcServerOptions = {}): Promise<{ server: RpcServer; trouble: Trouble; warnings: string[] }> {
  const trouble = new Trouble();
  describeTarget(trouble, { methods: { watched: { passContext: true } } });
  Object.assign(trouble, {
    watched: ({ signal }: { signal: AbortSignal }) => {
      trouble.running += 1;
      return new Promise<void>(() => signal.addEventListener("abort", () => (trouble.aborted += 1)));
    },
  });
  const server = new RpcServer({ plain: plainTarget(), trouble }, options);
  const warnings: string[] = [];
  server.on("warning", (error) => warnings.push(error.message));
  await server.start();
  closers.push(() => server.stop());
  return { server, trouble, warnings };
}

async function client<M = PlainMethods>(server: RpcServer, target = "plain"): Promise<Client<M>> {
  const one = await Client.connect<M>("127.0.0.1", server.port, { target });
  closers.push(() => one.close());
  return one;
}

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
};

describe("calls", () => {
  it("reach public methods only", async () => {
    const { server } = await started();
    const raw = await new RawClient(server.port).select("plain");
    closers.push(() => raw.destroy());
    for (const name of ["_hidden", "constructor", "__proto__", "toString", "hasOwnProperty", "__init__"]) {
      raw.send(`{"action": "call", "name": "${name}", "args": [], "kwargs": {}}\n`);
      expect(await raw.line()).toContain('"AttributeError"');
    }
  });

  it("bind keywords and defaults as Python does", async () => {
    const { server } = await started();
    const one = await client(server);
    expect(await one.rpc.add(1)).toBe(2);
    expect(await one.call("add", [1], { scale: 3 })).toBe(6);
    expect(await one.call("add", [], { b: 5, a: 1 })).toBe(6);
    await expect(one.call("add", [1, 2, 3])).rejects.toThrow(/takes 2 positional arguments but 3 were given/);
    await expect(one.call("add", [1], { a: 1 })).rejects.toThrow(/multiple values for argument 'a'/);
    await expect(one.call("add", [1], { c: 1 })).rejects.toThrow(/unexpected keyword argument 'c'/);
    await expect(one.call("add")).rejects.toThrow(/missing 1 required positional argument: 'a'/);
    await expect(one.call("echo", [], { x: 1 })).rejects.toThrow(/takes no keyword arguments/);
  });

  it("name the method and the place of a result that cannot be sent", async () => {
    const { server } = await started();
    const one = await client(server);
    await expect(one.rpc.unserialisable()).rejects.toThrow(/the result of unserialisable\(\) cannot be sent: value is a symbol/);
    await one.rpc.ping();
    expect(server.answered).toEqual({ ok: 1, failed: 1 });
  });

  it("run one at a time on the whole server, unless told otherwise", async () => {
    for (const allowParallel of [false, true]) {
      const { server, trouble } = await started({ allowParallel });
      const first = await client<Pick<Trouble, "held">>(server, "trouble");
      const second = await client(server);
      const held = first.rpc.held();
      await until(() => trouble.running === 1);
      const order: string[] = [];
      const echoed = second.rpc.echo(1).then(() => order.push("echo"));
      if (allowParallel) await echoed;
      else
        await second
          .getRpcMethodList({ timeoutMs: 20 })
          .catch((error: unknown) => expect(error).toMatchObject({ code: "ERR_SPINN_TIMEOUT" }));
      trouble.release();
      await held.then(() => order.push("held"));
      await echoed;
      expect(order).toEqual(allowParallel ? ["echo", "held"] : ["held", "echo"]);
    }
  });

  it("hold their turn in the lock while the caller is gone, and let it go when they end", async () => {
    const { server, trouble } = await started();
    const first = await client<Pick<Trouble, "held">>(server, "trouble");
    const lost = first.rpc.held().catch((error: unknown) => error);
    await until(() => trouble.running === 1);
    await first.close();
    expect(await lost).toMatchObject({ code: "ERR_SPINN_CLOSED" });
    const second = await client(server);
    const echoed = second.rpc.echo("next");
    await expect(second.call("ping", [], {}, { timeoutMs: 20 })).rejects.toMatchObject({
      code: "ERR_SPINN_TIMEOUT",
    });
    trouble.release();
    expect(await echoed).toBe("next");
  });

  it("take and give big arrays", async () => {
    const { server } = await started();
    const one = await client(server);
    const sent = Float64Array.from({ length: 1_000_000 }, (_, i) => i / 3);
    const back = (await one.rpc.echo(sent)) as unknown as { data: Float64Array };
    expect(Buffer.compare(Buffer.from(back.data.buffer), Buffer.from(sent.buffer))).toBe(0);
  });
});

describe("bad input: the server goes on, the others notice nothing", () => {
  const offend = async (options: RpcServerOptions, act: (raw: RawClient, port: number) => Promise<void>): Promise<string[]> => {
    const { server, warnings } = await started(options);
    const other = await client(server);
    const raw = new RawClient(server.port);
    closers.push(() => raw.destroy());
    const echoes = Promise.all([1, 2, 3].map((n) => other.rpc.echo(n)));
    await act(raw, server.port);
    expect(await echoes).toEqual([1, 2, 3]);
    expect(await other.rpc.ping()).toBe(true);
    return warnings;
  };

  it("half a line and then nothing", async () => {
    await offend({}, async (raw) => {
      await raw.select("plain");
      raw.send('{"action":"call","na');
      raw.destroy();
    });
  });

  it("no first line at all", async () => {
    const warnings = await offend({ handshakeTimeoutMs: 30 }, (raw) => raw.closed);
    expect(warnings).toEqual([expect.stringContaining("sent no first line within 30 ms")]);
  });

  it("a line without end: a clear answer, then the cut, and no more memory than the limit", async () => {
    const warnings = await offend({ maxLineBytes: 1 << 20 }, async (raw) => {
      await raw.select("plain");
      const piece = Buffer.alloc(1 << 16, "x");
      // A gibibyte would be 16 384 of these; the server must not let us come that far.
      let sent = 0;
      while (!raw.socket.destroyed && raw.socket.writable && sent < 16_384) {
        sent += 1;
        if (!raw.socket.write(piece)) await Promise.race([new Promise((resolve) => raw.socket.once("drain", resolve)), raw.closed]);
      }
      await raw.closed;
      expect(sent).toBeLessThan(16_384);
      expect(raw.received === "" || raw.received.includes("a line of more than 1048576 bytes")).toBe(true);
    });
    expect(warnings.join()).toContain("a line of more than 1048576 bytes");
  });

  it("answers a request that is just too long before cutting", async () => {
    await offend({ maxLineBytes: 100 }, async (raw) => {
      await raw.select("plain");
      raw.send(`{"action":"call","name":"ping","args":[],"kwargs":{}}\n${"y".repeat(200)}`);
      expect(await raw.line()).toBe('{"status": "ok", "ret": true}');
      expect(await raw.line()).toContain("a line of more than 100 bytes");
      await raw.closed;
    });
  });

  it("wrong greetings, unknown targets, bytes that are no text", async () => {
    for (const text of [
      "GET / HTTP/1.1\r\n\r\n",
      "ARTIQ sync_struct\nx\n",
      "\n",
      "ARTIQ pc_rpc\nnope\n",
      "ARTIQ pc_rpc\nplain pyon_v2 x\n",
    ]) {
      await offend({}, async (raw) => {
        raw.send(text);
        await raw.closed;
      });
    }
    await offend({}, async (raw) => {
      await raw.select("plain");
      raw.send(Uint8Array.of(0xff, 0xfe, 0x0a));
      await raw.closed;
    });
  });

  it("unknown actions and requests of any shape get an answer", async () => {
    await offend({}, async (raw) => {
      await raw.select("plain");
      for (const line of ["1", "[]", "null", "{}", '{"action":"dance"}', '{"action":"call","name":1,"args":[],"kwargs":{}}']) {
        raw.send(`${line}\n`);
        expect(decode(await raw.line(), { notation: "v1", values: "plain" })).toMatchObject({ status: "failed" });
      }
      raw.send('{"action":"call","name":"ping","args":[],"kwargs":[]}\n');
      expect(await raw.line()).toContain("kwargs must be a dict");
    });
  });

  it("deep nesting", async () => {
    await offend({}, async (raw) => {
      raw.send("ARTIQ pc_rpc\nplain pyon_v2\n");
      await raw.line();
      await raw.line();
      raw.send(`${"[".repeat(500_000)}\n`);
      await raw.closed;
    });
  });

  it("a client that vanishes in the middle of a call; the method's signal fires", async () => {
    const { server, trouble } = await started({ allowParallel: true });
    const raw = await new RawClient(server.port).select("trouble");
    raw.send('{"action": "call", "name": "watched", "args": [], "kwargs": {}}\n');
    await until(() => trouble.running === 1);
    raw.destroy();
    await until(() => trouble.aborted === 1 && server.connectionCount === 0);
    expect(await (await client(server)).rpc.ping()).toBe(true);
  });

  it("methods that throw what is no error", async () => {
    const { server } = await started();
    const one = await client<Pick<Trouble, "throws" | "throwsNothing">>(server, "trouble");
    await expect(one.rpc.throws()).rejects.toMatchObject({ remoteClass: "GenericRemoteException", message: "7: undefined" });
    await expect(one.rpc.throwsNothing()).rejects.toMatchObject({ message: "undefined: undefined" });
  });

  it("a method that never returns: the time is up for it alone", async () => {
    const { server } = await started({ callTimeoutMs: 30 });
    const one = await client<Pick<Trouble, "never">>(server, "trouble");
    const other = await client(server);
    const never = one.rpc.never().catch((error: unknown) => error);
    expect(await other.rpc.echo(5)).toBe(5);
    expect(await never).toMatchObject({ remoteClass: "TimeoutError", remoteMessage: "the call took longer than 30 ms" });
    expect(await one.call("big", [2])).toBeDefined();
  });

  it("a method that never returns does not keep the server from stopping", async () => {
    const { server } = await started();
    const one = await client<Pick<Trouble, "never">>(server, "trouble");
    const never = one.rpc.never().catch((error: unknown) => error);
    await one.call("big", [1], {}, { timeoutMs: 10 }).catch(() => {});
    await server.stop();
    expect(await never).toMatchObject({ code: "ERR_SPINN_OUTCOME_UNKNOWN" });
    expect(server.connectionCount).toBe(0);
  });

  it("a client that asks and never reads is not served further than its buffers reach", async () => {
    const { server } = await started();
    const raw = await new RawClient(server.port).select("trouble");
    closers.push(() => raw.destroy());
    raw.socket.pause();
    raw.send('{"action": "call", "name": "big", "args": [100000], "kwargs": {}}\n'.repeat(200));
    const other = await client(server);
    for (let i = 0; i < 50; i += 1) expect(await other.rpc.echo(i)).toBe(i);
  });

  it("more connections than allowed", async () => {
    const { server } = await started({ maxConnections: 1 });
    const first = await client(server);
    const raw = new RawClient(server.port);
    await raw.closed;
    expect(server.counters.refused).toBe(1);
    expect(await first.rpc.ping()).toBe(true);
  });
});

describe("starting and stopping", () => {
  it("says when the port is taken, and takes the same port on every address", async () => {
    const { server } = await started();
    const second = new RpcServer({ plain: plainTarget() });
    await expect(second.start("127.0.0.1", server.port)).rejects.toMatchObject({ code: "ERR_SPINN_ADDRESS_IN_USE" });
    await second.start(["127.66.1.1", "127.66.1.2"]);
    closers.push(() => second.stop());
    for (const host of ["127.66.1.1", "127.66.1.2"]) {
      const one = await Client.connect<PlainMethods>(host, second.port);
      expect(await one.rpc.ping()).toBe(true);
      await one.close();
    }
    await second.stop();
    await second.stop();
    await expect(second.start()).rejects.toMatchObject({ code: "ERR_SPINN_CLOSED" });
  });

  it("refuses target names that the wire cannot carry", () => {
    expect(() => new RpcServer({ "two words": plainTarget() })).toThrow(/cannot be sent/);
  });

  it("makes a target for each connection from a factory, and disposes of it", async () => {
    let made = 0;
    let disposed = 0;
    const factory = (): object => {
      made += 1;
      return {
        number: () => made,
        [Symbol.asyncDispose]: async () => {
          disposed += 1;
        },
      };
    };
    const server = new RpcServer({ factory });
    await server.start();
    closers.push(() => server.stop());
    const one = await Client.connect<{ number(): number }>("127.0.0.1", server.port);
    const two = await Client.connect<{ number(): number }>("127.0.0.1", server.port);
    expect(await two.rpc.number()).toBe(2);
    await one.close();
    await two.close();
    await until(() => disposed === 2);
  });
});
