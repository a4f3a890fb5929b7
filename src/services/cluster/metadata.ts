import type { Json } from "./message.js";

/** Something that running code showed: MIME type to value. */
export interface TaskOutput {
  readonly kind: "execute_result" | "display_data";
  readonly data: Json;
  readonly metadata: Json;
}

/**
 * What is known of one task. A closed set of members, all there from the start: a value for any other throws, in the type check and at run
 * time. Times are the engine's or the Hub's, to the millisecond.
 */
export class Metadata {
  msgId: string;
  submitted: Date | null = null;
  started: Date | null = null;
  completed: Date | null = null;
  /** When the reply arrived here, or at the Hub for results that were fetched from it. */
  received: Date | null = null;
  engineUuid: string | null = null;
  engineId: number | null = null;
  after: readonly string[] | null = null;
  follow: readonly string[] | null = null;
  /** `ok`, `error`, `aborted`. */
  status: string | null = null;
  /** The source, as the engine took it in. */
  executeInput: string | null = null;
  executeResult: Json | null = null;
  error: Json | null = null;
  stdout = "";
  stderr = "";
  outputs: TaskOutput[] = [];
  label: string | null = null;
  /** Whatever else the reply's metadata told: engines may add members of their own, and a board's engine does. */
  extra: Json = {};

  constructor(msgId: string) {
    this.msgId = msgId;
    Object.seal(this);
  }
}

/** The members of a reply's metadata that have a place of their own, or mean something to the scheduler alone. */
const PLACED = new Set([
  "engine",
  "started",
  "status",
  "dependencies_met",
  "is_broadcast",
  "is_coalescing",
  "original_msg_id",
  "engine_info",
  "label",
]);

/** What a reply's metadata holds beyond those. */
export function extraIn(metadata: Json): Json {
  const extra = Object.entries(metadata).filter(([key]) => !PLACED.has(key));
  return extra.length === 0 ? NONE : Object.fromEntries(extra);
}

const NONE: Json = Object.freeze({});

/** ISO 8601 as a date, anything else as null. */
export function dateIn(value: unknown): Date | null {
  if (typeof value !== "string") return null;
  const date = new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}
