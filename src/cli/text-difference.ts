/** Lines shown of either side before the rest is only counted. */
const SHOWN = 20;

/**
 * How a text differs from the one expected, line by line: the stretch between the first and the last line that differ, `-` for what was expected
 * and `+` for what came. Nothing when they are the same; line ends (CR LF, none at the end) do not count.
 */
export function textDifference(expected: string, found: string): string[] {
  const [old, now] = [linesOf(expected), linesOf(found)];
  let first = 0;
  while (first < old.length && first < now.length && old[first] === now[first]) first += 1;
  if (first === old.length && first === now.length) return [];
  let last = 0;
  while (last < Math.min(old.length, now.length) - first && old.at(-1 - last) === now.at(-1 - last)) last += 1;
  const place = `line ${first + 1}:`;
  return [place, ...side("-", old.slice(first, old.length - last)), ...side("+", now.slice(first, now.length - last))];
}

function side(sign: string, lines: readonly string[]): string[] {
  const shown = lines.slice(0, SHOWN).map((line) => `${sign} ${line}`);
  return lines.length <= SHOWN ? shown : [...shown, `${sign} ... and ${lines.length - SHOWN} more`];
}

function linesOf(text: string): string[] {
  const lines = text.replaceAll("\r\n", "\n").split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}
