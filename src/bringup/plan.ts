import { retryWords } from "./retry.js";
import { type BringupOptions, boardOf, check, DONE_EARLIER } from "./run.js";
import { RunMemory } from "./run-state.js";
import type { BoardAddress, Once, Script } from "./script.js";

/** What a run would do with one step. Plain data, for JSON. */
export interface PlannedStep {
  /** From 1. */
  readonly step: number;
  readonly kind: string;
  readonly words: string;
  readonly line: number | undefined;
  /** What it was given, variables in place, as one line of YAML. */
  readonly written: string;
  /** `asked`: the board decides, when the step's turn comes. */
  readonly runs: "yes" | "no" | "asked";
  /** Why it does not run, or what is asked. */
  readonly reason?: string;
  /** How it is tried again. */
  readonly retry?: string;
  readonly once?: Once;
}

/** What a run would do for one board. */
export interface Plan {
  readonly script: string;
  readonly board: BoardAddress;
  readonly steps: readonly PlannedStep[];
}

/**
 * What a run with these options would do. Checks all that a run checks before its first packet, and sends none: whether a machine is still
 * the one on which an earlier run ended is not asked. Throws `ERR_SPINN_SCRIPT`, and `ERR_SPINN_STATE` for a run that cannot be resumed.
 */
export async function planBringup(script: Script, options: Pick<BringupOptions, "board" | "resume" | "statePath"> = {}): Promise<Plan> {
  const files = await check(script, options);
  const board = boardOf(script, options);
  const state = options.resume === true ? await new RunMemory(script, board, files, options.statePath).recall() : undefined;
  const done = state?.done.length ?? 0;
  const steps = script.steps.map(({ kind, words, place, written, when, retry, once }, i) => {
    const [runs, reason]: [PlannedStep["runs"], string | undefined] =
      i < done
        ? ["no", DONE_EARLIER]
        : when?.refused !== undefined
          ? ["no", when.refused]
          : when !== undefined && when.facts.length > 0
            ? ["asked", `when ${when.facts.map((test) => test.words).join(", ")}`]
            : ["yes", undefined];
    return {
      step: i + 1,
      kind,
      words,
      line: place.line,
      written,
      runs,
      ...(reason === undefined ? {} : { reason }),
      ...(retry === undefined ? {} : { retry: retryWords(retry) }),
      ...(once === undefined ? {} : { once }),
    };
  });
  return { script: script.name, board, steps };
}
