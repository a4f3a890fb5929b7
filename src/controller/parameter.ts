import { SpinnError } from "../errors.js";
import { type ChipCoordinates, type CoreCoordinates, parseChip, parseCore, parseCores, SDRAM } from "../machine/index.js";

/** One parameter of a method: how it is described to callers, and how what they send is checked. */
export interface Parameter<T = unknown> {
  /** Python's name of the type of what is sent. */
  readonly type: "int" | "float" | "bool" | "str" | "bytes" | "list" | "dict" | "object";
  /** Meaning, unit and range, as a sentence. */
  readonly about: string;
  /** Makes it optional: the value as it would be sent. */
  readonly default?: unknown;
  /** The value, or `ERR_SPINN_ARGUMENT` that begins with the parameter's name. */
  readonly check: (name: string, value: unknown) => T;
}

export type Parameters = Readonly<Record<string, Parameter>>;

/** What a method gets for its parameters. */
export type Arguments<P extends Parameters> = { readonly [K in keyof P]: P[K] extends Parameter<infer T> ? T : never };

/** Longest list taken: as many entries as a machine of 24 boards has cores. */
const MAX_LIST = 24 * 48 * 18;

function wrong(name: string, what: string, value: unknown): never {
  const shown =
    typeof value === "string" ? JSON.stringify(value.slice(0, 100)) : typeof value === "object" ? "another kind of value" : String(value);
  throw new SpinnError("ERR_SPINN_ARGUMENT", `${name} must be ${what}, not ${shown}`);
}

export function int(about: string, min: number, max: number): Parameter<number> {
  const check = (name: string, value: unknown): number =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? (value as number)
      : wrong(name, `a whole number from ${min} to ${max}`, value);
  return { type: "int", about, check };
}

/** A time in seconds, as ARTIQ's methods take them; the method gets milliseconds. */
export function seconds(about: string, max: number): Parameter<number> {
  const check = (name: string, value: unknown): number =>
    typeof value === "number" && value >= 0 && value <= max ? value * 1000 : wrong(name, `a time from 0 to ${max} s`, value);
  return { type: "float", about, check };
}

export function bool(about: string): Parameter<boolean> {
  return { type: "bool", about, check: (name, value) => (typeof value === "boolean" ? value : wrong(name, "true or false", value)) };
}

export function text(about: string, maxLength = 1024 * 1024): Parameter<string> {
  const check = (name: string, value: unknown): string =>
    typeof value === "string" && value.length <= maxLength ? value : wrong(name, `text of up to ${maxLength} characters`, value);
  return { type: "str", about, check };
}

/** Text with a meaning of its own; what `parse` refuses is named. */
export function parsed<T>(about: string, parse: (value: string) => T): Parameter<T> {
  const check = (name: string, value: unknown): T => {
    if (typeof value !== "string" || value.length > 1000) return wrong(name, "text", value);
    try {
      return parse(value);
    } catch (error) {
      if (!(error instanceof SpinnError)) throw error;
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${name}: ${error.message}`, { hint: error.hint });
    }
  };
  return { type: "str", about, check };
}

export function oneOf<const T extends string>(about: string, choices: readonly T[]): Parameter<T> {
  const check = (name: string, value: unknown): T =>
    choices.includes(value as T) ? (value as T) : wrong(name, choices.map((one) => `"${one}"`).join(" or "), value);
  return { type: "str", about, check };
}

export function bytes(about: string, maxBytes: number = SDRAM.sizeBytes): Parameter<Uint8Array> {
  const check = (name: string, value: unknown): Uint8Array =>
    value instanceof Uint8Array && value.length <= maxBytes ? value : wrong(name, `bytes, ${maxBytes} at most`, value);
  return { type: "bytes", about, check };
}

export function list<T>(about: string, of: Parameter<T>, minLength = 1): Parameter<readonly T[]> {
  const check = (name: string, value: unknown): readonly T[] =>
    Array.isArray(value) && value.length >= minLength && value.length <= MAX_LIST
      ? value.map((one, i) => of.check(`${name}[${i}]`, one))
      : wrong(name, `a list of ${minLength} to ${MAX_LIST} entries`, value);
  return { type: "list", about, check };
}

/** A dict with certain entries, e.g. one of a list. */
export function record<P extends Parameters>(entries: P): Parameter<Arguments<P>> {
  const check = (name: string, value: unknown): Arguments<P> => {
    if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value)) {
      return wrong(name, `a dict of ${Object.keys(entries).join(", ")}`, value);
    }
    try {
      return checkArguments(name, entries, value as Record<string, unknown>) as Arguments<P>;
    } catch (error) {
      if (!(error instanceof SpinnError) || error.message.startsWith(name)) throw error;
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${name}.${error.message}`, { hint: error.hint });
    }
  };
  return { type: "dict", about: "", check };
}

/** A number or text. */
export function scalar(about: string): Parameter<number | bigint | string> {
  const check = (name: string, value: unknown): number | bigint | string =>
    typeof value === "number" || typeof value === "bigint" || (typeof value === "string" && value.length <= 1000)
      ? value
      : wrong(name, "a number or text", value);
  return { type: "object", about, check };
}

/** Chip or core. */
export const target: Parameter<ChipCoordinates & { readonly p?: number }> = parsed(
  'Chip as text, "1,2", or one of its cores, "1,2,3"; 255,255 is the root chip.',
  (value) => (value.split(",").length === 3 ? parseCore(value) : parseChip(value)),
);

export const core: Parameter<CoreCoordinates> = parsed('Core as text, "1,2,3".', parseCore);

export const chip: Parameter<ChipCoordinates> = parsed('Chip as text, "1,2"; 255,255 is the root.', parseChip);

export const cores: Parameter<readonly CoreCoordinates[]> = {
  ...list('Cores as a list of texts, "1,2,3" or with ranges "1,2,3-5".', parsed("", parseCores)),
  check: (name, value) => list("", parsed("", parseCores)).check(name, value).flat(),
};

export function optional<T>(parameter: Parameter<T>, sent: unknown): Parameter<T> {
  return { ...parameter, default: sent };
}

/** Every argument checked, defaults filled in. Throws `ERR_SPINN_ARGUMENT` for what is missing, unknown or wrong. */
export function checkArguments(method: string, parameters: Parameters, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(parameters, name)) continue;
    const known = Object.keys(parameters).join(", ");
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${method} has no parameter ${JSON.stringify(name.slice(0, 100))}`, {
      hint: known === "" ? "it takes none" : `it takes ${known}`,
    });
  }
  return Object.fromEntries(
    Object.entries(parameters).map(([name, parameter]) => {
      // An optional parameter that is sent as None is one that was left out.
      const value = given[name];
      if (value !== undefined && !(value === null && "default" in parameter)) return [name, parameter.check(name, value)];
      if ("default" in parameter) return [name, parameter.check(name, parameter.default)];
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${method} needs ${name}: ${parameter.about}`);
    }),
  );
}
