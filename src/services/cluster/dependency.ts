import { SpinnError } from "../../errors.js";
import { AsyncResult } from "./async-result.js";
import type { Json } from "./message.js";

/** Tasks that another one waits for, or runs beside: results, or their numbers. */
export type Jobs = AsyncResult<unknown> | string | readonly (AsyncResult<unknown> | string)[];

export interface Dependency {
  readonly jobs: Jobs;
  /** All of them, or any one; default all. */
  readonly all?: boolean | undefined;
  /** Which ends count: success (default yes), failure (default no). One of both must. */
  readonly success?: boolean | undefined;
  readonly failure?: boolean | undefined;
}

/** The numbers of tasks. */
export function msgIdsOf(jobs: Jobs): string[] {
  const list = jobs instanceof AsyncResult || typeof jobs === "string" ? [jobs] : jobs;
  return list.flatMap((job) => (typeof job === "string" ? [job] : job.msgIds));
}

/** As the scheduler takes it. Throws `ERR_SPINN_ARGUMENT` for one that could never be met, and for tasks that the scheduler never saw. */
export function dependencyOf(given: Jobs | Dependency | undefined, isUnknown: (msgId: string) => boolean): Json | readonly string[] {
  if (given === undefined) return [];
  const { jobs, all = true, success = true, failure = false } = isDependency(given) ? given : { jobs: given };
  if (!success && !failure) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", "a dependency must count success, or failure, or both: this one could never be met");
  }
  const dependencies = msgIdsOf(jobs);
  const unknown = dependencies.find(isUnknown);
  if (unknown !== undefined) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `task ${unknown} was sent straight to an engine: the scheduler cannot wait for it`, {
      hint: "send it through a loadBalancedView, with targets if it must run there; or await it first",
    });
  }
  return { dependencies, all, success, failure };
}

function isDependency(given: Jobs | Dependency): given is Dependency {
  return typeof given === "object" && !(given instanceof AsyncResult) && !Array.isArray(given);
}
