import { checkRange, type NamedAddress, parseAddress } from "./address.js";
import { parseNumber } from "./number.js";
import { looksLikePlace, type Place, parsePlace } from "./place.js";
import { usage } from "./usage.js";

/** Memory as a person named it: where, from which address, and what else was written behind. */
export interface MemoryWords {
  /** The root chip unless another one, or a core, is named. */
  readonly place: Place;
  readonly address: NamedAddress;
  readonly rest: readonly string[];
}

const ROOT: Place = { x: 255, y: 255 };

/** Reads `[PLACE] ADDRESS REST...`. Throws `ERR_SPINN_ARGUMENT`. */
export function parseMemoryWords(words: readonly string[]): MemoryWords {
  const [first, ...others] = words;
  if (first === undefined) throw usage("no address is named", "write e.g. sdram, 0x60240000, sysram+0x40, sv.clock_ms or vcpu[3].app_name");
  const place = looksLikePlace(first) ? parsePlace(first) : ROOT;
  const [addressText, ...rest] = looksLikePlace(first) ? others : words;
  if (addressText === undefined) throw usage(`no address behind ${first}`, `write e.g. ${first} sdram 64`);
  return { place, address: parseAddress(addressText, place.p), rest };
}

/** The length that is meant, and the check that the range is memory. */
export function parseLength(address: NamedAddress, text: string | undefined, defaultBytes: number): number {
  const length = text === undefined ? (address.sizeBytes ?? defaultBytes) : parseNumber("length", text);
  if (length === 0) throw usage("length: 0 bytes are nothing");
  checkRange(address.address, length);
  return length;
}

/** Throws `ERR_SPINN_ARGUMENT` when more words stand there than a verb takes. */
export function noMore(rest: readonly string[], from: number): void {
  if (rest.length > from) throw usage(`"${rest[from]}" is one word too many`);
}
