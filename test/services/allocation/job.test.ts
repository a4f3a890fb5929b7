import { describe, expect, it } from "vitest";
import { allocate, openAllocator } from "../../../src/services/allocation/allocate.js";
import { SpallocClient } from "../../../src/services/allocation/client.js";
import { Job } from "../../../src/services/allocation/job.js";
import { FakeJobs, FakeServer, rejection } from "./fake-server.js";

const at = ({ server }: { readonly server: FakeServer }): string => `127.0.0.1:${server.port}`;
const lost = (job: Job): Promise<void> =>
  new Promise((resolve) => {
    if (job.lost.aborted) resolve();
    else job.lost.addEventListener("abort", () => resolve());
  });

describe("allocate", () => {
  it("waits for boards in the queue and for their power, and gives them back", async () => {
    const jobs = await FakeJobs.start();
    await using server = jobs.server;
    const pending = allocate({ server: at(jobs), boards: 3, owner: "me" });
    await server.until(() => server.count("get_job_state") > 0);
    jobs.set(41, "power", true);
    await server.until(() => server.count("get_job_state") > 1);
    jobs.set(41, "ready", true);
    {
      await using job = await pending;
      expect(job.id).toBe(41);
      expect(job.status).toMatchObject({ state: "ready", power: true });
      expect(job.boards).toMatchObject({ host: "127.0.93.101", width: 12, height: 12, machine: "triad" });
      expect(jobs.states.get(41)!.state).toBe("ready");
    }
    expect(jobs.states.get(41)).toMatchObject({ state: "destroyed", reason: "closed by its owner" });
    await server.until(() => server.openSockets === 0);
  });

  it("gives the boards back when the caller gives up", async () => {
    const jobs = await FakeJobs.start();
    await using server = jobs.server;
    const stop = new AbortController();
    const pending = rejection(allocate({ server: at(jobs), owner: "me", signal: stop.signal }));
    await server.until(() => server.count("get_job_state") > 0);
    stop.abort();
    expect(await pending).toMatchObject({ code: "ERR_SPINN_ABORTED" });
    expect(jobs.states.get(41)!.state).toBe("destroyed");
    await server.until(() => server.openSockets === 0);
  });

  it("names a queue that is too long, and leaves it", async () => {
    const jobs = await FakeJobs.start();
    await using _server = jobs.server;
    const error = await rejection(allocate({ server: at(jobs), owner: "me", queueTimeoutMs: 30 }));
    expect(error).toMatchObject({ code: "ERR_SPINN_TIMEOUT", message: expect.stringContaining("waiting for boards") });
    expect(jobs.states.get(41)!.state).toBe("destroyed");
  });

  it("names boards that never power on, and gives them back", async () => {
    const jobs = await FakeJobs.start();
    await using _server = jobs.server;
    jobs.first = "power";
    const error = await rejection(allocate({ server: at(jobs), owner: "me", powerTimeoutMs: 30 }));
    expect(error).toMatchObject({
      code: "ERR_SPINN_BOOT",
      message: expect.stringContaining("job 41"),
      hint: expect.stringContaining("ask again"),
    });
    expect(jobs.states.get(41)!.state).toBe("destroyed");
  });

  it.each([
    ["Cancelled: No suitable machines available.", "could ever hold"],
    ["Machine configuration failed. Error: Requests failed on BMP 127.0.93.1", "could not be switched"],
    ["Job timed out.", "no sign of life"],
    ["Machine removed.", "out of service"],
  ])("names the end that the server made: %s", async (reason, hint) => {
    const jobs = await FakeJobs.start();
    await using server = jobs.server;
    const pending = rejection(allocate({ server: at(jobs), owner: "me" }));
    await server.until(() => server.count("get_job_state") > 0);
    jobs.set(41, "destroyed", null, reason);
    expect(await pending).toMatchObject({
      code: "ERR_SPINN_REMOTE",
      message: expect.stringContaining(reason),
      hint: expect.stringContaining(hint),
    });
    // The job is over: nothing is left to be ended.
    expect(server.count("destroy_job")).toBe(0);
  });

  it("holds bad boards until it has good ones, so that they are not given again", async () => {
    const jobs = await FakeJobs.start();
    await using server = jobs.server;
    jobs.first = "ready";
    const heldMeanwhile: string[] = [];
    await using job = await allocate({
      server: at(jobs),
      owner: "me",
      attempts: 3,
      check: async () => {
        heldMeanwhile.push([...jobs.states.values()].map(({ state }) => state).join());
        if (heldMeanwhile.length < 3) throw new Error("a chip is dead");
      },
    });
    expect(heldMeanwhile).toEqual(["ready", "ready,ready", "ready,ready,ready"]);
    expect(job.id).toBe(43);
    expect([...jobs.states.values()].map(({ state }) => state)).toEqual(["destroyed", "destroyed", "ready"]);
    expect(server.count("destroy_job")).toBe(2);
  });

  it("gives up after the attempts it was given", async () => {
    const jobs = await FakeJobs.start();
    await using _server = jobs.server;
    jobs.first = "ready";
    const check = async (): Promise<void> => {
      throw new Error("a chip is dead");
    };
    expect((await rejection(allocate({ server: at(jobs), owner: "me", attempts: 2, check }))).message).toBe("a chip is dead");
    expect([...jobs.states.values()].map(({ state }) => state)).toEqual(["destroyed", "destroyed"]);
  });

  it("refuses a wrong request before it connects", async () => {
    await using server = await FakeServer.start(() => "close");
    expect(await rejection(allocate({ server: "not a host", owner: "me" }))).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    expect(await rejection(allocate({ server: `127.0.0.1:${server.port}`, attempts: 0 }))).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    expect(server.connections).toBe(0);
  });
});

describe("a job", () => {
  const start = async (first: FakeJobs["first"], options: { keepaliveMs?: number; pollMs?: number } = {}) => {
    const jobs = await FakeJobs.start();
    jobs.first = first;
    const client = await SpallocClient.connect({ host: "127.0.0.1", port: jobs.server.port, reconnectDelayMs: 5, timeoutMs: 200 });
    const job = await Job.create(client, { owner: "me", keepaliveMs: options.keepaliveMs ?? 60_000 }, { pollMs: options.pollMs ?? 5000 });
    const stop = async (): Promise<void> => {
      await job.close().catch(() => {});
      await client.close();
      await jobs.server.close();
    };
    return { jobs, client, job, [Symbol.asyncDispose]: stop };
  };

  it("switches its boards and waits for it", async () => {
    await using all = await start("ready");
    const { job, jobs } = all;
    await job.whenReady();
    const off = job.powerOff();
    await jobs.server.until(() => jobs.states.get(job.id)!.state === "power");
    jobs.set(job.id, "ready", false);
    await off;
    expect(job.status).toMatchObject({ state: "ready", power: false });
    const on = job.powerOn();
    await jobs.server.until(() => jobs.states.get(job.id)!.power === true);
    jobs.set(job.id, "ready", true);
    await on;
    expect(job.status.power).toBe(true);
  });

  it("is lost when the server ends it, with the server's words", async () => {
    await using all = await start("ready");
    const { job, jobs } = all;
    await job.whenReady();
    jobs.set(job.id, "destroyed", null, "Job timed out.");
    await lost(job);
    expect(job.lost.reason).toMatchObject({ code: "ERR_SPINN_REMOTE", message: expect.stringContaining("Job timed out.") });
    expect(await rejection(job.powerOff())).toBe(job.lost.reason);
    expect(await rejection(job.machine())).toBe(job.lost.reason);
    await job.close();
    expect(jobs.server.count("destroy_job")).toBe(0);
  });

  it("is lost when the server forgot it", async () => {
    await using all = await start("ready");
    await all.job.whenReady();
    all.jobs.states.clear();
    all.jobs.server.send(`{"jobs_changed": [${all.job.id}]}\n`);
    await lost(all.job);
    expect(all.job.lost.reason.message).toContain("not known there any more");
  });

  it("survives a server that is away for less than the keepalive time", async () => {
    await using all = await start("queued", { pollMs: 20 });
    const { job, jobs } = all;
    const ready = job.whenReady();
    await jobs.server.until(() => jobs.server.count("get_job_state") > 0);
    const { port } = jobs.server;
    await jobs.server.close();
    await rejection(SpallocClient.connect({ host: "127.0.0.1", port }));
    jobs.states.set(job.id, { state: "ready", power: true, reason: null });
    const again = await FakeServer.start((command) => jobs.answer(command), port);
    jobs.server = again as typeof jobs.server;
    expect((await ready).host).toBe("127.0.93.101");
    expect(job.lost.aborted).toBe(false);
    expect(again.count("notify_job")).toBeGreaterThan(0);
  });

  it("is lost when the server is silent for longer than the keepalive time", async () => {
    await using all = await start("ready", { keepaliveMs: 200, pollMs: 20 });
    await all.job.whenReady();
    await all.jobs.server.close();
    await lost(all.job);
    expect(all.job.lost.reason).toMatchObject({ code: "ERR_SPINN_UNREACHABLE", message: expect.stringContaining("taken for lost") });
    await all.job.close();
  });

  it("says when the server could not be told of its end", async () => {
    await using all = await start("ready");
    await all.job.whenReady();
    await all.jobs.server.close();
    expect(await rejection(all.job.close())).toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
  });

  it("ends every wait when it is closed", async () => {
    await using all = await start("queued");
    const waiting = rejection(all.job.whenReady());
    await all.job.close("enough");
    await all.job.close();
    expect(await waiting).toMatchObject({ code: "ERR_SPINN_CLOSED" });
    expect(all.jobs.states.get(all.job.id)).toMatchObject({ state: "destroyed", reason: "enough" });
    expect(all.jobs.server.count("destroy_job")).toBe(1);
  });
});

describe("openAllocator", () => {
  it("takes a host with or without a port", async () => {
    const jobs = await FakeJobs.start();
    await using _server = jobs.server;
    const allocator = await openAllocator(at(jobs));
    expect(allocator.where).toBe(at(jobs));
    await allocator.close();
    expect(await rejection(openAllocator("host:port"))).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    expect(await rejection(openAllocator("127.0.0.1:0"))).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });
});
