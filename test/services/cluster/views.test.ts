import { describe, expect, it } from "vitest";
import { Keywords, kw, unpackCall } from "../../../src/services/cluster/apply-message.js";
import { Client, type ClientOptions } from "../../../src/services/cluster/client.js";
import { writePickle } from "../../../src/services/cluster/pickle-writer.js";
import { functionExpression } from "../../../src/services/cluster/python-source.js";
import { RecordedController, rejection, type Sent, vectors } from "./recorded.js";

const file = vectors.connection_files.client;
const UUIDS = ["e0000000-aaaaaaaaaaaaaaaaaaaaaaaa", "e1111111-bbbbbbbbbbbbbbbbbbbbbbbb"];
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function connected(
  options: ClientOptions<false> = {},
): Promise<{ readonly client: Client; readonly controller: RecordedController }> {
  const controller = new RecordedController();
  const client = await Client.connect({ file, openSocket: controller.open, settleMs: 0, timeoutMs: 1000, ...options });
  controller.sent.length = 0;
  return { client, controller };
}

/** An engine's good end of a call. */
function answer(controller: RecordedController, sent: Sent, value: unknown, engine = UUIDS[0]!): void {
  const metadata = { engine, started: new Date().toISOString(), status: "ok" };
  controller.say(sent.port, sent, "apply_reply", { content: { status: "ok" }, metadata, buffers: [writePickle(value)] });
  controller.say("iopub", sent, "status", { content: { execution_state: "idle" }, metadata: { engine } });
}

const busy = (controller: RecordedController, sent: Sent, engine = UUIDS[0]!): void =>
  controller.say("iopub", sent, "status", { content: { execution_state: "busy" }, metadata: { engine } });

describe("a direct view", () => {
  it("gives lists for lists and for all, single values for a number", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const [all, some, one] = [client.directView().call<number>("f"), client.directView([1]).call("f"), client.directView(1).call("f")];
    for (const [i, sent] of controller.sent.entries()) answer(controller, sent, i, sent.idents[0]);
    expect(await all).toEqual([0, 1]);
    expect(await some).toEqual([2]);
    expect(await one).toBe(3);
    expect(await all.byEngine()).toEqual(
      new Map([
        [0, 0],
        [1, 1],
      ]),
    );
    expect(client.history).toEqual([...all.msgIds, ...some.msgIds, ...one.msgIds]);
  });

  it("with block gives the promise alone", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const promise = client.directView(0, { block: true }).call<number>("f");
    expect(promise).toBeInstanceOf(Promise);
    answer(controller, controller.sent[0]!, 5);
    expect(await promise).toBe(5);
  });

  it("pushes, pulls, scatters, gathers and maps", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const view = client.directView("all");
    const calls = (): unknown[] => controller.sent.splice(0).map(({ buffers }) => unpackCall(buffers.map((buffer) => buffer)));
    void view.push({ a: 1 });
    expect(calls()).toEqual(Array(2).fill({ name: "globals().update", args: [{ a: 1 }], kwargs: {} }));
    void view.pull(["a", "b.c"]);
    expect(calls()[0]).toMatchObject({ name: "(lambda: [(a\n), (b.c\n)])", args: [] });
    void view.scatter("z", [1, 2, 3]);
    expect(calls()).toMatchObject([{ args: [{ z: [1, 2] }] }, { args: [{ z: [3] }] }]);
    const mapped = view.map<number>("f", [1, 2, 3], [4, 5, 6, 7]);
    const sent = [...controller.sent];
    expect(calls()).toMatchObject([
      {
        args: [
          [1, 2],
          [4, 5],
        ],
      },
      { args: [[3], [6]] },
    ]);
    answer(controller, sent[1]!, [9], UUIDS[1]);
    answer(controller, sent[0]!, [7, 8]);
    expect(await mapped).toEqual([7, 8, 9]);
    const [gathered, mixed] = [view.gather("z"), view.gather("z")];
    const replies = controller.sent.splice(0);
    for (const [i, value] of [[1], [2], [1], "text"].entries()) answer(controller, replies[i]!, value);
    expect(await gathered).toEqual([1, 2]);
    expect(await rejection(mixed)).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
  });

  it("throws before anything is sent for what cannot be sent", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    expect(() => client.directView().apply("f", new Date())).toThrow(/Date cannot be sent/);
    expect(controller.sent).toEqual([]);
    expect(kw({ a: 1 })).toBeInstanceOf(Keywords);
  });

  it("takes functions as Python source", () => {
    expect(functionExpression("lambda x: x  # twice")).toBe("(lambda x: x  # twice\n)");
    expect(functionExpression("import os\n\nasync def other(): pass\ndef f(x):\n    def inner(): pass\n    return x")).toMatch(
      /^\(exec\(compile\("import os.*, globals\(\)\), f\)\[1\]$/,
    );
  });
});

describe("a load-balanced view", () => {
  it("names engines and a time, so that the scheduler always answers", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const view = client.loadBalancedView({ retries: 1, timeoutMs: 5000, startTimeoutMs: 2000, label: "sweep" });
    const first = view.call("f");
    const second = view.with({ after: first, follow: { jobs: [first], all: false, failure: true } }).call("g");
    expect(controller.sent[0]).toMatchObject({ port: "task", metadata: { targets: UUIDS, retries: 1, timeout: 2, label: "sweep" } });
    const expires = new Date(String(controller.sent[0]!.metadata["spinnkit_expires"])).getTime();
    expect(Math.abs(expires - Date.now() - 5000)).toBeLessThan(2000);
    expect(controller.sent[1]!.metadata).toMatchObject({
      after: { dependencies: first.msgIds, all: true, success: true, failure: false },
      follow: { dependencies: first.msgIds, all: false, success: true, failure: true },
    });
    expect(second.metadata[0]).toMatchObject({ after: first.msgIds, follow: first.msgIds });
  });

  it("sends no task that would be forgotten", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const view = client.loadBalancedView();
    const wrong = (options: Parameters<typeof view.with>[0]): unknown => rejection((async () => void view.with(options).call("f"))());
    expect(await wrong({ retries: 2 })).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    expect(await wrong({ targets: [0], retries: 1 })).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    expect(await wrong({ targets: [] })).toMatchObject({ message: expect.stringContaining("no engines") });
    expect(await wrong({ startTimeoutMs: -1 })).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    expect(await wrong({ after: { jobs: "x", success: false } })).toMatchObject({ message: expect.stringContaining("never be met") });
    expect(controller.sent).toEqual([]);
    const direct = client.directView(0).call("f");
    expect(await wrong({ after: direct })).toMatchObject({ message: expect.stringContaining("straight to an engine") });
    const pure = Client.connect({ file: { ...file, task_scheme: "pure" }, openSocket: new RecordedController().open, settleMs: 0 });
    await using other = await pure;
    expect(() => other.loadBalancedView()).toThrow(expect.objectContaining({ code: "ERR_SPINN_REFUSED" }));
  });

  it("routes the scheduler's own answers, and says what they mean", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const result = client.loadBalancedView().execute("1");
    const content = { status: "error", ename: "TaskTimeout", evalue: "2", traceback: [] };
    controller.say("task", controller.sent[0]!, "apply_reply", { content, metadata: {} });
    expect(await rejection(result)).toMatchObject({ code: "ERR_SPINN_REMOTE", hint: expect.stringContaining("startTimeoutMs") });
    expect(await result.waitForOutput({ timeoutMs: 50 })).toBe(true);
  });

  it("loses a running task with its engine at once, unless it may be tried again", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const view = client.loadBalancedView();
    const [lost, kept, elsewhere] = [view.call("f"), view.with({ retries: 1 }).call("f"), view.call("f")];
    const [first, second, third] = controller.sent;
    busy(controller, first!);
    busy(controller, second!);
    busy(controller, third!, UUIDS[1]);
    controller.say("notification", null, "unregistration_notification", { content: { id: 0, uuid: UUIDS[0] } });
    expect(await rejection(lost)).toMatchObject({ code: "ERR_SPINN_INCOMPLETE", message: expect.stringContaining("engine 0 went away") });
    answer(controller, second!, 1, UUIDS[1]);
    answer(controller, third!, 2, UUIDS[1]);
    // A real reply after the made-up one is dropped.
    answer(controller, first!, 0);
    expect([await kept, await elsewhere]).toEqual([1, 2]);
  });

  it("waits for the output of the engine that answered, not of one that tried before", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const result = client.loadBalancedView({ retries: 1 }).call("f");
    const [sent] = controller.sent;
    const hear = (type: string, content: Readonly<Record<string, unknown>>, engine = UUIDS[1]): void =>
      controller.say("iopub", sent!, type, { content, metadata: { engine } });
    busy(controller, sent!);
    hear("status", { execution_state: "idle" }, UUIDS[0]);
    const metadata = { engine: UUIDS[1], started: new Date().toISOString(), status: "ok" };
    controller.say("task", sent!, "apply_reply", { content: { status: "ok" }, metadata, buffers: [writePickle(1)] });
    expect(await result).toBe(1);
    expect(await result.waitForOutput({ timeoutMs: 5 })).toBe(false);
    hear("stream", { name: "stdout", text: "second try\n" });
    hear("status", { execution_state: "idle" });
    expect(await result.waitForOutput()).toBe(true);
    expect(result.metadata[0]).toMatchObject({ engineId: 1, stdout: "second try\n" });
  });

  it("streams over items without taking more than engines have use for", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    let taken = 0;
    const items = function* () {
      for (; taken < 6; ) {
        taken += 1;
        yield taken;
      }
    };
    const values: unknown[] = [];
    for await (const value of serve(client.loadBalancedView().stream("f", items(), { maxOutstanding: 2 }))) {
      values.push(value);
      expect(taken).toBeLessThanOrEqual(values.length + 2);
    }
    expect(values).toEqual([1, 2, 3, 4, 5, 6]);

    async function* serve<T>(stream: AsyncGenerator<T>): AsyncGenerator<T> {
      for (;;) {
        const next = stream.next();
        await turn();
        for (const sent of controller.sent.splice(0)) answer(controller, sent, unpackCall(sent.buffers).args[0]);
        const { done, value } = await next;
        if (done === true) return;
        yield value;
      }
    }
  });
});

describe("a result", () => {
  it("tells its tasks in order of arrival, and its values in order", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const result = client.directView().call<number>("f");
    const [first, second] = controller.sent;
    const arrivals = result.arrivals();
    answer(controller, second!, "b", UUIDS[1]);
    expect((await arrivals.next()).value).toMatchObject({ index: 1, engineId: 1, ok: true, value: "b" });
    expect([result.progress, result.length, result.ready]).toEqual([1, 2, false]);
    expect(() => result.successful).toThrow(expect.objectContaining({ code: "ERR_SPINN_STATE" }));
    expect(await rejection(result.get({ timeoutMs: 5 }))).toMatchObject({ message: "1 of 2 tasks are not ready within 5 ms" });
    const signal = AbortSignal.abort();
    expect(await rejection(result.get({ signal }))).toMatchObject({ code: "ERR_SPINN_ABORTED" });
    expect(await client.wait(undefined, { timeoutMs: 5 })).toBe(false);
    answer(controller, first!, "a");
    const values: unknown[] = [];
    for await (const value of result) values.push(value);
    expect(values).toEqual(["a", "b"]);
    expect(await client.wait()).toBe(true);
    expect(result.successful).toBe(true);
  });

  it("has output of several engines line by line, progress bars included", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const result = client.directView().call("f");
    const [first, second] = controller.sent;
    const print = (sent: Sent, text: string): void =>
      controller.say("iopub", sent, "stream", { content: { name: "stdout", text }, metadata: { engine: sent.idents[0] } });
    print(first!, "one\ntw");
    print(second!, "10%\r20%\r");
    print(first!, "o\r");
    print(first!, "\n");
    print(second!, "100%");
    answer(controller, first!, null);
    answer(controller, second!, null, UUIDS[1]);
    const lines: unknown[] = [];
    for await (const line of result.stdout.lines()) lines.push(line);
    expect(lines).toEqual([
      { engineId: 0, text: "one" },
      { engineId: 0, text: "two" },
      { engineId: 1, text: "100%" },
    ]);
    expect(result.metadata[1]!.stdout).toBe("10%\r20%\r100%");
    const again: string[] = [];
    for await (const line of client.getResult(result).stdout) again.push(line);
    expect(again).toEqual(["one", "two", "100%"]);
  });

  it("is cancelled by abort where it waits, and by an interrupt where it runs", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const result = client.directView().call("f");
    const [running, waiting] = controller.sent.splice(0);
    busy(controller, running!);
    const cancelled = result.cancel();
    while (!controller.sent.some(({ type }) => type === "signal_request")) await turn();
    const asked = controller.sent.map(({ port, type, idents }) => [port, type, idents[0]]);
    expect(asked).toContainEqual(["control", "abort_request", UUIDS[1]]);
    expect(asked).toContainEqual(["control", "signal_request", UUIDS[0]]);
    expect(asked).not.toContainEqual(["control", "signal_request", UUIDS[1]]);
    expect(controller.sent.find(({ idents }) => idents[0] === UUIDS[1])!.content).toEqual({ msg_ids: [waiting!.header["msg_id"]] });
    const failed = { status: "error", ename: "KeyboardInterrupt", evalue: "", traceback: [] };
    controller.say("mux", running!, "apply_reply", { content: failed, metadata: { engine: UUIDS[0], started: new Date().toISOString() } });
    controller.say("mux", waiting!, "apply_reply", { content: { status: "aborted" }, metadata: { engine: UUIDS[1] } });
    expect(await cancelled).toEqual(["interrupted", "dropped before it started"]);
  });

  it("that cannot be cancelled says so in time", async () => {
    const { client, controller } = await connected();
    await using _ = client;
    const result = client.directView(0).call("f");
    expect(await rejection(result.cancel({ timeoutMs: 30 }))).toMatchObject({ message: expect.stringContaining("waits still") });
    busy(controller, controller.sent[0]!);
    expect(await rejection(result.cancel({ timeoutMs: 30 }))).toMatchObject({ hint: expect.stringContaining("nanny") });
  });

  it("has metadata with the members it has, and no others", async () => {
    const { client } = await connected();
    await using _ = client;
    const [metadata] = client.directView(0).call("f").metadata;
    expect(Object.keys(metadata!)).toContain("engineUuid");
    expect(() => Object.assign(metadata!, { engine_uuid: "typo" })).toThrow(TypeError);
  });
});

describe("what is kept", () => {
  it("is bounded by number and by bytes", async () => {
    const { client, controller } = await connected({ maxResults: 3, maxResultBytes: 5000 });
    await using _ = client;
    const view = client.directView(0);
    const results = Array.from({ length: 5 }, () => view.call("f"));
    for (const sent of controller.sent.splice(0)) answer(controller, sent, 1);
    await Promise.all(results);
    expect([...client.results.keys()]).toEqual(results.slice(2).flatMap(({ msgIds }) => msgIds));
    const large = view.call("f");
    answer(controller, controller.sent[0]!, "x".repeat(6000));
    await large;
    expect(client.results.size).toBe(0);
    expect(client.history).toHaveLength(6);
    expect(await rejection(client.purgeResults(undefined))).toMatchObject({ code: "ERR_SPINN_ARGUMENT" });
    expect(await rejection(client.purgeResults(view.call("f")))).toMatchObject({ code: "ERR_SPINN_REFUSED" });
  });
});
