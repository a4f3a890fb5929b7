/**
 * Bring-up: declared steps run in order, from a script in YAML or an object.
 *
 * ```ts
 * const script = await loadScript("bringup.yaml", { variables: { host: "192.168.240.1" } });
 * const report = await runBringup(script, { onProgress: console.error });
 * ```
 */
export type { ConditionInput } from "./condition.js";
export { type BringupBmp, type BringupDevices, type BringupMachine, devicesOver, NETWORK_DEVICES } from "./devices.js";
export {
  type BoardSource,
  type FleetEvent,
  type FleetOptions,
  MAX_REPLACEMENTS,
  planFleet,
  runFleet,
} from "./fleet.js";
export type { FleetBoard, ScriptFor } from "./fleet-board.js";
export type { FleetBoardReport, FleetCounts, FleetReport } from "./fleet-report.js";
export { formatJunit } from "./junit.js";
export type { JsonSchema } from "./kind.js";
export { type Plan, type PlannedStep, planBringup } from "./plan.js";
export type { Place, Problem } from "./problems.js";
export { type BringupReport, formatReport, type RetryReport, type StepReport, type StepStatus } from "./report.js";
export type { RetryInput } from "./retry.js";
export { type BringupEvent, type BringupOptions, checkBringup, runBringup } from "./run.js";
export {
  type BoardAddress,
  type BringupScript,
  bringup,
  loadScript,
  type Once,
  parseScript,
  readScriptFile,
  type Script,
  type ScriptOptions,
  type ScriptStep,
  type StepAttributes,
  scriptSchema,
} from "./script.js";
export type { Seen, StepContext } from "./step.js";
export { type BringupStep, STEP_KINDS, type StepName } from "./steps/index.js";
export type { Variables } from "./variables.js";
