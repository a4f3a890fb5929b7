import { usage } from "./usage.js";

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1024, m: 1024 ** 2 };

/**
 * A number as people write it: decimal, `0x60240000`, `0b101`, and with K or M for sizes (`4k`, `2M`: 1024 and 1024^2).
 * Nothing is guessed: hexadecimal without 0x and numbers with a leading zero are refused with a hint. Throws `ERR_SPINN_ARGUMENT`.
 */
export function parseNumber(name: string, text: string): number {
  const word = text.trim();
  if (/^0x[0-9a-f]+$/i.test(word) || /^0b[01]+$/i.test(word)) return checkSafe(name, word, Number(word));
  const match = /^(\d+)([km]?)$/i.exec(word);
  if (match !== null) {
    if (/^0\d/.test(word))
      throw usage(`${name}: "${text}" begins with a zero`, `write ${Number(match[1])}, or 0x${match[1]} for hexadecimal`);
    return checkSafe(name, word, Number(match[1]) * UNITS[match[2]!.toLowerCase()]!);
  }
  throw usage(
    `${name}: "${text}" is no number`,
    /^[0-9a-f]+$/i.test(word) ? `did you mean 0x${word}?` : "numbers are written 4096, 0x1000, 0b1010, 4K or 2M",
  );
}

/** As {@link parseNumber}, within bounds. */
export function parseInteger(name: string, text: string, low: number, high: number): number {
  const value = parseNumber(name, text);
  if (value >= low && value <= high) return value;
  throw usage(`${name} must be from ${low} to ${high}, not ${text}`);
}

const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000, h: 3_600_000 };

/** A length of time in ms: `500ms`, `1.5s`, `2min`, `1h`; a number alone is seconds. Throws `ERR_SPINN_ARGUMENT`. */
export function parseDuration(name: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|min|h)?$/.exec(text.trim());
  if (match === null) throw usage(`${name}: "${text}" is no length of time`, "write 500ms, 1.5s, 2min or 1h");
  return Number(match[1]) * DURATION_MS[match[2] ?? "s"]!;
}

/** A decimal number above zero, e.g. a factor. Throws `ERR_SPINN_ARGUMENT`. */
export function parseFactor(name: string, text: string): number {
  const value = /^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (value > 0) return value;
  throw usage(`${name}: "${text}" is no number above zero`, "write e.g. 1, 0.5 or 10");
}

function checkSafe(name: string, text: string, value: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw usage(`${name}: ${text} is too large`);
}
