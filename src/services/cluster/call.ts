import { SpinnError } from "../../errors.js";
import { packCall } from "./apply-message.js";
import { AsyncResult, type TaskControl } from "./async-result.js";
import type { EngineTable } from "./engine-table.js";
import type { Ledger, Submission } from "./ledger.js";
import type { Outgoing } from "./link.js";
import type { ClusterMessage, Json } from "./message.js";
import { callOutput } from "./output-log.js";
import { readPickle } from "./pickle-reader.js";
import type { Task } from "./task.js";

/** What the views of a client share. */
export interface Caller {
  readonly engines: EngineTable;
  readonly ledger: Ledger;
  readonly control: TaskControl;
  /** Engine by engine: throws the first error when all have answered. */
  readonly ask: (engineIds: readonly number[], type: string, content: Json) => Promise<void>;
  readonly taskScheme: string;
}

/** A task before it is sent. */
export type Plan = Omit<Submission, "output" | "read">;

export interface ExecuteOptions {
  /** No counter, no execute_result; stdout, stderr and errors come all the same. Default false. */
  readonly silent?: boolean | undefined;
  /** Name to Python expression, evaluated after the code. */
  readonly expressions?: Readonly<Record<string, string>> | undefined;
}

/** The good end of executed code. */
export interface Execution {
  readonly executionCount: number | null;
  /** Name to what was asked in `expressions`: each `{ status: "ok", data, metadata }` or `{ status: "error", ename, evalue }`. */
  readonly expressions: Json;
  readonly engineUuid: string | null;
}

export function executeMessage(code: string, { silent = false, expressions = {} }: ExecuteOptions): Outgoing {
  const content = {
    code,
    silent,
    store_history: false,
    user_expressions: expressions,
    allow_stdin: false,
    // The default would drop the queued tasks of everybody when this one fails.
    stop_on_error: false,
  };
  return { type: "execute_request", content };
}

export function applyMessage(name: string, args: readonly unknown[]): Outgoing {
  return { type: "apply_request", buffers: packCall(name, args) };
}

/** What the reply to a request of `type` stands for. */
export function readerFor(type: unknown): (reply: ClusterMessage) => unknown {
  return type === "apply_request" ? readValue : readExecution;
}

function readValue({ buffers }: ClusterMessage): unknown {
  if (buffers.length === 0) throw new SpinnError("ERR_SPINN_PROTOCOL", "the reply has no value");
  return readPickle(buffers).value;
}

function readExecution({ content, metadata }: ClusterMessage): Execution {
  const { execution_count: count, user_expressions: expressions } = content;
  const isObject = typeof expressions === "object" && expressions !== null;
  return {
    executionCount: typeof count === "number" ? count : null,
    expressions: isObject ? (expressions as Json) : {},
    engineUuid: typeof metadata["engine"] === "string" ? metadata["engine"] : null,
  };
}

/**
 * Sends `count` tasks as one call. When one cannot be sent, those that were are dropped, and the error is thrown: a call is made as a whole or
 * not at all.
 */
export function submitAll<T>(
  { ledger, control }: Caller,
  plans: readonly Plan[],
  combine: (values: readonly unknown[]) => T,
): AsyncResult<T> {
  const output = callOutput(plans.length);
  const tasks: Task[] = [];
  try {
    for (const plan of plans) tasks.push(ledger.submit({ ...plan, output, read: readerFor(plan.type) }));
  } catch (error) {
    void control.abort(tasks).catch(() => {});
    throw error;
  }
  return new AsyncResult(tasks, output, combine, control);
}

/** For our own engines, which refuse what nobody waits for any more: a task that was forgotten must not start hours later. */
export function expiry(timeoutMs: number): Json {
  return { spinnkit_expires: new Date(Date.now() + timeoutMs).toISOString() };
}
