import { SpinnError } from "../errors.js";

/** The members of plain data from a file or a user. Throws `ERR_SPINN_ARGUMENT` for what is no object, and for a member nobody knows. */
export function members(name: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(`${name} must be an object`);
  for (const key of Object.keys(value))
    if (!known.includes(key)) throw bad(`${name} has no member "${key}"`, `known are ${known.join(", ")}`);
  return value as Record<string, unknown>;
}

export function bad(message: string, hint?: string): SpinnError {
  return new SpinnError("ERR_SPINN_ARGUMENT", message, { hint });
}
