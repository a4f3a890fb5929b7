import { SpinnError } from "../../errors.js";

/** A class of one's own in PYON v2: it travels as a class hint, `{"__jsonclass__": [name, arguments]}`, as in sipyco's `pyon.register`. */
export interface PyonType<T extends object> {
  /** Its name on the wire; both sides must know it. sipyco's users put their module in front: `lab.Waveform`. */
  readonly name: string;
  /** Its class; values of classes derived from it are not meant. */
  readonly type: abstract new (
    ...args: never[]
  ) => T;
  /** The arguments that `decode` gets on the other side: values that PYON has words for. */
  readonly encode: (value: T) => readonly unknown[];
  /** Makes the value. What comes from outside is not to be trusted: check it. */
  readonly decode: (...args: unknown[]) => T;
}

type AnyType = PyonType<object>;
/** Bounded by what the program registers. */
const byName = new Map<string, AnyType>();
const byClass = new Map<unknown, AnyType>();

/**
 * Makes PYON v2 write and read a class of one's own, in the whole program. Returns what takes it back. Throws `ERR_SPINN_ARGUMENT` for a name
 * that is empty or taken, and for a class that has one already.
 */
export function registerPyonType<T extends object>(type: PyonType<T>): () => void {
  const { name, type: own } = type;
  if (name === "" || BUILTIN_HINTS.has(name) || byName.has(name) || byClass.has(own)) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `the PYON type ${JSON.stringify(name)}, or its class, is known already`, {
      hint: "choose another name, or take the first one back",
    });
  }
  byName.set(name, type as unknown as AnyType);
  byClass.set(own, type as unknown as AnyType);
  return () => {
    byName.delete(name);
    byClass.delete(own);
  };
}

/** Names that PYON itself has. */
export const BUILTIN_HINTS: ReadonlySet<string> = new Set([
  "tuple",
  "dict",
  "set",
  "OrderedDict",
  "bytes",
  "complex",
  "slice",
  "Fraction",
  "nparray",
  "npscalar",
]);

/** The registered type of a value, if its class has one. */
export function typeOf(value: object): AnyType | undefined {
  return byClass.size === 0 ? undefined : byClass.get(value.constructor);
}

/** The registered type of that name. */
export function typeNamed(name: string): AnyType | undefined {
  return byName.get(name);
}
