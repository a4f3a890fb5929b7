import { SpinnError } from "../../errors.js";
import type { Cancelled, TaskControl } from "./async-result.js";
import type { EngineTable } from "./engine-table.js";
import type { AskOptions, Link } from "./link.js";
import type { Json } from "./message.js";
import type { Task } from "./task.js";

/** How often a cancelled task is looked at, and how long an interrupt may take before it is sent again. */
const LOOK_MS = 10;
const AGAIN_MS = 3000;

/** Questions to engines past their queue of tasks. */
export class EngineControl implements TaskControl {
  readonly #link: Link;
  readonly #engines: EngineTable;

  constructor(link: Link, engines: EngineTable) {
    this.#link = link;
    this.#engines = engines;
  }

  /** Asks each engine; when all have answered, throws the first error. */
  async ask(engineIds: readonly number[], type: string, content: Json, options: AskOptions = {}): Promise<void> {
    const named = engineIds.map((id) => this.#engines.named(id));
    const answers = await Promise.allSettled(
      named.map(({ uuid }) => this.#link.ask("control", { type, content, engineUuid: uuid }, options)),
    );
    const failed = answers.find((answer) => answer.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  /** Has engines drop tasks that have not started: the engine of each, or all where the scheduler chooses. */
  async abort(tasks: readonly Task[], options: AskOptions = {}): Promise<void> {
    const byEngine = new Map<number, string[]>();
    for (const { msgId, metadata, sentTo } of tasks) {
      // One told to all engines is remembered by the one that gets it.
      for (const id of sentTo === null ? this.#engines.ids : [metadata.engineId ?? sentTo]) {
        if (this.#engines.has(id)) byEngine.set(id, [...(byEngine.get(id) ?? []), msgId]);
      }
    }
    // Never an empty list: it would drop everybody's tasks.
    await Promise.all([...byEngine].map(([id, msg_ids]) => this.ask([id], "abort_request", { msg_ids }, options)));
  }

  /** Abort, then interrupt: see AsyncResult.cancel. */
  async cancel(task: Task, timeoutMs: number): Promise<Cancelled> {
    const ended = (): Task["outcome"] => task.outcome;
    if (ended() !== undefined) return "finished before";
    const deadline = performance.now() + timeoutMs;
    // An engine answers only when it is free: what counts is the task's end.
    void this.abort([task], { timeoutMs }).catch(() => {});
    let interruptedAt = Number.NEGATIVE_INFINITY;
    for (let looks = 0; ; looks += 1) {
      const outcome = ended();
      if (outcome !== undefined) {
        if (!outcome.ok && outcome.error.code === "ERR_SPINN_ABORTED") return "dropped before it started";
        return interruptedAt > 0 ? "interrupted" : "finished before";
      }
      const now = performance.now();
      if (now > deadline) break;
      const { engineId } = task.metadata;
      // Not before it is seen to run: an interrupt meets whatever the engine runs, others' tasks too. And not at the first look: the aborts of
      // what is cancelled together shall be there before the engine is free.
      if (looks > 0 && task.isRunning && engineId !== null && this.#engines.has(engineId) && now - interruptedAt > AGAIN_MS) {
        interruptedAt = now;
        void this.ask([engineId], "signal_request", { sig: "SIGINT" }, { timeoutMs }).catch(() => {});
      }
      await Promise.race([task.done, new Promise((resolve) => setTimeout(resolve, LOOK_MS))]);
    }
    const state = interruptedAt > 0 ? "was interrupted and goes on" : "waits still";
    throw new SpinnError("ERR_SPINN_TIMEOUT", `task ${task.msgId} ${state} after ${timeoutMs} ms`, {
      hint:
        interruptedAt > 0
          ? "an engine without a nanny cannot be interrupted, and C code may not listen: shutdown() of the engine is what is left"
          : "the engines are busy: it is dropped when one of them gets to it",
    });
  }
}
