import { SpinnError } from "../../errors.js";
import type { ClientOptions } from "./client.js";
import type { EngineOptions } from "./engine.js";
import type { EngineName } from "./engine-table.js";
import { LocalScheduler } from "./local-scheduler.js";
import { type ClusterMessage, type Frame, type Json, MessageCodec, textOf } from "./message.js";
import type { ClusterSocket, OpenSocket, SocketPlan } from "./socket.js";

/** Ports in name only: nothing listens. */
const PORTS = { registration: 1, mux: 2, task: 3, control: 4, iopub: 5, notification: 6, broadcast: 7, hb_ping: 8, hb_pong: 9 } as const;
type Port = keyof typeof PORTS;
const FILE = { ...PORTS, interface: "ipc://in-process", key: "" };
const NAMES = new Map(Object.entries(PORTS).map(([name, port]) => [`${FILE.interface}-${port}`, name as Port]));
/** The outermost frame of a request on an engine's socket: the way it came, and that its reply has to go. */
const WAYS = { mux: "mux_out", task: "task_out", control: "control_out" } as const;
type Way = keyof typeof WAYS;
/** Beats that an engine may miss, as with a real controller. */
const MISSES = 10;
const BEAT = "beat";

export interface LocalClusterOptions {
  /** Between two heartbeats; default 3000 ms, a controller's own. After ten that were not answered an engine is off the list. */
  readonly beatMs?: number | undefined;
}

/** One socket of a client or an engine. */
interface Peer {
  readonly plan: SocketPlan;
  readonly ident: string;
  isOpen: boolean;
}

interface LocalEngine extends EngineName {
  answered: number;
  missed: number;
}

/**
 * A cluster within this process: the same clients and engines, joined without a controller and without ZeroMQ. Engines are called directly, or
 * whichever is free; what a controller remembers or decides (history, the database, dependencies, retries, resubmission) is refused with words.
 *
 * ```ts
 * await using cluster = new LocalCluster();
 * await using engine = await Engine.start({ ...cluster.forEngines, methods });
 * await using client = await Client.connect(cluster.forClients);
 * ```
 */
export class LocalCluster {
  readonly forClients: Pick<ClientOptions<false>, "file" | "openSocket" | "settleMs">;
  readonly forEngines: Pick<EngineOptions, "file" | "openSocket">;
  readonly #beatMs: number;
  readonly #codec = new MessageCodec("");
  /** Sockets by port and name; bounded by the clients and engines of this process. */
  readonly #peers = new Map<Port, Map<string, Peer>>([...NAMES.values()].map((name) => [name, new Map()]));
  /** By name, from registration on. */
  readonly #engines = new Map<string, LocalEngine>();
  readonly #scheduler: LocalScheduler;
  readonly #beat: NodeJS.Timeout;
  /** What is on its way; gone at the next turn of the event loop. */
  #onTheWay: (() => void)[] = [];
  #count = 0;
  #nextId = 0;
  #isClosed = false;

  constructor({ beatMs = 3000 }: LocalClusterOptions = {}) {
    this.#beatMs = beatMs;
    this.#scheduler = new LocalScheduler({
      hand: (uuid, client, frames) => this.#hand("task", uuid, client, frames),
      refuse: (client, request, ename, evalue) => {
        const content = { status: "error", ename, evalue, traceback: [] };
        this.#say("task", client, "apply_reply", { parentHeader: request.header, content });
      },
    });
    const openSocket: OpenSocket = (plan) => this.#open(plan);
    this.forClients = { file: FILE, openSocket, settleMs: 0 };
    this.forEngines = { file: { ...FILE, broadcast: [PORTS.broadcast] }, openSocket };
    this.#beat = setInterval(() => this.#beatAll(), beatMs);
  }

  /** Clients and engines hear that it ends, as from a controller. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#beat);
    this.#scheduler.close();
    for (const client of this.#on("notification").keys()) this.#say("notification", client, "shutdown_notification", {});
    const gone = new SpinnError("ERR_SPINN_END_OF_STREAM", "the cluster within this process ended");
    await new Promise((resolve) => setImmediate(resolve));
    for (const { plan } of [...this.#on("hb_pong").values()]) plan.error(gone);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #on(port: Port): Map<string, Peer> {
    return this.#peers.get(port)!;
  }

  #open(plan: SocketPlan): ClusterSocket {
    const ports = plan.addresses.map((address) => NAMES.get(address)!);
    this.#count += 1;
    const peer: Peer = { plan, ident: plan.identity ?? `s${this.#count}`, isOpen: true };
    for (const port of ports) this.#on(port).set(peer.ident, peer);
    if (plan.connected !== undefined) this.#later(() => peer.isOpen && plan.connected!(true));
    // Of engines: they need not wait for the first two beats to come round.
    if (ports[0] === "hb_ping") for (const beat of [BEAT, BEAT]) this.#later(() => this.#deliver(peer, [beat]));
    return {
      send: (frames) => this.#later(() => this.#take(ports[0]!, peer, frames)),
      close: () => {
        // What was sent before still goes, as with a lingering socket.
        this.#later(() => {
          peer.isOpen = false;
          for (const port of ports) if (this.#on(port).get(peer.ident) === peer) this.#on(port).delete(peer.ident);
        });
      },
    };
  }

  /** Never at once: who sends has not yet noted that it did. */
  #later(step: () => void): void {
    this.#onTheWay.push(step);
    if (this.#onTheWay.length > 1) return;
    setImmediate(() => {
      const steps = this.#onTheWay;
      this.#onTheWay = [];
      for (const one of steps) one();
    });
  }

  #deliver(peer: Peer | undefined, frames: readonly Frame[]): void {
    if (peer?.isOpen) peer.plan.message(frames);
  }

  #take(port: Port, from: Peer, frames: readonly Frame[]): void {
    const isEngine = from.plan.kind === "router";
    if (isEngine) this.#takeReply(from, frames);
    else if (port === "registration") this.#takeQuestion(from, this.#codec.decode(frames));
    else if (port === "task")
      this.#scheduler.take(
        from.ident,
        frames,
        this.#codec.decode(frames),
        this.#listed.map(({ uuid }) => uuid),
      );
    else if (port === "mux" || port === "control") this.#hand(port, text(frames[0]), from.ident, frames.slice(1));
    else if (port === "hb_pong") this.#takeBeat(from.ident);
    else if (port === "iopub") {
      for (const { plan, isOpen } of this.#on("iopub").values()) if (plan.kind === "subscriber" && isOpen) plan.message(frames);
      if (text(frames[0]).endsWith(".shutdown")) this.#leave(this.#codec.decode(frames).metadata["engine"]);
    }
  }

  /** A request to an engine, with the way back in front; to one that is not there it is lost, as at a controller. */
  #hand(way: Way, uuid: string, client: string, frames: readonly Frame[]): void {
    const socket = this.#on(way).get(uuid);
    if (socket?.plan.kind === "router") this.#deliver(socket, [WAYS[way], client, ...frames]);
  }

  #takeReply(engine: Peer, [way, client, ...frames]: readonly Frame[]): void {
    const port = (Object.keys(WAYS) as Way[]).find((one) => WAYS[one] === text(way));
    if (port === undefined) return;
    this.#deliver(this.#on(port).get(text(client)), [engine.ident, ...frames]);
    if (port === "task") this.#scheduler.done(engine.ident, this.#codec.decode(frames).parentHeader["msg_id"]);
  }

  #takeQuestion(from: Peer, { header, content }: ClusterMessage): void {
    const answer = (type: string, more: Json): void => this.#say("registration", from.ident, type, { parentHeader: header, content: more });
    switch (header["msg_type"]) {
      case "connection_request":
        answer("connection_reply", { status: "ok", engines: Object.fromEntries(this.#listed.map(({ id, uuid }) => [id, uuid])) });
        break;
      case "registration_request":
        this.#register(String(content["uuid"]), content["id"], answer);
        break;
      case "unregistration_request":
        this.#leave([...this.#engines.values()].find(({ id }) => id === content["id"])?.uuid);
        break;
      case "shutdown_request":
        answer("shutdown_reply", { status: "ok" });
        break;
      default: {
        const evalue = `${String(header["msg_type"])}: a cluster within one process remembers nothing; history and its like take a controller`;
        answer("hub_error", { status: "error", ename: "NeedsController", evalue, traceback: [] });
      }
    }
  }

  #register(uuid: string, wanted: unknown, answer: (type: string, content: Json) => void): void {
    if (this.#engines.has(uuid)) {
      answer("registration_reply", { status: "error", ename: "Error", evalue: `uuid ${uuid} in use` });
      return;
    }
    const isFree = typeof wanted === "number" && ![...this.#engines.values()].some(({ id }) => id === wanted);
    const id = isFree ? wanted : this.#nextId;
    this.#nextId = Math.max(this.#nextId, id + 1);
    this.#engines.set(uuid, { id, uuid, answered: 0, missed: 0 });
    answer("registration_reply", { status: "ok", id, hb_period: this.#beatMs });
  }

  get #listed(): LocalEngine[] {
    return [...this.#engines.values()].filter(({ answered }) => answered >= 2);
  }

  #takeBeat(uuid: string): void {
    const engine = this.#engines.get(uuid);
    if (engine === undefined) return;
    engine.missed = 0;
    engine.answered += 1;
    if (engine.answered === 2) this.#notify("registration_notification", engine);
    this.#scheduler.add(uuid);
  }

  #beatAll(): void {
    for (const engine of [...this.#engines.values()]) {
      engine.missed += 1;
      if (engine.missed > MISSES) this.#leave(engine.uuid);
    }
    for (const peer of this.#on("hb_ping").values()) this.#deliver(peer, [BEAT]);
  }

  #leave(uuid: unknown): void {
    const engine = this.#engines.get(String(uuid));
    if (engine === undefined) return;
    this.#engines.delete(engine.uuid);
    this.#notify("unregistration_notification", engine);
    this.#scheduler.remove(engine.uuid);
  }

  #notify(type: string, { id, uuid }: EngineName): void {
    for (const client of this.#on("notification").keys()) this.#say("notification", client, type, { content: { id, uuid } });
  }

  #say(port: Port, ident: string, type: string, message: Partial<ClusterMessage>): void {
    this.#count += 1;
    const header = {
      msg_id: `local_${this.#count}`,
      msg_type: type,
      username: "spinnkit",
      session: "local",
      date: new Date().toISOString(),
      version: "5.3",
    };
    const frames = this.#codec.encode({ ...message, header });
    this.#later(() => this.#deliver(this.#on(port).get(ident), frames));
  }
}

function text(frame: Frame | undefined): string {
  return frame === undefined ? "" : textOf(frame);
}
