import { readFileSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  AutoTarget,
  Client,
  Complex,
  decode,
  float,
  IncompatibleServer,
  kw,
  NdArray,
  RemoteError,
  RpcServer,
  tuple,
} from "../../../src/services/rpc/index.js";
import { plainTarget } from "./lab-target.js";
import { RawClient } from "./raw-client.js";

interface Step {
  readonly from: "client" | "server";
  readonly line?: string;
  readonly event?: "close";
}

interface Session {
  readonly name: string;
  readonly exchange: readonly Step[];
  readonly notation?: "v1";
}

const { sessions } = JSON.parse(readFileSync(new URL("../../../fixtures/sipyco/sessions.json", import.meta.url), "utf8")) as {
  sessions: Session[];
};
const session = (name: string): Session => sessions.find((one) => one.name === name)!;
const notationOf = ({ notation }: Session): "v1" | "v2" => notation ?? "v2";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Sets without their order and without Python's own attributes; tracebacks are free text. */
function comparable(line: string, notation: "v1" | "v2"): unknown {
  const value = decode(line, { notation });
  if (value instanceof Set)
    return new Set([...value].filter((name) => !String(name).startsWith("__") && !["leave", "later"].includes(String(name))).sort());
  const exception = value instanceof Map ? value.get("exception") : undefined;
  if (exception instanceof Map) {
    exception.delete("traceback");
    // The words of TypeErrors differ: nobody but a person reads them.
    if (exception.get("class") === "TypeError") exception.delete("message");
  }
  return value;
}

async function replay(one: Session, port: number): Promise<void> {
  const client = new RawClient(port);
  closers.push(() => client.destroy());
  const notation = notationOf(one);
  let serverLines = 0;
  for (const { from, line, event } of one.exchange) {
    if (from === "client") {
      if (line !== undefined) client.send(line);
      else client.destroy();
    } else if (event === "close") {
      await client.closed;
      expect(client.received).toBe("");
    } else {
      const got = await client.line();
      serverLines += 1;
      if (serverLines === 1) expect(`${got}\n`).toBe(line);
      else expect(comparable(got, notation)).toEqual(comparable(line!.trimEnd(), notation));
    }
  }
}

describe("recorded sessions, our server", () => {
  const names =
    "identify select_late calls errors bad_target_server_side bad_banner bad_banner_crlf bad_feature trailing_space unknown_action unknown_method missing_args malformed pipelined malformed_comma special_floats old_notation";
  for (const name of names.split(" ")) {
    it(`rpc/${name}`, async () => {
      const target = plainTarget();
      const server = new RpcServer(
        { other: target, plain: target, plain_rexec: target },
        { description: "session recorder", builtinTerminate: true, values: "exact" },
      );
      closers.push(() => server.stop());
      await server.start();
      await replay(session(`rpc/${name}`), server.port);
    });
  }

  it("rpc/auto_target", async () => {
    const server = new RpcServer({ plain: plainTarget() });
    closers.push(() => server.stop());
    await server.start();
    const { exchange } = session("rpc/auto_target");
    const client = await Client.connect("127.0.0.1", server.port);
    closers.push(() => client.close());
    expect(client.selectedTarget).toBe("plain");
    const names = comparable(exchange[3]!.line!.trimEnd(), "v2") as Set<string>;
    expect([...names].filter((name) => !client.methods.has(name))).toEqual([]);
    expect(client.methods.has("terminate")).toBe(false);
  });

  it("rpc/method_list: same signatures, same documentation", async () => {
    const server = new RpcServer({ plain: plainTarget() }, { builtinTerminate: true });
    closers.push(() => server.stop());
    await server.start();
    const reply = decode(session("rpc/method_list").exchange.at(-2)!.line!, { values: "plain" }) as {
      ret: { docstring: string; methods: Record<string, unknown> };
    };
    const client = await Client.connect("127.0.0.1", server.port);
    closers.push(() => client.close());
    const list = (await client.getRpcMethodList()) as typeof reply.ret;
    expect(list.docstring).toBe(reply.ret.docstring);
    expect(list.methods["add"]).toEqual(reply.ret.methods["add"]);
    expect(list.methods["terminate"]).toEqual(reply.ret.methods["terminate"]);
    expect(Object.keys(list.methods)).toContain("ping");
  });

  it("rpc/terminate: the reply comes, then the owner stops the server", async () => {
    const target = plainTarget();
    const server = new RpcServer(
      { other: target, plain: target, plain_rexec: target },
      { description: "session recorder", builtinTerminate: true },
    );
    closers.push(() => server.stop());
    await server.start();
    const stopped = server.terminated.then(() => server.stop());
    await replay(session("rpc/terminate"), server.port);
    await stopped;
    expect(server.connectionCount).toBe(0);
  });
});

/** A server that says what the recorded one said, and notes what it was told. */
async function scripted(one: Session): Promise<{ port: number; told: () => string; done: Promise<void> }> {
  let told = "";
  let finished = (): void => {};
  const done = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const server = createServer((socket: Socket) => {
    const steps = [...one.exchange];
    let expected = "";
    const advance = (): void => {
      while (steps[0]?.from === "server") {
        const step = steps.shift()!;
        if (step.line !== undefined) socket.write(step.line);
        else socket.end();
      }
      if (steps.length === 0) finished();
    };
    socket.on("data", (chunk: Buffer) => {
      told += chunk.toString();
      while (steps[0]?.from === "client" && steps[0].line !== undefined && told.length >= expected.length + steps[0].line.length) {
        expected += steps.shift()!.line;
        advance();
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => finished());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => new Promise((resolve) => server.close(resolve)));
  return { port: (server.address() as { port: number }).port, told: () => told, done };
}

const linesFrom = (one: Session): string => one.exchange.map((step) => (step.from === "client" ? (step.line ?? "") : "")).join("");

describe("recorded sessions, our client", () => {
  const play = async (name: string, act: (port: number) => Promise<unknown>): Promise<void> => {
    const one = session(name);
    const { port, told, done } = await scripted(one);
    await act(port);
    await done;
    expect(told()).toBe(linesFrom(one));
  };
  const connect = (port: number, target: string | null | typeof AutoTarget): Promise<Client> =>
    Client.connect("127.0.0.1", port, { target, values: "exact" });

  it("rpc/identify", () =>
    play("rpc/identify", async (port) => {
      const client = await connect(port, null);
      expect(client.getRpcId()).toEqual({ targets: ["other", "plain", "plain_rexec"], description: "session recorder" });
      await client.close();
    }));

  it("rpc/select_late", () =>
    play("rpc/select_late", async (port) => {
      const client = await connect(port, null);
      await client.selectRpcTarget("other");
      expect(client.methods.has("terminate")).toBe(true);
      await client.close();
    }));

  it("rpc/auto_target", () =>
    play("rpc/auto_target", async (port) => {
      const client = await connect(port, AutoTarget);
      await client.close();
    }));

  it("rpc/auto_target_ambiguous", () =>
    play("rpc/auto_target_ambiguous", async (port) => {
      await expect(connect(port, AutoTarget)).rejects.toThrow(/3 targets.*other plain plain_rexec/);
    }));

  it("rpc/bad_target_client_side", () =>
    play("rpc/bad_target_client_side", async (port) => {
      const error = await connect(port, "nope").catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(IncompatibleServer);
      expect(error).toMatchObject({ message: expect.stringContaining("valid target names: other plain plain_rexec (session recorder)") });
      expect(error).not.toBeInstanceOf(RemoteError);
    }));

  it("rpc/calls", () =>
    play("rpc/calls", async (port) => {
      const client = await connect(port, "plain");
      expect(await client.call("ping")).toBe(true);
      const echoed = tuple<unknown>(1, float(2), "x", null);
      expect(await client.call("echo", [echoed])).toEqual(echoed);
      const array = NdArray.from(Int32Array.of(0, 1, 2));
      const dict = (await client.call("echo", [new Map([[1, array]])])) as Map<number, NdArray>;
      expect([...dict.get(1)!.data]).toEqual([...(decode('{"__jsonclass__":["nparray",[[3],"<i4","AAAAAAEAAAACAAAA"]]}') as NdArray).data]);
      expect(Number(await client.rpc["add"]!(1, kw({ b: 2, scale: float(2) })))).toBe(6);
      await client.close();
    }));

  it("rpc/errors", () =>
    play("rpc/errors", async (port) => {
      const client = await connect(port, "plain");
      await expect(client.call("fail")).rejects.toMatchObject({ remoteClass: "ValueError", remoteMessage: 'bad "value"\nsecond line' });
      const lab = await client.call("fail_lab").catch((thrown: unknown) => thrown);
      expect(lab).toBeInstanceOf(RemoteError);
      expect(lab).toMatchObject({ remoteClass: "GenericRemoteException", message: "LabError: board off", code: "ERR_SPINN_REMOTE" });
      expect((lab as RemoteError).parentTraceback).toHaveLength(3);
      await expect(client.call("unserialisable")).rejects.toMatchObject({ remoteClass: "TypeError" });
      await expect(client.call("add")).rejects.toMatchObject({ remoteClass: "TypeError" });
      expect(await client.call("ping")).toBe(true);
      await client.close();
    }));

  it("rpc/method_list", () =>
    play("rpc/method_list", async (port) => {
      const client = await connect(port, "plain");
      const list = (await client.getRpcMethodList()) as Map<string, unknown>;
      expect(list.get("docstring")).toBe("Methods of a small target.");
      await client.close();
    }));

  it("rpc/old_notation", () =>
    play("rpc/old_notation", async (port) => {
      const client = await Client.connect("127.0.0.1", port, { target: "plain", notation: "v1", values: "exact" });
      expect(await client.call("echo", [tuple(1)])).toEqual(tuple(1));
      await expect(client.call("fail")).rejects.toMatchObject({ remoteClass: "ValueError" });
      await client.close();
    }));

  it("rpc/remote_exec", () =>
    play("rpc/remote_exec", async (port) => {
      const client = await connect(port, "plain_rexec");
      expect(await client.call("add_code", ["def f(x):\n    return (x, controller_driver.ping())\n"])).toBeNull();
      expect(await client.call("call", ["f", 21])).toEqual(tuple<unknown>(21, true));
      await expect(client.call("call", ["g"])).rejects.toMatchObject({ remoteClass: "KeyError", remoteMessage: "'g'" });
      await expect(client.call("add_code", ["1/0"])).rejects.toMatchObject({ remoteClass: "ZeroDivisionError" });
      await client.close();
    }));

  it("rpc/sys_exit: the connection closes under the call", () =>
    play("rpc/sys_exit", async (port) => {
      const client = await connect(port, "plain");
      await expect(client.call("leave")).rejects.toMatchObject({ code: "ERR_SPINN_OUTCOME_UNKNOWN" });
      await client.close();
    }));

  it("rpc/terminate", () =>
    play("rpc/terminate", async (port) => {
      const client = await connect(port, "plain");
      expect(await client.call("terminate")).toBeNull();
      await client.close();
    }));

  it("keeps complex values through a client and a server", async () => {
    const server = new RpcServer({ plain: plainTarget() }, { values: "exact" });
    closers.push(() => server.stop());
    await server.start();
    const client = await connect(server.port, "plain");
    expect(await client.call("echo", [new Complex(1, -2)])).toEqual(new Complex(1, -2));
    await client.close();
  });
});
