import { Worker } from "node:worker_threads";
import { SpinnError } from "../../errors.js";
import type { MethodTable } from "./method-table.js";
import { REALM_SOURCE, WORKER_SOURCE } from "./namespace-source.js";
import { fromPortable, toPortable } from "./portable.js";
import { packException, RemoteError } from "./remote-error.js";

export interface NamespaceLimits {
  /** For one add_code or call, until the code has come to rest; default 10 000 ms. Past it the namespace is destroyed. */
  readonly timeLimitMs: number;
  /** JavaScript heap of one namespace; default 64 MiB. Past it the namespace is destroyed. */
  readonly memoryLimitMb: number;
}

/** What a namespace finds: data, or an object (a driver, a client's methods) whose methods it may call. */
export type Entries = ReadonlyMap<string, { readonly value: unknown } | { readonly object: MethodTable }>;

interface Waiter {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

interface Message {
  readonly id?: number;
  readonly ok?: boolean;
  readonly value?: unknown;
  readonly error?: { readonly name: string; readonly message: string };
  readonly bridge?: string;
  readonly method?: string;
  readonly call?: number;
  readonly args?: unknown[];
}

/** Longest line taken from a namespace, characters. */
const MAX_MESSAGE = 64 * 1024 * 1024;
/** Calls of a namespace to the driver that are under way at a time. */
const MAX_BRIDGED = 1000;

/**
 * One namespace of remote code in a worker of its own: no Node, no modules, no files, no network; time and memory limited.
 * THIS IS CODE EXECUTION: the walls are good against accidents and slow down an attacker, they are no security boundary.
 */
export class Namespace {
  readonly #limits: NamespaceLimits;
  readonly #entries: () => Entries;
  /** One request at a time: the server answers a connection in order. */
  #waiter: Waiter | undefined;
  #worker: Worker | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Fires the signal of driver methods under way when their namespace ends. */
  #gone = new AbortController();
  #lastId = 0;
  #bridged = 0;

  constructor(limits: NamespaceLimits, entries: () => Entries) {
    this.#limits = limits;
    this.#entries = entries;
  }

  /** Runs code in the namespace. Throws RemoteError with what it threw. */
  async addCode(code: string): Promise<void> {
    // Without this word no module can be had: making code from text is off, and a keyword cannot be spelled otherwise.
    if (/\bimport\b/.test(code)) throw new RemoteError("PermissionError", "remote code cannot use the word import, in comments neither");
    await this.#request({ do: "add_code", code });
  }

  /** Calls a function of the namespace, or one of an object in it (`a.b`); keywords come as a last argument. */
  async call(name: string, args: readonly unknown[], kwargs: unknown): Promise<unknown> {
    if (!/^[A-Za-z_$][\w$]{0,99}(\.[A-Za-z_$][\w$]{0,99}){0,4}$/.test(name) || /\bimport\b/.test(name))
      throw new RemoteError("KeyError", `'${name}'`);
    return fromPortable(await this.#request({ do: "call", name, args: toPortable(args), kwargs: toPortable(kwargs) }));
  }

  /** Gives a running namespace the entries that are new. */
  refresh(): void {
    if (this.#worker !== undefined) this.#install(this.#worker);
  }

  /** Ends the worker. Idempotent; a later request starts an empty namespace. */
  async close(reason = new SpinnError("ERR_SPINN_CLOSED", "the namespace was closed")): Promise<void> {
    clearTimeout(this.#timer);
    const worker = this.#worker;
    this.#worker = undefined;
    this.#gone.abort(reason);
    this.#gone = new AbortController();
    this.#settle()?.reject(reason);
    await worker?.terminate();
  }

  #request(message: Readonly<Record<string, unknown>>): Promise<unknown> {
    if (this.#waiter !== undefined) throw new RemoteError("RuntimeError", "the namespace is busy with another request");
    this.#worker ??= this.#start();
    const { timeLimitMs } = this.#limits;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      void this.close(new SpinnError("ERR_SPINN_TIMEOUT", `remote code ran longer than ${timeLimitMs} ms; its namespace was destroyed`));
    }, timeLimitMs);
    this.#lastId += 1;
    this.#worker.postMessage(JSON.stringify({ ...message, id: this.#lastId }));
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject };
    });
  }

  #start(): Worker {
    const worker = new Worker(WORKER_SOURCE, {
      eval: true,
      env: {},
      argv: [],
      execArgv: [],
      stdout: true,
      stderr: true,
      workerData: { realm: REALM_SOURCE },
      resourceLimits: {
        maxOldGenerationSizeMb: this.#limits.memoryLimitMb,
        maxYoungGenerationSizeMb: 8,
        codeRangeSizeMb: 16,
        stackSizeMb: 2,
      },
    });
    const gone = (error: Error): void => {
      if (this.#worker !== worker) return;
      const words =
        (error as NodeJS.ErrnoException).code === "ERR_WORKER_OUT_OF_MEMORY" ? "used more memory than it may" : `failed: ${error.message}`;
      void this.close(new RemoteError("MemoryError", `remote code ${words}; its namespace was destroyed`));
    };
    worker.on("message", (line: unknown) => this.#receive(worker, line));
    worker.on("error", gone);
    worker.on("exit", () => gone(new Error("its worker ended")));
    worker.stdout.resume();
    worker.stderr.resume();
    this.#install(worker);
    return worker;
  }

  #install(worker: Worker): void {
    const shared: Record<string, unknown> = {};
    const own: Record<string, unknown> = {};
    for (const [name, entry] of this.#entries()) {
      const described = "object" in entry ? { methods: entry.object.names } : { value: toPortable(entry.value) };
      (name === DRIVER ? own : shared)[name] = described;
    }
    worker.postMessage(JSON.stringify({ do: "install", shared, own }));
  }

  #receive(worker: Worker, line: unknown): void {
    if (this.#worker !== worker || typeof line !== "string") return;
    if (line === "idle") {
      if (this.#waiter === undefined) clearTimeout(this.#timer);
      return;
    }
    if (line.length > MAX_MESSAGE) {
      this.#settle()?.reject(new RemoteError("ValueError", `a result of more than ${MAX_MESSAGE} characters cannot leave a namespace`));
      return;
    }
    const message = JSON.parse(line) as Message;
    if (message.bridge !== undefined) void this.#bridge(worker, message);
    else if (message.id === this.#lastId) this.#answer(message);
  }

  #answer({ ok, value, error }: Message): void {
    const waiter = this.#settle();
    if (ok) waiter?.resolve(value);
    else waiter?.reject(remoteError(String(error?.name), String(error?.message)));
  }

  /** A method call out of the namespace. */
  async #bridge(worker: Worker, { bridge, method, call, args }: Message): Promise<void> {
    let answer: Record<string, unknown>;
    this.#bridged += 1;
    try {
      if (this.#bridged > MAX_BRIDGED) throw new RemoteError("RuntimeError", `more than ${MAX_BRIDGED} calls out of a namespace at a time`);
      const entry = this.#entries().get(String(bridge));
      if (entry === undefined || !("object" in entry)) throw new RemoteError("KeyError", `'${String(bridge)}'`);
      const context = { signal: this.#gone.signal, peer: "remote code" };
      const value: unknown = await entry.object.call(String(method), fromPortable(args ?? []) as unknown[], {}, () => context);
      answer = { do: "answer", call, ok: true, value: toPortable(value) };
    } catch (error) {
      const { class: name, message } = packException(error, false);
      answer = { do: "answer", call, ok: false, error: { name, message } };
    }
    this.#bridged -= 1;
    if (this.#worker === worker) worker.postMessage(JSON.stringify(answer));
  }

  #settle(): Waiter | undefined {
    const waiter = this.#waiter;
    this.#waiter = undefined;
    return waiter;
  }
}

/** The name under which a namespace finds the target. */
export const DRIVER = "controller_driver";

function remoteError(name: string, message: string): RemoteError {
  if (name === "RangeError") return new RemoteError("ValueError", message);
  const builtin = [
    "TypeError",
    "ValueError",
    "KeyError",
    "SyntaxError",
    "TimeoutError",
    "ConnectionError",
    "AttributeError",
    "RuntimeError",
  ];
  return builtin.includes(name) ? new RemoteError(name, message) : new RemoteError("GenericRemoteException", `${name}: ${message}`);
}
