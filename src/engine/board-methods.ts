import { type Access, type Controller, checkAccess, errorOf, METHODS, plainError, type Run } from "../controller/index.js";
import { SpinnError } from "../errors.js";
import { type CoreCoordinates, parseCores } from "../machine/index.js";
import type { EngineMethod, EngineTask, Json } from "../services/cluster/index.js";
import { Holdings } from "./holdings.js";
import { IobufTail } from "./iobuf-tail.js";

/** An experiment or a test of one's own: work on the board that is a run, as the long methods of the table are. */
export type BoardWork = (args: { readonly args: readonly unknown[]; readonly kwargs: Json }, context: BoardWorkContext) => Promise<unknown>;

export interface BoardWorkContext {
  /** The board; methods of the table are `controller.call(name, args)`, and its connection `controller.board.machine()`. */
  readonly controller: Controller;
  readonly run: Run;
  /** Text for the task's stdout or stderr. */
  readonly print: EngineTask["print"];
}

export interface BoardMethodsOptions {
  /** What clients may do to the machine. Default `disturb`: everything. */
  readonly allow?: Access | undefined;
  /** More to call, by name; those of the table come first. Default none. */
  readonly works?: Readonly<Record<string, BoardWork>> | undefined;
  /** Between two looks at what cores have printed while a task runs; default 250 ms. */
  readonly textEveryMs?: number | undefined;
  /** For the metadata of every reply, e.g. where the runs can be watched. Default none. */
  readonly place?: Json | undefined;
}

/** Methods after which cores may have printed, and before which their text is about to be lost. */
const STARTING: ReadonlySet<string> = new Set(["load", "signal", "wait_for", "wait_for_cores"]);

/** The controller's table as an engine's methods: arguments by place or by name, long ones as runs, text of cores as the task's stdout. */
export class BoardMethods {
  readonly methods: Readonly<Record<string, EngineMethod>>;
  readonly #controller: Controller;
  readonly #options: BoardMethodsOptions;
  readonly #tail = new IobufTail();
  readonly #held = new Holdings(this.#tail);

  constructor(controller: Controller, options: BoardMethodsOptions = {}) {
    this.#controller = controller;
    this.#options = options;
    const works = Object.entries(options.works ?? {}).map(([name, work]) => [name, this.#ofWork(name, work)] as const);
    const methods = Object.keys(METHODS).map((name) => [name, this.#ofTable(name)] as const);
    this.methods = Object.fromEntries([...works, ...methods]);
  }

  /** Stops the applications that were loaded through this engine and takes back its tags; does not ask the board when there are none. */
  async clear(signal?: AbortSignal): Promise<void> {
    if (!this.#held.isEmpty) await this.#held.release(await this.#controller.board.machine(), signal);
  }

  #ofTable(name: string): EngineMethod {
    const { parameters, access, isRun } = METHODS[name]!;
    const names = Object.keys(parameters);
    const { allow = "disturb" } = this.#options;
    return this.#told(async ({ args, kwargs }, task) => {
      checkAccess(allow, access, name);
      const byName = named(name, names, args, kwargs);
      const print = (text: string): void => task.print(text);
      if (name === "stop") await this.#drain(task, true);
      this.#held.before(name, byName, coresIn(byName["cores"]));
      const call = async (): Promise<unknown> => {
        if (!isRun) return this.#controller.call(name, byName, { signal: task.signal });
        const { run } = (await this.#controller.call(name, byName)) as { readonly run: string };
        return this.#follow(this.#controller.runs.get(run), task);
      };
      const result = STARTING.has(name) ? await this.#withText(call, task, print) : await call();
      this.#held.after(name, byName, result);
      return result;
    });
  }

  #ofWork(name: string, work: BoardWork): EngineMethod {
    return this.#told(({ args, kwargs }, task) => {
      checkAccess(this.#options.allow ?? "disturb", "change", name);
      const print: EngineTask["print"] = (text, stream) => task.print(text, stream);
      const run = this.#controller.start(name, (own) => work({ args, kwargs }, { controller: this.#controller, run: own, print }));
      return this.#follow(run, task);
    });
  }

  /** What is known of the board and of an error goes with the reply. */
  #told(method: EngineMethod): EngineMethod {
    return async (call, task) => {
      task.tell({ board: this.#controller.board.options.host, ...this.#options.place });
      try {
        return await method(call, task);
      } catch (error) {
        task.tell({ error: plainError(error) });
        throw error;
      }
    };
  }

  /** Until the run has ended: task and run each name the other, and an interrupt of the task is the end of the run. */
  async #follow(run: Run, task: EngineTask): Promise<unknown> {
    task.tell({ run: run.id });
    if (!run.idict.isFinal) {
      run.idict.set("task", task.msgId);
      run.idict.notifyUpdate();
    }
    const stop = (): void => run.idict.terminate(String(task.signal.reason ?? "interrupted"));
    task.signal.addEventListener("abort", stop);
    if (task.signal.aborted) stop();
    try {
      await run.ended;
    } finally {
      task.signal.removeEventListener("abort", stop);
    }
    const { error, result } = run.report;
    if (error === null) return result;
    const own = new Error(error.message);
    own.name = error.name;
    throw errorOf(error) ?? own;
  }

  /** The call, and what cores print on the way. */
  async #withText(call: () => Promise<unknown>, task: EngineTask, print: (text: string) => void): Promise<unknown> {
    const ended = new AbortController();
    const looking = this.#lookOften(ended.signal, print);
    try {
      return await call();
    } finally {
      ended.abort();
      await looking;
      await this.#drain(task, false);
    }
  }

  async #lookOften(ended: AbortSignal, print: (text: string) => void): Promise<void> {
    const { textEveryMs = 250 } = this.#options;
    for (;;) {
      await pause(textEveryMs, ended);
      if (ended.aborted) return;
      // A look that fails hides nothing: the call itself meets the same board.
      await this.#controller.board
        .machine()
        .then((board) => this.#tail.drain(board, print, { signal: ended }))
        .catch(() => {});
    }
  }

  /** The text is a courtesy: that it cannot be read is said where it would have been, and fails nothing. */
  async #drain(task: EngineTask, all: boolean): Promise<void> {
    try {
      await this.#tail.drain(await this.#controller.board.machine(), (text) => task.print(text), { all });
    } catch (error) {
      task.print(`the text of cores could not be read: ${error instanceof Error ? error.message : String(error)}\n`, "stderr");
    }
  }
}

function pause(ms: number, ended: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      ended.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    ended.addEventListener("abort", done);
    if (ended.aborted) done();
  });
}

/** Arguments by name: those by place first. Throws `ERR_SPINN_ARGUMENT` for too many, and for one that is given twice. */
function named(method: string, names: readonly string[], args: readonly unknown[], kwargs: Json): Record<string, unknown> {
  if (args.length > names.length) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${method} takes ${names.length} arguments, and ${args.length} were given`, {
      hint: names.length === 0 ? "it takes none" : `they are ${names.join(", ")}`,
    });
  }
  const byPlace = Object.fromEntries(args.map((value, i) => [names[i]!, value]));
  const twice = Object.keys(kwargs).find((name) => Object.hasOwn(byPlace, name));
  if (twice !== undefined) throw new SpinnError("ERR_SPINN_ARGUMENT", `${method}: ${twice} is given by place and by name`);
  return { ...byPlace, ...kwargs };
}

/** The cores that a call names, as far as they can be read: the call itself says what is wrong with the others. */
function coresIn(value: unknown): readonly CoreCoordinates[] {
  if (!Array.isArray(value)) return [];
  return (value as unknown[]).flatMap((one) => {
    try {
      return typeof one === "string" ? parseCores(one) : [];
    } catch {
      return [];
    }
  });
}
