import type { Plan, PlannedStep } from "../bringup/index.js";
import { plural } from "./format.js";
import type { Terminal } from "./terminal.js";

/** A plan for people: a line per step with its values, what is skipped and why, how it is tried again. */
export function planText(terminal: Terminal, { steps }: Plan): string {
  return steps.map((step) => stepText(terminal, step)).join("");
}

/** `nightly: 10 steps for 4 boards, 8 at once; nothing is sent` */
export function planHead(script: string, steps: number, boards = "", atOnce = ""): string {
  return `${script}: ${plural(steps, "step")}${boards}${atOnce}; nothing is sent\n`;
}

/** `10.11.12.1, BMP 10.11.12.0 slot 3` */
export function addressWords({ host, port, bmp, slot }: Plan["board"]): string {
  const at = (name: string, number: number | undefined): string => (number === undefined ? name : `${name}:${number}`);
  const board = host === undefined ? "no address" : at(host, port);
  return bmp === undefined ? board : `${board}, BMP ${at(bmp.host, bmp.port)}${slot === undefined ? "" : ` slot ${slot}`}`;
}

function stepText(terminal: Terminal, step: PlannedStep): string {
  const { kind, written, words, runs, reason, retry, once } = step;
  const number = String(step.step).padStart(3);
  const indent = " ".repeat(10);
  const lines = [`${number}  ${runs === "no" ? "skip " : ""}${words}`];
  if (runs === "no") return `${terminal.paint("faint", `${lines[0]}: ${reason}`)}\n`;
  lines.push(`${indent}${terminal.paint("faint", written === "" ? kind : `${kind}: ${written}`)}`);
  if (runs === "asked") lines.push(`${indent}only ${reason}: the board is asked then`);
  if (retry !== undefined) lines.push(`${indent}if it fails: ${retry}`);
  if (once !== undefined) lines.push(`${indent}once for all boards${once === "bmp" ? " behind its BMP" : ""}`);
  return `${lines.join("\n")}\n`;
}
