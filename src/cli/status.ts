import { SpinnError, type SpinnErrorCode } from "../errors.js";

/** Exit statuses of `spinn`. They are a promise: scripts branch on them. */
export const ExitStatus = {
  /** Done, or already so. */
  DONE: 0,
  /** The answer is "no": a state was not reached, memory differs, a sensor is bad. */
  NO: 1,
  /** Wrong usage, a wrong script or a wrong input file; nothing was sent. */
  USAGE: 2,
  /** No answer from the target. */
  SILENT: 3,
  /** The target cannot be reached: name, closed port, no route. */
  UNREACHABLE: 4,
  /** The target refused, or answered what it must not. */
  TARGET_REFUSED: 5,
  /** What was read back differs from what was written. */
  VERIFY: 6,
  /** Some targets failed, others did not. */
  PARTIAL: 7,
  /** Refused for safety. */
  REFUSED: 8,
  /** Wrong kind or version of target. */
  WRONG_TARGET: 9,
  /** A fault of this program. */
  BUG: 70,
  /** A file or the output could not be written: full disk, failing medium. */
  OUTPUT: 74,
  /** Interrupted, after cleaning up. */
  INTERRUPTED: 130,
} as const;

export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/** In words, for help texts. */
export const STATUS_WORDS: Readonly<Record<ExitStatus, string>> = {
  0: "done, or already so",
  1: 'the answer is "no"',
  2: "wrong usage or input",
  3: "no answer",
  4: "cannot be reached",
  5: "the board refused",
  6: "verification failed",
  7: "some targets failed",
  8: "refused for safety",
  9: "wrong kind of device",
  70: "a fault of spinn itself",
  74: "output cannot be written",
  130: "interrupted",
};

const BY_CODE: Readonly<Record<SpinnErrorCode, ExitStatus>> = {
  ERR_SPINN_ARGUMENT: ExitStatus.USAGE,
  ERR_SPINN_TIMEOUT: ExitStatus.SILENT,
  ERR_SPINN_UNREACHABLE: ExitStatus.UNREACHABLE,
  ERR_SPINN_RETURN_CODE: ExitStatus.TARGET_REFUSED,
  ERR_SPINN_SHORT_REPLY: ExitStatus.TARGET_REFUSED,
  ERR_SPINN_PROTOCOL: ExitStatus.TARGET_REFUSED,
  ERR_SPINN_OUTCOME_UNKNOWN: ExitStatus.SILENT,
  ERR_SPINN_CLOSED: ExitStatus.BUG,
  ERR_SPINN_ABORTED: ExitStatus.INTERRUPTED,
  ERR_SPINN_WRONG_DEVICE: ExitStatus.WRONG_TARGET,
  ERR_SPINN_BOOT: ExitStatus.SILENT,
  ERR_SPINN_MACHINE: ExitStatus.TARGET_REFUSED,
  ERR_SPINN_MEMORY: ExitStatus.TARGET_REFUSED,
  ERR_SPINN_LOAD: ExitStatus.PARTIAL,
  ERR_SPINN_STATE: ExitStatus.NO,
  ERR_SPINN_VERIFY: ExitStatus.VERIFY,
  ERR_SPINN_FILE: ExitStatus.USAGE,
  ERR_SPINN_SCRIPT: ExitStatus.USAGE,
  ERR_SPINN_REFUSED: ExitStatus.REFUSED,
  ERR_SPINN_ADDRESS_IN_USE: ExitStatus.UNREACHABLE,
  ERR_SPINN_END_OF_STREAM: ExitStatus.DONE,
  ERR_SPINN_INCOMPLETE: ExitStatus.PARTIAL,
  ERR_SPINN_REMOTE: ExitStatus.TARGET_REFUSED,
};

/** System errors of writing that are nobody's wrong usage. */
const OUTPUT_ERRORS = new Set(["ENOSPC", "EDQUOT", "EIO", "EFBIG", "EROFS"]);

/** The one place that turns an error into a status. */
export function statusOf(error: unknown): ExitStatus {
  if (!(error instanceof SpinnError)) return ExitStatus.BUG;
  const cause = error.cause as { readonly code?: unknown } | undefined;
  if (error.code === "ERR_SPINN_FILE" && typeof cause?.code === "string" && OUTPUT_ERRORS.has(cause.code)) return ExitStatus.OUTPUT;
  return BY_CODE[error.code] ?? ExitStatus.BUG;
}
