import type { Verb } from "./job.js";

export interface VerbEntry {
  readonly purpose: string;
  readonly group: string;
  /** Loads the verb's module: only the one that is used. */
  load(): Promise<{ readonly verb: Verb }>;
}

const entry = (group: string, purpose: string, load: VerbEntry["load"]): VerbEntry => ({ group, purpose, load });

const MACHINE = "The machine";
const MEMORY = "Memory";
const APPLICATIONS = "Applications";
const WHOLE = "From nothing to running";

/** Every verb, in the order of the help. */
export const VERBS: Readonly<Record<string, VerbEntry>> = {
  bringup: entry(WHOLE, "run a bring-up script: power, boot, load, start, read results", () => import("./verbs/bringup.js")),
  simulate: entry(WHOLE, "run a simulated machine that answers as a board does", () => import("./verbs/simulate.js")),
  boot: entry(WHOLE, "boot a machine; does nothing to a booted one", () => import("./verbs/boot.js")),
  info: entry(MACHINE, "say what is there: a board or a BMP, its parts and what is odd", () => import("./verbs/info.js")),
  ps: entry(MACHINE, "list cores, their states and applications", () => import("./verbs/ps.js")),
  read: entry(MEMORY, "read memory, or a system variable by name", () => import("./verbs/read.js")),
  write: entry(MEMORY, "write memory, or a system variable by name", () => import("./verbs/write.js")),
  load: entry(APPLICATIONS, "load an application on cores and see that it started", () => import("./verbs/load.js")),
  signal: entry(APPLICATIONS, "send a signal to an application", () => import("./verbs/signal.js")),
  iobuf: entry(APPLICATIONS, "print the text that cores have written", () => import("./verbs/iobuf.js")),
};
