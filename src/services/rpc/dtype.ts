import { SpinnError } from "../../errors.js";

/** What a numpy dtype text says: byte order, kind, bytes of one element. */
export interface Dtype {
  /** Normal form: order always written, `|` where there is none to have. */
  readonly text: string;
  readonly kind: "b" | "i" | "u" | "f" | "c" | "S" | "U" | "V" | "M" | "m";
  readonly itemBytes: number;
  readonly bigEndian: boolean;
}

const SIZES: Readonly<Record<string, readonly number[]>> = {
  b: [1],
  i: [1, 2, 4, 8],
  u: [1, 2, 4, 8],
  f: [2, 4, 8, 12, 16],
  c: [8, 16, 24, 32],
  M: [8],
  m: [8],
};

/** The long names that ARTIQ 1 wrote, and numpy still reads. */
const NAMES: Readonly<Record<string, string>> = {
  bool: "b1",
  int8: "i1",
  int16: "i2",
  int32: "i4",
  int64: "i8",
  uint8: "u1",
  uint16: "u2",
  uint32: "u4",
  uint64: "u8",
  float16: "f2",
  float32: "f4",
  float64: "f8",
  complex64: "c8",
  complex128: "c16",
};

/** Largest element that is believed: text and raw kinds may say any length. */
const MAX_ITEM_BYTES = 1 << 24;

/** Reads a numpy dtype text such as `<f8`, `|b1`, `<U3` or `float64`. Throws `ERR_SPINN_PROTOCOL` for anything else, objects included. */
export function parseDtype(text: string): Dtype {
  const match = /^([<>|=]?)([biufcSUVMm])(\d{1,8})(\[[^\]]{1,16}\])?$/.exec(Object.hasOwn(NAMES, text) ? NAMES[text]! : text);
  const kind = match?.[2] as Dtype["kind"] | undefined;
  const count = Number(match?.[3]);
  const itemBytes = kind === "U" ? count * 4 : count;
  const unit = match?.[4] ?? "";
  const known = kind !== undefined && (SIZES[kind]?.includes(count) ?? itemBytes <= MAX_ITEM_BYTES);
  if (!known || (unit !== "" && kind !== "M" && kind !== "m")) {
    throw new SpinnError("ERR_SPINN_PROTOCOL", `the array type ${JSON.stringify(text.slice(0, 40))} is none that can be read`);
  }
  const orderless = kind === "S" || kind === "V" || itemBytes === 1;
  const bigEndian = !orderless && match?.[1] === ">";
  const order = orderless ? "|" : bigEndian ? ">" : "<";
  return { text: `${order}${kind}${count}${unit}`, kind, itemBytes, bigEndian };
}
