import { SpinnError } from "../errors.js";
import { IDict, type RunState } from "../services/inspect/index.js";
import type { Progress } from "../transceiver/index.js";
import { type PlainError, plain, plainError } from "./plain.js";

/** What everybody sees of a run. */
export interface RunValues {
  method: string;
  /** What is being done now, in words. */
  step: string | null;
  progress: Progress | null;
  result: unknown;
  error: PlainError | null;
  /** Number of the cluster's task that asked for it, if one did. */
  task?: string;
}

export interface RunReport extends RunValues {
  readonly run: string;
  readonly state: RunState;
}

/** What a piece of work gets from its run. */
export type RunWork = (run: Run) => Promise<unknown>;

/** One long piece of work: an id, a state, one signal, one IDict. */
export class Run {
  readonly id: string;
  readonly idict: IDict<RunValues>;
  /** Settles when it has ended, well or not. */
  readonly ended: Promise<void>;
  #end: () => void = () => {};
  #isFresh = false;

  constructor(id: string, method: string) {
    this.id = id;
    this.idict = new IDict<RunValues>({ method, step: null, progress: null, result: null, error: null }, { state: "queued" });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    // What has not begun has nothing to clean up: it need not wait for its turn to end.
    this.idict.signal.addEventListener("abort", () => {
      if (!this.hasBegun) this.#finish({ error: this.idict.signal.reason });
    });
  }

  hasBegun = false;

  get state(): RunState {
    return this.idict.state;
  }

  get report(): RunReport {
    return { run: this.id, state: this.state, ...this.idict.values };
  }

  /** Fires when the run is to end. */
  get signal(): AbortSignal {
    return this.idict.signal;
  }

  readonly onProgress = (progress: Progress): void => {
    // Parts of work that has failed may still be on their way.
    if (this.idict.isFinal) return;
    this.idict.set("progress", progress);
    this.idict.notifyUpdate();
  };

  readonly onStep = (words: string): void => {
    if (this.idict.isFinal) return;
    this.idict.set("step", words);
    this.idict.notifyUpdate();
  };

  /** Waits while the run is paused. Throws `ERR_SPINN_ABORTED` when it is to end. */
  readonly safePoint = async (): Promise<void> => {
    // The run has just passed one when its work began: its first step is one step, not two.
    if (this.#isFresh && !this.signal.aborted) {
      this.#isFresh = false;
      return;
    }
    if ((await this.idict.wait()).terminated) throw this.signal.reason;
  };

  async go(work: RunWork): Promise<void> {
    if (this.idict.isFinal) return;
    this.hasBegun = true;
    try {
      await this.safePoint();
      this.#isFresh = true;
      this.#finish({ result: plain(await work(this)) });
    } catch (error) {
      this.#finish({ error });
    }
  }

  #finish(end: { readonly result?: unknown; readonly error?: unknown }): void {
    if (this.idict.isFinal) return;
    const { error } = end;
    const aborted = this.idict.terminated && error instanceof SpinnError && error.code === "ERR_SPINN_ABORTED";
    this.idict.set("result", end.result ?? null);
    this.idict.set("error", error === undefined ? null : plainError(error));
    this.idict.notifyUpdate({ final: true, error, state: error === undefined ? "done" : aborted ? "aborted" : "failed" });
    this.#end();
  }
}

export interface RunsOptions {
  /** Ended runs that are remembered; the oldest go first. Default 100. */
  readonly maxEnded?: number | undefined;
  /** Runs that may wait for their turn. Default 100. */
  readonly maxQueued?: number | undefined;
}

const CLOSE_MS = 5000;

/** Runs of one board: one at a time, in the order in which they were asked for. */
export class Runs {
  /** Bounded by `maxEnded` and `maxQueued`. */
  readonly #runs = new Map<string, Run>();
  readonly #options: RunsOptions;
  #last = 0;
  #tail: Promise<void> = Promise.resolve();
  onStart: (run: Run) => void = () => {};
  onForget: (run: Run) => void = () => {};

  constructor(options: RunsOptions = {}) {
    this.#options = options;
  }

  [Symbol.iterator](): IterableIterator<Run> {
    return this.#runs.values();
  }

  /** Whether work is under way. */
  get isBusy(): boolean {
    return [...this].some(({ idict, hasBegun }) => hasBegun && !idict.isFinal);
  }

  /** Throws `ERR_SPINN_ARGUMENT` for a run that is not, or not any more. */
  get(id: unknown): Run {
    const run = this.#runs.get(String(id));
    if (run !== undefined) return run;
    throw new SpinnError("ERR_SPINN_ARGUMENT", `there is no run ${JSON.stringify(String(id).slice(0, 100))}`, {
      hint: this.#runs.size === 0 ? "nothing has been run" : `runs are ${[...this.#runs.keys()].slice(-20).join(", ")}`,
    });
  }

  /** Puts work in the queue. Throws `ERR_SPINN_REFUSED` when that is full. */
  start(method: string, work: RunWork): Run {
    const waiting = [...this].filter(({ idict, hasBegun }) => !hasBegun && !idict.isFinal).length;
    const { maxQueued = 100 } = this.#options;
    if (waiting >= maxQueued) {
      throw new SpinnError("ERR_SPINN_REFUSED", `${maxQueued} runs are waiting for their turn already`, { hint: "wait, or stop some" });
    }
    const run = new Run(String(++this.#last), method);
    this.#runs.set(run.id, run);
    this.#forgetOld();
    this.onStart(run);
    this.#tail = this.#tail.then(() => run.go(work));
    return run;
  }

  /** Ends every run; resolves when what was begun has ended, or after 5 s: work that does not listen must not keep the process. */
  async close(): Promise<void> {
    for (const run of this) run.idict.terminate("the controller is closing");
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS);
    });
    await Promise.race([this.#tail, late]);
    clearTimeout(timer);
  }

  #forgetOld(): void {
    const ended = [...this].filter(({ idict }) => idict.isFinal);
    for (const run of ended.slice(0, Math.max(0, ended.length - (this.#options.maxEnded ?? 100)))) {
      this.#runs.delete(run.id);
      this.onForget(run);
    }
  }
}
