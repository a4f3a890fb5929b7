import { hex32 } from "../errors.js";
import {
  areaOf,
  CORE_COUNT,
  checkAddressRange,
  type FieldValue,
  MEMORY_AREAS,
  type StructField,
  type StructLayout,
  SV,
  VCPU,
  vcpuAddress,
} from "../machine/index.js";
import { nearestWord } from "./nearest.js";
import { parseNumber } from "./number.js";
import { asUsage, usage } from "./usage.js";

/** An address as a person named it. */
export interface NamedAddress {
  readonly address: number;
  /** The field it names, when it names one. */
  readonly field: { readonly layout: StructLayout; readonly field: StructField } | undefined;
  /** Bytes of what it names: a field, a structure; `undefined` for a bare address. */
  readonly sizeBytes: number | undefined;
  /** As it was written. */
  readonly name: string;
}

const AREAS = new Map(MEMORY_AREAS.map((area) => [area.name.toLowerCase().replaceAll(" ", "-"), area.base]));

/**
 * Reads an address: a number, an area (`sdram`, `sysram`, `router` ...), a system variable (`sv.clock_ms`), a field of a core's block
 * (`vcpu[3].app_name`; `vcpu.app_name` where `core` is known), each with `+` or `-` and an offset. Throws `ERR_SPINN_ARGUMENT`.
 */
export function parseAddress(text: string, core?: number): NamedAddress {
  const match = /^([a-z][a-z-]*[a-z])(?:\[(\w+)\])?(?:\.([\w.]+))?(?:\s*([+-])\s*(\w+))?$/i.exec(text);
  if (match === null || /^[0-9a-f]+$/i.test(text)) return { ...plainAddress(text), name: text };
  const [, word, index, fieldName, sign, offsetText] = match;
  const offset = offsetText === undefined ? 0 : parseNumber("offset", offsetText) * (sign === "-" ? -1 : 1);
  const named = nameOf(text, word!.toLowerCase(), index, fieldName, core);
  const address = named.address + offset;
  if (address < 0 || address > 0xffffffff) throw usage(`address: ${text} lies outside 32 bits`);
  return offset === 0 ? { ...named, name: text } : { address, field: undefined, sizeBytes: undefined, name: text };
}

/** Checks a range before anything is sent: what reaches outside memory is wrong usage. */
export function checkRange(address: number, length: number): void {
  asUsage(() => checkAddressRange(address, length));
}

/** Whether a plain write may go there: SDRAM and SysRAM, and a core's own memory; registers and the rest need `--force`. */
export function isOrdinaryMemory(address: number): boolean {
  const area = areaOf(address);
  return area !== undefined && !area.registers && area.name !== "boot ROM";
}

/** A value as text: numbers in decimal and hex, text in quotes, arrays in brackets. */
export function formatValue(value: FieldValue, field: StructField): string {
  if (typeof value === "string") return JSON.stringify(value);
  const bits = 8 * (field.sizeBytes / field.count);
  const one = (element: number | bigint): string => {
    const wide = BigInt.asUintN(bits, BigInt(element)).toString(16);
    return element >= 0 && element < 10 ? `${element}` : `${element} (0x${wide})`;
  };
  return typeof value === "number" || typeof value === "bigint" ? one(value) : `[${[...value].join(" ")}]`;
}

function nameOf(
  text: string,
  word: string,
  index: string | undefined,
  fieldName: string | undefined,
  core: number | undefined,
): Omit<NamedAddress, "name"> {
  if (word === "sv" && index === undefined) return within(SV, SV.base, fieldName);
  if (word === "vcpu") {
    const p = index === undefined ? core : parseNumber("core", index);
    if (p === undefined) throw usage(`address: ${text} names no core`, "write vcpu[3].app_name, or give the core: 1,2,3");
    if (p >= CORE_COUNT) throw usage(`address: ${text}: there is no core ${p}`, `cores are 0 to ${CORE_COUNT - 1}`);
    return within(VCPU, vcpuAddress(p), fieldName);
  }
  const base = AREAS.get(word);
  if (base !== undefined && index === undefined && fieldName === undefined)
    return { address: base, field: undefined, sizeBytes: undefined };
  const known = [...AREAS.keys(), "sv", "vcpu"];
  const near = nearestWord(word, known);
  throw usage(`address: "${text}" is no known name`, near === undefined ? `names are ${known.join(" ")}` : `did you mean ${near}?`);
}

function within(layout: StructLayout, base: number, fieldName: string | undefined): Omit<NamedAddress, "name"> {
  if (fieldName === undefined) return { address: base, field: undefined, sizeBytes: layout.size };
  const names = layout.fields.map((field) => field.name);
  if (!names.includes(fieldName)) {
    const near = nearestWord(fieldName, names);
    throw usage(
      `address: ${layout.name} has no field "${fieldName}"`,
      near === undefined ? `it has ${names.join(" ")}` : `did you mean ${layout.name}.${near}?`,
    );
  }
  const field = layout.field(fieldName);
  return { address: base + field.offset, field: { layout, field }, sizeBytes: field.sizeBytes };
}

function plainAddress(text: string): Omit<NamedAddress, "name"> {
  const address = parseNumber("address", text);
  if (address > 0xffffffff) throw usage(`address: ${text} is more than 32 bits`);
  // 60240000 is a decimal number, but nobody means it: decimal, nothing is there, and read as hex it is memory.
  if (/^\d{8}$/.test(text) && areaOf(address) === undefined && areaOf(Number(`0x${text}`)) !== undefined) {
    throw usage(`address: nothing is at ${text} (${hex32(address)})`, `did you mean 0x${text}?`);
  }
  return { address, field: undefined, sizeBytes: undefined };
}
