/** Call frame information of DWARF 2 to 5 (section 6.4): where, at an instruction, the caller's registers are. */
import { ByteReader } from "./byte-reader.js";

/** Where the caller's registers are. The frame address is register `cfaRegister` + `cfaOffset`. */
export interface FrameRule {
  readonly cfaRegister: number;
  readonly cfaOffset: number;
  /** Registers saved in memory: register number to distance from the frame address. */
  readonly saved: ReadonlyMap<number, number>;
  /** Register that holds the return address, 14 on ARM. */
  readonly returnRegister: number;
}

interface Common {
  readonly codeFactor: number;
  readonly dataFactor: number;
  readonly returnRegister: number;
  readonly program: ByteReader;
}

interface Entry {
  readonly address: number;
  readonly sizeBytes: number;
  readonly common: Common;
  readonly from: number;
  readonly to: number;
}

interface State {
  cfaRegister: number;
  cfaOffset: number;
  saved: Map<number, number>;
}

const COMMON = 0xffff_ffff;
/** States a program may keep on its stack; compilers keep one or two. */
const MAX_REMEMBERED = 64;

export class FrameTable {
  readonly #section: Uint8Array;
  readonly #what: string;
  /** Bounded by the section: an entry takes at least 12 bytes of it. */
  readonly #entries: readonly Entry[];

  private constructor(section: Uint8Array, what: string, entries: readonly Entry[]) {
    this.#section = section;
    this.#what = what;
    this.#entries = entries;
  }

  /** Reads `.debug_frame`; without one nothing is known. Throws `ERR_SPINN_FILE` when it is damaged. */
  static read(section: Uint8Array | undefined, what: string): FrameTable {
    if (section === undefined) return new FrameTable(new Uint8Array(), what, []);
    const commons = new Map<number, Common>();
    const entries: Entry[] = [];
    for (const reader = new ByteReader(section, what); !reader.done; ) {
      const start = reader.at;
      const part = reader.part(reader.u32());
      if (part.done) continue;
      const id = part.u32();
      if (id === COMMON) {
        const common = readCommon(part);
        if (common !== undefined) commons.set(start, common);
        continue;
      }
      const common = commons.get(id);
      if (common === undefined) continue;
      const [address, sizeBytes] = [part.u32(), part.u32()];
      entries.push({ address, sizeBytes, common, from: part.at, to: part.end });
    }
    return new FrameTable(section, what, entries);
  }

  /** The rule at an address, `undefined` where the compiler left none, or one that is computed rather than stated. */
  at(address: number): FrameRule | undefined {
    const entry = this.#entries.find((candidate) => address >= candidate.address && address < candidate.address + candidate.sizeBytes);
    if (entry === undefined) return undefined;
    const { common } = entry;
    const state: State = { cfaRegister: 13, cfaOffset: 0, saved: new Map() };
    const { program } = common;
    const first = new ByteReader(this.#section, this.#what, program.at, program.end);
    if (!execute(first, common, state, entry.address, Infinity, new Map())) return undefined;
    const own = new ByteReader(this.#section, this.#what, entry.from, entry.to);
    if (!execute(own, common, state, entry.address, address, new Map(state.saved))) return undefined;
    return { ...state, returnRegister: common.returnRegister };
  }
}

function readCommon(part: ByteReader): Common | undefined {
  const version = part.u8();
  // An augmentation changes what follows in ways of its own; ARM's compilers use none in this section.
  if (part.text() !== "") return undefined;
  if (version >= 4) part.skip(2);
  const [codeFactor, dataFactor] = [part.uleb(), part.sleb()];
  const returnRegister = version === 1 ? part.u8() : part.uleb();
  return { codeFactor, dataFactor, returnRegister, program: part };
}

/** Follows a program as far as `target`. False: it does something that has no place in a {@link FrameRule}. */
function execute(reader: ByteReader, common: Common, state: State, start: number, target: number, initial: Map<number, number>): boolean {
  let address = start;
  const remembered: State[] = [];
  const advance = (count: number): void => {
    address += count * common.codeFactor;
  };
  while (!reader.done && address <= target) {
    const byte = reader.u8();
    const low = byte & 0x3f;
    if (byte >> 6 === 1) advance(low);
    else if (byte >> 6 === 2) state.saved.set(low, reader.uleb() * common.dataFactor);
    else if (byte >> 6 === 3) restore(state, low, initial);
    else {
      switch (byte) {
        case 0x00:
          break;
        case 0x01:
          address = reader.u32();
          break;
        case 0x02:
          advance(reader.u8());
          break;
        case 0x03:
          advance(reader.u16());
          break;
        case 0x04:
          advance(reader.u32());
          break;
        case 0x05:
          state.saved.set(reader.uleb(), reader.uleb() * common.dataFactor);
          break;
        case 0x06:
          restore(state, reader.uleb(), initial);
          break;
        case 0x07: // undefined
        case 0x08: // the same value
          state.saved.delete(reader.uleb());
          break;
        case 0x0a:
          if (remembered.length >= MAX_REMEMBERED) return false;
          remembered.push({ ...state, saved: new Map(state.saved) });
          break;
        case 0x0b: {
          const before = remembered.pop();
          if (before === undefined) return false;
          Object.assign(state, before);
          break;
        }
        case 0x0c:
          state.cfaRegister = reader.uleb();
          state.cfaOffset = reader.uleb();
          break;
        case 0x0d:
          state.cfaRegister = reader.uleb();
          break;
        case 0x0e:
          state.cfaOffset = reader.uleb();
          break;
        case 0x11:
          state.saved.set(reader.uleb(), reader.sleb() * common.dataFactor);
          break;
        case 0x12:
          state.cfaRegister = reader.uleb();
          state.cfaOffset = reader.sleb() * common.dataFactor;
          break;
        case 0x13:
          state.cfaOffset = reader.sleb() * common.dataFactor;
          break;
        default:
          return false;
      }
    }
  }
  return true;
}

function restore(state: State, register: number, initial: Map<number, number>): void {
  const offset = initial.get(register);
  if (offset === undefined) state.saved.delete(register);
  else state.saved.set(register, offset);
}
