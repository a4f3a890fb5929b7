/**
 * Base64 as Python reads it: standard alphabet, other characters skipped, padding demanded. `undefined` when Python would refuse.
 * The common case (nothing to skip) is found by length alone, without a pass over the text.
 */
export function decodeBase64(text: string): Buffer | undefined {
  const length = text.length;
  const padding = length > 0 && text.charCodeAt(length - 1) === 61 ? (text.charCodeAt(length - 2) === 61 ? 2 : 1) : 0;
  if (length % 4 === 0 && !text.includes("-") && !text.includes("_")) {
    // A buffer of its own, not a piece of the pool: its start is aligned for any typed array.
    const bytes = Buffer.allocUnsafeSlow((length / 4) * 3 - padding);
    if (bytes.write(text, "base64") === bytes.length) return bytes;
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the question is whether the text is ASCII
  if (/[^\x00-\x7f]/.test(text)) return undefined;
  const clean = text.replace(/[^A-Za-z0-9+/=]/g, "");
  const data = /^[^=]*/.exec(clean)?.[0] ?? "";
  const missing = (4 - (data.length % 4)) % 4;
  if (missing === 3 || clean.length - data.length < missing) return undefined;
  const bytes = Buffer.allocUnsafeSlow(Math.floor((data.length * 3) / 4));
  bytes.write(data, "base64");
  return bytes;
}

/** The bytes of any view, without copying them, as base64 text. */
export function encodeBase64(view: ArrayBufferView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString("base64");
}
