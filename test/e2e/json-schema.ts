import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The part of JSON Schema that the schemas of the output use. */
interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

const file = fileURLToPath(new URL("../../src/cli/output.schema.json", import.meta.url));
export const SCHEMAS = (JSON.parse(readFileSync(file, "utf8")) as { $defs: Readonly<Record<string, Schema>> }).$defs;

/** What is wrong with an object that spinn has printed; empty when it is as its schema says. */
export function schemaProblems(object: unknown): string[] {
  const name = (object as { schema?: string }).schema ?? "no schema";
  const schema = SCHEMAS[name];
  return schema === undefined ? [`${name} has no schema`] : problems(object, schema, name);
}

function problems(value: unknown, schema: Schema, where: string): string[] {
  const found: string[] = [];
  if (schema.const !== undefined && value !== schema.const) found.push(`${where} is not ${String(schema.const)}`);
  if (schema.enum !== undefined && !schema.enum.includes(value)) found.push(`${where} is none of ${schema.enum.join(" ")}`);
  const type = Array.isArray(value) ? "array" : value === null ? "null" : typeof value;
  if (schema.type !== undefined && ![schema.type].flat().includes(type)) found.push(`${where} is a ${type}`);
  for (const name of schema.required ?? []) {
    if (value === null || typeof value !== "object" || !Object.hasOwn(value, name)) found.push(`${where} has no ${name}`);
  }
  for (const [name, inner] of Object.entries(schema.properties ?? {})) {
    if (value !== null && typeof value === "object" && Object.hasOwn(value, name))
      found.push(...problems((value as Record<string, unknown>)[name], inner, `${where}.${name}`));
  }
  if (schema.items !== undefined && Array.isArray(value)) {
    for (const [i, item] of value.entries()) found.push(...problems(item, schema.items, `${where}[${i}]`));
  }
  return found;
}
