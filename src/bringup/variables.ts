import { SpinnError } from "../errors.js";
import { nearest, type Problems, unknownWord } from "./problems.js";
import type { Source } from "./source.js";

/** Values for `${name}` in a script. */
export type Variables = Readonly<Record<string, string | number | boolean>>;

const PATTERN = /\$\{([^}]*)\}/g;

/**
 * Puts values in place of `${name}` in every text of a source. A text that is nothing but `${name}` becomes the value itself, so that
 * numbers stay numbers. What is put in is not searched again. Unknown names become problems.
 */
export function substitute(source: Source, variables: Variables, problems: Problems): Source {
  switch (source.type) {
    case "list":
      return { ...source, items: source.items.map((item) => substitute(item, variables, problems)) };
    case "map":
      return { ...source, members: source.members.map((m) => ({ ...m, value: substitute(m.value, variables, problems) })) };
    case "scalar": {
      if (typeof source.value !== "string" || !source.value.includes("${")) return source;
      const lookUp = (name: string): string | number | boolean => {
        if (Object.hasOwn(variables, name)) return variables[name]!;
        const known = Object.keys(variables);
        const untold = name.startsWith(BOARD_PREFIX) && !known.some((word) => word.startsWith(BOARD_PREFIX));
        problems.add(source, untold ? `"${name}" is known only when the run is told its board` : unknownWord("variable", name, known));
        return "";
      };
      const whole = /^\$\{([^}]*)\}$/.exec(source.value);
      const value = whole === null ? source.value.replaceAll(PATTERN, (_, name: string) => String(lookUp(name))) : lookUp(whole[1]!);
      return { ...source, value, text: undefined };
    }
  }
}

/** Names that stand in `${…}` anywhere in a source. */
function* usedNames(source: Source): Iterable<string> {
  if (source.type === "list") for (const item of source.items) yield* usedNames(item);
  else if (source.type === "map") for (const { value } of source.members) yield* usedNames(value);
  else if (typeof source.value === "string") for (const match of source.value.matchAll(PATTERN)) yield match[1]!;
}

/**
 * Refuses values for variables that a script neither declares nor uses: nothing would come of them, which nobody means.
 * Throws `ERR_SPINN_ARGUMENT` with the nearest name.
 */
export function checkNames(given: Variables, declared: Variables, script: Source, name: string): void {
  const known = [...new Set([...Object.keys(declared), ...usedNames(script)])].filter((word) => !word.startsWith(BOARD_PREFIX));
  const unknown = Object.keys(given).find((word) => !known.includes(word));
  if (unknown === undefined) return;
  const near = nearest(unknown, known);
  const list = known.length === 0 ? "it has none" : `its variables are ${known.join(", ")}`;
  throw new SpinnError("ERR_SPINN_ARGUMENT", `${name} has no variable "${unknown}"`, {
    hint: `${near === undefined ? "" : `did you mean "${near}"? `}${list}`,
  });
}

/** What a script may say of the board it runs for begins with this: `${board.name}`. */
export const BOARD_PREFIX = "board.";
