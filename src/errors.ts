/** Every code a {@link SpinnError} can carry. Programs branch on these; the words are for people. */
export type SpinnErrorCode =
  | "ERR_SPINN_ARGUMENT" // the caller's value is wrong; nothing was sent
  | "ERR_SPINN_TIMEOUT" // asked, repeated, and nobody answered
  | "ERR_SPINN_UNREACHABLE" // name unknown, port closed, no network route
  | "ERR_SPINN_RETURN_CODE" // the board answered with an error code
  | "ERR_SPINN_SHORT_REPLY" // the board answered OK with less (or more) than the command promises
  | "ERR_SPINN_PROTOCOL" // bytes that do not follow the protocol
  | "ERR_SPINN_OUTCOME_UNKNOWN" // a request that must not be repeated got no reply: it may have been executed
  | "ERR_SPINN_CLOSED" // used after close()
  | "ERR_SPINN_END_OF_STREAM" // the other side ended a stream in good order; everything it sent has been read
  | "ERR_SPINN_INCOMPLETE" // the other side went away in the middle of something: what was whole has been read, the rest is lost
  | "ERR_SPINN_ABORTED" // the caller's AbortSignal fired
  | "ERR_SPINN_WRONG_DEVICE" // a BMP where a board was expected, another firmware, another machine
  | "ERR_SPINN_BOOT" // the machine did not come up
  | "ERR_SPINN_MACHINE" // the machine has no such chip, core, link or route
  | "ERR_SPINN_MEMORY" // allocation refused, address outside memory
  | "ERR_SPINN_LOAD" // an application did not arrive or did not start
  | "ERR_SPINN_STATE" // cores are in a state nobody asked for
  | "ERR_SPINN_VERIFY" // read-back differs from what was written
  | "ERR_SPINN_FILE" // a file is missing, truncated or not what it should be
  | "ERR_SPINN_SCRIPT" // a bring-up script is wrong; carries line and column
  | "ERR_SPINN_REFUSED" // refused for safety
  | "ERR_SPINN_ADDRESS_IN_USE" // a local port is taken
  | "ERR_SPINN_REMOTE"; // the far side of a call failed, and said how

export interface SpinnErrorDetails {
  /** What to do next, as a sentence for a person. */
  readonly hint?: string | undefined;
  /** The other side's address, `host:port`. */
  readonly board?: string | undefined;
  /** The request in words, e.g. `READ 256 bytes at 0x60240000 on chip 1,2`. */
  readonly request?: string | undefined;
  /** The SCP return code, when the board sent one. */
  readonly returnCode?: number | undefined;
  readonly cause?: unknown;
}

const BRAND = Symbol.for("spinnkit.SpinnError");

/**
 * The one error class of this package. `message` says what happened and where, `hint` what to do next, `code` is stable.
 * `instanceof` works across several copies of the package.
 */
export class SpinnError extends Error {
  readonly code: SpinnErrorCode;
  readonly hint: string | undefined;
  readonly board: string | undefined;
  readonly request: string | undefined;
  readonly returnCode: number | undefined;

  constructor(code: SpinnErrorCode, message: string, details: SpinnErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "SpinnError";
    this.code = code;
    this.hint = details.hint;
    this.board = details.board;
    this.request = details.request;
    this.returnCode = details.returnCode;
    Object.defineProperty(this, BRAND, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && BRAND in value;
  }

  /** A plain object for JSON output: `{ code, message, hint, board, request, returnCode, cause }`, absent members left out. */
  toJSON(): Record<string, unknown> {
    const cause = this.cause instanceof Error ? this.cause.message : this.cause;
    const all = { code: this.code, message: this.message, hint: this.hint, board: this.board, request: this.request };
    return Object.fromEntries(Object.entries({ ...all, returnCode: this.returnCode, cause }).filter(([, value]) => value !== undefined));
  }
}

/** Throws `ERR_SPINN_ABORTED` (with the signal's reason as cause) when `signal` has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

/** The error that a wait ends with when its signal fires. */
export function abortError(signal: AbortSignal): SpinnError {
  return new SpinnError("ERR_SPINN_ABORTED", "the operation was aborted by its AbortSignal", { cause: signal.reason });
}

/** An integer inside [low, high], or `ERR_SPINN_ARGUMENT` naming the value. */
export function checkInteger(name: string, value: number, low: number, high: number): number {
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `${name} must be a whole number from ${low} to ${high}, not ${String(value)}`);
}

/** `0x60240000` style, eight digits. */
export function hex32(value: number): string {
  return `0x${(value >>> 0).toString(16).padStart(8, "0")}`;
}
