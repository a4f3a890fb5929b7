import { describe, expect, it } from "vitest";
import { ClusterClient } from "../../../src/services/cluster/client.js";
import { parseConnection } from "../../../src/services/cluster/connection-file.js";
import { zmqSockets } from "../../../src/services/cluster/socket.js";
import { RecordedController, vectors } from "./recorded.js";

const file = parseConnection(vectors.connection_files.client);
const connect = (controller: RecordedController, timeoutMs = 1000): Promise<ClusterClient> =>
  ClusterClient.connect({ file, openSocket: controller.open, settleMs: 0, timeoutMs, username: "tester" });
const rejection = (promise: Promise<unknown>): Promise<Error & { code?: string; hint?: string }> =>
  promise.then(
    () => Promise.reject(new Error("expected a rejection")),
    (error) => error,
  );

describe("sessions recorded with a real controller", () => {
  it("learns the engines", async () => {
    const controller = new RecordedController();
    await using client = await connect(controller);
    expect(client.ids).toEqual([0, 1]);
    expect(() => client.execute(7, "1")).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT", hint: "it has 0, 1" }));
  });

  it("runs code, with its output", async () => {
    const controller = new RecordedController("mux_execute_ok");
    await using client = await connect(controller);
    const task = client.execute(0, "print('hello'); 6*7");
    const heard: string[] = [];
    task.onOutput((stream, text) => heard.push(`${stream}: ${text}`));
    const reply = await task.result;
    await task.outputDone;
    expect(reply.engineUuid).toBe("e0000000-aaaaaaaaaaaaaaaaaaaaaaaa");
    expect(task.stdout).not.toBe("");
    expect(heard.join("")).toContain(task.stdout.slice(0, 5));
    expect(task.outputs.map(({ kind }) => kind)).toContain("execute_result");
    expect(client.outstanding.size).toBe(0);
    expect(controller.sent[1]).toMatchObject({
      port: "mux",
      idents: ["e0000000-aaaaaaaaaaaaaaaaaaaaaaaa"],
      content: { silent: false, stop_on_error: false, allow_stdin: false },
    });
  });

  it("names what the code failed with", async () => {
    await using client = await connect(new RecordedController("mux_execute_error"));
    const error = await rejection(client.execute(0, "1/0").result);
    expect(error).toMatchObject({ code: "ERR_SPINN_REMOTE", message: "engine 0 answered ZeroDivisionError: division by zero" });
    expect(error.cause).toMatchObject({ ename: "ZeroDivisionError", traceback: expect.any(Array) });
  });

  it("pushes values as JSON and pulls expressions", async () => {
    const controller = new RecordedController("json_push_pull");
    await using client = await connect(controller);
    const values = { k: 'é\n"', n: [1, 2.5, null, true] };
    await client.push(0, values);
    const recorded = vectors.sessions.find(({ name }) => name === "json_push_pull")!.events[0]!;
    expect(controller.sent[1]!.content).toEqual(JSON.parse(recorded.frames[6]!));
    const { expressions } = await client.execute(0, "", { silent: true, expressions: { v: "x" } }).result;
    expect(expressions["v"]).toMatchObject({ status: "ok", data: { "application/json": values } });
    expect(expressions["bad"]).toMatchObject({ status: "error", ename: "NameError" });
  });

  it("asks for a value in a form that the engine can always send", async () => {
    const controller = new RecordedController();
    await using client = await connect(controller);
    const pulled = rejection(client.pull(1, "x", { timeoutMs: 20 }));
    const { v } = controller.sent[1]!.content["user_expressions"] as { v: string };
    expect(v).toContain('.dumps({"v": (x)}, allow_nan=False)');
    expect(await pulled).toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
  });

  it("keeps stderr and what was displayed", async () => {
    await using client = await connect(new RecordedController("stderr_and_display"));
    const task = client.execute(0, "...");
    await task.result;
    await task.outputDone;
    expect(task.stderr).not.toBe("");
    expect(task.outputs.some(({ kind }) => kind === "display_data")).toBe(true);
  });

  it("drops what has not started", async () => {
    const controller = new RecordedController("abort");
    await using client = await connect(controller);
    const [first, second] = [client.execute(0, "import time; time.sleep(.6)"), client.execute(0, 'print("never")')];
    await new Promise((resolve) => setImmediate(resolve));
    await client.abort([second], [0]);
    await first.result;
    expect(await rejection(second.result)).toMatchObject({ code: "ERR_SPINN_ABORTED" });
    await second.outputDone;
    const before = controller.sent.length;
    // An empty list would drop everybody's tasks.
    await client.abort([]);
    expect(controller.sent.length).toBe(before);
  });

  it("interrupts what runs", async () => {
    await using client = await connect(new RecordedController("signal"));
    const task = client.execute(0, "import time; time.sleep(5)");
    await new Promise((resolve) => setImmediate(resolve));
    expect(task.isRunning).toBe(true);
    await client.interrupt([0]);
    expect(await rejection(task.result)).toMatchObject({ message: expect.stringContaining("KeyboardInterrupt") });
    expect(task.isRunning).toBe(false);
  });

  it("fails at once what was sent to an engine that went away", async () => {
    const controller = new RecordedController("engine_joins", "engine_killed");
    await using client = await connect(controller);
    expect(client.ids).toEqual([0, 1, 2]);
    const heard: (readonly number[])[] = [];
    client.onEngines((ids) => heard.push(ids));
    await client.execute(2, "1").result;
    const sent = client.execute(2, "import time; time.sleep(60)");
    const scheduled = client.schedule("import time; time.sleep(60)", { targets: [2] });
    expect(await rejection(sent.result)).toMatchObject({
      code: "ERR_SPINN_INCOMPLETE",
      message: expect.stringContaining("engine 2 went away"),
    });
    // The scheduler tells of its own tasks itself.
    expect(await rejection(scheduled.result)).toMatchObject({ code: "ERR_SPINN_REMOTE", message: expect.stringContaining("EngineError") });
    expect(heard).toEqual([[0, 1]]);
    expect(client.ids).toEqual([0, 1]);
  });
});

describe("shutdown", () => {
  it("is content when the engine is gone before its reply came", async () => {
    const controller = new RecordedController("engine_joins", "engine_killed");
    await using client = await connect(controller);
    await client.execute(2, "1").result;
    const ended = client.shutdown([2]);
    // What makes the recorded controller tell that engine 2 left.
    client.execute(2, "import time; time.sleep(60)");
    client.schedule("import time; time.sleep(60)", { targets: [2] });
    await ended;
    expect(client.ids).toEqual([0, 1]);
  });
});

describe("a controller that is not what it should be", () => {
  it("is named when nobody answers", async () => {
    const silent = new RecordedController();
    const error = await rejection(
      ClusterClient.connect({ file, openSocket: () => ({ send() {}, close() {} }), settleMs: 0, timeoutMs: 30 }),
    );
    expect(error).toMatchObject({ code: "ERR_SPINN_TIMEOUT", hint: expect.stringContaining("wrong key") });
    expect(silent.sent).toEqual([]);
  });

  it("is not believed when it signs wrongly", async () => {
    const controller = new RecordedController();
    controller.tamper = (frames) =>
      frames.map((frame, index) => (index === 5 ? Buffer.from('{"status":"ok","engines":{"9":"evil"}}') : frame));
    expect(await rejection(connect(controller, 30))).toMatchObject({ code: "ERR_SPINN_TIMEOUT" });
    expect(controller.closed).toBe(6);
  });

  it("may stop: every wait ends with close", async () => {
    const controller = new RecordedController();
    const client = await connect(controller);
    const task = client.execute(0, "1");
    const timed = client.execute(0, "1", { timeoutMs: 20 });
    expect(await rejection(timed.result)).toMatchObject({
      code: "ERR_SPINN_TIMEOUT",
      hint: expect.stringContaining("controller that stopped"),
    });
    const status = rejection(client.queueStatus());
    await client.close();
    await client.close();
    expect(await rejection(task.result)).toMatchObject({ code: "ERR_SPINN_CLOSED" });
    expect(await status).toMatchObject({ code: "ERR_SPINN_CLOSED" });
    expect(() => client.schedule("1")).toThrow();
    expect(controller.closed).toBe(6);
  });

  it("gets no task that it would forget", async () => {
    const controller = new RecordedController();
    await using client = await connect(controller);
    expect(() => client.schedule("1", { retries: 2 })).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    expect(() => client.schedule("1", { targets: [] })).toThrow(/no engines/);
    client.schedule("1", { retries: 1 });
    expect(controller.sent.at(-1)!.port).toBe("task");
    await using pure = await ClusterClient.connect({
      file: { ...file, taskScheme: "pure" },
      openSocket: new RecordedController().open,
      settleMs: 0,
    });
    expect(() => pure.schedule("1")).toThrow(expect.objectContaining({ code: "ERR_SPINN_REFUSED" }));
  });
});

describe("the package zeromq", () => {
  it("is asked for by name when it is missing", async () => {
    const missing = (): Promise<never> => Promise.reject(new Error("Cannot find package 'zeromq'"));
    expect(await rejection(zmqSockets(file, missing))).toMatchObject({ code: "ERR_SPINN_UNREACHABLE", hint: "npm install zeromq@6" });
  });
});
