import { Complex, Fraction, NdArray, NpScalar, OrderedDict, PyFloat, Slice, Tuple } from "../../../src/services/rpc/index.js";

/** A value described as the golden vectors describe it. */
export interface Description {
  readonly t: string;
  readonly [member: string]: unknown;
}

function float(value: number): Description {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  return { t: "float", bits: Number.isNaN(value) ? "nan" : view.getBigUint64(0).toString(16).padStart(16, "0") };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bySortKey = (a: unknown, b: unknown): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

/** What a decoded value is, in the words of the vectors. */
export function describeValue(value: unknown): Description {
  if (value === null) return { t: "none" };
  if (typeof value === "boolean") return { t: "bool", v: value };
  if (typeof value === "bigint") return { t: "int", v: String(value) };
  if (typeof value === "number")
    return Number.isSafeInteger(value) && !Object.is(value, -0) ? { t: "int", v: String(value) } : float(value);
  if (value instanceof PyFloat) return float(Number(value));
  if (typeof value === "string") return { t: "str", v: value };
  if (value instanceof Tuple) return { t: "tuple", v: Array.from(value, describeValue) };
  if (Array.isArray(value)) return { t: "list", v: value.map(describeValue) };
  if (value instanceof Set) return { t: "set", v: [...value].map(describeValue).sort(bySortKey) };
  if (value instanceof Map) {
    return { t: value instanceof OrderedDict ? "odict" : "dict", v: [...value].map((pair) => pair.map(describeValue)) };
  }
  if (value instanceof Uint8Array) return { t: "bytes", hex: hex(value) };
  if (value instanceof Complex) return { t: "complex", re: float(value.re), im: float(value.im) };
  if (value instanceof Fraction) return { t: "fraction", num: String(value.numerator), den: String(value.denominator) };
  if (value instanceof Slice) {
    return { t: "slice", start: describeValue(value.start), stop: describeValue(value.stop), step: describeValue(value.step) };
  }
  if (value instanceof NdArray) return { t: "ndarray", dtype: value.dtype, shape: value.shape, hex: hex(value.bytes) };
  if (value instanceof NpScalar) return { t: "npscalar", dtype: value.dtype, hex: hex(value.bytes) };
  throw new Error(`no description for ${String(value)}`);
}

/** A vector's description without what is there for reading only, sets sorted, any NaN equal to any. */
export function normal(description: Description): Description {
  const { t } = description;
  if (t === "str") return { t, v: description["v"] };
  if (t === "float") {
    const bits = String(description["bits"]);
    return { t, bits: description["v"] === "nan" ? "nan" : bits };
  }
  if (t === "tuple" || t === "list") return { t, v: (description["v"] as Description[]).map(normal) };
  if (t === "set") return { t, v: (description["v"] as Description[]).map(normal).sort(bySortKey) };
  if (t === "dict" || t === "odict") return { t, v: (description["v"] as Description[][]).map((pair) => pair.map(normal)) };
  if (t === "slice" || t === "complex") {
    return Object.fromEntries(
      Object.entries(description).map(([key, item]) => [key, key === "t" ? item : normal(item as Description)]),
    ) as Description;
  }
  return description;
}

/** The value of a description. */
export function buildValue(description: Description): unknown {
  const { t, v } = description;
  const items = (): unknown[] => (v as Description[]).map(buildValue);
  const pairs = (): [unknown, unknown][] => (v as [Description, Description][]).map(([key, value]) => [buildValue(key), buildValue(value)]);
  const bytes = (): Uint8Array => new Uint8Array(Buffer.from(description["hex"] as string, "hex"));
  const member = (name: string): unknown => buildValue(description[name] as Description);
  switch (t) {
    case "none":
      return null;
    case "bool":
    case "str":
      return v;
    case "int":
      return Number.isSafeInteger(Number(v)) ? Number(v) : BigInt(v as string);
    case "float": {
      const value = new DataView(Uint8Array.from(Buffer.from(description["bits"] as string, "hex")).buffer).getFloat64(0);
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? new PyFloat(value) : value;
    }
    case "tuple":
      return Tuple.from(items());
    case "list":
      return items();
    case "set":
      return new Set(items());
    case "dict":
      return new Map(pairs());
    case "odict":
      return new OrderedDict(pairs());
    case "bytes":
      return bytes();
    case "complex":
      return new Complex(Number(member("re")), Number(member("im")));
    case "fraction":
      return new Fraction(BigInt(description["num"] as string), BigInt(description["den"] as string));
    case "slice":
      return new Slice(member("start"), member("stop"), member("step"));
    case "ndarray":
      return new NdArray(description["dtype"] as string, description["shape"] as number[], bytes());
    case "npscalar":
      return new NpScalar(description["dtype"] as string, bytes());
    default:
      throw new Error(`no value for ${t}`);
  }
}
