import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { SpinnError } from "../errors.js";
import { type Inputs, type JsonSchema, mapOf, optional, record, scalar, type Values } from "./kind.js";
import { type Place, Problems, unknownWord } from "./problems.js";
import { readObject, readYaml, type Source } from "./source.js";
import type { FileUse, Seen, StepContext, StepKind, StepNeed } from "./step.js";
import { type BringupStep, STEP_KINDS, type StepName } from "./steps/index.js";
import { appId, ipPort, text } from "./values.js";
import { substitute, type Variables } from "./variables.js";

/** Where a board and its BMP are. */
export interface BoardAddress {
  /** Name or IPv4 address of the board's Ethernet. */
  readonly host?: string | undefined;
  /** UDP port of SC&MP. Default 17893. */
  readonly port?: number | undefined;
  /** UDP port of the boot ROM. Default 54321. */
  readonly bootPort?: number | undefined;
  readonly bmp?: { readonly host: string; readonly port?: number | undefined } | undefined;
}

/** One step, checked, with its work inside. */
export interface ScriptStep {
  readonly kind: StepName;
  /** What it does, in words, or its `name`. */
  readonly words: string;
  readonly place: Place;
  /** What was written, after variables and checks: plain data, from which a resumed run knows the step again. */
  readonly values: unknown;
  readonly needs: readonly StepNeed[];
  readonly files: readonly FileUse[];
  run(context: StepContext): Promise<Seen>;
}

/** A bring-up script that has been checked as far as that goes without files and boards. */
export interface Script {
  /** Its `name`, else the file's. */
  readonly name: string;
  /** Path of the file it was read from. */
  readonly path: string | undefined;
  /** Folder to which its input files are relative. */
  readonly folder: string;
  readonly board: BoardAddress;
  /** Application id of steps that name none. */
  readonly appId: number;
  readonly steps: readonly ScriptStep[];
}

export interface ScriptOptions {
  /** Values for `${name}`; they come before the script's own `variables`. Default: none. */
  readonly variables?: Variables | undefined;
  /** Folder to which input files are relative. Default: the script's folder; the current one for text and objects. */
  readonly folder?: string | undefined;
  /** What stands for the script in errors. Default: the file's name, or `script`. */
  readonly name?: string | undefined;
}

/** 30 is what the tools of this machine use when nobody says otherwise (ybug, SpiNNMan's examples). */
const DEFAULT_APP_ID = 30;

const variable = scalar<string | number | boolean, string | number | boolean>("a value", {}, (value) => value);

const BOARD_FIELDS = {
  host: optional(text, "Name or IPv4 address of the board"),
  port: optional(ipPort, "UDP port of SC&MP. Default: 17893"),
  bootPort: optional(ipPort, "UDP port of the boot ROM. Default: 54321"),
  bmp: optional(text, "Name or IPv4 address of the BMP"),
  bmpPort: optional(ipPort, "UDP port of the BMP. Default: 17893"),
};

/** The script's outermost map, but for its steps, which know themselves. */
const HEAD_FIELDS = {
  name: optional(text, "What the script is called"),
  board: optional(record("the board", BOARD_FIELDS, "host"), "The board; may be given to the run instead"),
  app: optional(appId, "Application id of steps that name none. Default: 30"),
  variables: optional(
    mapOf(variable, "names and values", () => undefined),
    "Values of variables, unless the caller gives others",
  ),
};

/** A script as an object: what YAML parses to. */
export type BringupScript = Inputs<typeof HEAD_FIELDS> & { readonly steps: readonly BringupStep[] };

/** A script from an object. Throws `ERR_SPINN_SCRIPT` with everything that is wrong with it. */
export function bringup(script: BringupScript, options: ScriptOptions = {}): Script {
  const problems = new Problems(options.name ?? "script");
  const source = readObject(script, problems);
  return readScript(source, problems, { ...options, path: undefined });
}

/** A script from YAML 1.2 text. Throws `ERR_SPINN_SCRIPT` with everything that is wrong with it, each with line and column. */
export function parseScript(yaml: string, options: ScriptOptions & { readonly path?: string | undefined } = {}): Script {
  const problems = new Problems(options.name ?? options.path ?? "script");
  return readScript(readYaml(yaml, problems), problems, { ...options, path: options.path });
}

/** A script from a file. Throws `ERR_SPINN_FILE` when it cannot be read, else as {@link parseScript}. */
export async function loadScript(path: string, options: ScriptOptions = {}): Promise<Script> {
  const yaml = await readFile(path, "utf8").catch((error: unknown) => {
    throw new SpinnError("ERR_SPINN_FILE", `the script ${path} cannot be read: ${(error as Error).message}`, { cause: error });
  });
  return parseScript(yaml, { folder: dirname(path), ...options, path });
}

/** A JSON schema (draft 2020-12) of scripts, made from the table by which they are checked. For editors. */
export function scriptSchema(): JsonSchema {
  const step = Object.entries(STEP_KINDS).map(([name, { fields, main, about }]) => ({
    type: "object",
    properties: {
      [name]: { anyOf: [record(name, fields, main as never).schema, { type: "null" }], description: about },
      name: { type: "string" },
    },
    required: [name],
    additionalProperties: false,
  }));
  const head = record("the script", HEAD_FIELDS).schema as { readonly properties: object };
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "SpiNNaker bring-up script",
    type: "object",
    properties: { ...head.properties, steps: { type: "array", items: { anyOf: step }, minItems: 1 } },
    required: ["steps"],
    additionalProperties: false,
  };
}

function readScript(
  source: Source | undefined,
  problems: Problems,
  options: ScriptOptions & { readonly path: string | undefined },
): Script {
  problems.throwIfAny();
  if (source?.type !== "map") {
    problems.add(source ?? { path: "" }, 'a script is a map with "steps"');
    problems.throwIfAny();
    throw new TypeError("unreachable");
  }
  const own = source.members.find(({ key }) => key === "variables")?.value;
  const variables = { ...(own === undefined ? {} : HEAD_FIELDS.variables.kind.read(own, problems)), ...options.variables };
  const members = source.members.map((m) => (m.key === "variables" ? m : { ...m, value: substitute(m.value, variables, problems) }));
  const known = [...Object.keys(HEAD_FIELDS), "steps"];
  for (const { key, place } of members) if (!known.includes(key)) problems.add(place, unknownWord("key in the script:", key, known));

  const isHead = ({ key }: { readonly key: string }): boolean => Object.hasOwn(HEAD_FIELDS, key);
  const head = record("the script", HEAD_FIELDS).read({ ...source, members: members.filter(isHead) }, problems);
  const steps = readSteps(members.find(({ key }) => key === "steps")?.value, source, problems);
  problems.throwIfAny();
  const { host, port, bootPort, bmp, bmpPort } = head!.board ?? {};
  return {
    name: head!.name ?? options.name ?? (options.path === undefined ? "script" : basename(options.path)),
    path: options.path,
    folder: options.folder ?? ".",
    board: { host, port, bootPort, bmp: bmp === undefined ? undefined : { host: bmp, port: bmpPort } },
    appId: head!.app ?? DEFAULT_APP_ID,
    steps,
  };
}

function readSteps(source: Source | undefined, script: Place, problems: Problems): ScriptStep[] {
  if (source?.type !== "list" || source.items.length === 0) {
    problems.add(source ?? script, 'a script needs "steps": a list of steps');
    return [];
  }
  return source.items.map((item) => readStep(item, problems)).filter((step) => step !== undefined);
}

function readStep(source: Source, problems: Problems): ScriptStep | undefined {
  const names = Object.keys(STEP_KINDS);
  // A step that needs nothing may be a word alone: `- start`.
  if (source.type === "scalar" && typeof source.value === "string") {
    if (!names.includes(source.value)) return problems.add(source, unknownWord("step", source.value, names));
    return build(source.value as StepName, undefined, source, { ...source, type: "scalar", value: null }, problems);
  }
  if (source.type !== "map") return problems.add(source, `a step is its name and what it needs, as in "sleep: 2s"`);
  const label = source.members.find(({ key }) => key === "name")?.value;
  const others = source.members.filter(({ key }) => key !== "name");
  for (const { key, place } of others) if (!names.includes(key)) problems.add(place, unknownWord("step", key, names));
  const [first, second] = others;
  if (first === undefined) return problems.add(source, `a step without work; known are ${names.join(", ")}`);
  if (second !== undefined) {
    return problems.add(second.place, `"${second.key}" stands in the same step as "${first.key}"; begin each step with a dash`);
  }
  if (!names.includes(first.key)) return undefined;
  const words = label === undefined ? undefined : text.read(label, problems);
  return build(first.key as StepName, words, first.place, first.value, problems);
}

function build(name: StepName, label: string | undefined, place: Place, source: Source, problems: Problems): ScriptStep | undefined {
  // The kinds differ in their fields; what record() reads for a kind is what the same kind takes.
  const kind = STEP_KINDS[name] as unknown as StepKind<Record<never, never>>;
  const values: Values<Record<never, never>> | undefined = record(`step ${name}`, kind.fields, kind.main).read(source, problems);
  if (values === undefined) return undefined;
  const wrong = kind.check?.(values);
  if (wrong !== undefined) return problems.add(place, `step ${name}: ${wrong}`);
  return {
    kind: name,
    words: label ?? kind.describe(values),
    place,
    values,
    needs: kind.needs(values),
    files: kind.files?.(values) ?? [],
    run: (context) => kind.run(values, context),
  };
}
