export interface Column {
  /** Heading, with the unit where there is one. */
  readonly title: string;
  /** Default `left`. */
  readonly align?: "left" | "right";
}

// Escape sequences of colours take no room on the screen.
// biome-ignore lint/suspicious/noControlCharactersInRegex: ESC is what a colour begins with
const ESCAPES = /\u001b\[[0-9;]*m/g;

/** Width on the screen. */
export function shownWidth(text: string): number {
  return text.replace(ESCAPES, "").length;
}

/**
 * A table with headings, two blanks between columns, `-` for empty places and no blanks at line ends. Nothing is cut off: where the table is
 * wider than `columns`, each row is written as a block of `title value` lines instead.
 */
export function formatTable(head: readonly Column[], rows: readonly (readonly string[])[], columns = Number.POSITIVE_INFINITY): string {
  const cells = rows.map((row) => head.map((_, i) => (row[i] === undefined || row[i] === "" ? "-" : row[i]!)));
  const widths = head.map((column, i) => Math.max(column.title.length, ...cells.map((row) => shownWidth(row[i]!))));
  const total = widths.reduce((sum, width) => sum + width + 2, -2);
  if (total > columns) return cells.map((row) => formatBlock(head, row)).join("\n");
  const line = (row: readonly string[]): string => `${row.map((cell, i) => pad(cell, widths[i]!, head[i]!.align)).join("  ")}`.trimEnd();
  return `${[line(head.map((column) => column.title)), ...cells.map(line)].join("\n")}\n`;
}

/** `name  value` lines, aligned. */
export function formatPairs(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...pairs.map(([name]) => name.length));
  return pairs
    .map(([name, value]) => `${`${name.padEnd(width)}  ${value.replaceAll("\n", `\n${" ".repeat(width + 2)}`)}`.trimEnd()}\n`)
    .join("");
}

function formatBlock(head: readonly Column[], row: readonly string[]): string {
  return formatPairs(head.map((column, i) => [column.title, row[i]!] as const));
}

function pad(text: string, width: number, align: Column["align"]): string {
  const blanks = " ".repeat(Math.max(0, width - shownWidth(text)));
  return align === "right" ? blanks + text : text + blanks;
}
