import { SpinnError } from "../errors.js";

/** A result as plain data: dicts with names in snake_case, None for what is missing. */
export function plain(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  // Whoever made the bytes, they are the same kind through every door.
  if (value instanceof Uint8Array) return new Uint8Array(value.buffer, value.byteOffset, value.length);
  // As it comes back from a connection, where only what no number can hold is a big int.
  if (typeof value === "bigint" && BigInt(Number.MIN_SAFE_INTEGER) <= value && value <= BigInt(Number.MAX_SAFE_INTEGER))
    return Number(value);
  if (typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map(plain);
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(entries.map(([key, one]) => [snake(String(key)), plain(one)]));
}

/** Names only; what is a number, a place or a constant stays. */
function snake(name: string): string {
  return /^[a-z]+[A-Za-z0-9]*$/.test(name) ? name.replace(/([a-z0-9])([A-Z])(?=[a-z0-9])/g, "$1_$2").toLowerCase() : name;
}

/** What is told of an error: name, message, code, and where. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly code: string | null;
  readonly hint: string | null;
  readonly board: string | null;
  readonly request: string | null;
  readonly return_code: number | null;
}

export function plainError(error: unknown): PlainError {
  const { hint, board, request, returnCode, code } = error instanceof SpinnError ? error : ({} as Partial<SpinnError>);
  const { name, message } = error instanceof Error ? error : { name: typeof error, message: String(error) };
  const place = { hint: hint ?? null, board: board ?? null, request: request ?? null, return_code: returnCode ?? null };
  return { name, message, code: code ?? null, ...place };
}
