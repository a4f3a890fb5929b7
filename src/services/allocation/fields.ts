import { SpinnError } from "../../errors.js";

/** JSON from a server, read member by member: each reading names what it expected and throws `ERR_SPINN_PROTOCOL` for anything else. */
export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw unexpected(what, "an object", value);
}

export function listOf<T>(value: unknown, what: string, read: (item: unknown, what: string) => T): T[] {
  if (Array.isArray(value)) return value.map((item) => read(item, `an entry of ${what}`));
  throw unexpected(what, "a list", value);
}

export function numberOf(value: unknown, what: string): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw unexpected(what, "a number", value);
}

export function integerOf(value: unknown, what: string): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw unexpected(what, "a whole number", value);
}

export function textOf(value: unknown, what: string): string {
  if (typeof value === "string") return value;
  throw unexpected(what, "a text", value);
}

/** Null for null and for a member that is not there. */
export function orNull<T>(value: unknown, what: string, read: (value: unknown, what: string) => T): T | null {
  return value === null || value === undefined ? null : read(value, what);
}

export function integersOf(value: unknown, what: string, count: number): number[] {
  const all = listOf(value, what, integerOf);
  if (all.length === count) return all;
  throw unexpected(what, `${count} whole numbers`, value);
}

export function unexpected(what: string, wanted: string, got: unknown): SpinnError {
  const text = JSON.stringify(got) ?? "nothing";
  const shown = text.length > 80 ? `${text.slice(0, 77)}...` : text;
  return new SpinnError("ERR_SPINN_PROTOCOL", `${what} must be ${wanted}, but the allocation server sent ${shown}`, {
    hint: "is this really a spalloc server? see the host and port that were given",
  });
}
