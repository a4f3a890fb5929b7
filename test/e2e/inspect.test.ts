import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Runs, serveRuns } from "../../src/controller/index.js";
import { IDict, runServer, runWith } from "../../src/services/inspect/index.js";
import { addresses, collect, command, Simulated, start, temporaryFolder } from "./spinn.js";

const HOST = addresses(7)(81);
let machine: Simulated;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  machine = await Simulated.start(["--board", "spin3", "--host", HOST, "--time-scale", "0.02", "--cores", "stock"]);
});
afterAll(async () => {
  expect(await machine.stop()).toBe(0);
  await folder[Symbol.asyncDispose]();
});

/** Starts a verb with --inspect, and waits until it says where. */
async function startInspected(...words: string[]) {
  const child = start([...words, "--inspect", "0"]);
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
  const ended = once(child, "close").then(([status]) => status as number | null);
  await expect.poll(stderr, { timeout: 10_000 }).toMatch(/run 1 of 127\.0\.0\.1:\d+/);
  return { via: ["--via", /run 1 of (127\.0\.0\.1:\d+)/.exec(stderr())![1]!], stdout, stderr, ended };
}

describe("a bring-up that others follow", () => {
  it("pauses between two steps, is stepped and goes on", async () => {
    const path = folder.file("steps.yaml");
    await writeFile(path, `board: { host: ${HOST} }\nsteps:\n  - sleep: 500ms\n  - sleep: 1ms\n  - check-version: 4.0.0\n  - sleep: 1ms\n`);
    const { via, stdout, ended } = await startInspected("bringup", path);
    const pause = await command(["pause", "1", ...via]);
    expect(pause).toMatchObject({ status: 0, stdout: expect.stringMatching(/^run 1: asked to pause .*until spinn resume/) as string });
    await expect.poll(async () => (await command(["runs", ...via])).stdout, { timeout: 5000 }).toMatch(/\n1 +paused +bringup +step 1: /);
    expect(stdout()).toMatch(/ 1 ok/);
    expect(stdout()).not.toMatch(/ 2 ok/);
    expect((await command(["step", "1", ...via])).status).toBe(0);
    await expect.poll(stdout).toMatch(/ 2 ok/);
    expect(stdout()).not.toMatch(/ 3 ok/);
    const watching = command(["watch", "1", "--json", ...via]);
    expect((await command(["resume", "1", ...via])).status).toBe(0);
    expect(await ended).toBe(0);
    const watched = await watching;
    expect(watched.status).toBe(0);
    expect(watched.stdout).toMatch(/"state":"done".*"method":"bringup".*\n$/);
  });

  it("ends between two steps when it is stopped", async () => {
    const path = folder.file("long.yaml");
    await writeFile(path, `board: { host: ${HOST} }\nsteps:\n  - sleep: 100ms\n  - sleep: 1h\n`);
    const { via, stderr, ended } = await startInspected("bringup", path);
    expect((await command(["stop-run", "1", "--reason", "board needed elsewhere", ...via])).status).toBe(0);
    expect(await ended).not.toBe(0);
    expect(stderr()).toContain("board needed elsewhere");
  });
});

describe("other long verbs", () => {
  it("a load is a run", async () => {
    const { ended, stdout } = await startInspected("load", "fixtures/apps/hello.aplx", "0,0,1-3", "--host", HOST);
    expect(await ended).toBe(0);
    expect(stdout()).toMatch(/^loaded .* on 3 cores/);
  });

  it("a bench is a run", async () => {
    const { ended, stdout } = await startInspected("bench", "--bytes", "64k", "--write", "--host", HOST);
    expect(await ended).toBe(0);
    expect(stdout()).toMatch(/write, verified/);
  });

  it("a port in use is said before anything is sent", async () => {
    await using served = await serveRuns(new Runs());
    const run = await command(["load", "fixtures/apps/hello.aplx", "0,0,9", "--host", HOST, "--inspect", String(served.port)]);
    expect(run).toMatchObject({ status: 4, stderr: expect.stringContaining("in use") as string });
  });
});

describe("a computation of one's own", () => {
  it("is watched and steered as run 1", async () => {
    const idict = new IDict({ n: 0, curve: [1, 2] }, { minIntervalMs: 1 });
    await using server = await runServer(idict, { name: "soak" });
    const via = ["--via", `127.0.0.1:${server.address.port}`];
    const computing = runWith(idict, async () => {
      while (!(await idict.wait()).terminated) {
        idict.set("n", idict.get("n") + 1);
        idict.notifyUpdate();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    });
    expect((await command(["pause", "1", ...via])).status).toBe(0);
    await expect.poll(async () => (await command(["runs", ...via])).stdout).toMatch(/\n1 +paused +soak +step \d+\n/);
    const before = idict.get("n");
    await command(["step", "1", "--count", "2", ...via]);
    await expect.poll(() => idict.get("n")).toBe(before + 2);
    const watching = command(["watch", "1", ...via]);
    await expect.poll(() => server.clients).toBe(1);
    expect((await command(["resume", "1", ...via])).status).toBe(0);
    expect((await command(["stop-run", "1", ...via])).status).toBe(0);
    await computing;
    const watched = await watching;
    expect(watched.status).toBe(1);
    expect(watched.stdout).toMatch(/^(paused \(paused by .*\)|running) {2}n \d+\n[\s\S]*aborted {2}n \d+\n$/);
    for (const verb of ["pause", "watch"]) {
      expect(await command([verb, "2", ...via])).toMatchObject({ status: 2, stderr: expect.stringContaining('no run "2"') as string });
    }
  });
});
