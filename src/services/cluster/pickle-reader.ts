import { SpinnError } from "../../errors.js";
import { arrayFrom, numberFrom } from "./array-value.js";

/**
 * The classes of ipyparallel and NumPy that stand for plain data, by every name they had. They are recognised, never run: each is a case of
 * `build` or `reduce` below.
 */
const KNOWN: Readonly<Record<string, Kind>> = {
  "ipyparallel.serialize.canning.CannedBytes": "bytes",
  "ipyparallel.serialize.canning.CannedArray": "array",
  "ipyparallel.serialize.canning.Reference": "reference",
  "numpy.dtype": "dtype",
  "numpy.ndarray": "ndarray",
  "numpy.core.multiarray.scalar": "scalar",
  "numpy._core.multiarray.scalar": "scalar",
  "numpy.core.multiarray._reconstruct": "reconstruct",
  "numpy._core.multiarray._reconstruct": "reconstruct",
};
type Kind = "bytes" | "array" | "reference" | "dtype" | "ndarray" | "scalar" | "reconstruct";

/** A name that an engine looks up in its namespace: how Python calls a function that is there already. */
export class Reference {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** A known class, or an instance of one that is not built yet. Never part of a result: `settled` puts `value` in its place. */
class Part {
  readonly kind: Kind;
  readonly isClass: boolean;
  value: unknown = undefined;
  isBuilt = false;
  /** Of a dtype, like `<f8`. */
  dtype = "";

  constructor(kind: Kind, isClass: boolean) {
    this.kind = kind;
    this.isClass = isClass;
  }

  built(value: unknown): this {
    this.value = value;
    this.isBuilt = true;
    return this;
  }
}

const MARK = Symbol("mark");
/** Bytes of a whole number: more are no number anybody means. */
const MAX_LONG = 1024;

/**
 * Reads plain data that Python pickled: None, booleans, numbers, text, bytes, lists, tuples (arrays here), dicts (objects; keys as in JSON),
 * NumPy numbers and arrays. `frames[0]` is the pickle, the rest large data that it points at. Whole numbers past 2**53 are `bigint`.
 *
 * This is a reader, not an unpickler: nothing is looked up, called or imported. Every other opcode and every class but those of arrays is
 * `ERR_SPINN_PROTOCOL`, and memory is bounded by the size of what came.
 */
export function readPickle(frames: readonly Uint8Array[]): { readonly value: unknown; readonly framesUsed: number } {
  const reader = new PickleReader(frames);
  const value = reader.read();
  return { value, framesUsed: reader.framesUsed };
}

class PickleReader {
  readonly #bytes: Buffer;
  readonly #frames: readonly Uint8Array[];
  readonly #stack: unknown[] = [];
  readonly #memo: unknown[] = [];
  #at = 0;
  #parts = 0;
  framesUsed = 1;

  constructor(frames: readonly Uint8Array[]) {
    const [first] = frames;
    if (first === undefined) throw broken("no frame");
    this.#frames = frames;
    this.#bytes = Buffer.from(first.buffer, first.byteOffset, first.byteLength);
  }

  read(): unknown {
    const stack = this.#stack;
    for (;;) {
      const opcode = this.#take(1)[0]!;
      switch (opcode) {
        case 0x80: // PROTO
          this.#take(1);
          break;
        case 0x95: // FRAME
          this.#take(8);
          break;
        case 0x2e: // STOP
          return this.#parts === 0 ? this.#pop() : settled(this.#pop());
        case 0x4e:
          stack.push(null);
          break;
        case 0x88:
          stack.push(true);
          break;
        case 0x89:
          stack.push(false);
          break;
        case 0x4a:
          stack.push(this.#take(4).readInt32LE());
          break;
        case 0x4b:
          stack.push(this.#take(1)[0]!);
          break;
        case 0x4d:
          stack.push(this.#take(2).readUInt16LE());
          break;
        case 0x8a: // LONG1
          stack.push(whole(this.#take(this.#length(1))));
          break;
        case 0x8b: // LONG4
          stack.push(whole(this.#take(this.#length(4))));
          break;
        case 0x47: // BINFLOAT
          stack.push(this.#take(8).readDoubleBE());
          break;
        case 0x8c:
          stack.push(this.#take(this.#length(1)).toString("utf8"));
          break;
        case 0x58:
          stack.push(this.#take(this.#length(4)).toString("utf8"));
          break;
        case 0x8d:
          stack.push(this.#take(this.#length(8)).toString("utf8"));
          break;
        case 0x43:
          stack.push(Uint8Array.from(this.#take(this.#length(1))));
          break;
        case 0x42:
          stack.push(Uint8Array.from(this.#take(this.#length(4))));
          break;
        case 0x8e:
          stack.push(Uint8Array.from(this.#take(this.#length(8))));
          break;
        case 0x28:
          stack.push(MARK);
          break;
        case 0x5d: // EMPTY_LIST
        case 0x29: // EMPTY_TUPLE
          stack.push([]);
          break;
        case 0x7d: // EMPTY_DICT
          stack.push({});
          break;
        case 0x61: // APPEND
          this.#append([this.#pop()]);
          break;
        case 0x65: // APPENDS
          this.#append(this.#popMark());
          break;
        case 0x73: // SETITEM
          this.#setItems([this.#pop(), this.#pop()].reverse());
          break;
        case 0x75: // SETITEMS
          this.#setItems(this.#popMark());
          break;
        case 0x85:
        case 0x86:
        case 0x87: // TUPLE1 ... TUPLE3
          stack.push(Array.from({ length: opcode - 0x84 }, () => this.#pop()).reverse());
          break;
        case 0x74: // TUPLE
          stack.push(this.#popMark());
          break;
        case 0x94: // MEMOIZE
          this.#memo.push(this.#top());
          break;
        case 0x71:
          this.#put(this.#length(1));
          break;
        case 0x72:
          this.#put(this.#length(4));
          break;
        case 0x68:
          this.#get(this.#length(1));
          break;
        case 0x6a:
          this.#get(this.#length(4));
          break;
        case 0x93: {
          // STACK_GLOBAL
          const [name, module] = [this.#pop(), this.#pop()];
          this.#global(module, name);
          break;
        }
        case 0x63: // GLOBAL
          this.#global(this.#line(), this.#line());
          break;
        case 0x81: // NEWOBJ
          this.#newObject(this.#pop(), this.#pop());
          break;
        case 0x52: // REDUCE
          this.#reduce(this.#pop(), this.#pop());
          break;
        case 0x62: // BUILD
          this.#build(this.#pop());
          break;
        default:
          throw refused(`opcode 0x${opcode.toString(16)}`);
      }
    }
  }

  #take(length: number): Buffer {
    const from = this.#at;
    if (from + length > this.#bytes.length) throw broken("cut off");
    this.#at = from + length;
    return this.#bytes.subarray(from, this.#at);
  }

  #length(size: 1 | 4 | 8): number {
    const field = this.#take(size);
    return size === 1 ? field[0]! : size === 4 ? field.readUInt32LE() : Number(field.readBigUInt64LE());
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end < 0) throw broken("cut off");
    const text = this.#take(end - this.#at).toString("utf8");
    this.#at += 1;
    return text;
  }

  #pop(): unknown {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #top(): unknown {
    const value = this.#stack[this.#stack.length - 1];
    if (this.#stack.length === 0 || value === MARK) throw broken("nothing on the stack");
    return value;
  }

  #popMark(): unknown[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw broken("no mark");
    const items = this.#stack.splice(at);
    items.shift();
    return items;
  }

  #append(items: readonly unknown[]): void {
    const list = this.#top();
    if (!Array.isArray(list)) throw broken("an item for what is no list");
    for (const item of items) list.push(item);
  }

  #setItems(items: readonly unknown[]): void {
    const dict = this.#top();
    if (typeof dict !== "object" || dict === null || Array.isArray(dict) || dict instanceof Part || ArrayBuffer.isView(dict)) {
      throw broken("an item for what is no dict");
    }
    if (items.length % 2 !== 0) throw broken("a key without a value");
    for (let i = 0; i < items.length; i += 2) {
      const key = items[i];
      if (typeof key === "object" && key !== null) throw refused("a dict whose keys are neither text nor numbers");
      // Not by assignment: `__proto__` is a key like any other.
      if (key === "__proto__")
        Object.defineProperty(dict, key, { value: items[i + 1], writable: true, enumerable: true, configurable: true });
      else (dict as Record<string, unknown>)[String(key)] = items[i + 1];
    }
  }

  /** Memo numbers count up from 0: one further on than there are bytes is no memo. */
  #put(index: number): void {
    if (index > this.#memo.length) throw broken("a memo out of order");
    this.#memo[index] = this.#top();
  }

  #get(index: number): void {
    if (index >= this.#memo.length) throw broken("a memo that is not there");
    this.#stack.push(this.#memo[index]);
  }

  #global(module: unknown, name: unknown): void {
    const path = `${String(module)}.${String(name)}`;
    const kind = Object.hasOwn(KNOWN, path) ? KNOWN[path] : undefined;
    if (kind === undefined) throw refused(path.slice(0, 100));
    this.#parts += 1;
    this.#stack.push(new Part(kind, true));
  }

  #newObject(args: unknown, of: unknown): void {
    if (!(of instanceof Part) || !of.isClass || !Array.isArray(args) || args.length !== 0) throw broken("an object of nothing");
    if (of.kind !== "bytes" && of.kind !== "array" && of.kind !== "reference") throw broken("an object of a function");
    this.#stack.push(new Part(of.kind, false));
  }

  #reduce(args: unknown, of: unknown): void {
    if (!(of instanceof Part) || !of.isClass || !Array.isArray(args)) throw broken("a call of nothing");
    const [first, second] = args as readonly unknown[];
    const made = new Part(of.kind === "reconstruct" ? "ndarray" : of.kind, false);
    if (of.kind === "dtype" && typeof first === "string") made.dtype = /^[<>|=]/.test(first) ? first : `<${first}`;
    else if (of.kind === "scalar" && first instanceof Part && first.dtype !== "" && second instanceof Uint8Array) {
      made.built(numberFrom(first.dtype, second));
    } else if (of.kind !== "reconstruct") throw broken("a call that is not understood");
    this.#stack.push(made);
  }

  #build(state: unknown): void {
    const made = this.#top();
    if (!(made instanceof Part) || made.isClass) throw broken("a state for nothing");
    if (made.kind === "dtype" && Array.isArray(state)) {
      const order = state[1];
      if (order === "<" || order === ">" || order === "|") made.dtype = `${order}${made.dtype.slice(1)}`;
    } else if (made.kind === "ndarray" && Array.isArray(state) && state.length === 5) {
      const [, shape, dtype, isColumnMajor, data] = state as readonly unknown[];
      if (!(dtype instanceof Part) || !(data instanceof Uint8Array) || isColumnMajor !== false)
        throw refused("an array that is not laid out by rows");
      made.built(arrayFrom(dtype.dtype, shape, data));
    } else if (typeof state === "object" && state !== null) this.#uncan(made, state as Readonly<Record<string, unknown>>);
    else throw broken("a state that is not understood");
  }

  #uncan(made: Part, state: Readonly<Record<string, unknown>>): void {
    if (made.kind === "reference" && typeof state["name"] === "string") {
      made.built(new Reference(state["name"]));
      return;
    }
    const { buffers } = state;
    let data: unknown = Array.isArray(buffers) && buffers.length === 1 ? buffers[0] : undefined;
    if (data === null) {
      data = this.#frames[this.framesUsed];
      this.framesUsed += 1;
    }
    if (!(data instanceof Uint8Array)) throw broken("data that are missing");
    if (made.kind === "bytes") made.built(data);
    else if (made.kind !== "array") throw broken("a state that is not understood");
    // What NumPy cannot lend as bytes (objects, and empty arrays) is a pickle within the pickle.
    else if (state["pickled"] === true) made.built(readPickle([data]).value);
    else made.built(arrayFrom(state["dtype"], state["shape"], data));
  }
}

/** The value with every built part in its place. Throws for parts that are left over. */
function settled(root: unknown): unknown {
  const seen = new Set<object>();
  const waiting: object[] = [];
  const place = (value: unknown): unknown => {
    if (value instanceof Part) {
      if (!value.isBuilt) throw refused("a class instead of a value");
      return place(value.value);
    }
    if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !seen.has(value)) {
      seen.add(value);
      waiting.push(value);
    }
    return value;
  };
  const result = place(root);
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const holder = next as Record<string, unknown>;
    if (Object.isFrozen(holder)) continue;
    for (const key of Object.keys(holder)) {
      const before = holder[key];
      const after = place(before);
      if (after !== before) holder[key] = after;
    }
  }
  return result;
}

/** Two's complement, least byte first. */
function whole(bytes: Buffer): number | bigint {
  if (bytes.length > MAX_LONG) throw refused("a whole number of more than 1024 bytes");
  if (bytes.length === 0) return 0;
  const value = BigInt.asIntN(bytes.length * 8, BigInt(`0x${Buffer.from(bytes).reverse().toString("hex")}`));
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function broken(what: string): SpinnError {
  return new SpinnError("ERR_SPINN_PROTOCOL", `a pickled value is broken: ${what}`);
}

function refused(what: string): SpinnError {
  return new SpinnError("ERR_SPINN_PROTOCOL", `a pickled value holds ${what}, which is no plain data`, {
    hint: "return None, numbers, text, bytes, lists, dicts or NumPy arrays from the engine: for anything else str(...) or a dict of its parts",
  });
}
