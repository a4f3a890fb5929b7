import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Keepalive } from "../../../src/services/allocation/keepalive.js";
import { FakeJobs } from "./fake-server.js";

/** A server in a thread of its own, since the test blocks this one; counts signs of life where both can see them. */
const SERVER = `
const { createServer } = require("node:net");
const { parentPort, workerData } = require("node:worker_threads");
const count = new Int32Array(workerData);
createServer((socket) => socket.on("error", () => {}).on("data", (chunk) => {
  const { command, args } = JSON.parse(chunk);
  if (command !== "job_keepalive" || args[0] !== 5) return;
  socket.write('{"return": null}\\n');
  Atomics.add(count, 0, 1);
  Atomics.notify(count, 0);
})).listen(0, "127.0.0.1", function () { parentPort.postMessage(this.address().port); });
`;

describe("signs of life", () => {
  it("go on while the event loop stands still", async () => {
    const shared = new SharedArrayBuffer(4);
    const count = new Int32Array(shared);
    const server = new Worker(SERVER, { eval: true, workerData: shared, execArgv: [] });
    const [port] = (await once(server, "message")) as [number];
    const keepalive = new Keepalive({ kind: "classic", host: "127.0.0.1", port, jobId: 5, timeoutMs: 1000 }, 100);
    try {
      // Not one turn of this thread's event loop passes until four came.
      while (Atomics.load(count, 0) < 4) {
        expect(Atomics.wait(count, 0, Atomics.load(count, 0), 10_000)).not.toBe("timed-out");
      }
      expect(keepalive.silentMs).toBeLessThan(60_000);
    } finally {
      await keepalive.stop();
      await server.terminate();
    }
  });

  it("are tried again while the server is away", async () => {
    const jobs = await FakeJobs.start();
    const { port } = jobs.server;
    await jobs.server.close();
    const keepalive = new Keepalive({ kind: "classic", host: "127.0.0.1", port, jobId: 5, timeoutMs: 1000 }, 200);
    const again = await FakeJobs.start(port);
    await again.server.until(() => again.server.count("job_keepalive") > 1);
    await keepalive.stop();
    await again.server.close();
  });
});

describe("the end of the process", () => {
  const folder = mkdtempSync(join(tmpdir(), "spinnkit-allocation-"));
  beforeAll(() => {
    const src = fileURLToPath(new URL("../../../src", import.meta.url));
    mkdirSync(join(folder, "services", "allocation"), { recursive: true });
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    const files = readdirSync(join(src, "services", "allocation")).map((name) => join("services", "allocation", name));
    for (const file of [...files, "errors.ts"]) {
      const { outputText } = ts.transpileModule(readFileSync(join(src, file), "utf8"), {
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
      });
      writeFileSync(join(folder, file.replace(/\.ts$/, ".js")), outputText);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const program = (port: number, end: string): string => `
    import { allocate } from ${JSON.stringify(join(folder, "services", "allocation", "index.js"))};
    const job = await allocate({ server: "127.0.0.1:${port}", owner: "me" });
    console.log("ready");
    ${end}
  `;
  const STAY = "await new Promise((resolve) => setTimeout(resolve, 60_000));";

  it.each([
    ["process.exit", "process.exit(3);", undefined, 3, null],
    ["an uncaught error", "setTimeout(() => { throw new Error('crash'); }); await new Promise(() => {});", undefined, 1, null],
    ["a signal", STAY, "SIGTERM", null, "SIGTERM"],
    [
      "a busy loop that ends in process.exit",
      "const end = Date.now() + 50; while (Date.now() < end); process.exit(0);",
      undefined,
      0,
      null,
    ],
  ] as const)("gives the boards back: %s", async (_, end, signal, code, killedBy) => {
    const jobs = await FakeJobs.start();
    await using server = jobs.server;
    jobs.first = "ready";
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program(server.port, end)], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const ended = once(child, "exit");
    await once(child.stdout, "data");
    if (signal !== undefined) child.kill(signal);
    expect(await ended).toEqual([code, killedBy]);
    expect(jobs.states.get(41)).toMatchObject({ state: "destroyed", reason: "the client's process ended" });
  });

  it("leaves signals to a program that handles them", async () => {
    const jobs = await FakeJobs.start();
    await using server = jobs.server;
    jobs.first = "ready";
    const end = `process.on("SIGTERM", async () => { await job.close("put away"); process.exit(0); }); console.log("set"); ${STAY}`;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program(server.port, end)], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const ended = once(child, "exit");
    let heard = "";
    for await (const chunk of child.stdout) {
      heard += String(chunk);
      if (heard.includes("set")) break;
    }
    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    expect(jobs.states.get(41)).toMatchObject({ state: "destroyed", reason: "put away" });
  });
});
