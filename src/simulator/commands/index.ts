import type { ScpHandler } from "../scp-call.js";

/** The monitor's commands beyond those that every request path knows. */
export const monitorCommands: ReadonlyMap<number, ScpHandler> = new Map<number, ScpHandler>();
