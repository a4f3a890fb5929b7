import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../../src/services/cluster/index.js";
import { runExample } from "../e2e/spinn.js";

// Runs where SPINN_PEER_IPYPARALLEL names a Python that has ipyparallel (7.1 or later), and the package zeromq is installed.
const python = process.env["SPINN_PEER_IPYPARALLEL"];
const root = fileURLToPath(new URL("../..", import.meta.url));
const script = fileURLToPath(new URL("cluster_peer.py", import.meta.url));
const run = promisify(execFile);
const SECONDS = 60_000;
const BOARDS = 24;

interface Child {
  readonly process: ChildProcess;
  readonly told: Readonly<Record<string, unknown>>;
}

/** Until its first line, which is JSON. */
async function started(command: string, words: readonly string[]): Promise<Child> {
  const child = spawn(command, words, { stdio: ["pipe", "pipe", "pipe"], cwd: root });
  let [text, talk] = ["", ""];
  child.stderr.on("data", (data: Buffer) => {
    talk += data.toString();
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (data: Buffer) => {
      text += data.toString();
      if (text.includes("\n")) resolve();
    });
    child.once("exit", (status) => reject(new Error(`ended with ${status}: ${text}${talk}`)));
  });
  return { process: child, told: JSON.parse(text.split("\n", 1)[0]!) as Child["told"] };
}

async function stopped({ process: child }: Child, signal?: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode;
  const ended = once(child, "exit") as Promise<[number | null]>;
  child.stdin!.end();
  if (signal !== undefined) child.kill(signal);
  return (await ended)[0];
}

describe.skipIf(python === undefined)("boards as engines of a real ipcontroller", () => {
  let cluster: Child;
  let engines: Child;
  const spinn = (...words: string[]) => started(process.execPath, ["dist/cli/main.js", "engine", ...words, "--json"]);
  beforeAll(async () => {
    cluster = await started(python!, [script, "serve", "2"]);
    engines = await spinn("--simulation", String(BOARDS), "--cluster", String(cluster.told["engine"]));
  }, SECONDS);
  afterAll(async () => {
    if (engines !== undefined) await stopped(engines, "SIGINT");
    if (cluster !== undefined) await stopped(cluster);
  }, SECONDS);

  it("all are there, with their names, numbers and the place where their runs are watched", () => {
    const { ready, boards } = engines.told as { ready: boolean; boards: { board: string; engine: number; state: string; via: string }[] };
    expect(ready).toBe(true);
    expect(boards).toHaveLength(BOARDS);
    expect(new Set(boards.map(({ engine }) => engine)).size).toBe(BOARDS);
    for (const { state, via } of boards) expect([state, via]).toEqual(["ready", expect.stringMatching(/^127\.0\.0\.1:\d+$/)]);
  });

  const expected = { boards: BOARDS, python: 2, agree: true, different: BOARDS };
  const environment = () => ({ ...process.env, SPINN_CLUSTER: String(cluster.told["client"]), PYTHONWARNINGS: "ignore" });

  it(
    "an experiment on all of them, from one TypeScript file",
    async () => {
      const { stdout } = await runExample("fixtures/cluster/experiment.ts", environment());
      expect(JSON.parse(stdout)).toMatchObject(expected);
      expect((JSON.parse(stdout) as { lines: number }).lines).toBeGreaterThanOrEqual(BOARDS * 2);
    },
    SECONDS,
  );

  it(
    "and from one Python notebook",
    async () => {
      const { stdout } = await run(python!, ["fixtures/cluster/experiment.py"], { cwd: root, env: environment() });
      expect(JSON.parse(stdout)).toMatchObject(expected);
      expect((JSON.parse(stdout) as { lines: number }).lines).toBeGreaterThanOrEqual(BOARDS * 2);
    },
    SECONDS,
  );

  it(
    "a run is watched where the task's metadata says, stopped by an interrupt, and found in the Hub's database",
    async () => {
      await using client = await Client.connect({ file: String(cluster.told["client"]) });
      const { boards } = engines.told as { boards: { engine: number; via: string }[] };
      const [{ engine, via }] = boards as [{ engine: number; via: string }];
      const view = client.directView(engine);
      const running = view.call("wait_for", 77, ["RUN"], 1, 60);
      const list = ["dist/cli/main.js", "runs", "--via", via, "--json"];
      await expect
        .poll(async () => (await run(process.execPath, list, { cwd: root })).stdout, { timeout: 20_000, interval: 200 })
        .toContain(running.msgIds[0]!);
      expect(await running.cancel()).toEqual(["interrupted"]);
      expect(running.metadata[0]!.extra).toMatchObject({ via, run: expect.any(String) as string });
      const [record] = await client.dbQuery({ msg_id: running.msgIds[0]! }, ["result_metadata"]);
      expect(record!.result_metadata).toMatchObject({ via, run: running.metadata[0]!.extra["run"] });
    },
    SECONDS,
  );

  it(
    "wrong keys and files are named, in time",
    async () => {
      const file = join(String(cluster.told["folder"]), "wrong-engine.json");
      const connection = JSON.parse(await readFile(String(cluster.told["engine"]), "utf8")) as object;
      await writeFile(file, JSON.stringify({ ...connection, key: "wrong" }));
      const words = (path: string) => ["dist/cli/main.js", "engine", "--simulation", "1", "--cluster", path];
      const end = (path: string) => run(process.execPath, words(path), { cwd: root }).catch((error: unknown) => error);
      const wrong = await end(file);
      expect(wrong).toMatchObject({ code: 3, stderr: expect.stringMatching(/could not register with.*wrong key/s) as string });
      const clients = await end(String(cluster.told["client"]));
      expect(clients).toMatchObject({ code: 2, stderr: expect.stringContaining("take ipcontroller-engine.json") as string });
    },
    SECONDS,
  );

  it(
    "the process killed in the middle of a task fails it, and a controller that stops ends the others",
    async () => {
      const victim = await spinn("--simulation", "1", "--cluster", String(cluster.told["engine"]));
      const client = await Client.connect({ file: String(cluster.told["client"]) });
      const { boards } = victim.told as { boards: { engine: number }[] };
      await client.waitForEngines(BOARDS + 3);
      const running = client.directView(boards[0]!.engine).call("wait_for", 77, ["RUN"], 1, 600);
      const failed = running.get().then(
        () => undefined,
        (error: unknown) => error,
      );
      await stopped(victim, "SIGKILL");
      expect(await failed).toMatchObject({ code: "ERR_SPINN_INCOMPLETE" });
      await client.close();
      const [controller] = cluster.told["pids"] as [number];
      process.kill(-controller, "SIGKILL");
      const [status] = (await once(engines.process, "exit")) as [number];
      expect(status).toBe(7);
    },
    SECONDS,
  );
});
