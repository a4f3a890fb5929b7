import { CoreState } from "./core-state.js";

/** What the application cores of a chip do, taken together; `dead` is a place of the geometry where no chip answers. */
export type ChipKind = "dead" | "free" | "running" | "waiting" | "finished" | "crashed";

/** What a chip is taken for when its cores differ: the first of these that occurs. */
export const CHIP_KINDS = ["crashed", "running", "waiting", "finished", "free"] as const satisfies readonly ChipKind[];

const KIND_OF_STATE = new Map<number, ChipKind>([
  [CoreState.RTE, "crashed"],
  [CoreState.WDOG, "crashed"],
  [CoreState.RUN, "running"],
  [CoreState.SARK, "running"],
  [CoreState.INIT, "waiting"],
  [CoreState.WAIT, "waiting"],
  [CoreState.SYNC0, "waiting"],
  [CoreState.SYNC1, "waiting"],
  [CoreState.PAUSE, "waiting"],
  [CoreState.EXIT, "finished"],
]);

/** What one core does. */
export function kindOfState(state: number): ChipKind {
  return KIND_OF_STATE.get(state) ?? "free";
}

/** What a chip is by its cores' states, and how many cores make it that. The monitor, core 0, is left out: it always runs. */
export function kindOfCores(
  coreStates: readonly number[],
  coreCount: number = coreStates.length,
): { readonly kind: ChipKind; readonly cores: number } {
  const kinds = coreStates.slice(1, coreCount).map(kindOfState);
  const kind = CHIP_KINDS.find((candidate) => kinds.includes(candidate)) ?? "free";
  return { kind, cores: kinds.filter((candidate) => candidate === kind).length };
}
