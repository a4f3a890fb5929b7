import { describe, expect, it } from "vitest";
import { allocate } from "../../../src/services/allocation/allocate.js";
import type { JobRequest } from "../../../src/services/allocation/job-request.js";
import { Keepalive } from "../../../src/services/allocation/keepalive.js";
import { SpallocWebClient } from "../../../src/services/allocation/web-client.js";
import { encodeWebJobRequest } from "../../../src/services/allocation/web-values.js";
import { rejection } from "./fake-server.js";
import { FakeWebService } from "./fake-web-service.js";

const credentials = { username: "me", password: "secret" };
const connect = (service: FakeWebService): Promise<SpallocWebClient> => SpallocWebClient.connect({ url: service.url, credentials });

describe("the newer service", () => {
  it("gives boards, their power and places, and takes them back", async () => {
    await using service = await FakeWebService.start();
    {
      await using job = await allocate({ server: service.url, credentials, boards: 2, maxDeadBoards: 1 });
      expect(service.bodies[0]).toEqual({ "keepalive-interval": "PT60S", "num-boards": 2, tags: ["default"], "max-dead-boards": 1 });
      // A triad high of two: wraps round sideways only.
      expect(job.boards).toMatchObject({ machine: "triad", width: 12, height: 16, host: "10.0.0.1" });
      expect(job.status).toMatchObject({ state: "ready", power: true, startTime: new Date("2026-01-02T03:04:05.678Z") });
      expect(await job.whereIs({ x: 1, y: 2 })).toMatchObject({ jobId: 1, position: { cabinet: 0, frame: 0, board: 4 } });
      expect(await job.whereIs({ x: 9, y: 9 })).toBeNull();
      await job.powerOff();
      expect(service.jobs.get(1)!.power).toBe("OFF");
    }
    expect(service.jobs.get(1)).toMatchObject({ state: "DESTROYED", reason: "closed by its owner" });
  });

  it("hears of changes from an answer that was held back", async () => {
    await using service = await FakeWebService.start();
    service.first = "QUEUED";
    const pending = allocate({ server: service.url, credentials, pollMs: 60_000 });
    await service.until(() => service.held > 0 && service.asked.includes("GET jobs/1"));
    service.set(1, "READY");
    await using job = await pending;
    expect(job.boards.host).toBe("10.0.0.1");
    await service.until(() => service.held > 0);
    service.set(1, "DESTROYED", "the lab closes");
    await new Promise<void>((resolve) => {
      if (job.lost.aborted) resolve();
      job.lost.addEventListener("abort", () => resolve());
    });
    expect(job.lost.reason.message).toContain("the lab closes");
  });

  it("logs in again when the session is over, and sends the request again", async () => {
    await using service = await FakeWebService.start();
    await using client = await connect(service);
    service.expire();
    service.expire();
    expect(await client.createJob({})).toBe(1);
    expect(service.asked).toEqual(["GET ", "POST jobs", "GET ", "POST jobs"]);
    expect(service.jobs.size).toBe(1);
  });

  it("never sends refused credentials a second time", async () => {
    await using service = await FakeWebService.start();
    await using client = await connect(service);
    service.special = () => ({ status: 401, text: "log in required" });
    expect(await rejection(client.listMachines())).toMatchObject({ code: "ERR_SPINN_REMOTE", hint: expect.stringContaining("lock") });
    const before = service.asked.length;
    expect(await rejection(client.listMachines())).toMatchObject({ code: "ERR_SPINN_REMOTE" });
    expect(service.asked.length).toBe(before);
    expect(await rejection(SpallocWebClient.connect({ url: service.url, credentials: { token: "t" } }))).toMatchObject({
      message: expect.stringContaining("refused the log-in"),
    });
  });

  it("lists machines and jobs", async () => {
    await using service = await FakeWebService.start();
    await using client = await connect(service);
    expect(await client.listMachines()).toEqual([
      {
        name: "triad",
        tags: ["a", "b"],
        width: 1,
        height: 2,
        deadBoards: [{ x: 0, y: 0, z: 2 }],
        deadLinks: [
          { x: 0, y: 0, z: 2, link: "west" },
          { x: 0, y: 0, z: 0, link: "east" },
        ],
      },
    ]);
    await client.createJob({});
    await client.createJob({});
    expect(await client.jobIds()).toEqual([1, 2]);
    expect(await client.jobStatus(77)).toMatchObject({ state: "unknown" });
    expect(await client.jobMachine(77)).toBeNull();
  });

  it("finds places in machines, and lists jobs without keeping them alive", async () => {
    await using service = await FakeWebService.start();
    await using client = await connect(service);
    const jobId = await client.createJob({ board: { x: 0, y: 0, z: 0 }, machine: "triad" });
    service.set(jobId, "READY");
    service.asked.length = 0;
    expect(await client.listJobs()).toMatchObject([
      { jobId, state: "ready", owner: "", boards: [], startTime: new Date("2026-01-02T03:04:05.678Z") },
    ]);
    expect(service.asked).toEqual(["GET jobs?deleted=false&limit=200&start=0", `GET jobs/${jobId}`]);
    service.asked.length = 0;
    service.special = (line) =>
      line.includes("x=9")
        ? { status: 404, text: "failed to locate board" }
        : line.startsWith("GET machines/")
          ? {
              status: 200,
              text: JSON.stringify({
                machine: "triad",
                chip: [8, 4],
                "board-chip": [0, 0],
                "logical-board-coordinates": [0, 0, 1],
                "physical-board-coordinates": [0, 1, 5],
              }),
            }
          : undefined;
    const place = {
      machine: "triad",
      board: { x: 0, y: 0, z: 1 },
      position: { cabinet: 0, frame: 1, board: 5 },
      jobId: null,
      jobChip: null,
    };
    expect(await client.whereIs({ machine: "a b", x: 0, y: 0, z: 1 })).toMatchObject(place);
    expect(await client.whereIs({ machine: "triad", cabinet: 0, frame: 1, board: 5 })).toMatchObject(place);
    expect(await client.whereIs({ machine: "triad", chip: { x: 8, y: 4 } })).toMatchObject(place);
    expect(await client.whereIs({ machine: "triad", chip: { x: 9, y: 4 } })).toBeNull();
    expect(await client.whereIs({ jobId, chip: { x: 1, y: 2 } })).toMatchObject({ jobId });
    expect(service.asked.slice(0, 5)).toEqual([
      "GET machines/a%20b/logical-board?x=0&y=0&z=1",
      "GET machines/triad/physical-board?cabinet=0&frame=1&board=5",
      "GET machines/triad/chip?x=8&y=4",
      "GET machines/triad/chip?x=9&y=4",
      `GET jobs/${jobId}/chip?x=1&y=2`,
    ]);
  });

  it("is named when it refuses, is none, or is away", async () => {
    await using service = await FakeWebService.start();
    await using client = await connect(service);
    service.special = () => ({ status: 400, text: "no machine available which matches allocation request" });
    expect(await rejection(client.createJob({}))).toMatchObject({
      code: "ERR_SPINN_REMOTE",
      message: expect.stringContaining("no machine available"),
    });
    service.special = () => ({ status: 200, text: "<html>welcome</html>" });
    expect(await rejection(client.jobStatus(1))).toMatchObject({ code: "ERR_SPINN_PROTOCOL" });
    service.special = () => ({ status: 302, text: "" });
    expect(await rejection(client.jobStatus(1))).toMatchObject({ code: "ERR_SPINN_REMOTE", message: expect.stringContaining("302") });
    const { url } = service;
    await service[Symbol.asyncDispose]();
    expect(await rejection(SpallocWebClient.connect({ url, credentials }))).toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
    expect(await rejection(client.createJob({}))).toMatchObject({ code: "ERR_SPINN_OUTCOME_UNKNOWN" });
    service[Symbol.asyncDispose] = async () => {};
  });

  it("gets no credentials in clear text", async () => {
    const open = (url: string): Promise<unknown> => SpallocWebClient.connect({ url, credentials });
    expect(await rejection(open("http://spinn.example.org/spalloc/"))).toMatchObject({ code: "ERR_SPINN_REFUSED" });
    expect(await rejection(open("ftp://spinn.example.org/"))).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    expect(await rejection(allocate({ server: "https://127.0.0.1:1/spalloc/" }))).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });

  it("is kept informed by a thread with a session of its own, which also ends the job", async () => {
    await using service = await FakeWebService.start();
    await using client = await connect(service);
    const jobId = await client.createJob({});
    const keepalive = new Keepalive(client.keepalivePlan(jobId), 100);
    await service.until(() => service.keepalives > 1);
    service.expire();
    service.expire();
    const before = service.keepalives;
    await service.until(() => service.keepalives > before);
    keepalive.beginRelease("gone");
    await service.until(() => service.jobs.get(jobId)!.state === "DESTROYED");
    expect(service.jobs.get(jobId)!.reason).toBe("gone");
    await keepalive.stop();
  });
});

describe("a request for boards", () => {
  it("is written as the service wants it", () => {
    expect(encodeWebJobRequest({ board: { x: 1, y: 2, z: 0 }, machine: "m", keepaliveMs: 120_000 }, "lab")).toEqual({
      "keepalive-interval": "PT120S",
      board: { x: 1, y: 2, z: 0 },
      "machine-name": "m",
      "max-dead-boards": 0,
      group: "lab",
    });
    expect(encodeWebJobRequest({ triads: { width: 2, height: 1 }, tags: ["t"] })).toMatchObject({
      dimensions: { width: 2, height: 1 },
      tags: ["t"],
    });
  });

  const wrong: JobRequest[] = [
    { keepaliveMs: null },
    { keepaliveMs: 10_000 },
    { keepaliveMs: 301_000 },
    { minRatio: 1 },
    { maxDeadLinks: 1 },
  ];
  it.each(wrong)("refuses what the service would refuse or leave out: %j", (request) => {
    expect(() => encodeWebJobRequest(request)).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
  });
});
