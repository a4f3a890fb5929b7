import { checkInteger, SpinnError } from "../errors.js";

/** How a field is stored, little-endian. `char` is text, padded with NUL. */
export type FieldType = "u8" | "u16" | "u32" | "u64" | "i8" | "i16" | "i32" | "char";

/** What a field holds: a number, a bigint (u64), text (char), or an array of numbers or bigints. */
export type FieldValue = number | bigint | string | readonly number[] | readonly bigint[];

export interface StructField {
  readonly name: string;
  readonly type: FieldType;
  readonly offset: number;
  /** Elements; of `char` the bytes of the text. */
  readonly count: number;
  readonly sizeBytes: number;
  /** What it means, when the description says so. */
  readonly meaning: string;
}

const SIZES: Record<FieldType, number> = { u8: 1, u16: 2, u32: 4, u64: 8, i8: 1, i16: 2, i32: 4, char: 1 };
// Letters of Perl's pack, which the customary struct files of spinnaker_tools use.
const PACK: Record<string, FieldType> = { C: "u8", c: "i8", v: "u16", s: "i16", V: "u32", l: "i32", Q: "u64", A: "char", a: "char" };

/** One structure in the memory of a chip: where its fields are and how to read and write them. */
export class StructLayout {
  readonly name: string;
  readonly size: number;
  /** Address on the chip; 0 when the structure is found through a pointer. */
  readonly base: number;
  readonly fields: readonly StructField[];
  readonly #byName: ReadonlyMap<string, StructField>;

  constructor(name: string, size: number, base: number, fields: readonly StructField[]) {
    this.name = name;
    this.size = size;
    this.base = base;
    this.fields = fields;
    this.#byName = new Map(fields.map((field) => [field.name, field]));
    for (const field of fields) {
      if (field.offset + field.sizeBytes <= size) continue;
      throw new SpinnError(
        "ERR_SPINN_FILE",
        `field ${name}.${field.name} ends at ${field.offset + field.sizeBytes}, past the ${size} bytes of ${name}`,
      );
    }
  }

  /** Throws `ERR_SPINN_ARGUMENT` for a name the structure does not have. */
  field(name: string): StructField {
    const field = this.#byName.get(name);
    if (field !== undefined) return field;
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${this.name} has no field "${name}"`, {
      hint: `it has ${this.fields.map((known) => known.name).join(" ")}`,
    });
  }

  /** One field of `bytes`, which begin with the structure. Throws `ERR_SPINN_PROTOCOL` when they end before the field does. */
  read(bytes: Uint8Array, name: string): FieldValue {
    return this.decode(name, bytes.subarray(this.field(name).offset));
  }

  /** A field that holds one number. Throws `ERR_SPINN_ARGUMENT` for text, arrays and u64. */
  number(bytes: Uint8Array, name: string): number {
    const value = this.read(bytes, name);
    if (typeof value === "number") return value;
    throw new SpinnError("ERR_SPINN_ARGUMENT", `${this.name}.${name} is not one number`);
  }

  /** A field from its own bytes alone, as read from `base + offset`. */
  decode(name: string, bytes: Uint8Array): FieldValue {
    const field = this.field(name);
    if (bytes.length < field.sizeBytes) {
      throw new SpinnError("ERR_SPINN_PROTOCOL", `${this.name}.${name} needs ${field.sizeBytes} bytes, there are ${bytes.length}`);
    }
    if (field.type === "char") return text(bytes.subarray(0, field.sizeBytes));
    const view = new DataView(bytes.buffer, bytes.byteOffset, field.sizeBytes);
    if (field.type === "u64") {
      const values = Array.from({ length: field.count }, (_, i) => view.getBigUint64(8 * i, true));
      return field.count === 1 ? values[0]! : values;
    }
    const type = field.type;
    const values = Array.from({ length: field.count }, (_, i) => get(view, type, i * SIZES[type]));
    return field.count === 1 ? values[0]! : values;
  }

  /** Every field by name. */
  readAll(bytes: Uint8Array): Record<string, FieldValue> {
    return Object.fromEntries(this.fields.map((field) => [field.name, this.read(bytes, field.name)]));
  }

  /** Writes one field in place. Throws `ERR_SPINN_ARGUMENT` for a value that does not fit. */
  write(bytes: Uint8Array, name: string, value: FieldValue): void {
    const field = this.field(name);
    const encoded = this.encode(name, value);
    if (bytes.length < field.offset + encoded.length) {
      throw new SpinnError("ERR_SPINN_ARGUMENT", `${bytes.length} bytes do not hold ${this.name}.${name}`);
    }
    bytes.set(encoded, field.offset);
  }

  /** The bytes of one field. Throws `ERR_SPINN_ARGUMENT` for a value that does not fit. */
  encode(name: string, value: FieldValue): Uint8Array {
    const field = this.field(name);
    const bytes = new Uint8Array(field.sizeBytes);
    if (field.type === "char") {
      if (typeof value !== "string") throw this.#badValue(field, value);
      const encoded = new TextEncoder().encode(value);
      if (encoded.length > bytes.length) throw this.#badValue(field, value);
      bytes.set(encoded);
      return bytes;
    }
    const values = Array.isArray(value) ? (value as readonly (number | bigint)[]) : [value];
    if (values.length !== field.count) throw this.#badValue(field, value);
    const view = new DataView(bytes.buffer);
    values.forEach((element, i) => {
      if (typeof element !== "number" && typeof element !== "bigint") throw this.#badValue(field, value);
      if (field.type === "u64") {
        if (element < 0 || element > 0xffffffffffffffffn || (typeof element === "number" && !Number.isSafeInteger(element)))
          throw this.#badValue(field, value);
        view.setBigUint64(8 * i, BigInt(element), true);
      } else {
        const bits = 8 * SIZES[field.type];
        const signed = field.type.startsWith("i");
        const number = Number(element);
        checkInteger(`${this.name}.${name}`, number, signed ? -(2 ** (bits - 1)) : 0, signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1);
        for (let byte = 0; byte < SIZES[field.type]; byte += 1) bytes[i * SIZES[field.type] + byte] = number >> (8 * byte);
      }
    });
    return bytes;
  }

  #badValue(field: StructField, value: unknown): SpinnError {
    const shape =
      field.type === "char" ? `text of at most ${field.count} bytes` : field.count === 1 ? field.type : `${field.count} x ${field.type}`;
    return new SpinnError("ERR_SPINN_ARGUMENT", `${this.name}.${field.name} takes ${shape}, not ${String(value)}`);
  }
}

/**
 * Reads a description of structures. A block per structure:
 *
 * ```
 * name = sv
 * size = 256
 * base = 0xf5007f00
 * p2p_addr       u16  0x00  own position
 * status_map[20] u8   0x80  result of the boot ROM
 * ```
 * Field lines are name, type, offset, words. The customary `sark.struct` files of spinnaker_tools are read too: their types are letters of
 * Perl's pack (`C`, `v`, `V`, `A16`), and a format and a start value stand before the comment. `#` begins a comment. A repeated field name
 * keeps its first place. Throws `ERR_SPINN_FILE` with the line.
 */
export function parseStructs(text: string): Map<string, StructLayout> {
  const layouts = new Map<string, StructLayout>();
  let name: string | undefined;
  let size = 0;
  let base = 0;
  let fields = new Map<string, StructField>();
  const finish = (): void => {
    if (name !== undefined) layouts.set(name, new StructLayout(name, size, base, [...fields.values()]));
    fields = new Map();
  };
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/#.*/, "").trim();
    const comment = /#\s*(.*)/.exec(raw)?.[1] ?? "";
    if (line === "") continue;
    const setting = /^(name|size|base)\s*=\s*(\S+)$/.exec(line);
    if (setting !== null) {
      const [, key, value] = setting as unknown as [string, string, string];
      if (key === "name") {
        finish();
        name = value;
        size = 0;
        base = 0;
      } else if (!/^(0x[0-9a-fA-F]{1,8}|\d{1,10})$/.test(value)) throw badLine(index, raw, `${key} must be a number`);
      else if (key === "size") size = Number(value);
      else base = Number(value);
      continue;
    }
    const match = /^([\w.]+)(?:\[(\d{1,4})\])?\s+([A-Za-z]\w*)\s+(0x[0-9a-fA-F]{1,4}|\d{1,5})(?:\s+(.*))?$/.exec(line);
    if (match === null || name === undefined)
      throw badLine(index, raw, name === undefined ? 'a field before "name ="' : "not a field line");
    const [, fieldName, array, typeText, offset, rest] = match as unknown as [string, string, string?, string?, string?, string?];
    const parsed = fieldType(typeText!);
    if (parsed === undefined) throw badLine(index, raw, `unknown type "${typeText}"`);
    const [type, letters] = parsed;
    const count = letters ?? (array === undefined ? 1 : Number(array));
    if (count === 0) throw badLine(index, raw, "a field of no elements");
    if (fields.has(fieldName)) continue;
    const meaning = comment !== "" ? comment : (rest ?? "");
    fields.set(fieldName, { name: fieldName, type, offset: Number(offset), count, sizeBytes: count * SIZES[type], meaning });
  }
  finish();
  if (layouts.size === 0) throw new SpinnError("ERR_SPINN_FILE", 'no structure in this text: it has no line "name = ..."');
  return layouts;
}

/** Type, and the number of characters when the type carries it (`A16`). */
function fieldType(text: string): [FieldType, number | undefined] | undefined {
  if (Object.hasOwn(SIZES, text)) return [text as FieldType, undefined];
  const match = /^([A-Za-z])(\d{1,4})?$/.exec(text);
  const type = match === null ? undefined : PACK[match[1]!];
  if (type === undefined || (match![2] !== undefined && type !== "char")) return undefined;
  return [type, match![2] === undefined ? undefined : Number(match![2])];
}

function badLine(index: number, line: string, why: string): SpinnError {
  return new SpinnError("ERR_SPINN_FILE", `line ${index + 1} of the structure description: ${why}: ${line.trim().slice(0, 80)}`);
}

function get(view: DataView, type: Exclude<FieldType, "char" | "u64">, offset: number): number {
  switch (type) {
    case "u8":
      return view.getUint8(offset);
    case "u16":
      return view.getUint16(offset, true);
    case "u32":
      return view.getUint32(offset, true);
    case "i8":
      return view.getInt8(offset);
    case "i16":
      return view.getInt16(offset, true);
    case "i32":
      return view.getInt32(offset, true);
  }
}

/** Text up to its first NUL. A field that is full has none. */
function text(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}
