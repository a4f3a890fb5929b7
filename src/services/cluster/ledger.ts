import { checkInteger, SpinnError } from "../../errors.js";
import type { ClusterPort } from "./connection-file.js";
import type { EngineName, EngineTable } from "./engine-table.js";
import { type Link, type Outgoing, SILENCE } from "./link.js";
import type { ClusterMessage } from "./message.js";
import type { CallOutput } from "./task.js";
import { Task } from "./task.js";

export interface LedgerOptions {
  /** Answered tasks that are kept for getResult(), results and metadata. */
  readonly maxResults: number;
  readonly maxResultBytes: number;
}

export interface Submission extends Outgoing {
  readonly port: "mux" | "task";
  /** The engine it goes to; null where the scheduler chooses. */
  readonly engine: EngineName | null;
  /** Engines that may run it, where the scheduler chooses. */
  readonly targets?: readonly string[] | undefined;
  /** Whether the scheduler tries again when it fails. */
  readonly mayRetry?: boolean | undefined;
  readonly timeoutMs: number | undefined;
  readonly output: CallOutput;
  readonly read: (reply: ClusterMessage) => unknown;
}

interface Entry {
  readonly task: Task;
  readonly submission: Submission;
  readonly timer: NodeJS.Timeout;
}

/** Until the reply; one hour. */
export const TASK_MS = 3_600_000;
const MAX_UNDER_WAY = 100_000;
const MAX_HISTORY = 10_000;

/** Every task of a client: what is under way, and the last of what is done. */
export class Ledger {
  readonly #link: Link;
  readonly #engines: EngineTable;
  readonly #options: LedgerOptions;
  /** Until the reply and the last of the output are in; at most MAX_UNDER_WAY. */
  readonly #underWay = new Map<string, Entry>();
  /** Answered, oldest first; bounded by `maxResults` and `maxResultBytes`. */
  readonly #kept = new Map<string, Task>();
  #keptBytes = 0;
  /** In order of submission; at most MAX_HISTORY. */
  #history: string[] = [];
  /** Those sent straight to an engine, which the scheduler does not know; in step with the history. */
  readonly #direct = new Set<string>();

  constructor(link: Link, engines: EngineTable, options: LedgerOptions) {
    this.#link = link;
    this.#engines = engines;
    this.#options = options;
  }

  get history(): readonly string[] {
    return this.#history;
  }

  /** Tasks that are not answered yet, in order of submission. */
  get outstanding(): Task[] {
    return [...this.#underWay.values()].map(({ task }) => task).filter(({ outcome }) => outcome === undefined);
  }

  /** Answered tasks that are still known, oldest first. */
  get kept(): ReadonlyMap<string, Task> {
    return this.#kept;
  }

  find(msgId: string): Task | undefined {
    return this.#kept.get(msgId) ?? this.#underWay.get(msgId)?.task;
  }

  wasSentDirectly(msgId: string): boolean {
    return this.#direct.has(msgId);
  }

  /** Sends. Throws `ERR_SPINN_REFUSED` for too many at once, `ERR_SPINN_ARGUMENT` for a time-out that is none, and what the link ended with. */
  submit(submission: Submission): Task {
    if (this.#underWay.size >= MAX_UNDER_WAY) {
      throw new SpinnError("ERR_SPINN_REFUSED", `${MAX_UNDER_WAY} tasks are under way already`, { hint: "await some of them first" });
    }
    const timeoutMs = checkInteger("timeoutMs", submission.timeoutMs ?? TASK_MS, 1, 0x7fffffff);
    const { port, engine, output, read } = submission;
    const msgId = this.#link.send(port, submission);
    const task = new Task({ msgId, engine, engines: this.#engines, output, read });
    task.metadata.after = jobsIn(submission.metadata?.["after"]);
    task.metadata.follow = jobsIn(submission.metadata?.["follow"]);
    const late = (): void =>
      task.fail(new SpinnError("ERR_SPINN_TIMEOUT", `no reply to task ${msgId} within ${timeoutMs} ms`, { hint: SILENCE }));
    const timer = setTimeout(late, timeoutMs);
    this.#underWay.set(msgId, { task, submission, timer });
    this.#remember(msgId, port);
    void task.done.then(() => {
      clearTimeout(timer);
      this.#keep(task);
    });
    void task.outputDone.then(() => this.#underWay.delete(msgId));
    return task;
  }

  /** Takes what came on a socket of tasks or of output. */
  take(port: ClusterPort, message: ClusterMessage): void {
    const parent = message.parentHeader["msg_id"];
    const task = typeof parent === "string" ? this.#underWay.get(parent)?.task : undefined;
    if (port === "iopub") task?.takeOutput(message);
    else task?.takeReply(message);
  }

  /**
   * An engine has gone. What was sent straight to it is never answered; of what the scheduler gave to it, and may not try again, it tells
   * only 5 s later; of what nobody can run any more, sometimes never.
   */
  engineGone({ id, uuid }: EngineName): void {
    const error = new SpinnError("ERR_SPINN_INCOMPLETE", `engine ${id} went away: what it was doing may have been done in part`);
    const nobody = new SpinnError("ERR_SPINN_INCOMPLETE", "every engine that may run the task went away");
    for (const { task, submission } of [...this.#underWay.values()]) {
      const { engine, targets, mayRetry } = submission;
      if (engine?.uuid === uuid) task.fail(error);
      else if (engine === null && task.isRunning && task.metadata.engineUuid === uuid && mayRetry !== true) task.fail(error);
      else if (targets?.every((target) => !this.#engines.isHere(target))) task.fail(nobody);
      if (task.metadata.engineUuid === uuid) task.endOutput();
    }
  }

  /** Forgets what is known of answered tasks. */
  forget(msgIds: Iterable<string>): void {
    for (const msgId of [...msgIds]) {
      const task = this.#kept.get(msgId);
      if (task === undefined) continue;
      this.#kept.delete(msgId);
      this.#keptBytes -= task.sizeBytes;
    }
  }

  /** Everything that waits ends with `error`. */
  close(error: SpinnError): void {
    for (const { task } of [...this.#underWay.values()]) {
      task.fail(error);
      task.endOutput();
    }
  }

  #remember(msgId: string, port: "mux" | "task"): void {
    this.#history.push(msgId);
    if (port === "mux") this.#direct.add(msgId);
    if (this.#history.length < MAX_HISTORY * 2) return;
    for (const old of this.#history.slice(0, MAX_HISTORY)) this.#direct.delete(old);
    this.#history = this.#history.slice(MAX_HISTORY);
  }

  #keep(task: Task): void {
    const { maxResults, maxResultBytes } = this.#options;
    this.#kept.set(task.msgId, task);
    this.#keptBytes += task.sizeBytes;
    for (const msgId of this.#kept.keys()) {
      if (this.#kept.size <= maxResults && this.#keptBytes <= maxResultBytes) break;
      this.forget([msgId]);
    }
  }
}

/** The tasks that a dependency names, as the scheduler takes them. */
function jobsIn(dependency: unknown): readonly string[] | null {
  const { dependencies } = (dependency ?? {}) as { readonly dependencies?: readonly string[] };
  return dependencies ?? null;
}
