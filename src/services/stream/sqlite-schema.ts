/** A table as its CREATE TABLE says. */
export interface SQLiteTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** Index of the column that is the row's own number and is stored nowhere else; -1 for none. */
  readonly rowIdColumn: number;
  /** Kept in another form (WITHOUT ROWID), which is not read. */
  readonly isIndexed: boolean;
  readonly rootPage: number;
}

/** The longest definition that is looked at: SQLite itself allows 2000 columns. */
const MAX_SQL = 100_000;
/** Words that begin a rule about the table instead of a column. */
const RULES = new Set(["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]);

/**
 * Columns of a CREATE TABLE, as far as reading needs them; `undefined` for text that is none.
 * Source: https://www.sqlite.org/lang_createtable.html.
 */
export function parseCreateTable(name: string, sql: string, rootPage: number): SQLiteTable | undefined {
  if (sql.length > MAX_SQL) return undefined;
  const words = tokens(sql);
  const open = words.indexOf("(");
  if (open < 0) return undefined;
  const definitions: string[][] = [[]];
  let depth = 1;
  let at = open + 1;
  for (; at < words.length && depth > 0; at += 1) {
    const word = words[at]!;
    if (word === "(") depth += 1;
    if (word === ")") depth -= 1;
    if (word === "," && depth === 1) definitions.push([]);
    else if (depth > 0) definitions.at(-1)!.push(word);
  }
  if (depth > 0) return undefined;
  const columns: string[] = [];
  let rowIdColumn = -1;
  const types: string[] = [];
  for (const definition of definitions) {
    const [first = ""] = definition;
    const upper = definition.map((word) => word.toUpperCase());
    if (!RULES.has(upper[0] ?? "")) {
      types.push(upper[1] ?? "");
      columns.push(unquote(first));
      const key = upper.indexOf("PRIMARY");
      if (upper[1] === "INTEGER" && key > 0 && upper[key + 2] !== "DESC") rowIdColumn = columns.length - 1;
    }
    // PRIMARY KEY ( column ): one column only, and one of that very type.
    const key = RULES.has(upper[0] ?? "") ? upper.indexOf("PRIMARY") : -1;
    if (key >= 0 && definition[key + 4] === ")") {
      const column = columns.findIndex((each) => each.toLowerCase() === unquote(definition[key + 3]!).toLowerCase());
      if (types[column] === "INTEGER") rowIdColumn = column;
    }
  }
  const isIndexed = words.slice(at).some((word) => word.toUpperCase() === "WITHOUT");
  return { name, columns, rowIdColumn, isIndexed, rootPage };
}

/** Words, quoted words with their quotes, brackets and commas. Comments and everything else are left out. */
function tokens(sql: string): string[] {
  const all = sql.match(/--[^\n]*|\/\*.*?\*\/|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|'(?:[^']|'')*'|[\w$\u0080-\uffff]+|[(),]/gs) ?? [];
  return all.filter((token) => !token.startsWith("--") && !token.startsWith("/*"));
}

function unquote(word: string): string {
  return /^["`['].*["`\]']$/s.test(word) ? word.slice(1, -1).replaceAll('""', '"') : word;
}
