import { fieldsOf, integerOf, numberOf, orNull, textOf, unexpected } from "./fields.js";
import type { ServerVersion } from "./server-version.js";

/** The states of a job, by their number in the classic protocol. */
const JOB_STATES = ["unknown", "queued", "power", "ready", "destroyed"] as const;

/**
 * - `unknown`: never existed, or ended so long ago that the server has forgotten it
 * - `queued`: waits for boards
 * - `power`: its boards are being switched on or off
 * - `ready`: the switching is done (on or off: see `power`)
 * - `destroyed`: over; see `reason`
 */
export type JobState = (typeof JOB_STATES)[number];

export interface JobStatus {
  readonly state: JobState;
  /** On, off, or being brought there; null while no boards are allocated. */
  readonly power: boolean | null;
  /** Milliseconds without a sign of life after which the server ends the job; null is never, or not told. */
  readonly keepaliveMs: number | null;
  /** Why a destroyed job ended, if anybody said so. */
  readonly reason: string | null;
  readonly startTime: Date | null;
  /** Address of the last host that gave a sign of life; null when not told (servers before 1.0.0). */
  readonly keepaliveHost: string | null;
}

export function decodeJobState(value: unknown): JobState {
  const state = JOB_STATES[integerOf(value, "the state of a job")];
  if (state === undefined) throw unexpected("the state of a job", "0 to 4", value);
  return state;
}

/** The job states of the web service are the same words in capitals. */
export function decodeJobStateName(value: unknown): JobState {
  const name = textOf(value, "the state of a job").toLowerCase();
  const state = JOB_STATES.find((known) => known === name);
  if (state === undefined) throw unexpected("the state of a job", JOB_STATES.join(", "), value);
  return state;
}

/** Reads a state object of the classic protocol, in the dialect of its server. */
export function decodeJobStatus(value: unknown, dialect: ServerVersion["dialect"] = "python"): JobStatus {
  const fields = fieldsOf(value, "the state of a job");
  const state = decodeJobState(fields["state"]);
  const allocated = state === "power" || state === "ready";
  const power = orNull(fields["power"], "power", (flag, what) => {
    if (typeof flag !== "boolean") throw unexpected(what, "true, false or null", flag);
    return flag;
  });
  const keepalive = orNull(fields["keepalive"], "keepalive", numberOf);
  return {
    state,
    power: allocated ? power : null,
    keepaliveMs: keepalive === null || dialect === "java" ? null : keepalive * 1000,
    reason: orNull(fields["reason"], "reason", textOf) || null,
    startTime: dateOf(fields["start_time"]),
    keepaliveHost: orNull(fields["keepalivehost"], "keepalivehost", textOf) || null,
  };
}

export function dateOf(value: unknown): Date | null {
  const seconds = orNull(value, "start_time", numberOf);
  return seconds === null ? null : new Date(seconds * 1000);
}
