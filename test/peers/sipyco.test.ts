import { execFile, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { Broadcaster, type Mod, Notifier, Publisher, Receiver, Subscriber } from "../../src/services/publish/index.js";
import {
  BestEffortClient,
  Client,
  decode,
  encode,
  float,
  kw,
  type NdArray,
  type Notation,
  RpcServer,
  Slice,
  tuple,
} from "../../src/services/rpc/index.js";
import { plainTarget } from "../services/rpc/lab-target.js";

/*
 * The real sipyco against ours, both ways. Runs where SPINN_PEER_SIPYCO names a checkout of m-labs/sipyco (1.10 or later), and once more
 * in the old notation where SPINN_PEER_SIPYCO_OLD names one of 1.9 or before. SPINN_PEER_PYTHON: an interpreter with numpy.
 */
const python = process.env["SPINN_PEER_PYTHON"] ?? "/usr/bin/python3";
const peers: [Notation, string | undefined][] = [
  ["v2", process.env["SPINN_PEER_SIPYCO"]],
  ["v1", process.env["SPINN_PEER_SIPYCO_OLD"]],
];
const script = fileURLToPath(new URL("sipyco_peer.py", import.meta.url));
const run = promisify(execFile);

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const until = async (condition: () => boolean): Promise<void> => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 2));
};

/** Starts the real servers; their ports for calls, state and broadcasts. */
async function realServers(checkout: string): Promise<[number, number, number]> {
  const child = spawn(python, [script, "serve"], { env: { ...process.env, PYTHONPATH: checkout }, stdio: ["pipe", "pipe", "inherit"] });
  closers.push(async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.stdin.end();
    const timer = setTimeout(() => child.kill(), 2000);
    await ended;
    clearTimeout(timer);
  });
  return new Promise((resolve, reject) => {
    child.stdout.once("data", (line: Buffer) => resolve(JSON.parse(line.toString()) as [number, number, number]));
    child.once("exit", () => reject(new Error("the real server did not start")));
  });
}

for (const [notation, checkout] of peers) {
  describe.skipIf(checkout === undefined)(`the real sipyco, ${notation}`, () => {
    it("its clients against our servers", async () => {
      const notifier = new Notifier<unknown>({ list: [1, 2], d: {} });
      const sync = new Publisher({ state: notifier }, { notation });
      const cast = new Broadcaster({ notation });
      const control = {
        change: () => {
          notifier.setItem("a", { b: [tuple()] });
          notifier.setItem(5, null);
          const list = notifier.at("list");
          list.append(3);
          list.insert(-1, 9);
          list.pop();
          list.pop(0);
          list.setItem(-1, 4);
          notifier.at("a", "b").append(float(1));
          list.setItem(new Slice(0, 1), [7, 8]);
          notifier.setItem("arr", new Float64Array([1.5]));
          notifier.delItem(5);
          notifier.setItem("end", true);
          for (let i = 0; i < 100; i += 1) cast.broadcast("ch", tuple<unknown>("n", i));
        },
      };
      const rpc = new RpcServer({ plain: plainTarget(), control }, { values: "exact", description: "ours", builtinTerminate: true });
      for (const server of [rpc, sync, cast]) {
        await server.start();
        closers.push(() => server.stop());
      }
      const env = { ...process.env, PYTHONPATH: checkout };
      const { stdout } = await run(python, [script, "check", String(rpc.port), String(sync.port), String(cast.port)], { env });
      const result = JSON.parse(stdout) as Record<string, unknown>;
      const tagged = { id: [["control", "plain"], "ours"], ping: true, add: [2, 3, 12.0], big: true, calls: true, best: [1, "x"] };
      // v1 cannot keep an empty set apart from a dict; none is among the values. All else comes back as it went.
      expect(result).toMatchObject({ ...tagged, different: [], asyncio: true, heard: true });
      expect(result["errors"]).toEqual([
        ["ValueError", 'bad "value"\nsecond line'],
        ["GenericRemoteException", "LabError: board off"],
        ["TypeError", expect.stringContaining("the result of unserialisable() cannot be sent")],
        ["TypeError", "add() missing 1 required positional argument: 'a'"],
        ["TypeError", "add() got an unexpected keyword argument 'c'"],
      ]);
      expect(Object.keys(result["list"] as object)).toContain("terminate");
      const actions = "init setitem setitem append insert pop pop setitem append setitem setitem delitem setitem";
      expect(result["mods"]).toEqual(actions.split(" "));
      expect(result["mirror"]).toBe("{'list': [7, 8, 4], 'd': {}, 'a': {'b': [(), 1.0]}, 'arr': array([1.5]), 'end': True}");

      // The command-line tool.
      const tool = async (...args: string[]): Promise<string> =>
        (await run(python, ["-m", "sipyco.sipyco_rpctool", "127.0.0.1", String(rpc.port), ...args], { env })).stdout;
      expect(await tool("list-targets")).toBe("Target(s):   control, plain\nDescription: ours\n");
      expect(await tool("call", "-t", "plain", "add", "2", "3")).toBe("5\n");
      const listing = await tool("list-methods", "-t", "plain");
      expect(listing).toContain("Methods of a small target.");
      expect(listing).toMatch(/add\((self, )?a: ?'?int'?, ?b: ?'?int'? ?= ?1, \*, scale ?= ?1/);
      expect(listing).toContain("    Add two numbers.");
      await tool("call", "-t", "plain", "terminate");
      await rpc.terminated;
    });

    it("its client against our server over TLS", async () => {
      const file = (name: string): string => fileURLToPath(new URL(`../../fixtures/sipyco/tls/${name}`, import.meta.url));
      const [cert, key, peerCert] = ["server.pem", "server.key", "client.pem"].map((name) => readFileSync(file(name), "utf8"));
      const server = new RpcServer({ plain: plainTarget() }, { tls: { cert: cert!, key: key!, peerCert: peerCert! } });
      await server.start();
      closers.push(() => server.stop());
      const files = ["client.pem", "client.key", "server.pem"].map(file);
      const { stdout } = await run(python, [script, "tls", String(server.port), ...files], {
        env: { ...process.env, PYTHONPATH: checkout },
      });
      expect(stdout).toBe("over TLS\n");
    });

    it("our clients against its servers", async () => {
      const [rpcPort, syncPort, castPort] = await realServers(checkout!);
      const client = await Client.connect("127.0.0.1", rpcPort, { notation, values: "exact", timeoutMs: 10_000 });
      closers.push(() => client.close());
      const { rpc } = client;
      expect(client.getRpcId()).toEqual({ targets: ["echo"], description: "the real one" });
      expect(await rpc["ping"]!()).toBe(true);
      const texts = ["[1,1.0,NaN,-0.0,12345678901234567890]", '{"__jsonclass__":["tuple",[[1,{"__jsonclass__":["bytes",["AAH/"]]}]]]}'];
      texts.push('{"__jsonclass__":["dict",[[[1,{"__jsonclass__":["complex",[1.0,-2.0]]}],["b",{"__jsonclass__":["Fraction",[3,4]]}]]]]}');
      texts.push('{"__jsonclass__":["nparray",[[2,1],">i2","AAEAAg=="]]}', '"caf\\u00e9 \\u269b"', '{"10":1,"9":[]}');
      for (const text of texts) expect(encode(await rpc["echo"]!(decode(text)))).toBe(text);
      expect(Number(await rpc["add"]!(1, kw({ scale: 2 })))).toBe(4);
      await expect(rpc["fail"]!()).rejects.toMatchObject({ remoteClass: "ValueError", remoteMessage: "bad value" });
      await expect(client.call("add")).rejects.toMatchObject({ remoteClass: "TypeError" });
      expect(((await rpc["ramp"]!(1_000_000)) as NdArray).data[999_999]).toBe(999_999);
      expect(Number(await rpc["total"]!(new Float64Array(300_000).fill(1)))).toBe(300_000);

      // Given up half way: later answers keep their places.
      await expect(client.call("later", [0.05], {}, { timeoutMs: 5 })).rejects.toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
      expect(await Promise.all(Array.from({ length: 200 }, (_, i) => rpc["echo"]!(i)))).toEqual(Array.from({ length: 200 }, (_, i) => i));
      const list = (await client.getRpcMethodList()) as Map<string, Map<string, unknown>>;
      expect([...list.get("methods")!.keys()]).toContain("add");

      const best = await BestEffortClient.connect("127.0.0.1", rpcPort, { notation });
      closers.push(() => best.close());
      expect(await best.call("echo", [5])).toBe(5);

      const mods: Mod[] = [];
      const subscriber = new Subscriber(
        "state",
        (struct) => struct,
        (mod) => mods.push(mod),
      );
      await subscriber.connect("127.0.0.1", syncPort, { values: "exact" });
      closers.push(() => subscriber.close());
      const heard: unknown[] = [];
      const receiver = new Receiver("ch", (value) => heard.push(value));
      await receiver.connect("127.0.0.1", castPort);
      closers.push(() => receiver.close());
      await until(() => mods.length === 1);
      await client.call("change");
      const last = (): Mod | undefined => mods.at(-1);
      await until(() => last()?.action === "setitem" && (last() as { key: unknown }).key === "end");
      expect(encode(subscriber.target)).toBe(
        '{"list":[7,8,4],"d":{},"a":{"b":[{"__jsonclass__":["tuple",[[]]]},1.0]},"arr":{"__jsonclass__":["nparray",[[1],"<f8","AAAAAAAA+D8="]]},"end":true}',
      );
      await client.call("cast", [100]);
      await until(() => heard.length === 100);
      expect(heard[99]).toEqual(tuple<unknown>("n", 99));
    });
  });
}
