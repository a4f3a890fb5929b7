import type { CoreContext, CoreProgram } from "../core-program.js";

/** Ends in a run-time error, by default a division by zero (11), `afterMs` after its start. */
export function crasher(code = 11, afterMs = 0): CoreProgram {
  let core: CoreContext | undefined;
  let left = afterMs;
  return {
    name: "crasher",
    start(context: CoreContext): void {
      core = context;
      if (afterMs === 0) context.crash(code);
    },
    onTick(elapsedMs): boolean {
      left -= elapsedMs;
      if (left <= 0) core?.crash(code);
      return false;
    },
  };
}
