import { hex8 } from "./command.js";

/** Bytes that the memory dumps show. */
export const SHOWN = 256;

export const WIDTHS = {
  b: { size: 1, name: "bytes", word: "byte", perLine: 16 },
  h: { size: 2, name: "half-words", word: "half-word", perLine: 8 },
  w: { size: 4, name: "words", word: "word", perLine: 8 },
} as const;

export type Width = (typeof WIDTHS)[keyof typeof WIDTHS];

/** Lines of 8 words, 8 half-words or 16 bytes; bytes with their characters. */
export function dumpText(at: number, bytes: Uint8Array, width: Width, perLine: number = width.perLine): string {
  const values = unpack(bytes, width.size);
  let text = "";
  for (let i = 0; i < values.length; i += perLine) {
    const line = values.slice(i, i + perLine).map((value) => ` ${value.toString(16).padStart(2 * width.size, "0")}`);
    text += `${hex8(at + i * width.size)} ${line.join("")}${width.size === 1 ? `  ${letters(bytes.subarray(i, i + 16))}` : ""}\n`;
  }
  return text;
}

export const dumpWords = (at: number, bytes: Uint8Array): string => dumpText(at, bytes, WIDTHS.w);
export const dumpBytes = (at: number, bytes: Uint8Array): string => dumpText(at, bytes, WIDTHS.b);

function letters(bytes: Uint8Array): string {
  return [...bytes].map((byte) => (byte < 32 || byte > 126 ? "." : String.fromCharCode(byte))).join("");
}

/** Little-endian numbers of 1, 2 or 4 bytes. */
export function unpack(bytes: Uint8Array, size: 1 | 2 | 4): number[] {
  const values: number[] = [];
  for (let at = 0; at + size <= bytes.length; at += size) {
    let value = 0;
    for (let i = size - 1; i >= 0; i -= 1) value = value * 256 + bytes[at + i]!;
    values.push(value);
  }
  return values;
}

export function pack(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => value >>> (8 * i));
}
