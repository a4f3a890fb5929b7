import type { StepInput } from "../step.js";
import { boot } from "./boot.js";
import { checkVersion } from "./check-version.js";
import { iobuf } from "./iobuf.js";
import { leds } from "./leds.js";
import { load } from "./load.js";
import { power } from "./power.js";
import { read } from "./read.js";
import { routes } from "./routes.js";
import { signal, start, stop } from "./signals.js";
import { sleep } from "./sleep.js";
import { tags } from "./tags.js";
import { wait } from "./wait.js";
import { waitForState } from "./wait-for-state.js";
import { write } from "./write.js";

/** Every step there is, by the name it has in scripts. */
export const STEP_KINDS = {
  power,
  boot,
  wait,
  "check-version": checkVersion,
  tags,
  routes,
  load,
  write,
  start,
  "wait-for-state": waitForState,
  read,
  iobuf,
  signal,
  stop,
  leds,
  sleep,
} as const;

export type StepName = keyof typeof STEP_KINDS;

/** One step as it is written: its name with what it needs, as in `{ sleep: "2s" }` or `{ load: { file, cores } }`. */
export type BringupStep = {
  [N in StepName]: { readonly [K in N]: StepInput<(typeof STEP_KINDS)[N]> | null };
}[StepName];
