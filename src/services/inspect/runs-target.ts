import { SpinnError } from "../../errors.js";
import type { CallContext, MethodDescription, ParameterDescription } from "../rpc/index.js";
import type { IDict } from "./idict.js";
import type { Steering } from "./steering.js";

/** One computation among those of a server. */
export interface ListedRun {
  readonly id: string;
  readonly idict: IDict<never, never>;
  /** Settles when it has ended. */
  readonly ended: Promise<void>;
  /** What is told of it: `{ run, state, method, step, progress, result, error }`. */
  readonly report: Readonly<Record<string, unknown>>;
  /** Name under which its state is published. */
  readonly notifier: string;
}

export interface RunList {
  readonly all: () => Iterable<ListedRun>;
  /** Throws `ERR_SPINN_ARGUMENT` for a run that is not. */
  readonly get: (id: unknown) => ListedRun;
  /** TCP port of the published state. */
  readonly notifyPort: () => number;
}

/** Longest that a call waits for a run, s. */
const MAX_WAIT = 60;

/** The target `runs`: lists computations, waits for them, and steers each by its id. What `spinn runs`, `watch`, `pause` and the others speak to. */
export function runsTarget(steering: Steering, runs: RunList): object {
  const run: ParameterDescription = { name: "run", type: "str" };
  steering.place = (idict) => {
    const found = [...runs.all()].find((one) => (one.idict as unknown) === idict);
    return { notifier: found?.notifier, notify_port: runs.notifyPort() };
  };
  const more: [string, MethodDescription, (...args: never[]) => unknown][] = [
    [
      "list_runs",
      { doc: "All runs that are remembered, without results.", args: [] },
      () => [...runs.all()].map(({ report }) => ({ ...report, result: null })),
    ],
    ["status", { doc: "One run: state, progress, result, error.", args: [run] }, (id: unknown) => runs.get(id).report],
    [
      "wait_run",
      {
        doc: `Waits for a run to end, timeout seconds at most (${MAX_WAIT}); then its status.`,
        args: [run, { name: "timeout", type: "float", default: 10 }],
        passContext: true,
      },
      async ({ signal }: CallContext, id: unknown, timeout: unknown) => {
        const found = runs.get(id);
        if (typeof timeout !== "number" || !(timeout >= 0 && timeout <= MAX_WAIT)) {
          throw new SpinnError("ERR_SPINN_ARGUMENT", `timeout must be a time from 0 to ${MAX_WAIT} s`);
        }
        await within(found.ended, timeout * 1000, signal);
        return found.report;
      },
    ],
  ];
  return steering.target((id) => runs.get(id).idict as never, run, more);
}

function within(ended: Promise<void>, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    void ended.then(done);
  });
}
