import { SpinnError } from "../../errors.js";
import { type Call, unpackCall } from "./apply-message.js";
import type { ClusterMessage, Json } from "./message.js";
import { writePickle } from "./pickle-writer.js";

/** What a method is told besides its arguments. */
export interface EngineTask {
  /** The task's number, as clients and the Hub know it. */
  readonly msgId: string;
  /** Fires when the task is interrupted, or the engine ends: a method that takes long should listen. */
  readonly signal: AbortSignal;
  /** Text for the task's stdout or stderr, as it comes. */
  print(text: string, stream?: "stdout" | "stderr"): void;
  /** Members for the metadata of the reply; plain data. */
  tell(metadata: Json): void;
}

/** A method of an engine: plain data in, plain data out. What it throws is the caller's remote error, under the error's name. */
export type EngineMethod = (call: Call, task: EngineTask) => unknown;

/** What execute() of a text means: gives the value to show. */
export type EngineExecute = (code: string, task: EngineTask) => unknown;

/** The good or bad end of a request, in the parts of a reply. */
export interface Answer {
  readonly content: Json;
  readonly buffers: readonly Uint8Array[];
  /** What an execute_request that is not silent shows. */
  readonly shown?: Json | undefined;
}

/** Names of errors as Python users know them. */
const INTERRUPTED = "KeyboardInterrupt";

/** Runs one request. Never throws: whatever goes wrong is the answer. */
export async function answerTo(
  { header, metadata, content, buffers }: ClusterMessage,
  task: EngineTask,
  methods: ReadonlyMap<string, EngineMethod>,
  execute: EngineExecute | undefined,
): Promise<Answer> {
  try {
    const expires = Date.parse(String(metadata["spinnkit_expires"] ?? ""));
    if (expires < Date.now()) throw named("TaskExpired", `nobody waits for this task since ${new Date(expires).toISOString()}`);
    if (header["msg_type"] === "apply_request") {
      const value = await run(callOf(buffers), task, methods);
      return { content: { status: "ok" }, buffers: [writePickle(value)] };
    }
    const code = String(content["code"] ?? "");
    const value = execute === undefined ? await run(callIn(code), task, methods) : await execute(code, task);
    const shown = content["silent"] === true || value === undefined ? undefined : shownAs(value);
    return { content: { status: "ok", execution_count: 0, user_expressions: {}, payload: [] }, buffers: [], shown };
  } catch (error) {
    return { content: { status: "error", ...errorFields(error, task.signal) }, buffers: [] };
  }
}

/** `ename`, `evalue` and `traceback` of what a method threw. */
function errorFields(error: unknown, signal: AbortSignal): Json {
  if (signal.aborted) return { ename: INTERRUPTED, evalue: String(signal.reason ?? ""), traceback: [INTERRUPTED] };
  if (!(error instanceof Error)) return { ename: "Error", evalue: String(error), traceback: [String(error)] };
  const ename = error instanceof SpinnError ? error.code : error.name;
  const hint = error instanceof SpinnError && error.hint !== undefined ? [`hint: ${error.hint}`] : [];
  // No stack: it names this machine's files, and says nothing to who called.
  return { ename, evalue: error.message, traceback: [`${ename}: ${error.message}`, ...hint] };
}

async function run(call: Call, task: EngineTask, methods: ReadonlyMap<string, EngineMethod>): Promise<unknown> {
  const method = methods.get(call.name);
  if (method === undefined)
    throw named("NameError", `no method ${JSON.stringify(call.name.slice(0, 80))}; there are ${[...methods.keys()].sort().join(", ")}`);
  return await method(call, task);
}

function callOf(buffers: readonly Uint8Array[]): Call {
  try {
    return unpackCall(buffers);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw named("TypeError", `this engine runs no Python functions; use apply(Reference("name"), ...) with plain data (${why})`);
  }
}

/** `{"op": "name", "args": [...], "kwargs": {...}}` */
function callIn(code: string): Call {
  let value: unknown;
  try {
    value = JSON.parse(code, (_, entry: unknown) => bytesIn(entry) ?? entry);
  } catch {
    value = undefined;
  }
  const { op, args = [], kwargs = {} } = (typeof value === "object" && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  if (typeof op !== "string" || !Array.isArray(args) || typeof kwargs !== "object" || kwargs === null || Array.isArray(kwargs)) {
    throw named("SyntaxError", 'this engine runs no Python: execute takes {"op": "name", "args": [...], "kwargs": {...}}');
  }
  return { name: op, args, kwargs: kwargs as Json };
}

/** `{"base64": "..."}`: bytes in JSON, both ways. */
function bytesIn(entry: unknown): Uint8Array | undefined {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return undefined;
  const { base64, ...others } = entry as { readonly base64?: unknown };
  return typeof base64 === "string" && Object.keys(others).length === 0 ? new Uint8Array(Buffer.from(base64, "base64")) : undefined;
}

function shownAs(value: unknown): Json {
  const inJson = (_: string, entry: unknown): unknown => {
    if (typeof entry === "bigint") return String(entry);
    return entry instanceof Uint8Array ? { base64: Buffer.from(entry).toString("base64") } : entry;
  };
  const text = JSON.stringify(value, inJson, 1) ?? String(value);
  const isTree = typeof value === "object" && value !== null;
  return { "text/plain": text, ...(isTree ? { "application/json": JSON.parse(text) as unknown } : {}) };
}

function named(name: string, message: string): Error {
  const error = new Error(message);
  error.name = name;
  return error;
}
