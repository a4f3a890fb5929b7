import { describe, expect, it } from "vitest";
import { Client } from "../../../src/services/cluster/client.js";
import { RecordedController, rejection, vectors } from "./recorded.js";

const connect = (...sessions: string[]): { readonly controller: RecordedController; readonly client: Promise<Client> } => {
  const controller = new RecordedController(...sessions);
  const options = { file: vectors.connection_files.client, openSocket: controller.open, settleMs: 0, timeoutMs: 1000 };
  return { controller, client: Client.connect(options) };
};

describe("questions to the Hub", () => {
  it("are answered as recorded", async () => {
    const { controller, client: connecting } = connect("hub_queries");
    await using client = await connecting;
    const result = client.directView(0).execute('print("rec"); 9');
    await result;
    expect(await client.queueStatus()).toEqual({
      0: { queue: 0, completed: 15, tasks: 2 },
      1: { queue: 0, completed: 5, tasks: 3 },
      unassigned: 0,
    });
    expect(await client.queueStatus({ targets: 1, verbose: true })).toMatchObject({
      1: { queue: [], tasks: { length: 3 } },
      unassigned: [],
    });
    // The recorded client asked for an engine that is not there; ours does not ask.
    expect(() => client.queueStatus({ targets: [99] })).toThrow(expect.objectContaining({ code: "ERR_SPINN_ARGUMENT" }));
    expect(await rejection(client.queueStatus({ targets: 1 }))).toMatchObject({
      message: "the cluster answered IndexError: No Such Engine: [99]",
    });
    expect(await client.resultStatus(result)).toEqual({ pending: [], completed: result.msgIds });
    expect(await client.resultStatus(-1)).toMatchObject({ completed: result.msgIds });
    expect(await rejection(client.resultStatus("no-such-id"))).toMatchObject({ message: expect.stringContaining("KeyError") });
    const keys = ["submitted", "completed", "stdout", "queue", "buffers", "result_buffers"] as const;
    const [record] = await client.dbQuery({ msg_id: result.msgIds[0]! }, keys);
    expect(record).toMatchObject({ msg_id: result.msgIds[0], stdout: "rec\n", queue: "mux", buffers: [], result_buffers: [] });
    expect(record!.submitted).toEqual(new Date("2026-11-21T01:53:17.093Z"));
    expect(await client.dbQuery({ completed: null }, ["msg_id"])).toHaveLength(1);
    expect(controller.sent.at(-1)!.content).toEqual({ query: { completed: null }, keys: ["msg_id"] });
    expect(() => client.resultStatus(-2)).toThrow(/the history has 1 tasks and none at -2/);
  });

  it("purge what has ended, and only that", async () => {
    const { client: connecting } = connect("purge");
    await using client = await connecting;
    const view = client.directView(0);
    const first = view.execute("1");
    await first;
    const second = view.execute("import time; time.sleep(.5)");
    expect(await rejection(client.purgeResults(second))).toMatchObject({ code: "ERR_SPINN_REFUSED" });
    // The Hub's own refusal, for what another client waits for.
    expect(await rejection(client.purgeResults("somebody's"))).toMatchObject({ message: expect.stringContaining("msg pending") });
    await client.purgeResults(first);
    expect(client.results.has(first.msgIds[0]!)).toBe(false);
    await second;
    await client.purgeResults("all");
    expect(client.results.size).toBe(0);
    expect(await client.hubHistory()).toHaveLength(1);
  });

  it("clear a namespace", async () => {
    const { controller, client: connecting } = connect("clear");
    await using client = await connecting;
    await client.clear(0);
    expect(controller.sent.at(-1)).toMatchObject({ port: "control", type: "clear_request", content: {} });
  });
});

describe("results of the Hub", () => {
  const header = { msg_id: "theirs", msg_type: "apply_request", session: "x" };
  const record = {
    msg_id: "theirs",
    header,
    metadata: { targets: ["gone", "e1111111-bbbbbbbbbbbbbbbbbbbbbbbb"], retries: 3, label: "sweep" },
    content: {},
    submitted: "2026-11-21T01:53:17.093000Z",
    started: null,
    engine_uuid: "e1111111-bbbbbbbbbbbbbbbbbbbbbbbb",
    result_content: { status: "ok" },
    result_metadata: {},
    stdout: "one\ntwo",
  };
  /** The pickle of 5. */
  const five = Buffer.from("gARLBS4=", "base64");

  /** Answers questions as they come, until there are no more answers. */
  async function hubAnswers(controller: RecordedController, ...answers: { content: object; buffers?: Uint8Array[] }[]): Promise<void> {
    for (const { content, buffers = [] } of answers) {
      const before = controller.sent.length;
      while (controller.sent.length === before || controller.sent.at(-1)!.port !== "query")
        await new Promise((resolve) => setImmediate(resolve));
      controller.say("query", controller.sent.at(-1)!, "reply", { content: { status: "ok", ...content }, buffers });
    }
  }

  it("are waited for, then read as those of our own", async () => {
    const { controller, client: connecting } = connect();
    await using client = await connecting;
    const answers = hubAnswers(
      controller,
      { content: { pending: ["theirs"], completed: [] } },
      { content: { pending: [], completed: ["theirs"] } },
      { content: { records: [record], buffer_lens: [1], result_buffer_lens: [1] }, buffers: [Buffer.from("request"), five] },
    );
    await new Promise((resolve) => setImmediate(resolve));
    const result = client.getResult<number>("theirs");
    expect(await result).toBe(5);
    await answers;
    const lines: string[] = [];
    for await (const line of result.stdout) lines.push(line);
    expect(lines).toEqual(["one", "two"]);
    expect(result.metadata[0]).toMatchObject({ engineId: 1, status: "ok", submitted: new Date("2026-11-21T01:53:17.093Z") });
  });

  it("that were culled, or lie about their lengths, are named", async () => {
    const { controller, client: connecting } = connect();
    await using client = await connecting;
    const done = { content: { pending: [], completed: ["theirs"] } };
    const answers = hubAnswers(controller, done, { content: { records: [], buffer_lens: [], result_buffer_lens: [] } }, done, {
      content: { records: [record], buffer_lens: [9], result_buffer_lens: [1] },
      buffers: [five],
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(await rejection(client.getResult("theirs"))).toMatchObject({
      code: "ERR_SPINN_INCOMPLETE",
      hint: expect.stringContaining("1024"),
    });
    expect(await rejection(client.getResult("theirs"))).toMatchObject({ code: "ERR_SPINN_PROTOCOL" });
    await answers;
  });

  it("are run again as they were, on engines that are here", async () => {
    const { controller, client: connecting } = connect();
    await using client = await connecting;
    const answers = hubAnswers(controller, {
      content: { records: [record], buffer_lens: [1], result_buffer_lens: [0] },
      buffers: [Buffer.from("request")],
    });
    await new Promise((resolve) => setImmediate(resolve));
    const { result } = await client.resubmit("theirs");
    await answers;
    const sent = controller.sent.at(-1)!;
    expect(sent).toMatchObject({
      port: "task",
      type: "apply_request",
      metadata: { targets: ["e1111111-bbbbbbbbbbbbbbbbbbbbbbbb"], retries: 0, label: "sweep" },
    });
    expect(sent.buffers.map(String)).toEqual(["request"]);
    controller.say("task", sent, "apply_reply", { content: { status: "ok" }, buffers: [five] });
    expect(await result).toEqual([5]);
  });
});
