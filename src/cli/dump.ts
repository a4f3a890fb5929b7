import { hex32 } from "../errors.js";

export type DumpFormat = "hex" | "words" | "bin";

/** Bytes as text: 16 to a line with address and characters (`hex`), or four little-endian words to a line (`words`). */
export function formatDump(address: number, bytes: Uint8Array, format: "hex" | "words", columns = Number.POSITIVE_INFINITY): string {
  // An address and two blanks, then 3 columns a byte and its character between bars, or 9 columns a word.
  const width = (perLine: number): number => (format === "hex" ? 15 + 4 * perLine : 11 + (9 * perLine) / 4);
  const perLine = [16, 8, 4].find((count) => width(count) <= columns) ?? 4;
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += perLine) {
    const part = bytes.subarray(at, at + perLine);
    lines.push(`${hex32(address + at)}  ${format === "hex" ? hexLine(part, perLine) : wordLine(part)}`.trimEnd());
  }
  return lines.map((line) => `${line}\n`).join("");
}

function hexLine(bytes: Uint8Array, perLine: number): string {
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const text = [...bytes].map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
  return `${hex.padEnd(3 * perLine - 1)}  |${text}|`;
}

function wordLine(bytes: Uint8Array): string {
  const words: string[] = [];
  for (let at = 0; at < bytes.length; at += 4) {
    const part = bytes.subarray(at, at + 4);
    words.push(
      [...part]
        .reverse()
        .map((byte) => byte.toString(16).padStart(2, "0"))
        .join(""),
    );
  }
  return words.join(" ");
}
