import { SpinnError } from "../errors.js";

/** What a person typed cannot be meant: status 2, and no packet has left. */
export function usage(message: string, hint?: string): SpinnError {
  return new SpinnError("ERR_SPINN_ARGUMENT", message, { hint });
}

/** Runs a check of what a person typed: whatever error of ours it throws is one of usage. */
export function asUsage<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof SpinnError)) throw error;
    throw new SpinnError("ERR_SPINN_ARGUMENT", error.message, { hint: error.hint, cause: error });
  }
}
