export type { CallbackTrouble, Update, UpdateCallback } from "./callbacks.js";
export { type FinalOptions, IDict, type IDictOptions, type RunInfo, type RunState, runWith, type SafePoint } from "./idict.js";
export { InspectClient, type InspectOptions, inspect, type PauseOptions, type Sight } from "./inspect-client.js";
export type { Knob, KnobValue } from "./knob.js";
export type { HeldLock, Lock, LockOptions } from "./lock.js";
export { InspectServer, type RunServerOptions, runServer, type ServerEnd } from "./run-server.js";
export { type ListedRun, type RunList, runsTarget } from "./runs-target.js";
export { Steering } from "./steering.js";
