import { SpinnError } from "../errors.js";
import { type Problems, unknownWord } from "./problems.js";
import { type Source, sourceWords } from "./source.js";

/**
 * A kind of value in a script: how it is read and checked, what a caller in TypeScript may write (`I`), and its JSON schema. One table of
 * kinds per step serves all three.
 */
export interface Kind<T, I> {
  /** What should stand there: `a chip, e.g. 1,2`. */
  readonly expects: string;
  /** Reads and checks; problems are added and answered with `undefined`. */
  read(source: Source, problems: Problems): T | undefined;
  readonly schema: JsonSchema;
  /** Only a type: what may be written. */
  readonly input?: I;
}

export type JsonSchema = Readonly<Record<string, unknown>>;

/** A kind written as one word or number. `parse` gets what stands there and throws `ERR_SPINN_ARGUMENT`. */
export function scalar<T, I>(
  expects: string,
  schema: JsonSchema,
  parse: (value: string | number | boolean, text: string | undefined) => T,
): Kind<T, I> {
  return {
    expects,
    schema,
    read(source, problems) {
      if (source.type !== "scalar" || source.value === null) return wrong(expects, source, problems);
      const { value, text } = source;
      return problems.catch(source, () => parse(value, text));
    },
  };
}

/** The error of a scalar that is not what it should be. */
export function notA(expects: string, value: unknown): SpinnError {
  return new SpinnError("ERR_SPINN_ARGUMENT", `${JSON.stringify(value)} is not ${expects}`);
}

/** A list; a single value stands for a list of one. */
export function list<T, I>(kind: Kind<T, I>, expects: string): Kind<readonly T[], I | readonly I[]> {
  return {
    expects,
    schema: { anyOf: [kind.schema, { type: "array", items: kind.schema }] },
    read(source, problems) {
      const items = source.type === "list" ? source.items : [source];
      if (items.length === 0) return problems.add(source, `${expects} expected, not an empty list`);
      const values = items.map((item) => kind.read(item, problems));
      return values.every((value) => value !== undefined) ? values : undefined;
    },
  };
}

/** A map of names to values of one kind; the names are checked by `checkName`, which throws `ERR_SPINN_ARGUMENT`. */
export function mapOf<T, I>(
  kind: Kind<T, I>,
  expects: string,
  checkName: (name: string) => void,
): Kind<Record<string, T>, Record<string, I>> {
  return {
    expects,
    schema: { type: "object", additionalProperties: kind.schema },
    read(source, problems) {
      if (source.type !== "map" || source.members.length === 0) return wrong(expects, source, problems);
      const entries = source.members.map(({ key, place, value }) => {
        problems.catch(place, () => checkName(key));
        return [key, kind.read(value, problems)] as const;
      });
      return entries.every(([, value]) => value !== undefined) ? (Object.fromEntries(entries) as Record<string, T>) : undefined;
    },
  };
}

/** One member of a record. */
export interface Field<T, I, R extends boolean> {
  readonly kind: Kind<T, I>;
  readonly required: R;
  /** What it is for, and its default. */
  readonly about: string;
}

export type Fields = Readonly<Record<string, Field<unknown, unknown, boolean>>>;

export function required<T, I>(kind: Kind<T, I>, about: string): Field<T, I, true> {
  return { kind, required: true, about };
}

export function optional<T, I>(kind: Kind<T, I>, about: string): Field<T, I, false> {
  return { kind, required: false, about };
}

type RequiredNames<F extends Fields> = { [K in keyof F]: F[K]["required"] extends true ? K : never }[keyof F];
type OptionalNames<F extends Fields> = Exclude<keyof F, RequiredNames<F>>;
type ValueOf<X> = X extends Field<infer T, infer _I, boolean> ? T : never;
type InputOf<X> = X extends Field<infer _T, infer I, boolean> ? I : never;
type Flat<T> = { [K in keyof T]: T[K] } & {};

/** What a record of these fields is read to. */
export type Values<F extends Fields> = Flat<
  { readonly [K in RequiredNames<F>]: ValueOf<F[K]> } & { readonly [K in OptionalNames<F>]?: ValueOf<F[K]> | undefined }
>;

/** What may be written for a record of these fields. */
export type Inputs<F extends Fields> = Flat<
  { readonly [K in RequiredNames<F>]: InputOf<F[K]> } & { readonly [K in OptionalNames<F>]?: InputOf<F[K]> | undefined }
>;

/** A map with named members. `main` names the member that may be written alone: `sleep: 2s` for `sleep: { time: 2s }`. */
export function record<F extends Fields>(what: string, fields: F, main?: keyof F & string): Kind<Values<F>, Inputs<F>> {
  const names = Object.keys(fields);
  const requiredNames = names.filter((name) => fields[name]!.required);
  const properties = Object.fromEntries(names.map((name) => [name, { ...fields[name]!.kind.schema, description: fields[name]!.about }]));
  const whole = { type: "object", properties, required: requiredNames, additionalProperties: false };
  const short = main === undefined ? [] : [fields[main]!.kind.schema];
  return {
    expects: `${what} (${names.join(", ")})`,
    schema: main === undefined ? whole : { anyOf: [...short, whole] },
    read(source, problems) {
      const before = problems.found.length;
      const values: Record<string, unknown> = {};
      if (source.type === "map") {
        for (const { key, place, value } of source.members) {
          const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
          if (field === undefined) problems.add(place, commaTrap(value) ?? unknownWord(`key in ${what}:`, key, names));
          else if (value.type === "scalar" && value.value === null)
            problems.add(place, `"${key}" has no value; ${field.kind.expects} expected`);
          else values[key] = field.kind.read(value, problems);
        }
      } else if (main !== undefined && !(source.type === "scalar" && source.value === null)) {
        values[main] = fields[main]!.kind.read(source, problems);
      } else if (source.type === "list" || source.value !== null) {
        return wrong(this.expects, source, problems);
      }
      if (problems.found.length > before) return undefined;
      const missing = requiredNames.filter((name) => values[name] === undefined);
      for (const name of missing) problems.add(source, `${what} needs "${name}": ${fields[name]!.kind.expects}`);
      return missing.length > 0 ? undefined : (values as Values<F>);
    },
  };
}

/** Adds "… expected, not …". */
export function wrong(expects: string, source: Source, problems: Problems): undefined {
  return problems.add(source, `${expects} expected, not ${sourceWords(source)}`);
}

// `{ cores: 0,0,1-3, app: 30 }`: YAML ends the value at the first comma and takes the rest for keys without values.
function commaTrap(value: Source): string | undefined {
  const lonely = value.type === "scalar" && value.value === null && /\d/.test(value.path.split(".").at(-1) ?? "");
  return lonely ? "inside braces YAML ends a value at a comma: put chips and cores in quotes there" : undefined;
}
