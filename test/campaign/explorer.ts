import { type DatagramChannel, type DatagramListener, SCPRequestPipeLine } from "../../src/connections/index.js";
import type { SpinnError } from "../../src/errors.js";
import { decodeScpRequest, ReturnCode } from "../../src/wire/index.js";
import { ask, reply } from "../connections/memory-network.js";

/** A small world for the pipeline: how many requests, what the network and the board may do to them. */
export interface World {
  /** One entry per request: `true` may be repeated, `false` must not. */
  readonly requests: readonly boolean[];
  readonly window: number | null;
  readonly retries: number;
  /** Datagrams that may be lost, doubled, and requests answered "busy", over the whole run. */
  readonly losses: number;
  readonly doubles: number;
  readonly busy: number;
  /** Deadlines that may pass while something is still under way: beyond them only when nothing is. Bounds how late the network can be. */
  readonly early: number;
  /** The caller may go away (abort of request 0) at any point. Default `false`. */
  readonly aborts?: boolean;
}

export interface Explored {
  /** Different states met. */
  readonly states: number;
  /** Different ends met. */
  readonly ends: number;
  readonly broken: readonly string[];
}

/** Timers and time in the explorer's hand, in place of the real ones while `run` is under way. */
class HandClock {
  now = 0;
  #next = 1;
  readonly #timers = new Map<number, { at: number; action: () => void }>();

  run<T>(work: () => T): T {
    const { setTimeout, clearTimeout, setImmediate } = globalThis;
    const { now } = performance;
    const later = (action: () => void, ms: number): number => {
      const id = this.#next++;
      this.#timers.set(id, { at: this.now + ms, action });
      return id;
    };
    Object.assign(globalThis, {
      setTimeout: later,
      clearTimeout: (id: number | undefined) => void (id === undefined || this.#timers.delete(id)),
      setImmediate: (action: () => void) => later(action, 0),
    });
    performance.now = () => this.now;
    try {
      return work();
    } finally {
      Object.assign(globalThis, { setTimeout, clearTimeout, setImmediate });
      performance.now = now;
    }
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Jumps to the timer that is due first, and on until nothing is due any more. */
  fire(): void {
    this.now = Math.max(this.now, Math.min(...[...this.#timers.values()].map(({ at }) => at)));
    for (;;) {
      const due = [...this.#timers].find(([, { at }]) => at <= this.now);
      if (due === undefined) return;
      this.#timers.delete(due[0]);
      due[1].action();
    }
  }
}

interface Message {
  readonly id: number;
  readonly sequence: number;
  /** Of a reply: the code; `undefined` for a request on its way. */
  readonly code?: number;
}

const nameOf = ({ id, sequence, code }: Message): string => `${code === undefined ? "q" : `a${code}`}:${id}:${sequence}`;

/** One run, driven action by action. The pipeline is the real one; only clock and network are the explorer's. */
class Run implements DatagramChannel {
  readonly remote = "model";
  readonly closed = false;
  readonly broken: string[] = [];
  readonly #world: World;
  readonly #clock = new HandClock();
  readonly #pipeline: SCPRequestPipeLine;
  #listeners: DatagramListener[] = [];
  /** Under way, in no order: the network may deliver any of them next. */
  #network: Message[] = [];
  readonly #sends: number[];
  readonly #ends: string[][];
  readonly #busyHeard: number[];
  readonly #abort = new AbortController();
  #losses: number;
  #doubles: number;
  #busy: number;
  #early: number;
  /** All that the pipeline has been told, in order: its state is a function of this. */
  #history = "";

  constructor(world: World) {
    this.#world = world;
    this.#losses = world.losses;
    this.#doubles = world.doubles;
    this.#busy = world.busy;
    this.#early = world.early;
    this.#sends = world.requests.map(() => 0);
    this.#ends = world.requests.map(() => []);
    this.#busyHeard = world.requests.map(() => 0);
    this.#pipeline = this.#clock.run(() => {
      const pipeline = new SCPRequestPipeLine(this, { nChannels: world.window, nRetries: world.retries, packetTimeoutMs: 1000 });
      return pipeline;
    });
    this.#clock.run(() => {
      for (const [id, repeatable] of world.requests.entries()) {
        const request = ask(id, { repeatable, minReply: 4, maxReply: 4 });
        const options = world.aborts && id === 0 ? { signal: this.#abort.signal } : {};
        void this.#pipeline.sendRequest(
          request,
          (value) => this.#ends[id]!.push(value === `0${id}000000` ? "answered" : `wrong answer ${value}`),
          (_request, error) => this.#ends[id]!.push((error as SpinnError).code),
          options,
        );
      }
    });
    this.#hold();
  }

  send(datagram: Uint8Array): void {
    const { arg1, sequence } = decodeScpRequest(datagram.slice());
    this.#sends[arg1]! += 1;
    this.#network.push({ id: arg1, sequence });
  }

  subscribe(listener: DatagramListener): () => void {
    this.#listeners.push(listener);
    return () => {
      this.#listeners = this.#listeners.filter((other) => other !== listener);
    };
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** What can happen next, by name. */
  actions(): string[] {
    const actions: string[] = [];
    for (const message of new Set(this.#network.map(nameOf))) {
      actions.push(`deliver ${message}`);
      if (this.#losses > 0) actions.push(`lose ${message}`);
      if (this.#doubles > 0) actions.push(`double ${message}`);
      if (this.#busy > 0 && message.startsWith("q")) actions.push(`busy ${message}`);
    }
    if (this.#clock.pending > 0 && (this.#network.length === 0 || this.#early > 0)) actions.push("timer");
    if (this.#world.aborts && !this.#abort.signal.aborted) actions.push("abort");
    return actions;
  }

  step(action: string): void {
    const [verb, name] = action.split(" ") as [string, string | undefined];
    if (verb === "timer") {
      if (this.#network.length > 0) this.#early -= 1;
      this.#history += "t;";
      this.#clock.run(() => this.#clock.fire());
    } else if (verb === "abort") {
      this.#history += "abort;";
      this.#clock.run(() => this.#abort.abort());
    } else
      this.#deliver(
        verb,
        this.#network.findIndex((message) => nameOf(message) === name),
      );
    this.#hold();
  }

  #deliver(verb: string, at: number): void {
    const message = this.#network[at]!;
    if (verb === "double") {
      this.#doubles -= 1;
      this.#network.push(message);
      return;
    }
    this.#network.splice(at, 1);
    if (verb === "lose") this.#losses -= 1;
    else if (message.code === undefined) {
      if (verb === "busy") this.#busy -= 1;
      this.#network.push({ ...message, code: verb === "busy" ? ReturnCode.P2P_BUSY : ReturnCode.OK });
    } else {
      this.#history += `${nameOf(message)};`;
      // A millisecond between any two: what comes first has come first.
      this.#clock.now += 1;
      if (message.code !== ReturnCode.OK) this.#busyHeard[message.id]! += 1;
      const payload = message.code === ReturnCode.OK ? Uint8Array.of(message.id, 0, 0, 0) : new Uint8Array();
      const datagram = reply(
        { ...FIELDS, arg1: message.id, sequence: message.sequence },
        { returnCode: message.code as ReturnCode, payload },
      );
      this.#clock.run(() => {
        for (const listener of this.#listeners) listener.onDatagram(datagram);
      });
    }
  }

  /** What must be true at every moment. */
  #hold(): void {
    const { requests, window, retries } = this.#world;
    const { inFlight } = this.#pipeline.counters;
    if (inFlight > (window ?? 8)) this.broken.push(`${inFlight} requests in flight`);
    for (const [id, repeatable] of requests.entries()) {
      const [sends, ends] = [this.#sends[id]!, this.#ends[id]!];
      if (ends.length > 1) this.broken.push(`request ${id} ended ${ends.length} times`);
      if (ends[0]?.startsWith("wrong")) this.broken.push(`request ${id}: ${ends[0]}`);
      if (sends > retries + 1) this.broken.push(`request ${id} was sent ${sends} times`);
      if (!repeatable && sends > 1 + this.#busyHeard[id]!) this.broken.push(`request ${id} was repeated in silence`);
      if (ends[0] === "ERR_SPINN_TIMEOUT" && Math.max(...this.#sends) !== retries + 1)
        this.broken.push(`request ${id} was given up after ${this.#sends.join(", ")} sends`);
      if (ends[0] === "ERR_SPINN_OUTCOME_UNKNOWN" && repeatable) this.broken.push(`request ${id} may be repeated and was not`);
    }
  }

  /** Called when nothing can happen any more. */
  end(): string {
    for (const [id, ends] of this.#ends.entries()) if (ends.length === 0) this.broken.push(`request ${id} never ended`);
    const { inFlight } = this.#pipeline.counters;
    if (inFlight !== 0) this.broken.push(`${inFlight} requests are in flight at the end`);
    if (this.#clock.pending !== 0) this.broken.push(`${this.#clock.pending} timers are left`);
    const ends = this.#ends.map(([end]) => end).join(" ");
    const { losses, busy, early, retries, aborts } = this.#world;
    if (this.#losses === losses && early === 0 && busy - this.#busy <= retries && !aborts)
      if (this.#ends.some(([end]) => end !== "answered")) this.broken.push(`no loss, and yet: ${ends}`);
    return ends;
  }

  /** Equal for equal states: what the pipeline was told, what is under way, what the network may still do. */
  get state(): string {
    const network = this.#network.map(nameOf).sort().join(" ");
    return `${this.#history}|${network}|${this.#losses} ${this.#doubles} ${this.#busy} ${this.#early}`;
  }
}

const FIELDS = {
  ...decodeScpRequest(Uint8Array.of(0, 0, 0x87, 255, 0, 255, 0, 0, 0, 0, 2, ...new Array<number>(15).fill(0))),
};

/** Goes through every order of everything that can happen in a world. A broken rule names the actions that lead to it. */
export function explore(world: World, stopAfter = 3): Explored {
  const seen = new Set<string>();
  const ends = new Set<string>();
  const broken: string[] = [];
  const paths: string[][] = [[]];
  for (let path = paths.pop(); path !== undefined && broken.length < stopAfter; path = paths.pop()) {
    // From the beginning each time: the pipeline cannot be copied, and a run is short.
    const run = new Run(world);
    for (const action of path) run.step(action);
    if (seen.has(run.state)) continue;
    seen.add(run.state);
    const actions = run.actions();
    if (actions.length === 0) ends.add(run.end());
    if (run.broken.length > 0) {
      broken.push(`${run.broken[0]} after: ${path.join(", ")}`);
      continue;
    }
    for (const action of actions) paths.push([...path, action]);
  }
  return { states: seen.size, ends: ends.size, broken };
}
