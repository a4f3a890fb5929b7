import { SpinnError } from "../../errors.js";
import type { Metadata, TaskOutput } from "./metadata.js";
import type { OutputLog } from "./output-log.js";
import { errorOf } from "./remote-error.js";
import type { CallOutput, Outcome, Task } from "./task.js";
import { orLater } from "./wait.js";

/** What became of a task that was cancelled. */
export type Cancelled = "finished before" | "dropped before it started" | "interrupted";

/** One task that has ended, in the order of arrival. */
export type Arrival = {
  /** Place among the tasks of the call. */
  readonly index: number;
  readonly msgId: string;
  readonly engineId: number | null;
} & Outcome;

export interface WaitOptions {
  /** Default: as long as the tasks' own deadlines let them. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface CancelOptions {
  /** For engines to drop or interrupt the task, and for its end to be heard; default 10 000 ms. */
  readonly timeoutMs?: number | undefined;
}

/** What a result can ask of the cluster. */
export interface TaskControl {
  abort(tasks: readonly Task[]): Promise<void>;
  cancel(task: Task, timeoutMs: number): Promise<Cancelled>;
}

/**
 * The tasks of one call. `await` gives the value, or throws: `ERR_SPINN_REMOTE` (Python raised; `cause` has `ename`, `evalue`, `traceback`),
 * `ERR_SPINN_ABORTED` (dropped), `ERR_SPINN_INCOMPLETE` (the engine or the controller went away), `ERR_SPINN_TIMEOUT`, `ERR_SPINN_CLOSED`.
 * A failure that nobody waits for does not end the process.
 *
 * An async function must not return one: it would be awaited.
 */
export class AsyncResult<T> implements PromiseLike<T> {
  /** Lines of stdout as they come: `for await (const line of result.stdout)`. */
  readonly stdout: OutputLog;
  readonly stderr: OutputLog;
  readonly #tasks: readonly Task[];
  readonly #combine: (values: readonly unknown[]) => T;
  readonly #control: TaskControl;
  #value: Promise<T> | undefined;
  #arrived = 0;
  readonly #arrivals: Arrival[] = [];
  #waiting: (() => void)[] = [];

  constructor(tasks: readonly Task[], output: CallOutput, combine: (values: readonly unknown[]) => T, control: TaskControl) {
    this.#tasks = tasks;
    this.#combine = combine;
    this.#control = control;
    this.stdout = output.stdout;
    this.stderr = output.stderr;
    for (const [index, task] of tasks.entries()) {
      void task.done.then((outcome) => {
        const { msgId, metadata } = task;
        this.#arrived += 1;
        this.#arrivals.push({ index, msgId, engineId: metadata.engineId, ...outcome });
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const resume of waiting) resume();
      });
    }
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting the result is what it is for
  then<A = T, B = never>(
    onValue?: ((value: T) => A | PromiseLike<A>) | null,
    onError?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#promise().then(onValue, onError);
  }

  catch<B = never>(onError?: ((error: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.#promise().catch(onError);
  }

  finally(then?: (() => void) | null): Promise<T> {
    return this.#promise().finally(then);
  }

  /** The value, as `await` gives it, with a time-out of its own: `ERR_SPINN_TIMEOUT` leaves the tasks alone. */
  get(options: WaitOptions = {}): Promise<T> {
    return orLater(this.#promise(), options, () => {
      const text = `${this.length - this.progress} of ${this.length} tasks are not ready within ${options.timeoutMs} ms`;
      return new SpinnError("ERR_SPINN_TIMEOUT", text, { hint: "they go on: wait again, or cancel()" });
    });
  }

  /** Whether all tasks have ended, well or not, after waiting for it. */
  async wait(options: WaitOptions = {}): Promise<boolean> {
    const ended = Promise.all(this.#tasks.map(({ done }) => done)).then(() => true);
    await orLater<boolean>(ended, options, () => false);
    return this.ready;
  }

  /** Whether all output has arrived, after waiting for it. Ready results may have output on its way. */
  async waitForOutput(options: WaitOptions = {}): Promise<boolean> {
    const complete = Promise.all(this.#tasks.map(({ outputDone }) => outputDone)).then(() => true);
    return orLater<boolean>(complete, options, () => false);
  }

  /** All tasks have ended. */
  get ready(): boolean {
    return this.#tasks.every(({ outcome }) => outcome !== undefined);
  }

  /** All tasks have ended well. Throws `ERR_SPINN_STATE` before they have ended. */
  get successful(): boolean {
    if (!this.ready) throw new SpinnError("ERR_SPINN_STATE", "the result is not ready", { hint: "await it, or wait()" });
    return this.#tasks.every(({ outcome }) => outcome?.ok === true);
  }

  /** Tasks that have ended, of `length`. */
  get progress(): number {
    return this.#arrived;
  }

  get length(): number {
    return this.#tasks.length;
  }

  get msgIds(): string[] {
    return this.#tasks.map(({ msgId }) => msgId);
  }

  /** In the order of the tasks; filled as things are heard. */
  get metadata(): Metadata[] {
    return this.#tasks.map(({ metadata }) => metadata);
  }

  /** Where each task runs or ran, as far as known. */
  get engineIds(): (number | null)[] {
    return this.#tasks.map(({ metadata }) => metadata.engineId);
  }

  /** What was displayed, task by task. */
  get outputs(): TaskOutput[] {
    return this.#tasks.flatMap(({ metadata }) => metadata.outputs);
  }

  /** Values by engine. Throws what failed; `ERR_SPINN_ARGUMENT` when two tasks ran on one engine. */
  async byEngine(): Promise<Map<number | null, unknown>> {
    await this.#promise();
    const all = new Map(this.#tasks.map(({ metadata, outcome }) => [metadata.engineId, outcome?.ok ? outcome.value : undefined]));
    if (all.size < this.length) throw new SpinnError("ERR_SPINN_ARGUMENT", "more than one task of this call ran on the same engine");
    return all;
  }

  /** From the first task's submission to the last reply, in milliseconds; until now for one that is under way. */
  get wallMs(): number {
    const from = this.metadata.map(({ submitted }) => submitted?.getTime() ?? Number.NaN);
    const to = this.metadata.map(({ received }) => received?.getTime() ?? Date.now());
    return Math.max(...to) - Math.min(...from);
  }

  /** What the engines spent on it, in milliseconds, one after the other. Not a number while one is under way. */
  get serialMs(): number {
    const spent = this.metadata.map(({ started, completed }) => (completed?.getTime() ?? Number.NaN) - (started?.getTime() ?? Number.NaN));
    return spent.reduce((a, b) => a + b, 0);
  }

  /** Values in the order of the tasks, each as soon as it is there. Throws at the first that failed. */
  async *[Symbol.asyncIterator](): AsyncGenerator<unknown, void, void> {
    for (const { done } of this.#tasks) {
      const outcome = await done;
      if (!outcome.ok) throw outcome.error;
      yield outcome.value;
    }
  }

  /** Tasks in the order in which they end, well or not: also the progress, step by step. */
  async *arrivals(): AsyncGenerator<Arrival, void, void> {
    for (let next = 0; next < this.length; next += 1) {
      while (this.#arrivals[next] === undefined) await new Promise<void>((resolve) => this.#waiting.push(resolve));
      yield this.#arrivals[next]!;
    }
  }

  /** Has engines drop those tasks that have not started; one that runs goes on. Answered by an engine after what it runs now. */
  async abort(): Promise<void> {
    await this.#control.abort(this.#tasks.filter(({ outcome }) => outcome === undefined));
  }

  /**
   * Ends the tasks, whatever they do: those that have not started are dropped, those that run are interrupted as Ctrl-C would. Tells for each
   * which of both it was. Throws `ERR_SPINN_TIMEOUT` when one goes on nevertheless (an engine without a nanny cannot be interrupted; C code
   * may not listen).
   */
  cancel({ timeoutMs = 10_000 }: CancelOptions = {}): Promise<Cancelled[]> {
    return Promise.all(this.#tasks.map((task) => this.#control.cancel(task, timeoutMs)));
  }

  #promise(): Promise<T> {
    if (this.#value === undefined) {
      this.#value = Promise.all(this.#tasks.map(({ done }) => done)).then((outcomes) => {
        const errors = outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error]));
        if (errors.length > 0) throw errorOf(errors, outcomes.length);
        return this.#combine(outcomes.map((outcome) => (outcome.ok ? outcome.value : undefined)));
      });
      this.#value.catch(() => {});
    }
    return this.#value;
  }
}
