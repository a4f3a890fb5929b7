import { type Problems, unknownWord } from "./problems.js";
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
        problems.add(source, unknownWord("variable", name, Object.keys(variables)));
        return "";
      };
      const whole = /^\$\{([^}]*)\}$/.exec(source.value);
      const value = whole === null ? source.value.replaceAll(PATTERN, (_, name: string) => String(lookUp(name))) : lookUp(whole[1]!);
      return { ...source, value, text: undefined };
    }
  }
}
