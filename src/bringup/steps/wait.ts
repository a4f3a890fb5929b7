import { SpinnError } from "../../errors.js";
import { optional } from "../kind.js";
import { pause } from "../pause.js";
import { stepKind } from "../step.js";
import { time } from "../values.js";

const DEFAULT_MS = 15_000;
/** Silence of one question, ms; refusals come sooner, so there is a pause too. */
const PROBE_MS = 1000;
const PAUSE_MS = 200;

export const wait = stepKind({
  about: "Waits until the machine answers and knows its place",
  main: "timeout",
  fields: { timeout: optional(time, "How long at most. Default: 15s") },
  needs: () => ["board"],
  describe: ({ timeout = DEFAULT_MS }) => `wait up to ${timeout / 1000} s for the machine`,
  async run({ timeout = DEFAULT_MS }, { access, signal }) {
    const began = performance.now();
    for (;;) {
      const left = timeout - (performance.now() - began);
      try {
        const { version } = await access.machine({ probeMs: Math.max(1, Math.min(PROBE_MS, left)), readyMs: Math.max(1, left) });
        const { major, minor, patch } = version.version;
        return { firmware: `${version.name} ${major}.${minor}.${patch}`, waitedMs: Math.round(performance.now() - began) };
      } catch (error) {
        // A board that is coming up is silent, or refuses while its Ethernet starts.
        const comingUp = error instanceof SpinnError && ["ERR_SPINN_TIMEOUT", "ERR_SPINN_UNREACHABLE"].includes(error.code);
        if (!comingUp || left <= PAUSE_MS) throw error;
        await pause(PAUSE_MS, signal);
      }
    }
  },
});
