/** Most digits of an int: Python's own limit (`sys.int_info.default_max_str_digits`), and what keeps a hostile line from costing quadratic time. */
export const MAX_INT_DIGITS = 4300;

/** A float as Python's `repr` writes it: shortest digits that read back the same, always with a point or an exponent. Finite values only. */
export function floatText(value: number): string {
  if (Object.is(value, -0)) return "-0.0";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  const text = String(value);
  return Number.isInteger(value) ? `${text}.0` : text;
}

/** An int: number where it is exact, bigint past 2^53. `digits` is decimal with an optional sign. */
export function intFromText(digits: string): number | bigint {
  if (digits.length < 16) return Number(digits) + 0;
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value + 0 : BigInt(digits);
}
