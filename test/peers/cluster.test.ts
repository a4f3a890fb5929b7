import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AsyncResult, Client, Engine, kw, ShapedArray } from "../../src/services/cluster/index.js";

// Runs where SPINN_PEER_IPYPARALLEL names a Python that has ipyparallel (7.1 or later) and NumPy, and the package zeromq is installed.
const python = process.env["SPINN_PEER_IPYPARALLEL"];
const script = fileURLToPath(new URL("cluster_peer.py", import.meta.url));
const run = promisify(execFile);
const SECONDS = 60_000;

interface Cluster {
  readonly client: string;
  readonly engine: string;
  readonly folder: string;
  readonly pids: readonly number[];
  readonly child: ChildProcess;
}

async function startCluster(engines: number, ...options: string[]): Promise<Cluster> {
  const child = spawn(python!, [script, "serve", String(engines), ...options], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = (await once(child.stdout!, "data")) as [Buffer];
  return { ...(JSON.parse(line.toString()) as Omit<Cluster, "child">), child };
}

async function stopCluster({ child }: Cluster): Promise<void> {
  const ended = once(child, "exit");
  child.stdin!.end();
  await ended;
}

const rejection = (promise: PromiseLike<unknown>): Promise<{ readonly code?: string; readonly message: string; readonly hint?: string }> =>
  Promise.resolve(promise).then(
    () => Promise.reject(new Error("expected a rejection")),
    (error) => error,
  );
/** Until a task is at work on an engine. */
const begun = async (result: AsyncResult<unknown>): Promise<void> => {
  for await (const line of result.stdout) if (line === "begun") return;
};
const SLEEP = "def nap(s):\n    import time\n    print('begun', flush=True)\n    time.sleep(s)\n    return s";

describe.skipIf(python === undefined)("a real ipcontroller with Python engines", () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster(2);
  }, SECONDS);
  afterAll(() => cluster && stopCluster(cluster), SECONDS);

  const connected = async (): Promise<Client> => {
    const client = await Client.connect({ file: cluster.client });
    await client.waitForEngines(2, { timeoutMs: 30_000 });
    return client;
  };

  it(
    "runs Python, with values, arrays and output",
    async () => {
      await using client = await connected();
      const view = client.directView("all");
      const result = view.apply<number>("lambda a, b=1: (print('hi', a), a + b)[1]", 3, kw({ b: 4 }));
      const lines: string[] = [];
      for await (const line of result.stdout) lines.push(line);
      expect(lines).toEqual(["hi 3", "hi 3"]);
      expect(await result).toEqual([7, 7]);
      const one = client.directView(client.ids[0]!);
      const values = { a: [1, 2.5, null, true, -5, 2 ** 40, 2n ** 70n, "é😀", -0], u: new Uint8Array([1, 2]), n: Number.NaN };
      expect(await one.apply("lambda x: x", values)).toEqual(values);
      const source = "import numpy as np\ndef f(x):\n    x[0] = 7\n    return {'sum': np.sum(x), 'x': x, 'm': x.reshape(1, -1)}";
      const x = new Float64Array([7, 2, 3]);
      expect(await one.apply(source, new Float64Array([1, 2, 3]))).toEqual({ sum: 12, x, m: new ShapedArray(x, [1, 3]) });
      const large = new Float64Array(1e6).map((_, i) => i);
      await one.push({ large });
      expect(await one.pull("large")).toEqual(large);
      await view.scatter("part", new Int32Array([1, 2, 3, 4, 5]));
      expect(await view.pull("len(part)")).toEqual([3, 2]);
      expect(await view.gather("part")).toEqual(new Int32Array([1, 2, 3, 4, 5]));
      expect(await view.map("lambda a, b: a * b", [1, 2, 3], [4, 5, 6])).toEqual([4, 10, 18]);
      expect(await rejection(one.apply("lambda: {1, 2}"))).toMatchObject({ code: "ERR_SPINN_PROTOCOL" });
      const executed = one.execute("import sys; print('e', file=sys.stderr); 6 * 7");
      await executed.waitForOutput();
      expect(executed.metadata[0]).toMatchObject({ stderr: "e\n", executeResult: { "text/plain": "42" } });
      await view.clear();
      expect(await rejection(one.pull("large"))).toMatchObject({ message: expect.stringContaining("NameError") });
    },
    SECONDS,
  );

  it(
    "schedules: dependencies, retries that end, time-outs",
    async () => {
      await using client = await connected();
      const view = client.loadBalancedView();
      const pid = "lambda: __import__('os').getpid()";
      const first = view.apply<number>(pid);
      const second = view.with({ after: first, follow: first }).apply<number>(pid);
      expect(await second).toBe(await first);
      const failing = view.with({ retries: 1 }).apply("lambda: 1/0");
      expect(await rejection(failing)).toMatchObject({ code: "ERR_SPINN_REMOTE" });
      expect(await rejection(view.with({ after: failing }).apply(pid))).toMatchObject({
        message: expect.stringContaining("ImpossibleDependency"),
      });
      const [a, b] = [view.apply(SLEEP, 1.5), view.apply(SLEEP, 1.5)];
      await Promise.all([begun(a), begun(b)]);
      expect(await rejection(view.with({ startTimeoutMs: 200 }).apply(pid))).toMatchObject({
        message: expect.stringContaining("TaskTimeout"),
      });
      expect(await view.with({ chunkSize: 3 }).map("lambda x: x * x", [1, 2, 3, 4, 5])).toEqual([1, 4, 9, 16, 25]);
      const streamed: number[] = [];
      for await (const value of view.stream<number>("lambda x: -x", [1, 2, 3])) streamed.push(value);
      expect(streamed).toEqual([-1, -2, -3]);
    },
    SECONDS,
  );

  it(
    "cancels what waits and what runs",
    async () => {
      await using client = await connected();
      const view = client.directView(client.ids[0]!);
      const [running, waiting] = [view.apply(SLEEP, 60), view.apply(SLEEP, 60)];
      await begun(running);
      const [first, second] = await Promise.all([running.cancel(), waiting.cancel()]);
      expect(first).toEqual(["interrupted"]);
      // The engine reads its queue and its control channel in no set order.
      expect(["dropped before it started", "interrupted"]).toContain(second![0]);
      expect(await rejection(running)).toMatchObject({ message: expect.stringContaining("KeyboardInterrupt") });
      expect(await view.apply("lambda: 2")).toBe(2);
    },
    SECONDS,
  );

  it(
    "remembers: history, database, results of others, resubmission, purging",
    async () => {
      await using client = await connected();
      await using other = await connected();
      const result = client.loadBalancedView().apply<number>("lambda: (print('seen'), 5)[1]");
      await result;
      const [msgId] = result.msgIds as [string];
      const fetched = other.getResult<number>(msgId);
      expect(await fetched).toBe(5);
      expect(fetched.stdout.text).toBe("seen\n");
      expect(await other.hubHistory()).toContain(msgId);
      expect(await other.resultStatus(msgId)).toEqual({ pending: [], completed: [msgId] });
      const [record] = await other.dbQuery({ msg_id: msgId }, ["msg_id", "queue", "completed", "result_buffers"]);
      expect(record).toMatchObject({ queue: "task", completed: expect.any(Date), result_buffers: { length: 1 } });
      expect(Object.keys(await client.queueStatus()).sort()).toEqual([...client.ids.map(String), "unassigned"]);
      const { result: again } = await client.resubmit(result);
      expect(await again).toEqual([5]);
      await other.purgeResults(msgId);
      expect(await rejection(other.getResult(msgId))).toMatchObject({ code: "ERR_SPINN_INCOMPLETE" });
    },
    SECONDS,
  );

  it(
    "has an engine of ours, which Python's client drives",
    async () => {
      let cleared = 0;
      const engine = await Engine.start({
        file: cluster.engine,
        clear: () => {
          cleared += 1;
        },
        methods: {
          add: ({ args, kwargs }) => Number(args[0]) + Number(kwargs["b"]),
          echo: ({ args }) => args[0],
          ramp: ({ args }) => Float64Array.from({ length: Number(args[0]) }, (_, i) => i),
          cleared: () => cleared,
          talk: ({ args }, task) => {
            task.print(`${String(args[0])}\n`);
            task.print("oops\n", "stderr");
          },
          slow: (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("stopped")))),
        },
      });
      const { stdout } = await run(python!, [script, "drive", cluster.client, String(engine.id)]);
      expect(JSON.parse(stdout)).toMatchObject({
        call: 3,
        data: { b: [0, 1] },
        array: ["float64", [0, 1, 2]],
        execute: "42",
        stdout: "hello\n",
        stderr: "oops\n",
        lambda: ["TypeError", expect.stringContaining("Reference")],
        unknown: ["NameError", expect.any(String)],
        interrupted: "KeyboardInterrupt",
        aborted: "TaskAborted",
        interrupt_is_quick: true,
        balanced: 4,
        broadcast: [5],
        cleared: 1,
        queue: 0,
        left: true,
      });
      expect(await engine.ended).toBeUndefined();
    },
    SECONDS,
  );

  it(
    "runs the example of the README as it stands, against the built package",
    async () => {
      const root = fileURLToPath(new URL("../..", import.meta.url));
      const page = await readFile(join(root, "src/services/cluster/README.md"), "utf8");
      const [example] = /(?<=```ts\n).*?(?=```)/s.exec(page)!;
      const { default: typescript } = await import("typescript");
      const { ModuleKind, ScriptTarget, transpileModule } = typescript;
      const { outputText } = transpileModule(example, { compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2022 } });
      const env = { ...process.env, SPINN_CLUSTER: cluster.client };
      // The package finds itself by its name from its own folder.
      const { stdout, stderr } = await run(process.execPath, ["--input-type=module", "-e", outputText], { cwd: root, env });
      expect(stderr).toBe("");
      const engines = stdout.split("\n")[0]!.match(/\d+/g)!.length;
      expect(stdout.split("\n").slice(1)).toEqual([
        ...Array(engines).fill("adding 3 4"),
        `[ ${Array(engines).fill(7).join(", ")} ]`,
        "998001",
        "4950",
        "[ 'interrupted' ]",
        "",
      ]);
    },
    SECONDS,
  );

  it(
    "with a wrong key or a wrong file is named",
    async () => {
      expect(await rejection(Client.connect({ file: cluster.client, key: "wrong", timeoutMs: 1000 }))).toMatchObject({
        code: "ERR_SPINN_TIMEOUT",
        message: expect.stringContaining("takes connections and does not answer"),
        hint: expect.stringContaining("wrong key"),
      });
      expect(await rejection(Client.connect({ file: cluster.engine }))).toMatchObject({ code: "ERR_SPINN_FILE" });
      const old = { ...(JSON.parse(await readFile(cluster.client, "utf8")) as object), registration: 9, interface: "tcp://127.0.0.1" };
      const copy = join(cluster.folder, "old.json");
      await writeFile(copy, JSON.stringify(old));
      expect(await rejection(Client.connect({ file: copy, timeoutMs: 500 }))).toMatchObject({
        message: expect.stringContaining("nothing answers"),
      });
    },
    SECONDS,
  );

  it(
    "loses an engine in the middle of a task, and then stops itself",
    async () => {
      await using client = await connected();
      const [first, second] = client.ids as [number, number];
      const view = client.directView(first);
      const pid = await view.apply<number>("lambda: __import__('os').getpid()");
      const [sent, scheduled] = [view.apply(SLEEP, 60), client.loadBalancedView({ targets: [second] }).apply(SLEEP, 60)];
      await Promise.all([begun(sent), begun(scheduled)]);
      // Bounded by the time of this test: the tasks' own deadlines are an hour away.
      process.kill(pid, "SIGKILL");
      expect(await rejection(sent)).toMatchObject({
        code: "ERR_SPINN_INCOMPLETE",
        message: expect.stringContaining(`engine ${first} went away`),
      });
      const [controller] = cluster.pids as [number];
      process.kill(-controller, "SIGKILL");
      expect(await rejection(scheduled)).toMatchObject({ code: "ERR_SPINN_INCOMPLETE", message: expect.stringContaining("went away") });
      expect(() => client.directView(second)).toThrow();
    },
    SECONDS,
  );
});

describe.skipIf(python === undefined)("a real ipcontroller with CURVE", () => {
  it(
    "is reached by its key, and not without",
    async () => {
      const cluster = await startCluster(1, "--IPController.enable_curve=True");
      try {
        const client = await Client.connect({ file: cluster.client });
        await client.waitForEngines(1, { timeoutMs: 30_000 });
        expect(await client.directView("all").apply("lambda: 1")).toEqual([1]);
        await client.close();
        const open = { ...(JSON.parse(await readFile(cluster.client, "utf8")) as object), curve_serverkey: null };
        expect(await rejection(Client.connect({ file: open as never, timeoutMs: 500 }))).toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
      } finally {
        await stopCluster(cluster);
      }
    },
    SECONDS,
  );
});
