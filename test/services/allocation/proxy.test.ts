import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BootConnection, type OpenChannel } from "../../../src/connections/index.js";
import { connect } from "../../../src/index.js";
import { allocate, type ReadyJob } from "../../../src/services/allocation/allocate.js";
import { Keepalive } from "../../../src/services/allocation/keepalive.js";
import type { OpenProxied } from "../../../src/services/allocation/proxied-channel.js";
import { SpallocWebClient } from "../../../src/services/allocation/web-client.js";
import type { WebCredentials } from "../../../src/services/allocation/web-session.js";
import type { DatagramPort } from "../../../src/services/stream/index.js";
import { SimulatedMachine } from "../../../src/simulator/index.js";
import { rejection } from "./fake-server.js";
import { FakeWebService } from "./fake-web-service.js";

const NET = `127.86.${process.pid % 250}`;
const credentials = { username: "me", password: "secret" };
let machine: SimulatedMachine;
let hosts: Record<string, string>;

beforeAll(async () => {
  machine = await SimulatedMachine.start({ board: { triads: [1, 1] }, host: `${NET}.1`, timeScale: 0.01 });
  hosts = Object.fromEntries(machine.boards.map(({ chip, address }) => [`${chip.x},${chip.y}`, address.host]));
});
afterAll(() => machine.close());

async function proxied(): Promise<FakeWebService> {
  const service = await FakeWebService.start();
  service.proxied = true;
  service.hosts = hosts;
  return service;
}

const ask = (service: FakeWebService): Promise<ReadyJob> => allocate({ server: service.url, credentials, boards: 3, timeoutMs: 2000 });

describe("boards behind the proxy of the newer service", () => {
  it("are talked to as if they were on this network, all three of them", async () => {
    await using service = await proxied();
    {
      await using job = await ask(service);
      // What this room hands out is what connections take.
      const open: OpenChannel | undefined = job.open;
      expect(open).toBeTypeOf("function");
      await using spinn = await job.connect(connect);
      const { machine: found } = await spinn.discover();
      expect(found.chips.size).toBe(144);
      expect(spinn.connections.length).toBe(3);
      const bytes = Uint8Array.from({ length: 3000 }, (_, i) => i * 7);
      await spinn.writeMemory({ x: 8, y: 4 }, 0x60240000, bytes);
      expect(await spinn.readMemory({ x: 8, y: 4 }, 0x60240000, bytes.length)).toEqual(bytes);
      expect(service.proxy.sockets.size).toBe(1);
      expect(service.proxy.openChannels).toBe(3);
    }
    await service.until(() => service.jobs.get(1)!.state === "DESTROYED");
    expect(service.proxy.sockets.size).toBe(0);
    expect(service.asked.filter((line) => line.startsWith("UPGRADE"))).toEqual(["UPGRADE /spalloc/proxy/1"]);
  });

  it("take boot packets, and give channels back one by one", async () => {
    await using service = await proxied();
    await using job = await ask(service);
    const rom = await BootConnection.open({ host: hosts["0,0"]!, open: job.open });
    expect(rom.remote).toBe(`${hosts["0,0"]}:54321`);
    expect(service.proxy.frames[0]).toBe("00000000010000000000000000000000" + "31d40000");
    await rom.close();
    await rom.close();
    expect(rom.channel.closed).toBe(true);
    const proxy = await job.proxy();
    await proxy.open(hosts["8,4"]!, 17893, {});
    // Answers come in order: the close before it has been seen.
    expect(service.proxy.openChannels).toBe(1);
  });

  it("send to a port that has no fixed peer", async () => {
    await using service = await proxied();
    await using job = await ask(service);
    const port = await (await job.proxy()).listen();
    const live: DatagramPort = port;
    expect(port.host).toBe("127.0.0.1");
    const answer = new Promise<Uint8Array>((resolve) => live.onMessage((datagram) => resolve(datagram)));
    // An SCP version request: the board answers whoever asks.
    await live.send(Uint8Array.from(Buffer.from(`000087ff00ff0000000000000500${"00".repeat(12)}`, "hex")), 17893, hosts["4,8"]!);
    expect(Buffer.from(await answer).toString("latin1")).toContain("SC&MP");
    expect(await rejection(port.send(new Uint8Array(4), 17893, "10.9.9.9"))).toMatchObject({ code: "ERR_SPINN_REFUSED" });
    await port.close();
    expect(await rejection(port.send(new Uint8Array(4), 17893, hosts["4,8"]!))).toMatchObject({ code: "ERR_SPINN_CLOSED" });
  });

  it("are reached directly where the service names no proxy", async () => {
    await using service = await FakeWebService.start();
    await using job = await ask(service);
    expect(job.open).toBeUndefined();
    expect(await job.connect(async (host, { open }) => [host, open])).toEqual(["10.0.0.1", undefined]);
    expect(await rejection(job.proxy())).toMatchObject({ code: "ERR_SPINN_STATE", message: expect.stringContaining("no proxy") });
  });
});

describe("a proxy that fails", () => {
  it("is named when it goes away, to channels and to requests; the next channel takes a new one", async () => {
    await using service = await proxied();
    await using job = await ask(service);
    const open = job.open as OpenProxied;
    const channel = await open(hosts["0,0"]!, 17893, {});
    const lost = new Promise<Error | undefined>((resolve) => channel.subscribe({ onDatagram: () => {}, onClose: resolve }));
    service.proxy.isMute = true;
    const waiting = rejection(open(hosts["8,4"]!, 17893, {}));
    while (service.proxy.frames.length < 2) await new Promise((resolve) => setImmediate(resolve));
    for (const socket of service.proxy.sockets) socket.close(1011, "failed");
    expect(await lost).toMatchObject({ code: "ERR_SPINN_UNREACHABLE", message: expect.stringContaining("the service failed: failed") });
    expect(await waiting).toMatchObject({ code: "ERR_SPINN_UNREACHABLE" });
    expect(channel.closed).toBe(true);
    channel.send(new Uint8Array(10));
    service.proxy.isMute = false;
    const again = await open(hosts["0,0"]!, 17893, {});
    expect(again.closed).toBe(false);
  });

  it("does not hang when it says nothing, or when the caller has gone", async () => {
    await using service = await proxied();
    await using job = await allocate({ server: service.url, credentials, timeoutMs: 300 });
    const proxy = await job.proxy();
    service.proxy.isMute = true;
    expect(await rejection(proxy.open(hosts["0,0"]!, 17893, {}))).toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
    const stop = new AbortController();
    const pending = rejection(proxy.open(hosts["0,0"]!, 17893, { signal: stop.signal }));
    stop.abort();
    expect(await pending).toMatchObject({ code: "ERR_SPINN_ABORTED" });
  });

  it("is believed when it refuses, and not when it talks nonsense", async () => {
    await using service = await proxied();
    await using job = await ask(service);
    const open = job.open as OpenProxied;
    expect(await rejection(open("10.1.2.3", 17893, {}))).toMatchObject({
      code: "ERR_SPINN_REFUSED",
      hint: expect.stringContaining(hosts["0,0"]!),
    });
    const kept = await open(hosts["0,0"]!, 17893, {});
    service.hosts = {};
    expect(await rejection(open(hosts["0,0"]!, 17893, {}))).toMatchObject({
      code: "ERR_SPINN_REMOTE",
      message: expect.stringMatching(/refused a channel to .*: unrecognised ethernet chip/),
    });
    const lost = new Promise<Error | undefined>((resolve) => kept.subscribe({ onDatagram: () => {}, onClose: resolve }));
    for (const socket of service.proxy.sockets) socket.send("hello");
    expect(await lost).toMatchObject({ code: "ERR_SPINN_PROTOCOL" });
    service.hosts = hosts;
    service.jobs.get(1)!.state = "POWER";
    expect(await rejection(job.proxy())).toMatchObject({ code: "ERR_SPINN_STATE" });
  });

  it("loses what it cannot send in time, as a network does", async () => {
    await using service = await proxied();
    await using job = await ask(service);
    const proxy = await job.proxy();
    const channel = await proxy.open(hosts["0,0"]!, 9, {});
    // All in one turn: nothing leaves this process meanwhile.
    for (let i = 0; i < 10_000; i += 1) channel.send(new Uint8Array(2000));
    expect(proxy.dropped).toBeGreaterThan(5000);
  });

  it("logs in again when the session has run out", async () => {
    await using service = await proxied();
    await using client = await SpallocWebClient.connect({ url: service.url, credentials });
    const jobId = await client.createJob({});
    const open = client.hasProxy.bind(client);
    expect(await open(jobId)).toBe(true);
    client.hasProxy = async () => {
      const has = await open(jobId);
      service.expire();
      service.expire();
      return has;
    };
    await using proxy = await client.openProxy(jobId, []);
    expect(proxy!.lost).toBeUndefined();
    expect(service.asked.filter((line) => line.startsWith("UPGRADE")).length).toBe(2);
  });
});

describe("ways to log in", () => {
  const cases: [FakeWebService["takes"], WebCredentials, WebCredentials][] = [
    ["form", { ...credentials, login: "form" }, { username: "me", password: "wrong", login: "form" }],
    ["token", { token: "good" }, { token: "bad" }],
  ];
  it.each(cases)("%s: jobs, changes, keepalive and proxy", async (takes, good, bad) => {
    await using service = await proxied();
    service.takes = takes;
    {
      await using job = await allocate({ server: service.url, credentials: good });
      const channel = await (job.open as OpenProxied)(hosts["0,0"]!, 17893, {});
      await channel.close();
      await job.powerOff();
      service.expire();
      service.expire();
      await job.powerOn();
      await service.until(() => service.keepalives > 0);
    }
    expect(service.jobs.get(1)!.state).toBe("DESTROYED");
    const error = await rejection(allocate({ server: service.url, credentials: bad }));
    expect(error).toMatchObject({ code: "ERR_SPINN_REMOTE", message: expect.stringContaining("refused the log-in") });
    expect(service.jobs.size).toBe(1);
  });

  it("a form's thread of its own ends the job too", async () => {
    await using service = await proxied();
    service.takes = "form";
    await using client = await SpallocWebClient.connect({ url: service.url, credentials: { ...credentials, login: "form" } });
    const jobId = await client.createJob({});
    const keepalive = new Keepalive(client.keepalivePlan(jobId), 100);
    await service.until(() => service.keepalives > 1);
    keepalive.beginRelease("gone");
    await service.until(() => service.jobs.get(jobId)!.state === "DESTROYED");
    await keepalive.stop();
  });

  it("a page without a form is no log-in page", async () => {
    await using service = await proxied();
    service.special = (line) => (line.includes("login.html") ? { status: 200, text: "<html>welcome</html>" } : undefined);
    const error = await rejection(SpallocWebClient.connect({ url: service.url, credentials: { ...credentials, login: "form" } }));
    expect(error).toMatchObject({ code: "ERR_SPINN_PROTOCOL", message: expect.stringContaining("no form") });
  });
});
