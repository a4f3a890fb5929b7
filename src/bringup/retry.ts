import { SpinnError, type SpinnErrorCode } from "../errors.js";
import { type Inputs, list, optional, record, required, scalar } from "./kind.js";
import { unknownWord } from "./problems.js";
import { integer, time } from "./values.js";

/** How often a step that fails is tried again, and after which errors. */
export interface Retry {
  /** Attempts besides the first. */
  readonly times: number;
  readonly delayMs: number;
  readonly codes: readonly SpinnErrorCode[];
}

/** Between two attempts, ms. */
const DELAY_MS = 1000;
const PREFIX = "ERR_SPINN_";
/** What another attempt may mend. */
const USUAL = ["TIMEOUT", "UNREACHABLE", "RETURN_CODE", "SHORT_REPLY", "PROTOCOL", "BOOT", "MACHINE", "LOAD", "STATE", "VERIFY"] as const;
/** What it may make worse, or will hardly mend: only where the script says so. */
const ON_DEMAND = ["OUTCOME_UNKNOWN", "MEMORY", "WRONG_DEVICE", "FILE"] as const;
const CODES = [...USUAL, ...ON_DEMAND];

const code = scalar<SpinnErrorCode, string>(`an error (${CODES.join(", ")})`, { enum: CODES }, (value) => {
  const word = String(value).toUpperCase();
  const known = CODES.find((candidate) => candidate === word || PREFIX + candidate === word);
  if (known !== undefined) return `${PREFIX}${known}`;
  throw new SpinnError("ERR_SPINN_ARGUMENT", unknownWord("error", String(value), CODES));
});

const FIELDS = {
  times: required(integer("number of attempts besides the first", 1, 20), "Attempts besides the first"),
  delay: optional(time, "Rest before each. Default: 1s"),
  on: optional(list(code, "errors"), `Errors after which it is tried again. Default: ${USUAL.join(", ")}`),
};

export type RetryInput = number | Inputs<typeof FIELDS>;

export const retryKind = record("retry", FIELDS, "times");

export function retryOf({
  times,
  delay = DELAY_MS,
  on,
}: {
  times: number;
  delay?: number | undefined;
  on?: readonly SpinnErrorCode[] | undefined;
}): Retry {
  return { times, delayMs: delay, codes: on ?? USUAL.map((word) => `${PREFIX}${word}` as const) };
}

/** `up to 3 more times, 1 s apart, after TIMEOUT or LOAD` */
export function retryWords({ times, delayMs, codes }: Retry): string {
  const short = codes.map((word) => word.slice(PREFIX.length));
  const after = short.length === USUAL.length && USUAL.every((word) => short.includes(word)) ? "" : `, after ${short.join(" or ")}`;
  return `up to ${times} more ${times === 1 ? "time" : "times"}, ${delayMs / 1000} s apart${after}`;
}
