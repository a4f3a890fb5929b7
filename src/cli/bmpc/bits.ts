import type { Words } from "../shell/words.js";

/** Numbers as bmpc lists them: `0,2-5`, `all`; from 0 to `high`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseBits(words: Words, what: string, high: number): number[] {
  const text = words.text(what);
  const found = new Set<number>();
  for (const part of (text.toLowerCase() === "all" ? `0-${high}` : text).split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    const [from, to] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
    if (match === null || from > to || to > high) throw words.wrong(`${what}: "${part}" is neither a number from 0 to ${high} nor a range`);
    for (let n = from; n <= to; n += 1) found.add(n);
  }
  return [...found].sort((a, b) => a - b);
}

/** Little-endian words. */
export function wordsOf(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length >> 2 }, (_, i) => view.getUint32(4 * i, true));
}

/** Little-endian bytes of words. */
export function bytesOf(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint32(4 * i, word >>> 0, true);
  return bytes;
}
