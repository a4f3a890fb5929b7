import { SpinnError } from "../errors.js";
import type { FAULT_PRESETS, Faults, Timeline } from "../simulator/index.js";
import { readInputFile } from "./file.js";

/** Faults, or a timeline of them: it has `steps`. */
export type FaultPlan = { readonly faults: Faults | keyof typeof FAULT_PRESETS } | { readonly timeline: Timeline };

/** Reads a JSON or YAML file of faults or of a timeline; what is in it, the machine checks. Throws `ERR_SPINN_FILE`. */
export async function readFaultFile(name: string): Promise<FaultPlan> {
  const text = new TextDecoder().decode(await readInputFile(name, "file of faults"));
  const { parse } = await import("yaml");
  try {
    const data: unknown = parse(text) ?? {};
    if (typeof data === "object" && data !== null && "steps" in data) return { timeline: data as Timeline };
    return { faults: data as Faults };
  } catch (cause) {
    throw new SpinnError(
      "ERR_SPINN_FILE",
      `the file of faults ${name} is neither YAML nor JSON: ${(cause as Error).message.split("\n", 1)[0]}`,
      { cause },
    );
  }
}
