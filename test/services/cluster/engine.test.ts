import { describe, expect, it } from "vitest";
import { packCall } from "../../../src/services/cluster/apply-message.js";
import { Engine, type EngineOptions } from "../../../src/services/cluster/engine.js";
import { type ClusterMessage, type Frame, type Json, MessageCodec } from "../../../src/services/cluster/message.js";
import { readPickle } from "../../../src/services/cluster/pickle-reader.js";
import type { OpenSocket } from "../../../src/services/cluster/socket.js";
import { bytes, rejection, session, vectors } from "./recorded.js";

const file = vectors.connection_files.engine;
const UUID = "b0000000-0000-4000-8000-000000000001";
const NAMES = ["registration", "shell", "control", "iopub", "hb_pong", "hb_ping"] as const;
const header = (msg_id: string, msg_type: string) => ({
  msg_id,
  msg_type,
  username: "x",
  session: "s",
  date: new Date().toISOString(),
  version: "5.3",
});

/** The controller's side of an engine's sockets. */
class EngineSide {
  readonly codec = new MessageCodec(vectors.key);
  readonly sent: ({ readonly socket: string; readonly type: unknown } & ClusterMessage)[] = [];
  readonly beats: (readonly Frame[])[] = [];
  readonly opened: string[] = [];
  closed = 0;
  readonly #hears = new Map<string, (frames: readonly Frame[]) => void>();
  #waiting: (() => void)[] = [];
  #count = 0;

  /** Takes the engine, or answers its registration with `reply`. */
  constructor(reply: Json = { status: "ok", id: 1, hb_period: 500 }) {
    this.#onRegistration = (request) => {
      this.say("registration", "registration_reply", { content: reply, parent: request.header });
    };
  }

  readonly #onRegistration: (request: ClusterMessage) => void;

  readonly open: OpenSocket = ({ kind, addresses, message }) => {
    const name = NAMES[this.opened.length]!;
    this.opened.push(`${name}: ${kind} ${addresses.map((address) => address.split(":").at(-1)).join(" ")}`);
    this.#hears.set(name, message);
    return {
      send: (frames) => {
        if (name === "hb_pong") this.beats.push(frames);
        else {
          const decoded = this.codec.decode(frames);
          this.sent.push({ socket: name, type: decoded.header["msg_type"], ...decoded });
          if (decoded.header["msg_type"] === "registration_request") queueMicrotask(() => this.#onRegistration(decoded));
        }
        for (const resume of this.#waiting.splice(0)) resume();
      },
      close: () => {
        this.closed += 1;
      },
    };
  };

  /** Frames as they came, or made here. */
  deliver(socket: string, frames: readonly Frame[]): void {
    this.#hears.get(socket)?.(frames);
  }

  say(
    socket: string,
    type: string,
    parts: { content?: Json; metadata?: Json; buffers?: Uint8Array[]; parent?: Json; id?: string } = {},
  ): string {
    this.#count += 1;
    const { parent = {}, id = `m${this.#count}`, ...rest } = parts;
    const idents = socket === "registration" ? [] : [Buffer.from("mux_out"), Buffer.from([0, 1])];
    this.deliver(socket, this.codec.encode({ idents, header: header(id, type), parentHeader: parent, ...rest }));
    return id;
  }

  async beat(count = 2): Promise<void> {
    while (!this.#hears.has("hb_ping")) await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < count; i += 1) this.deliver("hb_ping", [Buffer.from(`${i}`)]);
  }

  /** The first message that fits, once it has been sent. */
  async until(fits: (sent: EngineSide["sent"][number]) => boolean): Promise<EngineSide["sent"][number]> {
    for (;;) {
      const found = this.sent.find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  reply(id: string): Promise<EngineSide["sent"][number]> {
    return this.until(({ socket, parentHeader }) => socket !== "iopub" && parentHeader["msg_id"] === id);
  }
}

async function started(methods: EngineOptions["methods"], options: Partial<EngineOptions> = {}) {
  const side = new EngineSide();
  const starting = Engine.start({ file, openSocket: side.open, methods, timeoutMs: 1000, uuid: UUID, ...options });
  await side.beat();
  return { side, engine: await starting };
}

const listening = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("stopped"))));

describe("an engine, in a session recorded with Python's client", () => {
  it("answers as the recorded one did", async () => {
    const { side, engine } = await started({
      ver: ({ args }) => ({ name: "SC&MP", version: [4, 0, 0], chip: args }),
      slow: ({ args }) => args[0],
      boom: () => {
        throw new Error("RC_TIMEOUT");
      },
    });
    expect(engine.id).toBe(1);
    expect(side.opened).toEqual([
      "registration: dealer 59147",
      "shell: router 38443 43175 43793",
      "control: router 36651",
      "iopub: publisher 48031",
      "hb_pong: dealer 40659",
      "hb_ping: subscriber 57171",
    ]);
    expect(side.beats.map((frames) => frames.map(String))).toEqual([["0"], ["1"]]);
    const events = session("engine_side");
    const requests = events.filter(({ dir, socket }) => dir === "recv" && (socket === "shell" || socket === "control"));
    expect(requests.length).toBeGreaterThan(5);
    for (const { socket, frames } of requests) {
      const request = new MessageCodec(vectors.key).decode(bytes(frames));
      side.deliver(socket, bytes(frames));
      const id = request.header["msg_id"];
      const ours = await side.reply(String(id));
      const theirs = events
        .filter((event) => event.dir === "send" && event.socket === socket)
        .map((event) => new MessageCodec(vectors.key).decode(bytes(event.frames)))
        .find(({ parentHeader }) => parentHeader["msg_id"] === id);
      if (theirs === undefined) continue;
      expect(ours.header["msg_type"]).toBe(theirs.header["msg_type"]);
      expect(ours.idents.map(String)).toEqual(theirs.idents.map(String));
      expect(ours.content["status"]).toBe(theirs.content["status"]);
      const { started: _a, engine_info: _b, ...metadata } = theirs.metadata;
      expect(ours.metadata).toMatchObject(metadata);
      if (theirs.buffers.length > 0) expect(readPickle(ours.buffers).value).toEqual(readPickle(theirs.buffers).value);
    }
    // The last one asked it to leave.
    expect(await engine.ended).toBeUndefined();
    expect(side.sent.at(-1)).toMatchObject({ socket: "registration", type: "unregistration_request", content: { id: 1 } });
    expect(side.sent.filter(({ socket }) => socket === "iopub").at(-1)).toMatchObject({ type: "shutdown_reply" });
    expect(side.closed).toBe(6);
  });
});

describe("an engine", () => {
  const call = (side: EngineSide, name: string, args: unknown[] = [], more: { metadata?: Json; id?: string } = {}): string =>
    side.say("shell", "apply_request", { buffers: packCall(name, args), ...more });

  it("publishes what a task prints, between busy and idle, and tells what the method tells", async () => {
    const { side, engine } = await started({
      talk: (_, task) => {
        task.print("out\n");
        task.print("err\n", "stderr");
        task.tell({ run: "r7" });
      },
    });
    await using _ = engine;
    const id = call(side, "talk");
    expect((await side.reply(id)).metadata).toMatchObject({ run: "r7", status: "ok", engine: UUID });
    const published = side.sent.filter(({ socket, parentHeader }) => socket === "iopub" && parentHeader["msg_id"] === id);
    expect(published.map(({ idents, content }) => [String(idents[0]), content["execution_state"] ?? content["text"]])).toEqual([
      ["engine.1.status", "busy"],
      ["engine.1.stdout", "out\n"],
      ["engine.1.stderr", "err\n"],
      ["engine.1.status", "idle"],
    ]);
  });

  it("takes a call as JSON for execute, or what it is told a text means", async () => {
    const { side, engine } = await started({ add: ({ args: [a], kwargs }) => ({ sum: Number(a) + Number(kwargs["b"]) }) });
    await using _ = engine;
    const execute = (code: string): string => side.say("shell", "execute_request", { content: { code, silent: false } });
    expect((await side.reply(execute('{"op": "add", "args": [1], "kwargs": {"b": 2}}'))).content).toMatchObject({ status: "ok" });
    expect(side.sent.find(({ type }) => type === "execute_result")!.content["data"]).toMatchObject({ "application/json": { sum: 3 } });
    expect((await side.reply(execute("print(1)"))).content).toMatchObject({ status: "error", ename: "SyntaxError" });
    const other = await started({}, { execute: (code) => code.length });
    await using __ = other.engine;
    const id = other.side.say("shell", "execute_request", { content: { code: "four", silent: true } });
    expect((await other.side.reply(id)).content["status"]).toBe("ok");
    expect(other.side.sent.some(({ type }) => type === "execute_result")).toBe(false);
  });

  it("refuses what it cannot run, with words", async () => {
    const { side, engine } = await started({ f: () => new Date() });
    await using _ = engine;
    expect((await side.reply(call(side, "__proto__"))).content).toMatchObject({
      ename: "NameError",
      evalue: expect.stringContaining("there are f"),
    });
    expect((await side.reply(call(side, "f"))).content).toMatchObject({ ename: "ERR_SPINN_ARGUMENT" });
    const garbled = side.say("shell", "apply_request", { buffers: [Buffer.from("garbage")] });
    expect((await side.reply(garbled)).content).toMatchObject({ ename: "TypeError", evalue: expect.stringContaining("Reference") });
    const late = call(side, "f", [], { metadata: { spinnkit_expires: "2020-01-01T00:00:00Z" } });
    expect((await side.reply(late)).content).toMatchObject({ ename: "TaskExpired" });
    side.deliver("shell", [Buffer.from("no message")]);
    expect(engine.dropped).toBe(1);
  });

  it("drops what waits, interrupts what runs, and remembers what has not come", async () => {
    const { side, engine } = await started({ wait: (_, { signal }) => listening(signal), f: () => 1 });
    await using _ = engine;
    const [running, waiting, after] = [call(side, "wait"), call(side, "f"), call(side, "f")];
    expect([engine.running, engine.queued]).toEqual([running, 2]);
    side.say("control", "abort_request", { content: { msg_ids: [waiting, "yet-to-come", running] } });
    expect((await side.reply(waiting)).content).toEqual({ status: "aborted" });
    side.say("control", "signal_request", { content: { sig: "SIGINT" } });
    expect((await side.reply(running)).content).toMatchObject({ ename: "KeyboardInterrupt" });
    expect((await side.reply(after)).content).toEqual({ status: "ok" });
    expect((await side.reply(call(side, "f", [], { id: "yet-to-come" }))).content).toEqual({ status: "aborted" });
    const [long, queued] = [call(side, "wait"), call(side, "f")];
    side.say("control", "abort_request", { content: { msg_ids: [] } });
    expect((await side.reply(queued)).content).toEqual({ status: "aborted" });
    side.say("control", "signal_request", { content: { sig: 2 } });
    await side.reply(long);
  });

  it("clears and shuts down after what runs, and says how that went", async () => {
    const done: string[] = [];
    let finish = (): void => {};
    const { side, engine } = await started(
      {
        f: async () => {
          await new Promise<void>((resolve) => {
            finish = resolve;
          });
          done.push("f");
        },
      },
      {
        clear: () => {
          done.push("clear");
          throw new Error("no stop signal");
        },
        shutdown: () => void done.push("shutdown"),
      },
    );
    call(side, "f");
    const clear = side.say("control", "clear_request");
    side.say("control", "shutdown_request", { content: { restart: false } });
    expect(done).toEqual([]);
    finish();
    expect((await side.reply(clear)).content).toMatchObject({ status: "error", evalue: "no stop signal" });
    await engine.ended;
    expect(done).toEqual(["f", "clear", "shutdown"]);
  });

  it("keeps only so many requests", async () => {
    const { side, engine } = await started({ wait: (_, { signal }) => listening(signal) }, { maxQueued: 1 });
    const [, waiting, over] = [call(side, "wait"), call(side, "wait"), call(side, "wait")];
    expect((await side.reply(over)).content).toMatchObject({ ename: "QueueFull" });
    await engine.close();
    await engine.close();
    expect(side.sent.some(({ parentHeader }) => parentHeader["msg_id"] === waiting)).toBe(false);
  });

  it("withholds the heartbeat while what it stands for is not alive", async () => {
    let alive = true;
    const { side, engine } = await started({}, { isAlive: () => alive });
    await using _ = engine;
    alive = false;
    await side.beat(3);
    expect(side.beats).toHaveLength(2);
    alive = true;
    await side.beat(1);
    expect(side.beats).toHaveLength(3);
  });

  it("that is not taken says why, in time", async () => {
    const taken = new EngineSide({ status: "error", evalue: "uuid in use" });
    const start = (options: Partial<EngineOptions>) => Engine.start({ file, methods: {}, timeoutMs: 30, ...options });
    expect(await rejection(start({ openSocket: taken.open }))).toMatchObject({
      code: "ERR_SPINN_REFUSED",
      message: expect.stringContaining("uuid in use"),
    });
    const silent: OpenSocket = () => ({ send() {}, close() {} });
    expect(await rejection(start({ openSocket: silent }))).toMatchObject({
      code: "ERR_SPINN_TIMEOUT",
      hint: expect.stringContaining("wrong key"),
    });
    const dead = new EngineSide({ status: "ok", id: 4, hb_period: 10 });
    const starting = start({ openSocket: dead.open, isAlive: () => false });
    await dead.beat();
    expect(await rejection(starting)).toMatchObject({ message: expect.stringContaining("two heartbeats") });
    expect(dead.sent.at(-1)).toMatchObject({ type: "unregistration_request" });
    const signal = AbortSignal.timeout(10);
    expect(await rejection(start({ openSocket: silent, signal, timeoutMs: 60_000 }))).toMatchObject({ code: "ERR_SPINN_ABORTED" });
    expect(await rejection(start({ file: vectors.connection_files.client }))).toMatchObject({ code: "ERR_SPINN_FILE" });
  });
});
