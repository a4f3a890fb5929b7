import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RemoteController } from "../../src/controller/index.js";
import { collect, command, jsonOf, type Run, Served, start, temporaryFolder } from "./spinn.js";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let child: ChildProcess;
let stderr: () => string;
let via: string[];
let port: number;

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFile(folder.file("three.yaml"), "steps:\n  - check-version: 4.0.0\n  - sleep: 1ms\n  - sleep: 1ms\n");
  child = start(["serve", "--simulation", "--port", "0", "--scripts", folder.path, "--json"]);
  const stdout = collect(child.stdout!);
  stderr = collect(child.stderr!);
  while (!stdout().endsWith("\n")) await once(child.stdout!, "data");
  port = (JSON.parse(stdout()) as { port: number }).port;
  via = ["--via", `127.0.0.1:${port}`];
});
afterAll(async () => {
  if (child.exitCode === null) child.kill();
  await folder[Symbol.asyncDispose]();
});

const states = (run: Run): string[] =>
  run.stdout
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { state: string }).state);

describe("a served board", () => {
  it("has runs that are listed, watched, paused, stepped and stopped", async () => {
    expect(await command(["runs", ...via])).toEqual({ status: 0, stdout: "no runs\n", stderr: "" });
    await using remote = await RemoteController.connect("127.0.0.1", port);
    // The first waits for what never comes, so that the second can be paused while it waits for its turn.
    await remote.call("wait_for", { app_id: 30, states: ["RUN"], count: 1, timeout: 60 });
    await remote.call("bringup", { script: "three.yaml" });
    expect(jsonOf(await command(["pause", "2", ...via, "--json"]))).toMatchObject({ run: "2", state: "queued" });
    const stopped = await command(["stop-run", "1", "--reason", "enough", ...via]);
    expect(stopped.stdout).toMatch(/^run 1: asked to end \(it is (stopping|aborted)\)\n$/);
    const failed = await command(["watch", "1", ...via]);
    expect(failed).toMatchObject({ status: 1, stdout: expect.stringMatching(/aborted /) as string });
    await expect.poll(async () => (await remote.status("2")).state).toBe("paused");
    expect(await command(["step", "2", ...via])).toMatchObject({ status: 0 });
    await expect.poll(async () => (await remote.status("2")).step).toMatch(/^1: /);
    expect(await command(["resume", "2", ...via])).toMatchObject({ status: 0 });
    const watched = await command(["watch", "2", ...via, "--json"]);
    expect(watched.status).toBe(0);
    expect(states(watched).at(-1)).toBe("done");
    expect((await command(["runs", ...via])).stdout).toMatch(/^run {2}state .*\n1 +aborted +wait_for .*\n2 +done +bringup +step 3: /);
  });

  it("says clearly what is wrong with a call for a run", async () => {
    expect(await command(["pause", "77", ...via])).toMatchObject({ status: 2, stderr: expect.stringContaining('no run "77"') as string });
    expect(await command(["pause", "2", ...via])).toEqual({ status: 1, stdout: "run 2 has ended: done\n", stderr: "" });
    expect(await command(["stop-run", "2", ...via])).toMatchObject({ status: 0 });
    expect(await command(["runs", "--via", "127.0.0.1:1"])).toMatchObject({ status: 4 });
    expect(await command(["watch", "77", ...via])).toMatchObject({
      status: expect.any(Number) as number,
      stderr: expect.stringContaining("no run") as string,
    });
  });

  it("ends when a manager tells it to, and leaves a line that a manager can read", async () => {
    await using remote = await RemoteController.connect("127.0.0.1", port);
    expect(await remote.ping()).toBe(true);
    await remote.terminate();
    const [status] = (await once(child, "exit")) as [number | null];
    expect(status).toBe(0);
    expect(stderr()).toBe("INFO:spinn:ending: a client called terminate\n");
  });
});

it("a board must be named", async () => {
  const run = await command(["serve", "--port", "0"]);
  expect(run).toMatchObject({ status: 2, stderr: expect.stringContaining("--simulation") as string });
});

it("listens on every address with --bind *, and says what that means", async () => {
  await using served = await Served.start(["--simulation", "--bind", "*"]);
  expect(served.ready.bind[0]).toBe("0.0.0.0");
  await expect.poll(served.stderr).toMatch(/whoever reaches these addresses can use, boot and switch the board: there is no password/);
  for (const address of ["127.0.0.1", "127.0.0.2"]) {
    expect(await command(["info", "--via", `${address}:${served.ready.port}`])).toMatchObject({ status: 0 });
  }
});
