import type { Json } from "./message.js";

/** A task as the Hub's database has it, under the database's own names. Only the members that were asked for are there. */
export interface HubRecord {
  readonly msg_id: string;
  readonly header?: Json;
  readonly metadata?: Json;
  readonly content?: Json;
  readonly buffers?: readonly Uint8Array[];
  readonly submitted?: Date | null;
  readonly started?: Date | null;
  readonly completed?: Date | null;
  readonly received?: Date | null;
  readonly client_uuid?: string | null;
  readonly engine_uuid?: string | null;
  /** `mux`, `task`, or null. */
  readonly queue?: string | null;
  /** Number of the task that repeated this one. */
  readonly resubmitted?: string | null;
  readonly result_header?: Json | null;
  readonly result_metadata?: Json | null;
  readonly result_content?: Json | null;
  readonly result_buffers?: readonly Uint8Array[];
  readonly execute_input?: string | null;
  readonly execute_result?: Json | null;
  readonly error?: Json | null;
  readonly stdout?: string;
  readonly stderr?: string;
}

export type HubKey = keyof HubRecord;

/** One condition: a value that must be equal, or operators. `$gt` is not among them: the default database compares it the wrong way round. */
export type HubCondition =
  | string
  | number
  | boolean
  | null
  | Date
  | {
      readonly $lt?: unknown;
      readonly $lte?: unknown;
      readonly $gte?: unknown;
      readonly $eq?: unknown;
      readonly $ne?: unknown;
      readonly $in?: readonly unknown[];
      readonly $nin?: readonly unknown[];
      readonly $all?: readonly unknown[];
      readonly $mod?: readonly [number, number];
      readonly $exists?: boolean;
      /** Controllers from 9.1 on. */
      readonly $glob?: string;
    };

/** Members of records, with dots for what is inside: `{ "metadata.label": "sweep", completed: null }`. */
export type HubQuery = Readonly<Record<string, HubCondition>>;
