import { CoreState } from "../../machine/index.js";
import type { CoreContext, CoreProgram } from "../core-program.js";

/** An application that does nothing. `barrier`: it waits at that barrier first, as programs that start together do. */
export function idle(options: { readonly barrier?: "SYNC0" | "SYNC1" } = {}): CoreProgram {
  return {
    start(core: CoreContext): void {
      if (options.barrier !== undefined) core.setState(CoreState[options.barrier]);
    },
  };
}
