import { SpinnError } from "../../errors.js";
import { expiry, readerFor } from "./call.js";
import type { EngineTable } from "./engine-table.js";
import type { HubKey, HubQuery, HubRecord } from "./hub-record.js";
import { type Ledger, TASK_MS } from "./ledger.js";
import type { AskOptions, Link } from "./link.js";
import type { ClusterMessage, Json } from "./message.js";
import { dateIn } from "./metadata.js";
import type { CallOutput } from "./task.js";
import { Task } from "./task.js";

const KEYS: readonly HubKey[] = (
  "msg_id header metadata content submitted started completed received client_uuid engine_uuid queue resubmitted " +
  "result_header result_metadata result_content execute_input execute_result error stdout stderr"
).split(" ") as HubKey[];
const BUFFERS: readonly HubKey[] = ["buffers", "result_buffers"];
const DATES = ["submitted", "started", "completed", "received"] as const;
/** The Hub learns of replies over a side channel, some 50 ms after; then it is asked less and less often. */
const POLL_MS = { first: 50, last: 2000 };

/** Questions to the Hub: who is connected, what ran, what came of it. */
export class Hub {
  readonly #link: Link;
  readonly #engines: EngineTable;

  constructor(link: Link, engines: EngineTable) {
    this.#link = link;
    this.#engines = engines;
  }

  async history(): Promise<readonly string[]> {
    const { history } = (await this.#ask("history_request", {})).content;
    return textsIn(history);
  }

  async queueStatus(targets: readonly number[] | null, verbose: boolean): Promise<Json> {
    const { status: _, ...content } = (await this.#ask("queue_request", { targets, verbose })).content;
    return Object.fromEntries(Object.entries(content).filter(([key]) => key === "unassigned" || this.#engines.has(Number(key))));
  }

  async status(msgIds: readonly string[], options: AskOptions = {}): Promise<{ readonly pending: string[]; readonly completed: string[] }> {
    const { content } = await this.#ask("result_request", { msg_ids: msgIds, status_only: true }, options);
    return { pending: textsIn(content["pending"]), completed: textsIn(content["completed"]) };
  }

  /** Dates as dates, buffers with their record. */
  async query(query: HubQuery, keys: readonly HubKey[] = KEYS): Promise<HubRecord[]> {
    const { content, buffers } = await this.#ask("db_request", { query, keys });
    const { records, buffer_lens, result_buffer_lens } = content;
    if (!Array.isArray(records)) throw new SpinnError("ERR_SPINN_PROTOCOL", "the Hub's answer has no records");
    let at = 0;
    const next = (lengths: unknown, i: number): readonly Uint8Array[] | undefined => {
      if (!Array.isArray(lengths)) return undefined;
      const count: unknown = lengths[i];
      if (typeof count !== "number" || count < 0 || at + count > buffers.length) {
        throw new SpinnError("ERR_SPINN_PROTOCOL", "the Hub's answer has fewer buffers than it says");
      }
      at += count;
      return buffers.slice(at - count, at);
    };
    return records.map((entry: Json, i): HubRecord => {
      const dates = Object.fromEntries(DATES.filter((key) => key in entry).map((key) => [key, dateIn(entry[key])]));
      const [sent, got] = [next(buffer_lens, i), next(result_buffer_lens, i)];
      const withBuffers = { ...(sent && { buffers: sent }), ...(got && { result_buffers: got }) };
      return { ...(entry as unknown as HubRecord), ...dates, ...withBuffers };
    });
  }

  async purge(msgIds: readonly string[] | "all", engineIds: readonly number[]): Promise<void> {
    await this.#ask("purge_request", { msg_ids: msgIds, engine_ids: engineIds });
  }

  async shutdown(): Promise<void> {
    await this.#ask("shutdown_request", {});
  }

  /**
   * A task of another client, or one that is not remembered here any more: the Hub is asked until it has the result. Fails with
   * `ERR_SPINN_REMOTE` (KeyError) for a number that the Hub does not know.
   */
  fetch(msgId: string, output: CallOutput, timeoutMs = TASK_MS): Task {
    // Learns how to read the value only from the record.
    let type: unknown;
    const read = (reply: ClusterMessage): unknown => readerFor(type)(reply);
    const task = new Task({ msgId, engine: null, engines: this.#engines, output, read });
    task.metadata.submitted = null;
    const poll = async (): Promise<void> => {
      const deadline = performance.now() + timeoutMs;
      for (let waitMs = POLL_MS.first; ; waitMs = Math.min(waitMs * 2, POLL_MS.last)) {
        const { completed } = await this.status([msgId]);
        if (completed.includes(msgId)) break;
        if (performance.now() + waitMs > deadline) {
          throw new SpinnError("ERR_SPINN_TIMEOUT", `the Hub has no result of task ${msgId} within ${timeoutMs} ms`);
        }
        await new Promise((resolve) => setTimeout(resolve, waitMs));
      }
      const record = await this.record(msgId);
      type = record.header?.["msg_type"];
      task.takeRecord(record);
    };
    poll().catch((error: unknown) => {
      task.fail(
        error instanceof SpinnError ? error : new SpinnError("ERR_SPINN_PROTOCOL", "a record of the Hub cannot be read", { cause: error }),
      );
      task.endOutput();
    });
    return task;
  }

  /** Throws `ERR_SPINN_INCOMPLETE` for a task that the Hub has forgotten. */
  async record(msgId: string): Promise<HubRecord> {
    const [record] = await this.query({ msg_id: msgId }, [...KEYS, ...BUFFERS]);
    if (record !== undefined) return record;
    throw new SpinnError("ERR_SPINN_INCOMPLETE", `the Hub has no record of task ${msgId} any more`, {
      hint: "its default database keeps the last 1024 tasks; results can be purged, too",
    });
  }

  /** Sends the stored requests again through the scheduler, with the targets (those that are here), retries and label that they had. */
  async resubmit(msgIds: readonly string[], ledger: Ledger, output: CallOutput): Promise<Task[]> {
    const records = await Promise.all(msgIds.map((msgId) => this.record(msgId)));
    const all = this.#engines.resolve("all").map(({ uuid }) => uuid);
    return records.map(({ header, metadata = {}, content = {}, buffers = [] }) => {
      const type = header?.["msg_type"];
      if (typeof type !== "string") throw new SpinnError("ERR_SPINN_PROTOCOL", "a record of the Hub has no header");
      const before = textsIn(metadata["targets"]).filter((uuid) => this.#engines.isHere(uuid));
      const targets = before.length > 0 ? before : all;
      const wanted = typeof metadata["retries"] === "number" ? metadata["retries"] : 0;
      const retries = Math.max(0, Math.min(wanted, targets.length - 1));
      const again = { ...metadata, targets, retries, timeout: TASK_MS / 1000, ...expiry(TASK_MS) };
      const request = { type, content, buffers, metadata: again, targets, mayRetry: retries > 0 };
      return ledger.submit({ ...request, port: "task", engine: null, timeoutMs: undefined, output, read: readerFor(type) });
    });
  }

  #ask(type: string, content: Json, options: AskOptions = {}): Promise<ClusterMessage> {
    return this.#link.ask("registration", { type, content }, options);
  }
}

function textsIn(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}
