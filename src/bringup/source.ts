import { isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import type { Place, Problems } from "./problems.js";

/**
 * A script before it means anything: scalars, lists and maps that know where they stand. YAML text and plain objects come to the same form,
 * so that both are checked by the same rules.
 */
export type Source = ScalarSource | ListSource | MapSource;

export interface ScalarSource extends Place {
  readonly type: "scalar";
  readonly value: string | number | boolean | null;
  /** How it is written in YAML (`0x10`), where it makes a difference. */
  readonly text?: string | undefined;
}

export interface ListSource extends Place {
  readonly type: "list";
  readonly items: readonly Source[];
}

export interface MapSource extends Place {
  readonly type: "map";
  readonly members: readonly { readonly key: string; readonly place: Place; readonly value: Source }[];
}

/** Levels of lists in maps in lists; scripts need six. Objects that contain themselves end here. */
const MAX_DEPTH = 20;

/** Reads YAML 1.2 text. Syntax errors and doubled keys become problems; then the result is `undefined`. */
export function readYaml(text: string, problems: Problems): Source | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const at = (offset: number, path: string): Place => {
    const { line, col } = lines.linePos(offset);
    return { path, line, column: col };
  };
  for (const error of [...document.errors, ...document.warnings]) problems.add(at(error.pos[0], ""), error.message);
  if (document.errors.length > 0) return undefined;

  const convert = (node: Node | null | undefined, path: string, parent: Place, depth: number): Source | undefined => {
    const place = node?.range ? at(node.range[0], path) : { ...parent, path };
    if (depth > MAX_DEPTH) return problems.add(place, "too deep");
    if (node === null || node === undefined) return { ...place, type: "scalar", value: null };
    if (isSeq<Node>(node)) {
      const items = node.items.map((item, i) => convert(item, `${path}[${i}]`, place, depth + 1));
      return { ...place, type: "list", items: items.filter((item) => item !== undefined) };
    }
    if (isMap<Node, Node>(node)) {
      const members: MapSource["members"][number][] = [];
      for (const { key, value } of node.items) {
        const name = isScalar(key) ? String(key.value) : undefined;
        const where = key.range ? at(key.range[0], path) : place;
        if (name === undefined) {
          problems.add(where, "a key must be a word");
          continue;
        }
        const inside = convert(value, join(path, name), where, depth + 1);
        if (inside !== undefined) members.push({ key: name, place: { ...where, path: join(path, name) }, value: inside });
      }
      return { ...place, type: "map", members };
    }
    if (isScalar(node)) {
      const { value, source } = node;
      if (value === null || ["string", "number", "boolean"].includes(typeof value)) {
        return { ...place, type: "scalar", value: value as ScalarSource["value"], text: source };
      }
    }
    return problems.add(place, "anchors, aliases and tagged values are not used in scripts");
  };
  return convert(document.contents as Node | null, "", { path: "", line: 1, column: 1 }, 0);
}

/** The same form from a plain value. Functions, dates and the like become problems. */
export function readObject(value: unknown, problems: Problems, path = "", depth = 0): Source | undefined {
  if (depth > MAX_DEPTH) return problems.add({ path }, "too deep, or an object that contains itself");
  if (value === null || value === undefined) return { type: "scalar", path, value: null };
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") return { type: "scalar", path, value };
  if (Array.isArray(value)) {
    const items = value.map((item, i) => readObject(item, problems, `${path}[${i}]`, depth + 1));
    return { type: "list", path, items: items.filter((item) => item !== undefined) };
  }
  if (typeof value !== "object") return problems.add({ path }, `a ${typeof value} cannot stand here`);
  const members: MapSource["members"][number][] = [];
  for (const [key, member] of Object.entries(value)) {
    if (member === undefined) continue;
    const inside = readObject(member, problems, join(path, key), depth + 1);
    if (inside !== undefined) members.push({ key, place: { path: join(path, key) }, value: inside });
  }
  return { type: "map", path, members };
}

/** `a list`, `a map`, `"text"`, `12`, `nothing`: what stands there, in words. */
export function sourceWords(source: Source): string {
  if (source.type !== "scalar") return `a ${source.type}`;
  return source.value === null ? "nothing" : JSON.stringify(source.value);
}

/** What stands there as one line of YAML: `{ file: hello.aplx, cores: "0,0,1-4" }`; nothing for nothing. */
export function sourceLine(source: Source): string {
  if (source.type === "list") return `[${source.items.map(sourceLine).join(", ")}]`;
  if (source.type === "map") return `{ ${source.members.map(({ key, value }) => `${key}: ${sourceLine(value)}`).join(", ")} }`;
  const { value, text } = source;
  if (value === null) return "";
  if (typeof value !== "string") return text ?? String(value);
  return /^[\w./-][\w ./-]*$/.test(value) && value.trim() === value ? value : JSON.stringify(value);
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
