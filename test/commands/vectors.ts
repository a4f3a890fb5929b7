import { readFileSync } from "node:fs";

/** A golden packet: whole UDP payload, its fields, and what a peer understood. */
export interface Vector {
  readonly name: string;
  readonly direction: "request" | "reply";
  readonly hex: string;
  readonly fields: Readonly<Record<string, number>>;
  readonly means?: Readonly<Record<string, unknown>>;
  readonly swappedHex?: string;
}

export function readVectors(file: string): Vector[] {
  return JSON.parse(readFileSync(new URL(`../../fixtures/${file}`, import.meta.url), "utf8")) as Vector[];
}

export function bytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
