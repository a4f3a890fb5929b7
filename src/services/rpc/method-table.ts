import { SpinnError } from "../../errors.js";
import { RemoteError } from "./remote-error.js";
import { isPlainObject, Tuple } from "./value.js";

/** What a method can know about its call. */
export interface CallContext {
  /** Fires when the caller is gone, the server stops, or the call's time is up. */
  readonly signal: AbortSignal;
  /** The caller's address, `host:port`. */
  readonly peer: string;
}

export interface ParameterDescription {
  readonly name: string;
  /** Python's name for its type, for the listing: `int`, `float`, `str`. */
  readonly type?: string;
  /** Makes the parameter optional; passed when the caller leaves it out. */
  readonly default?: unknown;
}

/** How Python sees a method. The JavaScript function gets: context (if asked for), args, keywordOnly, varkw, ...varargs. */
export interface MethodDescription {
  readonly doc?: string;
  readonly args?: readonly ParameterDescription[];
  readonly keywordOnly?: readonly ParameterDescription[];
  /** Name of the parameter that takes further arguments. */
  readonly varargs?: string;
  /** Name of the parameter that takes further keywords, as a Map. */
  readonly varkw?: string;
  readonly returns?: string;
  /** The function's first parameter is the {@link CallContext}. Default false. */
  readonly passContext?: boolean;
}

export interface TargetDescription {
  readonly doc?: string;
  readonly methods?: Readonly<Record<string, MethodDescription>>;
}

const DESCRIPTIONS = new WeakMap<object, TargetDescription>();

/** Attaches documentation and signatures to a target, for the method listing and for calls with keywords. Returns the target. */
export function describeTarget<T extends object>(target: T, description: TargetDescription): T {
  for (const [name, method] of Object.entries(description.methods ?? {})) checkDescription(name, method);
  DESCRIPTIONS.set(target, description);
  return target;
}

type Callable = (...args: unknown[]) => unknown;

interface Method {
  readonly call: Callable;
  readonly description: MethodDescription | undefined;
}

/**
 * The methods of one target that may be called from outside: functions of the object and its classes, but no constructor, nothing
 * that starts with an underscore, nothing of Object itself. Taken once; what is not in the table cannot be reached.
 */
export class MethodTable {
  readonly target: object;
  readonly #methods = new Map<string, Method>();
  readonly #doc: string | undefined;

  constructor(target: object) {
    this.target = target;
    const description = DESCRIPTIONS.get(target);
    this.#doc = description?.doc;
    for (
      let level: object | null = target;
      level !== null && level !== Object.prototype;
      level = Object.getPrototypeOf(level) as object | null
    ) {
      for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
        const call: unknown = property.value;
        if (typeof call !== "function" || name === "constructor" || name.startsWith("_") || this.#methods.has(name)) continue;
        const methods = description?.methods;
        const own = methods !== undefined && Object.hasOwn(methods, name) ? methods[name] : undefined;
        this.#methods.set(name, { call: call as Callable, description: own });
      }
    }
  }

  get names(): string[] {
    return [...this.#methods.keys()];
  }

  /** Calls a method as Python would: throws what Python raises for unknown names and wrong arguments. */
  call(name: string, args: readonly unknown[], kwargs: unknown, context: () => CallContext): unknown {
    const method = this.#methods.get(name);
    if (method === undefined) {
      throw new RemoteError("AttributeError", `'${this.target.constructor?.name ?? "object"}' object has no attribute '${name}'`);
    }
    const { call, description } = method;
    const keywords = keywordMap(kwargs);
    if (description === undefined) {
      if (keywords !== undefined) throw new RemoteError("TypeError", `${name}() takes no keyword arguments`);
      if (args.length < call.length) throw missing(name, call.length - args.length);
      return call.apply(this.target, args as unknown[]);
    }
    const bound = bind(name, description, args, keywords);
    if (description.passContext) bound.unshift(context());
    return call.apply(this.target, bound);
  }

  /** The answer to get_rpc_method_list. */
  list(): unknown {
    const methods: Record<string, unknown> = {};
    for (const [name, { call, description }] of this.#methods) {
      methods[name] = Tuple.of<unknown>(signature(call, description), description?.doc ?? null);
    }
    return { docstring: this.#doc ?? null, methods };
  }
}

function keywordMap(kwargs: unknown): ReadonlyMap<unknown, unknown> | undefined {
  if (kwargs instanceof Map) return kwargs.size === 0 ? undefined : kwargs;
  if (typeof kwargs !== "object" || kwargs === null || !isPlainObject(kwargs)) {
    throw new RemoteError("TypeError", "kwargs must be a dict");
  }
  for (const _ in kwargs) return new Map(Object.entries(kwargs));
  return undefined;
}

function bind(
  name: string,
  description: MethodDescription,
  args: readonly unknown[],
  keywords: ReadonlyMap<unknown, unknown> = new Map(),
): unknown[] {
  const { args: positional = [], keywordOnly = [], varargs, varkw } = description;
  if (args.length > positional.length && varargs === undefined) {
    throw new RemoteError("TypeError", `${name}() takes ${positional.length} positional arguments but ${args.length} were given`);
  }
  const left = new Map(keywords);
  const absent: string[] = [];
  const bound = [...positional, ...keywordOnly].map((parameter, index) => {
    const given = index < positional.length && index < args.length;
    if (given && left.has(parameter.name))
      throw new RemoteError("TypeError", `${name}() got multiple values for argument '${parameter.name}'`);
    if (given) return args[index];
    if (left.has(parameter.name)) {
      const value = left.get(parameter.name);
      left.delete(parameter.name);
      return value;
    }
    if (!("default" in parameter)) absent.push(parameter.name);
    return parameter.default;
  });
  if (absent.length > 0) throw missing(name, absent.length, absent);
  if (varkw !== undefined) bound.push(left);
  else if (left.size > 0)
    throw new RemoteError("TypeError", `${name}() got an unexpected keyword argument '${String([...left.keys()][0])}'`);
  return [...bound, ...args.slice(positional.length)];
}

function missing(name: string, count: number, names: readonly string[] = []): RemoteError {
  const list = names.length > 0 ? `: ${names.map((one) => `'${one}'`).join(", ")}` : "";
  return new RemoteError("TypeError", `${name}() missing ${count} required positional argument${count === 1 ? "" : "s"}${list}`);
}

/** What Python's inspect would say. Without a description only the number of parameters is known. */
function signature(call: Callable, description: MethodDescription | undefined): Record<string, unknown> {
  const unnamed = Array.from({ length: call.length }, (_, index) => ({ name: `arg${index + 1}` }));
  const { args = unnamed, keywordOnly = [], varargs, varkw, returns }: MethodDescription = description ?? {};
  const defaults = args.filter((parameter) => "default" in parameter).map((parameter) => parameter.default);
  const types = [...args, ...keywordOnly].filter((parameter) => parameter.type !== undefined);
  const annotations = Object.fromEntries(types.map((parameter) => [parameter.name, parameter.type]));
  return {
    args: ["self", ...args.map((parameter) => parameter.name)],
    varargs: varargs ?? null,
    varkw: varkw ?? null,
    defaults: defaults.length > 0 ? Tuple.from(defaults) : null,
    kwonlyargs: keywordOnly.map((parameter) => parameter.name),
    kwonlydefaults: keywordOnly.some((parameter) => "default" in parameter)
      ? Object.fromEntries(keywordOnly.filter((one) => "default" in one).map((one) => [one.name, one.default]))
      : null,
    annotations: returns === undefined ? annotations : { return: returns, ...annotations },
  };
}

/** Refuses a description whose optional parameters stand in front of required ones: Python has no such signature. */
function checkDescription(name: string, { args = [] }: MethodDescription): void {
  const firstOptional = args.findIndex((parameter) => "default" in parameter);
  if (firstOptional >= 0 && args.slice(firstOptional).some((parameter) => !("default" in parameter))) {
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${name}: a parameter without default stands behind one with a default`);
  }
}
