import { SpinnError } from "../../errors.js";
import { coreStateName } from "../../machine/index.js";
import { list, optional, required } from "../kind.js";
import { selectCores, stepKind } from "../step.js";
import { appId, coreState, cores, integer, time } from "../values.js";

const DEFAULT_MS = 60_000;

export const waitForState = stepKind({
  about: "Waits until cores of an application are in a state; a crash ends the wait at once",
  main: "state",
  fields: {
    state: required(list(coreState, "states, e.g. EXIT"), "The state, or several of which any will do"),
    cores: optional(cores, "Cores that must get there. Default: all of the application"),
    count: optional(integer("number of cores", 1, 18 * 65536), "That many cores, whichever, instead"),
    app: optional(appId, "Application. Default: that of the script"),
    timeout: optional(time, "How long at most. Default: 1min"),
    errors: optional(list(coreState, "states"), "States that end the wait as a failure. Default: RTE, WDOG"),
  },
  needs: () => ["board"],
  check: ({ cores: selection, count }) =>
    selection !== undefined && count !== undefined ? 'give "cores" or "count", not both' : undefined,
  describe: ({ state }) => `wait for state ${state.map(coreStateName).join(" or ")}`,
  async run({ state, cores: selection, count, app, timeout = DEFAULT_MS, errors }, context) {
    const { access, signal } = context;
    const id = app ?? context.appId;
    const machine = await access.machine();
    const began = performance.now();
    const options = { appId: id, timeoutMs: timeout, errorStates: errors, signal };
    let waited = count ?? 0;
    if (count !== undefined) {
      await machine.waitForCount(count, state, options);
    } else {
      const chosen = selection === undefined ? await machine.readApplication(id, { signal }) : await selectCores(selection, context);
      if (chosen.length === 0) {
        throw new SpinnError("ERR_SPINN_STATE", `no core belongs to app ${id}`, { hint: "has a step loaded it, and nobody stopped it?" });
      }
      waited = chosen.length;
      await machine.waitForCores(chosen, state, options);
    }
    return { app: id, cores: waited, state: state.map(coreStateName), waitedMs: Math.round(performance.now() - began) };
  },
});
