/** What a backslash and one letter stand for in a Python text. */
const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  r: "\r",
  t: "\t",
  b: "\b",
  f: "\f",
  v: "\v",
  a: "\x07",
  "\\": "\\",
  "'": "'",
  '"': '"',
  "\n": "",
};

const ESCAPE = /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{1,3})|([xuUN]|[\s\S]))/g;

/**
 * The value of a Python text or bytes literal from what stands between its quotes. Escapes Python does not know keep their backslash;
 * `undefined` for damaged ones, for `\N{...}` (needs a table of names), and in bytes for characters past ASCII.
 */
export function unescapeLiteral(raw: string, isBytes: boolean): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: bytes literals are ASCII
  if (isBytes && /[^\u0000-\u007f]/.test(raw)) return undefined;
  if (!raw.includes("\\")) return raw;
  let damaged = false;
  const value = raw.replace(ESCAPE, (whole: string, hex2?: string, hex4?: string, hex8?: string, octal?: string, other = "") => {
    if (hex2 !== undefined) return String.fromCharCode(Number.parseInt(hex2, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & (isBytes ? 0xff : 0x1ff));
    if (Object.hasOwn(ESCAPES, other)) return ESCAPES[other]!;
    if (isBytes && other !== "x") return whole;
    if (hex4 !== undefined) return String.fromCharCode(Number.parseInt(hex4, 16));
    const point = hex8 === undefined ? Number.POSITIVE_INFINITY : Number.parseInt(hex8, 16);
    if (point <= 0x10ffff) return String.fromCodePoint(point);
    if (hex8 !== undefined || /[xuUN]/.test(other)) damaged = true;
    return whole;
  });
  return damaged ? undefined : value;
}
