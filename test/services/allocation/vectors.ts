import { readFileSync } from "node:fs";

export type Version = "0.5.2" | "7.1.0";

export interface Exchange {
  readonly name: string;
  /** The bytes sent, or nothing where only notifications were collected. */
  readonly send?: string;
  /** Lines, each with its line feed; CLOSED where the server hung up. */
  readonly recv: Readonly<Record<Version, readonly string[]>>;
}

export interface SpallocVectors {
  readonly exchanges: readonly Exchange[];
  readonly proxy: {
    readonly frames: readonly { readonly from: string; readonly op: string; readonly meaning: string; readonly hex: string }[];
  };
}

export const vectors = JSON.parse(readFileSync(new URL("../../../fixtures/spalloc.json", import.meta.url), "utf8")) as SpallocVectors;
