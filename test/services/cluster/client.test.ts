import { describe, expect, it } from "vitest";
import { Client, type ClientOptions } from "../../../src/services/cluster/client.js";
import { zmqSockets } from "../../../src/services/cluster/socket.js";
import { RecordedController, rejection, vectors } from "./recorded.js";

const file = vectors.connection_files.client;
const connect = (controller: RecordedController, options: ClientOptions<false> = {}): Promise<Client> =>
  Client.connect({ file, openSocket: controller.open, settleMs: 0, timeoutMs: 1000, username: "tester", ...options });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const ENGINES = ["e0000000-aaaaaaaaaaaaaaaaaaaaaaaa", "e1111111-bbbbbbbbbbbbbbbbbbbbbbbb"];

describe("sessions recorded with a real controller", () => {
  it("learns the engines", async () => {
    await using client = await connect(new RecordedController());
    expect(client.ids).toEqual([0, 1]);
    expect(client.length).toBe(2);
    expect([...client].map(({ targets }) => targets)).toEqual([0, 1]);
    expect(() => client.directView(7)).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT", hint: "it has 0, 1" }));
    expect(() => client.directView([0, 0])).toThrow(/twice/);
  });

  it("runs code, with its output line by line", async () => {
    const controller = new RecordedController("mux_execute_ok");
    await using client = await connect(controller);
    const result = client.directView(0).execute("print('hello'); 6*7");
    const lines: string[] = [];
    for await (const line of result.stdout) lines.push(line);
    expect(lines).toEqual(result.stdout.text.trimEnd().split("\n"));
    expect((await result).engineUuid).toBe(ENGINES[0]);
    const [metadata] = result.metadata;
    expect(metadata).toMatchObject({ status: "ok", engineId: 0, engineUuid: ENGINES[0], executeResult: expect.any(Object) });
    expect(metadata!.stdout).toBe(result.stdout.text);
    expect(metadata!.completed!.getTime()).toBeGreaterThanOrEqual(metadata!.started!.getTime());
    expect(result.serialMs).toBeGreaterThanOrEqual(0);
    expect(result.outputs.map(({ kind }) => kind)).toContain("execute_result");
    expect(client.outstanding.size).toBe(0);
    expect(client.results.get(result.msgIds[0]!)).toMatchObject({ ok: true });
    expect(controller.sent[1]).toMatchObject({
      port: "mux",
      idents: [ENGINES[0]],
      content: { silent: false, stop_on_error: false, allow_stdin: false },
    });
  });

  it("names what the code failed with", async () => {
    await using client = await connect(new RecordedController("mux_execute_error"));
    const result = client.directView(0).execute("1/0");
    const error = await rejection(result);
    expect(error).toMatchObject({ code: "ERR_SPINN_REMOTE", message: "engine 0 answered ZeroDivisionError: division by zero" });
    expect(error.cause).toMatchObject({ ename: "ZeroDivisionError", traceback: expect.any(Array) });
    expect(result.successful).toBe(false);
    expect(result.metadata[0]).toMatchObject({ status: "error", error: { ename: "ZeroDivisionError" } });
  });

  it("keeps stderr and what was displayed", async () => {
    await using client = await connect(new RecordedController("stderr_and_display"));
    const result = client.directView(0).execute("...");
    expect(await result.waitForOutput()).toBe(true);
    expect(result.stderr.text).not.toBe("");
    expect(result.outputs.some(({ kind }) => kind === "display_data")).toBe(true);
  });

  it("calls functions and reads their values, without an unpickler", async () => {
    const controller = new RecordedController("apply_handmade");
    await using client = await connect(controller);
    const view = client.directView(0);
    await view.execute("def board(x, y, zye=1): ...");
    expect(await view.call("eval", "6*7")).toBe(42);
    expect(await view.call("board", 3, 4)).toEqual({ hz: 3, n: 7, ok: [true, null, 1.5, "é"] });
    expect(await rejection(view.call("eval", "1j"))).toMatchObject({
      code: "ERR_SPINN_PROTOCOL",
      message: expect.stringContaining("builtins.complex"),
    });
    expect(await rejection(view.call("eval", "1/0"))).toMatchObject({ code: "ERR_SPINN_REMOTE" });
  });

  it("drops what has not started", async () => {
    const controller = new RecordedController("abort");
    await using client = await connect(controller);
    const view = client.directView(0);
    const [first, second] = [view.execute("import time; time.sleep(.6)"), view.execute('print("never")')];
    await turn();
    await second.abort();
    await first;
    expect(await rejection(second)).toMatchObject({ code: "ERR_SPINN_ABORTED" });
    await second.waitForOutput();
    const before = controller.sent.length;
    // An empty list would drop everybody's tasks.
    await client.abort([]);
    await client.abort(second);
    expect(controller.sent.length).toBe(before);
  });

  it("interrupts what runs", async () => {
    const controller = new RecordedController("signal");
    await using client = await connect(controller);
    const result = client.directView(0).execute("import time; time.sleep(5)");
    await turn();
    await client.interrupt(0);
    expect(await rejection(result)).toMatchObject({ message: expect.stringContaining("KeyboardInterrupt") });
    expect(await result.cancel()).toEqual(["finished before"]);
  });

  it("fails at once what was sent to an engine that went away", async () => {
    const controller = new RecordedController("engine_joins", "engine_killed");
    await using client = await connect(controller);
    expect(client.ids).toEqual([0, 1, 2]);
    const heard: unknown[] = [];
    client.onEngines((ids, { id, kind }) => heard.push([ids, id, kind]));
    const view = client.directView(2);
    await view.execute("1");
    const sent = view.execute("import time; time.sleep(60)");
    const scheduled = client.loadBalancedView({ targets: [2] }).execute("import time; time.sleep(60)");
    expect(await rejection(sent)).toMatchObject({ code: "ERR_SPINN_INCOMPLETE", message: expect.stringContaining("engine 2 went away") });
    expect(await rejection(scheduled)).toMatchObject({ code: "ERR_SPINN_INCOMPLETE", message: expect.stringContaining("every engine") });
    expect(heard).toEqual([[[0, 1], 2, "left"]]);
    expect(client.ids).toEqual([0, 1]);
  });
});

describe("shutdown", () => {
  it("is content when the engine is gone before its reply came", async () => {
    const controller = new RecordedController("engine_joins", "engine_killed");
    await using client = await connect(controller);
    await client.directView(2).execute("1");
    const ended = client.shutdown({ targets: [2] });
    // What makes the recorded controller tell that engine 2 left.
    client.directView(2).execute("import time; time.sleep(60)");
    client.loadBalancedView({ targets: [2] }).execute("import time; time.sleep(60)");
    await ended;
    expect(client.ids).toEqual([0, 1]);
  });

  it("ends an engine, and with the hub the client", async () => {
    const controller = new RecordedController("engine_shutdown");
    await using client = await connect(controller);
    await client.shutdown({ targets: 1 });
    expect(client.ids).toEqual([0]);
    const whole = new RecordedController("hub_shutdown");
    const other = await connect(whole);
    whole.say("notification", null, "unregistration_notification", { content: { id: 0, uuid: ENGINES[0] } });
    whole.say("notification", null, "unregistration_notification", { content: { id: 1, uuid: ENGINES[1] } });
    const ended: unknown[] = [];
    other.onEnd(({ code }) => ended.push(code));
    await other.shutdown({ hub: true });
    expect(whole.sent.at(-1)).toMatchObject({ port: "query", type: "shutdown_request" });
    expect(ended).toHaveLength(1);
    expect(() => other.directView("all").execute("1")).toThrow();
  });
});

describe("a controller that is not what it should be", () => {
  it("is named when nobody answers", async () => {
    const error = await rejection(Client.connect({ file, openSocket: () => ({ send() {}, close() {} }), settleMs: 0, timeoutMs: 30 }));
    expect(error).toMatchObject({
      code: "ERR_SPINN_TIMEOUT",
      message: expect.stringContaining("nothing answers at tcp://127.0.0.1:59147"),
    });
    const controller = new RecordedController();
    const asked = connect(controller, { timeoutMs: 30, key: "another" });
    const refusal = rejection(asked);
    await turn();
    controller.connected(true);
    expect(await refusal).toMatchObject({ code: "ERR_SPINN_TIMEOUT", hint: expect.stringContaining("wrong key") });
  });

  it("is not believed when it signs wrongly", async () => {
    const controller = new RecordedController();
    controller.tamper = (frames) =>
      frames.map((frame, index) => (index === 5 ? Buffer.from('{"status":"ok","engines":{"9":"evil"}}') : frame));
    expect(await rejection(connect(controller, { timeoutMs: 30 }))).toMatchObject({
      code: "ERR_SPINN_TIMEOUT",
      message: expect.stringContaining("1 messages came that another key had signed"),
    });
    expect(controller.closed).toBe(6);
  });

  it("may stop: every wait ends with close", async () => {
    const controller = new RecordedController();
    const client = await connect(controller);
    const result = client.directView(0).execute("1");
    const timed = client.directView(0, { timeoutMs: 20 }).execute("1");
    expect(await rejection(timed)).toMatchObject({ code: "ERR_SPINN_TIMEOUT", hint: expect.stringContaining("controller that stopped") });
    const waits = [
      client.queueStatus(),
      client.waitForEngines(9),
      result.get({ timeoutMs: 60_000 }),
      client.getResult("elsewhere").get(),
    ].map(rejection);
    const lines: string[] = [];
    const reading = (async () => {
      for await (const line of result.stdout) lines.push(line);
    })();
    await client.close();
    await client.close();
    for (const wait of waits) expect(await wait).toMatchObject({ code: "ERR_SPINN_CLOSED" });
    await reading;
    expect(() => client.loadBalancedView().apply("f")).toThrow();
    expect(controller.closed).toBe(6);
  });

  it("may go away: after a while every wait is told so, and not before", async () => {
    const controller = new RecordedController();
    await using client = await connect(controller, { awayMs: 20 });
    controller.connected(true);
    const result = client.directView(0).execute("1");
    controller.connected(false);
    controller.connected(true);
    expect(await result.wait({ timeoutMs: 60 })).toBe(false);
    controller.connected(false);
    expect(await rejection(result)).toMatchObject({ code: "ERR_SPINN_INCOMPLETE", message: expect.stringContaining("went away") });
  });

  it("may say that it ends", async () => {
    const controller = new RecordedController();
    await using client = await connect(controller);
    const result = client.directView("all").execute("1");
    controller.say("notification", null, "shutdown_notification", { content: { status: "ok" } });
    expect(await rejection(result)).toMatchObject({
      code: "ERR_SPINN_END_OF_STREAM",
      cause: { errors: [expect.anything(), expect.anything()] },
    });
  });
});

describe("the package zeromq", () => {
  it("is asked for by name when it is missing", async () => {
    const missing = (): Promise<never> => Promise.reject(new Error("Cannot find package 'zeromq'"));
    expect(await rejection(zmqSockets({ curveServerKey: null }, missing))).toMatchObject({
      code: "ERR_SPINN_UNREACHABLE",
      hint: "npm install zeromq@6",
    });
  });
});
