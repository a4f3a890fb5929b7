import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { type SpallocChange, SpallocClient, type SpallocClientOptions } from "../../../src/services/allocation/client.js";
import { type Answer, type Command, FakeServer, rejection } from "./fake-server.js";

const plain = ({ command }: Command): Answer => ({ value: command === "version" ? "1.0.0" : null });
const connect = (server: FakeServer, options: Partial<SpallocClientOptions> = {}): Promise<SpallocClient> =>
  SpallocClient.connect({ host: "127.0.0.1", port: server.port, reconnectDelayMs: 1, ...options });

describe("a connection", () => {
  it("asks the version first", async () => {
    await using server = await FakeServer.start(plain);
    await using client = await connect(server);
    expect(server.asked).toEqual([{ command: "version", args: [], kwargs: {} }]);
    expect(client.version.text).toBe("1.0.0");
  });

  it("says who did not answer", async () => {
    const server = await FakeServer.start(plain);
    const { port } = server;
    await server.close();
    const error = await rejection(SpallocClient.connect({ host: "127.0.0.1", port }));
    expect(error).toMatchObject({ code: "ERR_SPINN_UNREACHABLE", message: expect.stringContaining(`127.0.0.1:${port}`) });
    expect(error.hint).toContain("22244");
  });

  it("refuses a server of an unknown version, and one that is something else", async () => {
    await using newer = await FakeServer.start(() => ({ value: "9.0.0" }));
    expect(await rejection(connect(newer))).toMatchObject({ code: "ERR_SPINN_WRONG_DEVICE" });
    await newer.until(() => newer.openSockets === 0);

    const web = createServer((socket) => socket.on("error", () => {}).end("HTTP/1.1 400 Bad Request\r\n\r\n")).listen(0, "127.0.0.1");
    await new Promise((resolve) => web.once("listening", resolve));
    const { port } = web.address() as { port: number };
    expect(await rejection(SpallocClient.connect({ host: "127.0.0.1", port }))).toMatchObject({
      code: "ERR_SPINN_PROTOCOL",
      hint: expect.stringContaining("really a spalloc server"),
    });
    web.close();
  });

  it("keeps notifications and replies apart", async () => {
    await using server = await FakeServer.start((command) => {
      if (command.command === "list_jobs") server.send('{"jobs_changed": [3, 4]}\n{"weather": "fine"}\n{"machines_changed": ["m"]}\n\r\n');
      return command.command === "list_jobs" ? { value: [] } : plain(command);
    });
    await using client = await connect(server);
    const heard: SpallocChange[] = [];
    client.onChange((change) => heard.push(change));
    expect(await client.listJobs()).toEqual([]);
    expect(heard).toEqual([
      { kind: "jobs", ids: [3, 4] },
      { kind: "machines", names: ["m"] },
    ]);
  });

  it("gives replies to commands in their order, also when one is no longer wanted", async () => {
    let first = true;
    await using server = await FakeServer.start((command) => {
      if (command.command === "version") return { value: "1.0.0" };
      if (!first) {
        server.send('{"return": "late"}\n{"return": "second"}\n');
        return "silent";
      }
      first = false;
      return "silent";
    });
    await using client = await connect(server);
    const stop = new AbortController();
    const unwanted = client.call("list_jobs", [], {}, { signal: stop.signal });
    stop.abort();
    const wanted = client.call("list_machines");
    expect(await rejection(unwanted)).toMatchObject({ code: "ERR_SPINN_ABORTED" });
    expect(await wanted).toBe("second");
  });

  it("is not used again after a reply that did not come", async () => {
    await using server = await FakeServer.start((command) =>
      command.command === "list_jobs" && server.connections === 1 ? "silent" : plain(command),
    );
    await using client = await connect(server, { timeoutMs: 50 });
    expect(await rejection(client.call("list_jobs"))).toMatchObject({
      code: "ERR_SPINN_TIMEOUT",
      message: expect.stringContaining("list_jobs"),
    });
    await client.call("list_machines");
    expect(server.connections).toBe(2);
  });

  it("ends at a reply that nobody asked for", async () => {
    await using server = await FakeServer.start(plain);
    await using client = await connect(server);
    const lost = new Promise<SpallocChange>((resolve) => client.onChange(resolve));
    server.send('{"return": 1}\n');
    expect(await lost).toMatchObject({ kind: "lost", error: { code: "ERR_SPINN_PROTOCOL" } });
  });

  it("comes back by itself while something is subscribed, with all subscriptions", async () => {
    await using server = await FakeServer.start(plain);
    await using client = await connect(server);
    await client.notifyJob(7);
    await client.notifyMachine();
    const back = new Promise<void>((resolve) => client.onChange(({ kind }) => kind === "connected" && resolve()));
    server.asked.length = 0;
    server.hangUp();
    await back;
    expect(server.asked.map(({ command, args }) => [command, ...args])).toEqual([["version"], ["notify_job", 7], ["notify_machine", null]]);
    await client.noNotifyJob(7);
    await client.noNotifyMachine();
  });

  it("sends a command again when an old connection proves lost, once", async () => {
    await using server = await FakeServer.start((command) =>
      command.command === "list_jobs" && server.connections < 3 ? "close" : plain(command),
    );
    await using client = await connect(server);
    expect(await rejection(client.call("list_jobs"))).toMatchObject({
      code: "ERR_SPINN_INCOMPLETE",
      hint: expect.stringContaining("hang up"),
    });
    expect(server.count("list_jobs")).toBe(2);
    await client.call("list_jobs");
    expect(server.connections).toBe(3);
  });

  it("never asks twice for boards", async () => {
    await using server = await FakeServer.start((command) => (command.command === "create_job" ? "close" : plain(command)));
    await using client = await connect(server);
    expect(await rejection(client.createJob({ owner: "me" }))).toMatchObject({
      code: "ERR_SPINN_OUTCOME_UNKNOWN",
      hint: expect.stringContaining("60000 ms without a keepalive"),
    });
    expect(server.count("create_job")).toBe(1);
  });

  it("gives boards back that came after the caller gave up", async () => {
    const stop = new AbortController();
    await using server = await FakeServer.start((command) => {
      if (command.command !== "create_job") return plain(command);
      stop.abort();
      return { value: 12 };
    });
    await using client = await connect(server);
    expect(await rejection(client.createJob({ owner: "me" }, { signal: stop.signal }))).toMatchObject({ code: "ERR_SPINN_ABORTED" });
    expect(server.asked.at(-1)).toMatchObject({ command: "destroy_job", args: [12] });
  });

  it("answers nothing after close", async () => {
    await using server = await FakeServer.start((command) => (command.command === "list_jobs" ? "silent" : plain(command)));
    const client = await connect(server);
    const waiting = rejection(client.call("list_jobs"));
    await client.close();
    await client.close();
    expect(await waiting).toMatchObject({ code: "ERR_SPINN_CLOSED" });
    expect(await rejection(client.call("list_jobs"))).toMatchObject({ code: "ERR_SPINN_CLOSED" });
    await server.until(() => server.openSockets === 0);
  });
});

describe("the classic door of the newer service", () => {
  it("answers with exceptions where the others answer null", async () => {
    await using server = await FakeServer.start(({ command, kwargs }) => {
      if (command === "version") return { value: "5.0.0" };
      if (command === "get_job_machine_info") return { exception: "boards not allocated" };
      if (command === "list_jobs") return { exception: "database is down" };
      if (command === "get_board_position")
        return { exception: "machine_name" in kwargs ? "no such board" : "missing parameter: machine_name" };
      return { exception: "no such job" };
    });
    await using client = await connect(server);
    expect(await client.jobMachine(1)).toBeNull();
    expect(await client.jobStatus(1)).toMatchObject({ state: "unknown" });
    expect(await client.whereIs({ jobId: 1, chip: { x: 0, y: 0 } })).toBeNull();
    expect(await client.boardPosition("m", { x: 0, y: 0, z: 0 })).toBeNull();
    await client.destroyJob(1);
    expect(await rejection(client.listJobs())).toMatchObject({
      code: "ERR_SPINN_REMOTE",
      message: expect.stringContaining("database is down"),
    });
  });
});
