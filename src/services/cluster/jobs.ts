import { SpinnError } from "../../errors.js";
import type { AsyncResult } from "./async-result.js";
import { type Jobs, msgIdsOf } from "./dependency.js";

/** Tasks as results, by number, or by place in the history (-1 is the last). */
export type JobsOrPlaces = Jobs | number | readonly (AsyncResult<unknown> | string | number)[];

/** Their numbers. Throws `ERR_SPINN_ARGUMENT` for a place that the history does not have. */
export function msgIdsIn(jobs: JobsOrPlaces, history: readonly string[]): string[] {
  if (typeof jobs !== "number" && !Array.isArray(jobs)) return msgIdsOf(jobs as Jobs);
  const list = (typeof jobs === "number" ? [jobs] : jobs) as readonly (AsyncResult<unknown> | string | number)[];
  return list.flatMap((job) => {
    if (typeof job !== "number") return msgIdsOf(job);
    const msgId = history.at(job);
    if (msgId !== undefined) return [msgId];
    throw new SpinnError("ERR_SPINN_ARGUMENT", `the history has ${history.length} tasks and none at ${job}`);
  });
}
