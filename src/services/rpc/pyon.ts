import type { ValueForm } from "./class-hint.js";
import { V1Reader } from "./pyon-v1-reader.js";
import { V1Writer } from "./pyon-v1-writer.js";
import { V2Reader } from "./pyon-v2-reader.js";
import { prettyV2, V2Writer } from "./pyon-v2-writer.js";

/** v2: JSON with class hints (sipyco 1.10 on); v1: Python literals (before). */
export type Notation = "v1" | "v2";

/** Deepest nesting read or written. Python's own readers stop at some hundred levels; the bound is for memory, not for the stack. */
export const MAX_DEPTH = 10_000;

export interface EncodeOptions {
  /** Default v2. */
  readonly notation?: Notation | undefined;
  /** Over several lines, four spaces a level; v1 breaks only dicts of two or more entries, and sorts them. Default false. */
  readonly pretty?: boolean | undefined;
  /** Levels; default 10 000. */
  readonly maxDepth?: number | undefined;
}

export interface DecodeOptions {
  /** `auto` reads v2, and as v1 what is not v2. Default v2. */
  readonly notation?: Notation | "auto" | undefined;
  /**
   * `exact`: what is read is written again as it was; dicts are Maps, floats of whole value PyFloat. `plain`: dicts with text keys are
   * objects without prototype, floats are numbers, so that `1.0` becomes `1`. Default exact.
   */
  readonly values?: ValueForm | undefined;
  /** Levels; default 10 000. */
  readonly maxDepth?: number | undefined;
}

/**
 * A value as PYON text, pure ASCII. Throws `ERR_SPINN_ARGUMENT` naming the place inside the value for what PYON has no word for
 * (undefined, functions, symbols, dates, instances of other classes, values that contain themselves).
 */
export function encode(value: unknown, options: EncodeOptions = {}): string {
  const { notation = "v2", pretty = false, maxDepth = MAX_DEPTH } = options;
  if (notation === "v1") return new V1Writer(maxDepth, pretty).write(value);
  const line = new V2Writer(maxDepth).write(value);
  return pretty ? prettyV2(line) : line;
}

/**
 * As {@link encode}, for a socket: texts, and bytes that stand for ASCII text, to be written one after the other. A large array never becomes a
 * text: it goes from its own memory to that of its base64.
 */
export function encodeParts(value: unknown, notation: Notation): readonly (string | Buffer)[] {
  if (notation === "v1") return [encode(value, { notation })];
  const parts: (string | Buffer)[] = [];
  parts.push(new V2Writer(MAX_DEPTH, parts).write(value));
  return parts;
}

/** The value of a PYON text. Parses, never evaluates. Throws `ERR_SPINN_PROTOCOL` with position and place inside the value. */
export function decode(text: string, options: DecodeOptions = {}): unknown {
  const { notation = "v2", values = "exact", maxDepth = MAX_DEPTH } = options;
  if (notation === "v1") return new V1Reader(text, values, maxDepth).read();
  try {
    return new V2Reader(text, values, maxDepth).read();
  } catch (error) {
    // A class hint is v2 for sure: v1 would take it for a dict of its own, in silence.
    if (notation !== "auto" || text.includes('"__jsonclass__"')) throw error;
    try {
      return new V1Reader(text, values, maxDepth).read();
    } catch {
      throw error;
    }
  }
}
