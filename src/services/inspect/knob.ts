import { SpinnError } from "../../errors.js";

interface KnobBase {
  /** Unit, for people: `Hz`, `ms`. */
  readonly unit?: string;
  /** What it does, in a sentence. */
  readonly help?: string;
}

interface NumberKnob extends KnobBase {
  readonly type: "int" | "float";
  /** What it is set to at the start. */
  readonly value: number;
  /** Inclusive bounds. Default: none. */
  readonly min?: number;
  readonly max?: number;
}

/** A setting that a watcher may change: its type, its range and its start value. */
export type Knob =
  | NumberKnob
  | (KnobBase & { readonly type: "bool"; readonly value: boolean })
  | (KnobBase & { readonly type: "str"; readonly value: string; readonly choices?: readonly string[] });

export type KnobValue = number | boolean | string;

/** Longest text a knob takes: what is set is published to everybody. */
const MAX_TEXT = 4096;

/** A value for a knob, or `ERR_SPINN_ARGUMENT` that names the knob and what it takes. */
export function checkKnob(name: string, knob: Knob, value: unknown): KnobValue {
  if (knob.type === "bool" ? typeof value === "boolean" : knob.type === "str" ? isText(knob.choices, value) : isNumber(knob, value)) {
    return value as KnobValue;
  }
  const shown = typeof value === "string" ? JSON.stringify(value.slice(0, 100)) : typeof value === "object" ? typeof value : String(value);
  throw new SpinnError("ERR_SPINN_ARGUMENT", `knob ${name} takes ${range(knob)}, not ${shown}`);
}

function isText(choices: readonly string[] | undefined, value: unknown): boolean {
  return typeof value === "string" && value.length <= MAX_TEXT && (choices === undefined || choices.includes(value));
}

function isNumber({ type, min = -Infinity, max = Infinity }: NumberKnob, value: unknown): boolean {
  if (typeof value !== "number" || !(type === "int" ? Number.isSafeInteger(value) : Number.isFinite(value))) return false;
  return value >= min && value <= max;
}

function range(knob: Knob): string {
  if (knob.type === "bool") return "true or false";
  if (knob.type === "str") return knob.choices === undefined ? `text of up to ${MAX_TEXT} characters` : knob.choices.join(" or ");
  const kind = knob.type === "int" ? "a whole number" : "a number";
  const low = knob.min === undefined ? "" : ` from ${knob.min}`;
  const high = knob.max === undefined ? "" : `${knob.min === undefined ? " up" : ""} to ${knob.max}`;
  return `${kind}${low}${high}${knob.unit === undefined ? "" : ` ${knob.unit}`}`;
}
