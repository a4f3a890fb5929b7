import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { SpinnError } from "../errors.js";
import { CONDITION_SCHEMA, type Condition, type ConditionInput, readCondition } from "./condition.js";
import { type Inputs, type JsonSchema, mapOf, optional, record, scalar, type Values } from "./kind.js";
import { nearest, type Place, Problems, unknownWord } from "./problems.js";
import { type Retry, type RetryInput, retryKind, retryOf } from "./retry.js";
import { type MapSource, readObject, readYaml, type Source, sourceLine } from "./source.js";
import type { FileUse, Seen, StepContext, StepKind, StepNeed } from "./step.js";
import { type BringupStep, STEP_KINDS, type StepName } from "./steps/index.js";
import { appId, ipPort, oneOf, board as slotNumber, text } from "./values.js";
import { BOARD_PREFIX, checkNames, substitute, type Variables } from "./variables.js";

/** Where a board and its BMP are. */
export interface BoardAddress {
  /** Name or IPv4 address of the board's Ethernet. */
  readonly host?: string | undefined;
  /** UDP port of SC&MP. Default 17893. */
  readonly port?: number | undefined;
  /** UDP port of the boot ROM. Default 54321. */
  readonly bootPort?: number | undefined;
  readonly bmp?: { readonly host: string; readonly port?: number | undefined } | undefined;
  /** Its place in the frame of that BMP, 0 to 23: the board that a power step means when it names none. Default 0. */
  readonly slot?: number | undefined;
}

/** One step, checked, with its work inside. */
export interface ScriptStep {
  readonly kind: StepName;
  /** What it does, in words, or its `name`. */
  readonly words: string;
  readonly place: Place;
  /** What was written, after variables and checks: plain data, from which a resumed run knows the step again. */
  readonly values: unknown;
  /** What was written behind its name, variables in place, on one line of YAML; empty where nothing was. */
  readonly written: string;
  readonly when: Condition | undefined;
  readonly retry: Retry | undefined;
  /** Done by the first board that comes to it, for all boards of a fleet or all behind one BMP. */
  readonly once: Once | undefined;
  readonly needs: readonly StepNeed[];
  readonly files: readonly FileUse[];
  run(context: StepContext): Promise<Seen>;
}

/** For whom a step is done once. */
export type Once = (typeof ONCE)[number];

const ONCE = ["bmp", "fleet"] as const;

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
  /**
   * Values for `${name}`; they come before all others. One that the script neither declares nor uses is refused. Default: none.
   */
  readonly variables?: Variables | undefined;
  /**
   * Values that belong to the board: they come before the script's own `variables`. Scripts need not know all of them; names that begin
   * with `board.` are no variables of the script. Default: none.
   */
  readonly boardVariables?: Variables | undefined;
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
  slot: optional(slotNumber, "Its place in the frame of the BMP, 0 to 23. Default: 0"),
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
export type BringupScript = Inputs<typeof HEAD_FIELDS> & { readonly steps: readonly (BringupStep & StepAttributes)[] };

/** What may stand beside the name of a step. */
export interface StepAttributes {
  /** What the step is called. */
  readonly name?: string | undefined;
  /** The step is skipped unless all of this holds. */
  readonly when?: ConditionInput | undefined;
  /** Attempts besides the first, or how to try again. */
  readonly retry?: RetryInput | undefined;
  /** Done once for all boards behind a BMP, or of a fleet. */
  readonly once?: Once | undefined;
}

const ATTRIBUTES: Readonly<Record<keyof StepAttributes, JsonSchema>> = {
  name: { type: "string", description: "What the step is called" },
  when: CONDITION_SCHEMA,
  retry: { ...retryKind.schema, description: "Tries the step again when it fails, so often and after such errors" },
  once: { enum: ONCE, description: "Done by the first board that comes to it: for all boards behind its BMP, or of the fleet" },
};

const once = oneOf("once", ONCE);

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
  return parseScript(await readScriptFile(path), { folder: dirname(path), ...options, path });
}

/** The text of a script. Throws `ERR_SPINN_FILE`, with the file that was probably meant. */
export async function readScriptFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    const words = missing ? `there is no script ${path}` : `the script ${path} cannot be read: ${(cause as Error).message}`;
    throw new SpinnError("ERR_SPINN_FILE", words, { hint: missing ? await nearbyScripts(path) : undefined, cause });
  }
}

/** Names at most this many scripts that might have been meant. */
const NEARBY = 5;

async function nearbyScripts(path: string): Promise<string> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return `there is no folder ${folder} either`;
  const scripts = names.filter((name) => [".yaml", ".yml"].includes(extname(name)));
  const near = nearest(basename(path), scripts);
  if (near !== undefined) return `did you mean ${join(folder, near)}?`;
  if (scripts.length === 0) return "a bring-up script is a YAML file; the README of spinnkit/bringup has one to begin with";
  return `scripts in that folder: ${scripts.slice(0, NEARBY).join(", ")}${scripts.length > NEARBY ? ", ..." : ""}`;
}

/** A JSON schema (draft 2020-12) of scripts, made from the table by which they are checked. For editors. */
export function scriptSchema(): JsonSchema {
  const step = Object.entries(STEP_KINDS).map(([name, { fields, main, about }]) => ({
    type: "object",
    properties: {
      [name]: { anyOf: [record(name, fields, main as never).schema, { type: "null" }], description: about },
      ...ATTRIBUTES,
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
  const declared = own === undefined ? {} : (HEAD_FIELDS.variables.kind.read(own, problems) ?? {});
  const reserved = Object.keys(declared).find((name) => name.startsWith(BOARD_PREFIX));
  if (own !== undefined && reserved !== undefined)
    problems.add(own, `"${reserved}": names that begin with "${BOARD_PREFIX}" are set by the run`);
  const given = { ...declared, ...options.boardVariables, ...options.variables };
  const variables = { ...boardFacts(source.members.find(({ key }) => key === "board")?.value, given), ...given };
  const members = source.members.map((m) => (m.key === "variables" ? m : { ...m, value: substitute(m.value, variables, problems) }));
  const known = [...Object.keys(HEAD_FIELDS), "steps"];
  for (const { key, place } of members) if (!known.includes(key)) problems.add(place, unknownWord("key in the script:", key, known));

  const isHead = ({ key }: { readonly key: string }): boolean => Object.hasOwn(HEAD_FIELDS, key);
  const head = record("the script", HEAD_FIELDS).read({ ...source, members: members.filter(isHead) }, problems);
  const steps = readSteps(members.find(({ key }) => key === "steps")?.value, source, variables, problems);
  problems.throwIfAny();
  checkNames(options.variables ?? {}, declared, source, options.name ?? options.path ?? "the script");
  const { host, port, bootPort, bmp, bmpPort, slot } = head!.board ?? {};
  return {
    name: head!.name ?? options.name ?? (options.path === undefined ? "script" : basename(options.path)),
    path: options.path,
    folder: options.folder ?? ".",
    board: { host, port, bootPort, bmp: bmp === undefined ? undefined : { host: bmp, port: bmpPort }, slot },
    appId: head!.app ?? DEFAULT_APP_ID,
    steps,
  };
}

/** What a script says of its own board, for `${board.host}` and the like. What is wrong with it is told where it is read for good. */
function boardFacts(source: Source | undefined, variables: Variables): Variables {
  if (source === undefined) return {};
  const problems = new Problems("");
  const { host, bmp, slot } = HEAD_FIELDS.board.kind.read(substitute(source, variables, problems), problems) ?? {};
  const facts = { name: host, host, bmp, slot };
  return Object.fromEntries(Object.entries(facts).flatMap(([name, value]) => (value === undefined ? [] : [[BOARD_PREFIX + name, value]])));
}

function readSteps(source: Source | undefined, script: Place, variables: Variables, problems: Problems): ScriptStep[] {
  if (source?.type !== "list" || source.items.length === 0) {
    problems.add(source ?? script, 'a script needs "steps": a list of steps');
    return [];
  }
  return source.items.map((item) => readStep(item, variables, problems)).filter((step) => step !== undefined);
}

function readStep(source: Source, variables: Variables, problems: Problems): ScriptStep | undefined {
  const names = Object.keys(STEP_KINDS);
  // A step that needs nothing may be a word alone: `- start`.
  if (source.type === "scalar" && typeof source.value === "string") {
    if (!names.includes(source.value)) return problems.add(source, unknownWord("step", source.value, names));
    return build(source.value as StepName, {}, source, { ...source, type: "scalar", value: null }, problems);
  }
  if (source.type !== "map") return problems.add(source, `a step is its name and what it needs, as in "sleep: 2s"`);
  const attributes = source.members.filter(({ key }) => Object.hasOwn(ATTRIBUTES, key));
  const others = source.members.filter((member) => !attributes.includes(member));
  const known = [...names, ...Object.keys(ATTRIBUTES)];
  for (const { key, place } of others) {
    if (!names.includes(key))
      problems.add(place, unknownWord(others.length > 1 ? "word in a step:" : "step", key, others.length > 1 ? known : names));
  }
  const [first, second] = others.length > 1 ? others.filter(({ key }) => names.includes(key)) : others;
  if (first === undefined) {
    return others.length > 1 ? undefined : problems.add(source, `a step without work; known are ${names.join(", ")}`);
  }
  if (second !== undefined) {
    return problems.add(second.place, `"${second.key}" stands in the same step as "${first.key}"; begin each step with a dash`);
  }
  if (!names.includes(first.key)) return undefined;
  return build(first.key as StepName, readAttributes(attributes, variables, problems), first.place, first.value, problems);
}

interface ReadAttributes {
  readonly name?: string | undefined;
  readonly when?: Condition | undefined;
  readonly retry?: Retry | undefined;
  readonly once?: Once | undefined;
}

function readAttributes(members: MapSource["members"], variables: Variables, problems: Problems): ReadAttributes {
  const at = (name: keyof StepAttributes): Source | undefined => members.find(({ key }) => key === name)?.value;
  const [name, when, retry, scope] = [at("name"), at("when"), at("retry"), at("once")];
  const again = retry && retryKind.read(retry, problems);
  return {
    name: name && text.read(name, problems),
    when: when && readCondition(when, variables, problems),
    retry: again && retryOf(again),
    once: scope && once.read(scope, problems),
  };
}

function build(name: StepName, attributes: ReadAttributes, place: Place, source: Source, problems: Problems): ScriptStep | undefined {
  // The kinds differ in their fields; what record() reads for a kind is what the same kind takes.
  const kind = STEP_KINDS[name] as unknown as StepKind<Record<never, never>>;
  const values: Values<Record<never, never>> | undefined = record(`step ${name}`, kind.fields, kind.main).read(source, problems);
  if (values === undefined) return undefined;
  const wrong = kind.check?.(values);
  if (wrong !== undefined) return problems.add(place, `step ${name}: ${wrong}`);
  return {
    kind: name,
    words: attributes.name ?? kind.describe(values),
    place,
    values,
    written: sourceLine(source),
    when: attributes.when,
    retry: attributes.retry,
    once: attributes.once,
    needs: kind.needs(values),
    files: kind.files?.(values) ?? [],
    run: (context) => kind.run(values, context),
  };
}
