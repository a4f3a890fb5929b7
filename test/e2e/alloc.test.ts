import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { parseSettings } from "../../src/cli/spalloc.js";
import { SimulatedMachine } from "../../src/simulator/index.js";
import { FakeJobs } from "../services/allocation/fake-server.js";
import { FakeWebService } from "../services/allocation/fake-web-service.js";
import { schemaProblems } from "./json-schema.js";
import { collect, command, jsonOf, spinn, start, temporaryFolder } from "./spinn.js";

// The command runs in a process of its own, the server that it talks to in this one.

const NET = `127.92.${process.ppid % 250}`;
const [GOOD, OTHER, OLD] = [`${NET}.1`, `${NET}.2`, `${NET}.3`];
let jobs: Awaited<ReturnType<typeof FakeJobs.start>>;
let server: string;
let machines: SimulatedMachine[];
let folder: Awaited<ReturnType<typeof temporaryFolder>>;

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeFile(folder.file("version.yaml"), "steps:\n  - check-version: 4.0.0\n");
  const board = { board: "spin5", timeScale: 0.01, bmpHost: `${NET}.101` } as const;
  machines = [
    await SimulatedMachine.start({ ...board, host: GOOD }),
    await SimulatedMachine.start({ ...board, host: OTHER, bmpHost: `${NET}.102` }),
    await SimulatedMachine.start({ ...board, host: OLD, bmpHost: `${NET}.103`, scamp: "3.4.1" }),
  ];
});

afterAll(async () => {
  await Promise.all(machines.map((machine) => machine.close()));
  await folder[Symbol.asyncDispose]();
});

beforeEach(async () => {
  jobs = await FakeJobs.start();
  jobs.first = "ready";
  server = `127.0.0.1:${jobs.server.port}`;
  return () => jobs.server.close();
});

const allocated = (): number[] => [...jobs.states].filter(([, { state }]) => state !== "destroyed").map(([id]) => id);
const ENV = 'process.stdout.write(["HOST", "HOSTS", "JOB", "VIA"].map((n) => process.env["SPINN_" + n]).join(" "));';

async function ended(child: ChildProcess): Promise<{ readonly status: number | null; readonly stdout: string; readonly stderr: string }> {
  const [stdout, stderr] = [collect(child.stdout!), collect(child.stderr!)];
  const [status] = (await once(child, "close")) as [number | null];
  return { status, stdout: stdout(), stderr: stderr() };
}

it("alloc prints the hosts, the one to boot through first, and holds them until Ctrl-C", async () => {
  const child = start(["alloc", "3", "--spalloc", server]);
  const end = ended(child);
  await once(child.stdout!, "data");
  expect(allocated()).toEqual([41]);
  child.kill("SIGINT");
  const { status, stdout, stderr } = await end;
  expect(status, stderr).toBe(0);
  expect(stdout).toBe("127.0.93.101\n127.0.93.103\n127.0.93.102\n");
  expect(stderr).toMatch(/job 41 of .*: 3 boards of triad, 12 x 12 chips\nCtrl-C gives them back\njob 41: 3 boards given back\n/);
  expect(allocated()).toEqual([]);
});

it("alloc runs a command with SPINN_HOST set, ends with its status, and gives the boards back", async () => {
  const words = ["alloc", "2x1", "--spalloc", server, "--owner", "me", "--", process.execPath, "-e", `${ENV}process.exit(7)`];
  const run = await spinn(words, { SPINN_VIA: "elsewhere:1", SPINN_HOST: "elsewhere" });
  expect(run, run.stderr).toMatchObject({ status: 7, stdout: "127.0.93.101 127.0.93.101,127.0.93.103,127.0.93.102 41 " });
  expect(jobs.server.asked.find((each) => each.command === "create_job")).toMatchObject({ args: [2, 1], kwargs: { owner: "me" } });
  expect(jobs.states.get(41)).toMatchObject({ state: "destroyed", reason: "closed by its owner" });
});

it("alloc asks for boards in all the ways there are", async () => {
  const asked = async (...words: string[]): Promise<unknown> => {
    const run = await command(["alloc", ...words, "--hold", "1ms", "--spalloc", server, "--json"]);
    expect(run, run.stderr).toMatchObject({ status: 0 });
    expect(schemaProblems(jsonOf(run))).toEqual([]);
    const { args, kwargs } = jobs.server.asked.filter((each) => each.command === "create_job").at(-1)!;
    return [args, kwargs["machine"], kwargs["tags"], kwargs["require_torus"], kwargs["keepalive"]];
  };
  expect(await asked()).toEqual([[1], null, null, false, 60]);
  expect(await asked("4", "--tags", "a,b", "--keepalive", "2min")).toEqual([[4], null, ["a", "b"], false, 120]);
  expect(await asked("1x2", "--torus", "--machine", "triad")).toEqual([[1, 2], "triad", null, true, 60]);
  expect(await asked("0,1,2")).toEqual([[0, 1, 2], null, null, false, 60]);
  expect(await asked("--at", "0,1,5", "--machine", "triad")).toEqual([[0, 0, 2], "triad", null, false, 60]);
  expect(jobs.server.asked.find((each) => each.command === "where_is")!.kwargs).toEqual({
    machine: "triad",
    cabinet: 0,
    frame: 1,
    board: 5,
  });
  expect(allocated()).toEqual([]);
});

it.each(["SIGTERM", "SIGINT"] as const)("%s ends the command, and the boards are given back", async (signal) => {
  const child = start(["alloc", "1", "--spalloc", server, "--", process.execPath, "-e", "console.log('on'); setInterval(() => {}, 1000)"]);
  const end = ended(child);
  await once(child.stdout!, "data");
  child.kill(signal);
  const { status, stderr } = await end;
  expect(status).toBe(signal === "SIGTERM" ? 143 : 130);
  expect(stderr).toMatch(/interrupted; nothing was left behind/);
  expect(allocated()).toEqual([]);
});

it("Ctrl-C in the queue gives up the place in it", async () => {
  jobs.first = "queued";
  const child = start(["alloc", "3", "--spalloc", server]);
  const end = ended(child);
  await jobs.server.until(() => jobs.server.count("get_job_state") > 0);
  child.kill("SIGINT");
  expect((await end).status).toBe(130);
  expect(allocated()).toEqual([]);
});

it("a server that ends the job ends the command, and is named with its reason", async () => {
  const child = start(["alloc", "1", "--spalloc", server, "--", process.execPath, "-e", "console.log('on'); setInterval(() => {}, 1000)"]);
  const end = ended(child);
  await once(child.stdout!, "data");
  jobs.set(41, "destroyed", null, "the lab closes");
  const { status, stderr } = await end;
  expect(status).toBe(5);
  expect(stderr).toMatch(/job 41 .* was ended: the lab closes/);
});

it("a server that dies is named, in bounded time", async () => {
  const child = start(["alloc", "1", "--keepalive", "400ms", "--spalloc", server]);
  const end = ended(child);
  await once(child.stdout!, "data");
  await jobs.server.close();
  const { status, stderr } = await end;
  expect(status).toBe(4);
  expect(stderr).toMatch(/is silent for \d+ ms: job 41 .* must be taken for lost\n {2}is the server running/);
}, 20_000);

it("boards that never come on, and a queue that is too long", async () => {
  jobs.first = "power";
  const off = await command(["alloc", "3", "--power-timeout", "200ms", "--spalloc", server]);
  expect(off).toMatchObject({ status: 3, stdout: "" });
  expect(off.stderr).toMatch(/has boards that are not on after 200 ms/);
  jobs.first = "queued";
  const queue = await command(["alloc", "3", "--queue-timeout", "200ms", "--spalloc", server, "--json"]);
  expect(queue.status).toBe(3);
  expect(schemaProblems(jsonOf(queue))).toEqual([]);
  expect(allocated()).toEqual([]);
});

it("what cannot be meant is refused before anything is asked for", async () => {
  const wrong = async (...words: string[]): Promise<string> => {
    const run = await command([...words, "--spalloc", server]);
    expect(run, words.join(" ")).toMatchObject({ status: 2, stdout: "" });
    return run.stderr;
  };
  expect(await wrong("alloc", "3", "2")).toMatch(/in one word/);
  expect(await wrong("alloc", "3", "--at", "0,0,1")).toMatch(/how many is not asked/);
  expect(await wrong("alloc", "--at", "0,0,1")).toMatch(/--at needs the machine/);
  expect(await wrong("alloc", "--machine", "m", "--tags", "t")).toMatch(/exclude each other/);
  expect(await wrong("alloc", "0")).toMatch(/boards/);
  expect(await wrong("jobs", "end")).toMatch(/list, watch and destroy/);
  expect(await wrong("machines", "where-is", "triad")).toMatch(/one place/);
  expect(await wrong("machines", "where-is", "triad", "1,2")).toMatch(/3 numbers/);
  expect(await wrong("bringup", folder.file("version.yaml"), "--alloc", "2", "--host", "x")).toMatch(/--host does not go with --alloc/);
  expect(jobs.server.count("create_job")).toBe(0);
  const missing = await command(["alloc", "1", "--spalloc", server, "--", "/no/such/program"]);
  expect(missing.status).toBe(2);
  expect(missing.stderr).toMatch(/cannot be started/);
  expect(allocated()).toEqual([]);
});

it("the server is that of --spalloc, SPINN_SPALLOC, the inventory, or ~/.spalloc", async () => {
  const home = { HOME: folder.path };
  const none = await spinn(["machines"], { HOME: "/nonexistent" });
  expect(none.status).toBe(2);
  expect(none.stderr).toMatch(/no allocation server is named\n.*--spalloc HOST/s);
  await writeFile(
    folder.file(".spalloc"),
    `[spalloc]\nhostname = 127.0.0.1\nport = ${jobs.server.port}\nowner: lab pc\nmachine = None\nkeepalive=90\n`,
  );
  expect((await spinn(["alloc", "1", "--hold", "1ms"], home)).status).toBe(0);
  expect(jobs.server.asked.find((each) => each.command === "create_job")!.kwargs).toMatchObject({
    owner: "lab pc",
    keepalive: 90,
    machine: null,
  });
  await writeFile(folder.file("boards.yaml"), "spalloc: 127.0.0.1:9\n");
  const listed = await spinn(["machines"], { ...home, SPINN_BOARDS: folder.file("boards.yaml") });
  expect(listed).toMatchObject({ status: 4, stderr: expect.stringContaining("127.0.0.1:9") });
  expect((await spinn(["machines"], { ...home, SPINN_BOARDS: folder.file("boards.yaml"), SPINN_SPALLOC: server })).status).toBe(0);
  expect([...parseSettings("[other]\nhostname=a\n[spalloc]\n# c\nhostname = b\nport=\n")]).toEqual([["hostname", "b"]]);
});

it("jobs are listed, followed and ended; those of others not without --force", async () => {
  jobs.set(7, "ready", true);
  const list = await command(["jobs", "--spalloc", server]);
  expect(list.stdout).toMatch(/^job +owner .*\n +7 +somebody +ready +3 boards +triad +1 /);
  const watch = start(["jobs", "watch", "7", "--ndjson", "--spalloc", server]);
  const end = ended(watch);
  await once(watch.stdout!, "data");
  const refused = await command(["jobs", "destroy", "7", "--yes", "--spalloc", server]);
  expect(refused).toMatchObject({ status: 8, stdout: "" });
  expect(refused.stderr).toMatch(/ending job 7 \(1 board of triad\) switches its boards off; it would disturb its owner somebody/);
  expect((await command(["jobs", "destroy", "7", "--dry-run", "--spalloc", server])).stdout).toBe(
    "would end job 7 of somebody; nothing was sent\n",
  );
  const done = await command(["jobs", "destroy", "7", "--force", "--reason", "left over", "--spalloc", server, "--json"]);
  expect(jsonOf(done)).toMatchObject({ schema: "spinn.jobs.destroy", job: 7, destroyed: true });
  expect(jobs.states.get(7)).toMatchObject({ state: "destroyed", reason: "left over" });
  jobs.set(7, "destroyed", null, "left over");
  const { status, stdout } = await end;
  expect(status).toBe(0);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { state: string; reason: string | null });
  expect(lines.map(({ state, reason }) => [state, reason])).toEqual([
    ["ready", null],
    ["destroyed", "left over"],
  ]);
  for (const line of lines) expect(schemaProblems(line)).toEqual([]);
  expect((await command(["jobs", "destroy", "7", "--force", "--spalloc", server])).status).toBe(1);
  expect((await command(["jobs", "watch", "99", "--spalloc", server])).status).toBe(1);
});

it("all jobs can be followed until Ctrl-C", async () => {
  jobs.set(7, "queued");
  const watch = start(["jobs", "watch", "--spalloc", server]);
  const end = ended(watch);
  await once(watch.stdout!, "data");
  jobs.set(7, "ready", true);
  await once(watch.stdout!, "data");
  jobs.set(7, "destroyed");
  await once(watch.stdout!, "data");
  watch.kill("SIGINT");
  expect(await end).toMatchObject({ status: 130, stdout: "7  somebody  queued  triad\n7  somebody  ready  triad\n7  ended\n" });
});

it("machines are listed, and boards found in them", async () => {
  const list = await command(["machines", "--spalloc", server]);
  expect(list.stdout).toBe(
    "machine  tags     triads  boards  dead boards  dead links\ntriad    default     1x1       2  0,0,1                 1\n",
  );
  for (const words of [
    ["triad", "0,0,2"],
    ["triad", "--at", "0,1,5"],
    ["triad", "--chip", "8,4"],
    ["--job", "7", "--chip", "8,4"],
  ]) {
    const run = await command(["machines", "where-is", ...words, "--spalloc", server, "--json"]);
    expect(schemaProblems(jsonOf(run))).toEqual([]);
    expect(jsonOf(run)).toMatchObject({ place: { machine: "triad", position: { cabinet: 0, frame: 1, board: 5 }, jobId: 7 } });
  }
  const nothing = await command(["machines", "where-is", "nix", "0,0,0", "--spalloc", server]);
  expect(nothing).toMatchObject({ status: 1, stdout: "there is no board\n" });
});

it("bring-up runs on lent boards; a bad one is held, replaced, and given back as unfit", async () => {
  jobs.single.push(OLD, GOOD, OTHER);
  const words = ["bringup", folder.file("version.yaml"), "--alloc", "2", "--spalloc", server, "--json", "-o", folder.path];
  const run = await spinn(words);
  expect(run, run.stderr).toMatchObject({ status: 0 });
  const { report } = jsonOf(run) as { report: { boards: { host: string; outcome: string; replacedBy?: string }[] } };
  const outcomes = Object.fromEntries(report.boards.map(({ host, outcome, replacedBy }) => [host, [outcome, replacedBy !== undefined]]));
  expect(outcomes).toEqual({ [OLD]: ["failed", true], [GOOD]: ["done", false], [OTHER]: ["done", false] });
  expect([...jobs.states.values()].map(({ state, reason }) => [state, reason]).sort()).toEqual([
    ["destroyed", "closed by its owner"],
    ["destroyed", "closed by its owner"],
    ["destroyed", "not fit for use"],
  ]);
});

it("bring-up on lent boards: nothing is asked for with --dry-run or a wrong script, and a refusal ends it", async () => {
  const script = folder.file("version.yaml");
  const dry = await command(["bringup", script, "--alloc", "2", "--dry-run", "--spalloc", server]);
  expect(dry, dry.stderr).toMatchObject({ status: 0 });
  await writeFile(folder.file("wrong.yaml"), "steps:\n  - chek-version: 4.0.0\n");
  expect((await command(["bringup", folder.file("wrong.yaml"), "--alloc", "2", "--spalloc", server])).status).toBe(2);
  expect(jobs.server.count("create_job")).toBe(0);
  jobs.first = "destroyed";
  const refused = await command(["bringup", script, "--alloc", "2", "--spalloc", server]);
  expect(refused.status, refused.stderr).toBe(5);
  expect(refused.stderr).toMatch(/was ended/);
});

it("boards behind a proxy: bring-up goes through it, alloc says so", async () => {
  await using service = await FakeWebService.start();
  service.proxied = true;
  service.hosts = { "0,0": GOOD };
  const variables = { SPINN_SPALLOC: service.url, SPINN_SPALLOC_USER: "me", SPINN_SPALLOC_PASSWORD: "secret" };
  const run = await spinn(["bringup", folder.file("version.yaml"), "--alloc", "1", "-o", folder.path], variables);
  expect(run, run.stderr).toMatchObject({ status: 0 });
  expect(service.proxy.frames.length).toBeGreaterThan(1);
  const alloc = await spinn(["alloc", "1", "--hold", "1ms", "--json"], variables);
  expect(jsonOf(alloc)).toMatchObject({ proxied: true, boards: [{ host: GOOD }] });
  expect(alloc.stderr).toMatch(/reached through the server only/);
  expect([...service.jobs.values()].map(({ state }) => state)).toEqual(["DESTROYED", "DESTROYED"]);
  const wrong = await spinn(["jobs"], { ...variables, SPINN_SPALLOC_PASSWORD: "no" });
  expect(wrong).toMatchObject({ status: 5, stderr: expect.stringContaining("refused the log-in") });
  expect((await spinn(["jobs"], { SPINN_SPALLOC: service.url })).stderr).toMatch(/wants to know who asks\n.*SPINN_SPALLOC_TOKEN/s);
  expect((await spinn(["jobs", "--json"], variables)).status).toBe(0);
});
