import type { BoardAccess } from "./board-access.js";
import { type JsonSchema, wrong } from "./kind.js";
import { type Problems, unknownWord } from "./problems.js";
import { type Source, sourceLine } from "./source.js";
import type { Variables } from "./variables.js";

/** What a script can ask of its board in `when`. */
const FACTS = {
  booted: "true when the machine answers and is booted",
  version: 'version of SC&MP: 4, 3.4.1, ">=3.4"',
  chips: 'working chips: 48, ">=47"',
  cores: 'working application cores: ">=800"',
  type: "spin3 or spin5",
} as const;

export type Fact = keyof typeof FACTS;

type Plain = string | number | boolean;

/** A value to compare with: equal, not equal, or a comparison of numbers. */
interface Expected {
  readonly comparison: "=" | ">=" | ">" | "<=" | "<";
  readonly value: string;
}

/** One name and what it is to be: one of some values, or none of them. */
interface Test {
  readonly name: string;
  readonly not: boolean;
  readonly expected: readonly Expected[];
  /** `chips: >=48` */
  readonly words: string;
}

/** When a step is to run: all of its tests hold. Declared, never evaluated as code. */
export interface Condition {
  /** As it is written, on one line. */
  readonly words: string;
  /** Why the step will not run, where its variables decide that already. */
  readonly refused: string | undefined;
  /** What is left to ask of the board, in the order it is written. */
  readonly facts: readonly (Test & { readonly name: Fact })[];
}

/** What may be written behind `when` in TypeScript. */
export type ConditionInput =
  | boolean
  | string
  | Readonly<Record<string, Plain | readonly Plain[] | { readonly not: Plain | readonly Plain[] }>>;

const value = { type: ["string", "number", "boolean"] };
const values = { anyOf: [value, { type: "array", items: value }] };

/** Facts of the board by name, and variables of the script under any other. */
export const CONDITION_SCHEMA: JsonSchema = {
  description: "Runs the step only when all of this holds: facts of the board and variables of the script by name; or true or false",
  anyOf: [
    { type: ["boolean", "string"] },
    {
      type: "object",
      properties: Object.fromEntries(Object.entries(FACTS).map(([name, description]) => [name, { description }])),
      additionalProperties: {
        anyOf: [values, { type: "object", properties: { not: values }, required: ["not"], additionalProperties: false }],
      },
    },
  ],
};

const EXPECTS = 'when: names and values, e.g. { booted: false } or { chips: ">=48" }, or true or false';

/** Reads what stands behind `when`, with the script's variables at hand. */
export function readCondition(source: Source, variables: Variables, problems: Problems): Condition | undefined {
  const words = sourceLine(source);
  if (source.type === "scalar") {
    if (/^true$/i.test(String(source.value))) return { words, refused: undefined, facts: [] };
    if (/^false$/i.test(String(source.value))) return { words, refused: "its condition is false", facts: [] };
  }
  if (source.type !== "map" || source.members.length === 0) return wrong(EXPECTS, source, problems);
  const before = problems.found.length;
  const tests: Test[] = [];
  for (const { key, place, value: wanted } of source.members) {
    const isFact = Object.hasOwn(FACTS, key);
    if (!isFact && !Object.hasOwn(variables, key)) {
      problems.add(place, unknownWord("name in when:", key, [...Object.keys(FACTS), ...Object.keys(variables)]));
    } else if (isFact && Object.hasOwn(variables, key)) {
      problems.add(place, `"${key}" is a fact of the board, and a variable of this script too: call the variable something else`);
    } else {
      const test = readTest(key, wanted, problems);
      if (test !== undefined) tests.push(test);
    }
  }
  if (problems.found.length > before) return undefined;
  const failing = tests.find((test) => Object.hasOwn(variables, test.name) && !holds(test, String(variables[test.name])));
  const refused = failing === undefined ? undefined : refusal(failing, String(variables[failing.name]));
  return { words, refused, facts: tests.filter((test): test is Test & { name: Fact } => Object.hasOwn(FACTS, test.name)) };
}

/** Asks the board what is left to ask, in order; why the step does not run, `undefined` when it does. */
export async function refusedBy(condition: Condition, access: BoardAccess): Promise<string | undefined> {
  if (condition.refused !== undefined) return condition.refused;
  for (const test of condition.facts) {
    const found = String(await access.fact(test.name));
    if (!holds(test, found)) return refusal(test, found);
  }
  return undefined;
}

function readTest(name: string, source: Source, problems: Problems): Test | undefined {
  const [first, second] = source.type === "map" ? source.members : [];
  if (source.type === "map" && (first?.key !== "not" || second !== undefined))
    return wrong("a value, a list of values, or { not: ... }", source, problems);
  const inner = first?.value ?? source;
  const items = inner.type === "list" ? inner.items : [inner];
  const expected = items.map((item) => readExpected(name, item, problems));
  if (items.length === 0) return problems.add(source, "a value expected, not an empty list");
  if (!expected.every((one) => one !== undefined)) return undefined;
  return { name, not: first !== undefined, expected, words: `${name}: ${sourceLine(source)}` };
}

function readExpected(name: string, source: Source, problems: Problems): Expected | undefined {
  if (source.type !== "scalar" || source.value === null) return wrong("a value", source, problems);
  // 4.0 is the number 4 to YAML, and another version than 4 to people.
  const written = (source.text ?? String(source.value)).trim();
  const match = /^(>=|<=|>|<|=)\s*(.*)$/.exec(written);
  const expected = { comparison: (match?.[1] ?? "=") as Expected["comparison"], value: match?.[2] ?? written };
  if (expected.comparison !== "=" && dotted(expected.value) === undefined)
    return wrong(`a number behind ${expected.comparison}`, source, problems);
  const numeric = name === "version" || name === "chips" || name === "cores";
  if (numeric && dotted(expected.value) === undefined) return wrong(FACTS[name], source, problems);
  if (name === "booted" && !["true", "false"].includes(expected.value)) return wrong("true or false", source, problems);
  if (name === "type" && !["spin3", "spin5"].includes(expected.value)) return wrong("spin3 or spin5", source, problems);
  return expected;
}

function holds({ name, expected, not }: Test, found: string): boolean {
  return expected.some((one) => matches(one, found, name === "version")) !== not;
}

/** Numbers are compared part by part: 3.10 is above 3.9. Parts that a demand for a version leaves out match. */
function matches({ comparison, value: wanted }: Expected, found: string, isVersion: boolean): boolean {
  const [a, b] = [dotted(found), dotted(wanted)];
  if (comparison === "=" && !(isVersion && a !== undefined && b !== undefined)) return found === wanted;
  if (a === undefined || b === undefined) return false;
  const difference = b.map((part, i) => (a[i] ?? 0) - part).find((part) => part !== 0) ?? 0;
  if (comparison === "=") return difference === 0;
  if (comparison.startsWith(">")) return difference > 0 || (difference === 0 && comparison === ">=");
  return difference < 0 || (difference === 0 && comparison === "<=");
}

function dotted(text: string): number[] | undefined {
  return /^-?\d+(\.\d+)*$/.test(text) ? text.split(".").map(Number) : undefined;
}

function refusal(test: Test, found: string): string {
  return `${test.name} is ${found === "" ? "empty" : found}, and it runs when ${test.words}`;
}
