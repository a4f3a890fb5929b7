import { SpinnError } from "../../errors.js";
import type { EngineName, EngineTable } from "./engine-table.js";
import type { HubRecord } from "./hub-record.js";
import type { ClusterMessage, Json } from "./message.js";
import { dateIn, extraIn, Metadata } from "./metadata.js";
import type { OutputLog } from "./output-log.js";
import { errorIn } from "./remote-error.js";

/** The output of the tasks of one call, in common. */
export interface CallOutput {
  readonly stdout: OutputLog;
  readonly stderr: OutputLog;
}

export interface TaskPlan {
  readonly msgId: string;
  /** The engine it was sent to; null where the scheduler chooses. */
  readonly engine: EngineName | null;
  readonly engines: EngineTable;
  readonly output: CallOutput;
  /** The value that a good reply stands for. What it throws is what the task fails with. */
  readonly read: (reply: ClusterMessage) => unknown;
}

/** How a task came out. */
export type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: SpinnError };

/** How long output may come after the reply before it is taken to be complete. */
const OUTPUT_MS = 5000;
/** Characters of stdout and of stderr that the metadata keep, and number of outputs; the oldest go. */
const MAX_TEXT = 4 * 1024 * 1024;
const MAX_OUTPUTS = 1000;

/** One message on its way through the cluster: what is heard of it, until the reply and the last of the output are in. */
export class Task {
  readonly metadata: Metadata;
  /** Never rejects. */
  readonly done: Promise<Outcome>;
  /** Not before the reply, and always after it. */
  readonly outputDone: Promise<void>;
  readonly #plan: TaskPlan;
  /** Of the call that sent it, and of each that asked for its result again. */
  readonly #outputs: CallOutput[];
  #state: "sent" | "running" | "idle" = "sent";
  /** The engine that was idle last. */
  #idleOn: unknown;
  #outcome: Outcome | undefined;
  #resolve!: (outcome: Outcome) => void;
  #completeOutput!: () => void;
  #isComplete = false;
  #timer: NodeJS.Timeout | undefined;
  /** Bytes of the reply and of what was printed, for those who bound what they keep. */
  sizeBytes = 0;

  constructor(plan: TaskPlan) {
    this.#plan = plan;
    this.#outputs = [plan.output];
    this.metadata = new Metadata(plan.msgId);
    this.metadata.submitted = new Date();
    this.metadata.engineId = plan.engine?.id ?? null;
    this.metadata.engineUuid = plan.engine?.uuid ?? null;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.outputDone = new Promise((resolve) => {
      this.#completeOutput = resolve;
    });
  }

  get msgId(): string {
    return this.metadata.msgId;
  }

  /** The engine that was chosen when it was sent; null where the scheduler chooses. */
  get sentTo(): number | null {
    return this.#plan.engine?.id ?? null;
  }

  /** Undefined until it is known. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
  }

  /** Nothing more will be heard of it. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** An engine is at work on it. */
  get isRunning(): boolean {
    return this.#state === "running" && this.#outcome === undefined;
  }

  /** Takes a message of the output channel. */
  takeOutput({ header, metadata, content }: ClusterMessage): void {
    // What comes late may be of an engine that tried before the one that answered.
    if (this.#outcome === undefined) this.#ranOn(metadata["engine"]);
    const type = header["msg_type"];
    const known = this.metadata;
    if (type === "status") this.#takeState(content["execution_state"], metadata["engine"]);
    else if (type === "stream") this.#takeStream(content["name"], content["text"]);
    else if (type === "execute_input" && typeof content["code"] === "string") known.executeInput = content["code"];
    else if (type === "error") known.error = content;
    else if (type === "execute_result" || type === "display_data") {
      const data = objectOf(content["data"]);
      if (type === "execute_result") known.executeResult = data;
      known.outputs.push({ kind: type, data, metadata: objectOf(content["metadata"]) });
      if (known.outputs.length > MAX_OUTPUTS) known.outputs.shift();
    }
  }

  /** Takes the reply, from an engine or from the scheduler. */
  takeReply(reply: ClusterMessage): void {
    if (this.#outcome !== undefined) return;
    const { header, metadata, content, buffers } = reply;
    this.#ranOn(metadata["engine"]);
    const known = this.metadata;
    known.received = new Date();
    known.started = dateIn(metadata["started"]);
    known.completed = dateIn(header["date"]);
    known.extra = extraIn(metadata);
    if (typeof metadata["label"] === "string") known.label = metadata["label"];
    for (const buffer of buffers) this.sizeBytes += buffer.length;
    this.#finish(content, () => this.#plan.read(reply));
    // What was aborted or never started has no output; the scheduler's own replies do not say when they started.
    if (content["status"] === "aborted" || this.#isSilent || known.started === null) this.#complete();
  }

  /** Takes what the Hub remembers of a task that has ended. */
  takeRecord(record: HubRecord): void {
    const known = this.metadata;
    this.#ranOn(record.engine_uuid);
    for (const key of ["submitted", "started", "completed", "received"] as const) known[key] = record[key] ?? null;
    known.executeInput = record.execute_input ?? null;
    known.executeResult = record.execute_result ?? null;
    known.error = record.error ?? null;
    for (const name of ["stdout", "stderr"] as const) this.#takeStream(name, record[name]);
    const { header = {}, result_metadata, result_content, result_buffers = [], result_header } = record;
    const [metadata, content] = [result_metadata ?? {}, result_content ?? {}];
    known.extra = extraIn(metadata);
    if (typeof metadata["label"] === "string") known.label = metadata["label"];
    const reply = { idents: [], header: result_header ?? {}, parentHeader: header, metadata, content, buffers: result_buffers };
    this.#finish(content, () => this.#plan.read(reply));
    this.#complete();
  }

  /** The end that a reply's content tells; `read` gives the value of a good one. */
  #finish(content: Json, read: () => unknown): void {
    if (typeof content["status"] === "string") this.metadata.status = content["status"];
    if (content["status"] !== "ok") {
      this.metadata.error ??= content;
      const id = this.metadata.engineId;
      this.fail(errorIn(content, id === null ? "the cluster" : `engine ${id}`));
      return;
    }
    try {
      this.#settle({ ok: true, value: read() });
    } catch (error) {
      this.fail(
        error instanceof SpinnError ? error : new SpinnError("ERR_SPINN_PROTOCOL", "a reply that cannot be read", { cause: error }),
      );
    }
  }

  fail(error: SpinnError): void {
    this.#settle({ ok: false, error });
  }

  /** No output will come any more. */
  endOutput(): void {
    if (this.#outcome !== undefined) this.#complete();
  }

  /** What it has printed and what it will print goes there, too. */
  attach(output: CallOutput): void {
    for (const name of ["stdout", "stderr"] as const) output[name].write(this, this.metadata.engineId, this.metadata[name]);
    if (this.#isComplete) this.#endOf(output);
    else this.#outputs.push(output);
  }

  #endOf({ stdout, stderr }: CallOutput): void {
    for (const log of [stdout, stderr]) log.end(this, this.metadata.engineId);
  }

  #takeState(state: unknown, engine: unknown): void {
    if (state === "busy" && this.#outcome === undefined) this.#state = "running";
    else if (state === "idle") {
      this.#state = "idle";
      this.#idleOn = engine;
      if (this.#isSilent) this.endOutput();
    }
  }

  /** The engine that answered has said that it is done: one that tried before does not count. */
  get #isSilent(): boolean {
    return this.#state === "idle" && (this.#idleOn === undefined || this.#idleOn === this.metadata.engineUuid);
  }

  #takeStream(name: unknown, text: unknown): void {
    if ((name !== "stdout" && name !== "stderr") || typeof text !== "string") return;
    this.sizeBytes += text.length;
    const all = this.metadata[name] + text;
    this.metadata[name] = all.length > MAX_TEXT ? all.slice(-MAX_TEXT) : all;
    for (const output of this.#outputs) output[name].write(this, this.metadata.engineId, text);
  }

  #ranOn(uuid: unknown): void {
    if (typeof uuid !== "string") return;
    this.metadata.engineUuid = uuid;
    this.metadata.engineId = this.#plan.engines.idOf(uuid) ?? this.metadata.engineId;
  }

  #settle(outcome: Outcome): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.#resolve(outcome);
    this.#timer = setTimeout(() => this.#complete(), OUTPUT_MS);
    this.#timer.unref();
  }

  #complete(): void {
    if (this.#isComplete) return;
    this.#isComplete = true;
    clearTimeout(this.#timer);
    for (const output of this.#outputs.splice(0)) this.#endOf(output);
    this.#completeOutput();
  }
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}
