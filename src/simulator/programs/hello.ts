import { CoreState } from "../../machine/index.js";
import type { CoreContext, CoreProgram } from "../core-program.js";

/** Prints a line to its text output and one to the host's text window, and ends. */
export function hello(text = "Hello from core"): CoreProgram {
  return {
    name: "hello",
    start(core: CoreContext): void {
      const line = `${text} ${core.x},${core.y},${core.p}\n`;
      core.print(line);
      core.tube(line);
      core.setState(CoreState.EXIT);
    },
  };
}
