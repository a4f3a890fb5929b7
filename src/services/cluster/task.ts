import { SpinnError } from "../../errors.js";
import type { ClusterMessage, Json } from "./message.js";

/** Something that running code showed: MIME type to value. */
export interface TaskOutput {
  readonly kind: "execute_result" | "display_data";
  readonly data: Json;
  readonly metadata: Json;
}

/** The good end of a task. */
export interface TaskReply {
  readonly content: Json;
  readonly metadata: Json;
  /** Name to value, for what was asked in `expressions`: each `{ status: "ok", data, metadata }` or `{ status: "error", ename, evalue }`. */
  readonly expressions: Json;
  readonly engineUuid: string | null;
}

/** How long output may come after the reply before it is taken to be complete. */
const OUTPUT_MS = 5000;
/** Characters of stdout and of stderr, and number of outputs, that are kept; the oldest go. */
const MAX_TEXT = 16 * 1024 * 1024;
const MAX_OUTPUTS = 1000;

/** One piece of code on its way through the cluster. `result` may be left alone: a failure that nobody waits for does not end the process. */
export class ClusterTask {
  readonly msgId: string;
  /** The engine it was sent to; null where the scheduler chooses. */
  readonly engineId: number | null;
  readonly submitted = new Date();
  /** Resolves with the reply; rejects with `ERR_SPINN_REMOTE` (the code failed; `cause` has ename, evalue, traceback) and what ended it else. */
  readonly result: Promise<TaskReply>;
  /** Resolves when the output is complete: not before the reply, and always after it. */
  readonly outputDone: Promise<void>;
  readonly outputs: TaskOutput[] = [];
  readonly #listeners = new Set<(stream: "stdout" | "stderr", text: string) => void>();
  #texts = { stdout: "", stderr: "" };
  #state: "sent" | "running" | "idle" = "sent";
  #engineUuid: string | null;
  #settled = false;
  #resolve!: (reply: TaskReply) => void;
  #reject!: (error: SpinnError) => void;
  #outputComplete!: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(msgId: string, engine: { readonly id: number; readonly uuid: string } | null) {
    this.msgId = msgId;
    this.engineId = engine?.id ?? null;
    this.#engineUuid = engine?.uuid ?? null;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.result.catch(() => {});
    this.outputDone = new Promise((resolve) => {
      this.#outputComplete = resolve;
    });
  }

  get stdout(): string {
    return this.#texts.stdout;
  }

  get stderr(): string {
    return this.#texts.stderr;
  }

  /** An engine is at work on it. */
  get isRunning(): boolean {
    return this.#state === "running" && !this.#settled;
  }

  get isSettled(): boolean {
    return this.#settled;
  }

  /** Where it runs or ran, as far as known. */
  get engineUuid(): string | null {
    return this.#engineUuid;
  }

  /** Hears output as it comes, until the returned function is called. */
  onOutput(listener: (stream: "stdout" | "stderr", text: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes a message of the output channel. Returns whether more may come. */
  takeOutput({ header, metadata, content }: ClusterMessage): boolean {
    if (typeof metadata["engine"] === "string") this.#engineUuid = metadata["engine"];
    const type = header["msg_type"];
    if (type === "status" && content["execution_state"] === "busy") this.#state = "running";
    else if (type === "status" && content["execution_state"] === "idle") {
      this.#state = "idle";
      if (this.#settled) this.#complete();
    } else if (type === "stream" && (content["name"] === "stdout" || content["name"] === "stderr") && typeof content["text"] === "string") {
      this.#texts[content["name"]] = append(this.#texts[content["name"]], content["text"]);
      for (const listener of [...this.#listeners]) listener(content["name"], content["text"]);
    } else if (type === "execute_result" || type === "display_data") {
      this.outputs.push({ kind: type, data: objectOf(content["data"]), metadata: objectOf(content["metadata"]) });
      if (this.outputs.length > MAX_OUTPUTS) this.outputs.shift();
    }
    return !(this.#settled && this.#state === "idle");
  }

  /** Takes the reply, from an engine or from the scheduler. */
  takeReply({ metadata, content }: ClusterMessage): void {
    if (this.#settled) return;
    if (typeof metadata["engine"] === "string") this.#engineUuid = metadata["engine"];
    if (content["status"] === "ok") {
      const reply = { content, metadata, expressions: objectOf(content["user_expressions"]), engineUuid: this.#engineUuid };
      this.#settle(() => this.#resolve(reply));
    } else this.fail(errorIn(content, this.engineId));
    // What was aborted or never started has no output; the scheduler's own replies do not say when they started.
    if (content["status"] === "aborted" || this.#state === "idle" || typeof metadata["started"] !== "string") this.#complete();
  }

  fail(error: SpinnError): void {
    if (!this.#settled) this.#settle(() => this.#reject(error));
  }

  #settle(action: () => void): void {
    this.#settled = true;
    action();
    this.#timer = setTimeout(() => this.#complete(), OUTPUT_MS);
    this.#timer.unref();
  }

  #complete(): void {
    clearTimeout(this.#timer);
    this.#outputComplete();
  }
}

/** The error that a reply with a status other than ok tells. */
export function errorIn(content: Json, engineId: number | null): SpinnError {
  const where = engineId === null ? "the cluster" : `engine ${engineId}`;
  if (content["status"] === "aborted") return new SpinnError("ERR_SPINN_ABORTED", `${where} dropped the task before it started`);
  const [ename, evalue] = [content["ename"], content["evalue"]].map((text) => (typeof text === "string" ? text : "?"));
  const traceback = Array.isArray(content["traceback"]) ? content["traceback"].filter((line) => typeof line === "string") : [];
  return new SpinnError("ERR_SPINN_REMOTE", `${where} answered ${ename}: ${evalue}`, { cause: { ename, evalue, traceback } });
}

/** A carriage return that ends no line goes back to the start of its line: progress bars. */
function append(before: string, text: string): string {
  let all = before;
  for (const [index, piece] of text.replaceAll("\r\n", "\n").split("\r").entries()) {
    all = index === 0 ? all + piece : all.slice(0, all.lastIndexOf("\n") + 1) + piece;
  }
  return all.length > MAX_TEXT ? all.slice(-MAX_TEXT) : all;
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}
