/** A text as a Python literal: JSON's is one, escapes and all. */
export function literal(text: string): string {
  return JSON.stringify(text);
}

const DEFINITION = /^(?:async[ \t]+)?(?:def|class)[ \t]+([^\s(:]+)/gmu;

/**
 * A Python expression that gives the function of `source`: an expression already (a name, a lambda), or statements, of which the last
 * `def` (or `class`) at the start of a line counts. Statements run in the engine's namespace, as those of execute() do: what they import and
 * define stays there.
 */
export function functionExpression(source: string): string {
  const name = [...source.matchAll(DEFINITION)].at(-1)?.[1];
  // In brackets: an expression may be broken over lines.
  if (name === undefined) return `(${source.trim()}\n)`;
  return `(exec(compile(${literal(`${source}\n`)}, "<apply>", "exec"), globals()), ${name})[1]`;
}

/** The same over sequences: a function that takes them and gives the list of results, item by item. */
export function mapExpression(source: string): string {
  return `(lambda f: lambda *s: [f(*x) for x in zip(*s)])(${functionExpression(source)})`;
}
