import { type CoreCoordinates, formatCore } from "../machine/index.js";
import type { CoreText } from "../transceiver/index.js";

/** Texts of cores as they are printed and kept in files: that of one core as it is, those of several with the core in front of each line. */
export function coreTexts(texts: readonly CoreText[]): string {
  return texts.length === 1 ? texts[0]!.text : texts.map(({ text, ...core }) => withCore(core, text)).join("");
}

/** Each line with its core: `1,2,3: line`. */
export function withCore(core: CoreCoordinates, text: string): string {
  if (text === "") return "";
  const lines = text.replace(/\n$/, "").split("\n");
  return lines.map((line) => `${formatCore(core)}: ${line}\n`).join("");
}
