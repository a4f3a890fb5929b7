import type { FunctionProfile, ProgramCoverage } from "../emulator/index.js";
import { hex32 } from "../errors.js";
import { formatTable } from "./table.js";

/** Functions a profile shows; the rest is in the JSON. */
const SHOWN = 30;

/** Where the instructions went, the most expensive function first. */
export function profileTable(profile: readonly FunctionProfile[]): string {
  const head = [
    { title: "instructions", align: "right" },
    { title: "share", align: "right" },
    { title: "calls", align: "right" },
    { title: "address" },
    { title: "function" },
  ] as const;
  const rows = profile
    .slice(0, SHOWN)
    .map(({ name, address, calls, instructions, share }) => [
      String(instructions),
      `${(100 * share).toFixed(1)} %`,
      String(calls),
      name === "" ? "" : hex32(address),
      name === "" ? "code of no function" : name,
    ]);
  const rest = profile.length > SHOWN ? `and ${profile.length - SHOWN} functions more\n` : "";
  return formatTable(head, rows) + rest;
}

/** What was executed of each source file, or of each function where no lines are known, and which lines were not. */
export function coverageTable({ instructions, functions, files }: ProgramCoverage): string {
  const parts =
    files.length > 0
      ? files.map(({ file, missed, ...part }) => ({ ...part, name: file, missed: ranges(missed) }))
      : functions.map(({ name, ...part }) => ({ ...part, missed: "", name }));
  const head = [
    { title: files.length > 0 ? "lines" : "instructions", align: "right" },
    { title: "of", align: "right" },
    { title: files.length > 0 ? "file" : "function" },
    ...(files.length > 0 ? [{ title: "not executed" }] : []),
  ] as const;
  const rows = parts.map(({ name, executed, total, missed }) => [
    String(executed),
    String(total),
    name,
    ...(files.length > 0 ? [missed] : []),
  ]);
  const share = instructions.total === 0 ? 0 : (100 * instructions.executed) / instructions.total;
  return `${formatTable(head, rows)}${share.toFixed(1)} % of ${instructions.total} instructions executed\n`;
}

/** `3-5 9` for 3, 4, 5, 9. */
function ranges(lines: readonly number[]): string {
  const parts: string[] = [];
  for (let at = 0; at < lines.length; ) {
    let end = at;
    while (lines[end + 1] === lines[end]! + 1) end += 1;
    parts.push(end === at ? `${lines[at]}` : `${lines[at]}-${lines[end]}`);
    at = end + 1;
  }
  return parts.join(" ");
}
