const NEEDS_ESCAPE = /[^\u0020-\u007e]|["\\]/;

/**
 * A text in double quotes, pure ASCII: `\b \t \n \f \r \" \\`, all else outside 0x20..0x7e as `\u` and four lower-case digits.
 * Pure ASCII matters: Python's blocking clients decode the wire in pieces of 4096 bytes and fail on a character cut in two.
 */
export function quoteText(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return `"${text}"`;
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
