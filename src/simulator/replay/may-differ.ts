import { CORE_COUNT, IOBUF_BLOCK, SV, VCPU, VCPU_BASE, VCPU_SIZE } from "../../machine/index.js";
import { Command, SCP_REPLY_OFFSET } from "../../wire/index.js";
import { word } from "../scp-call.js";
import type { TargetKind } from "./session.js";

/** Bytes of an answer, [from, to). */
type Range = readonly [from: number, to: number];

/** Members of answers that differ from machine to machine and from run to run, though both are right. Told in every report. */
export const MAY_DIFFER = [
  "the two pad bytes, and the number of the transient tag",
  "VER: build time",
  "READ, LINK_READ: clocks, boot time, random seed and IP address of the system variables; start times of cores",
  "READ: time of the first character of a block of text output",
  "INFO: IP address of the chip",
  "IPTAG get: addresses, ports, time left, count",
  "SROM: the block of network settings",
  "BMP_INFO: serial numbers (0), EEPROM (1), readings (3), addresses (4), up-time (5)",
] as const;

const SROM_SETTINGS = 0x2c;
/** From the buffered view of SysRAM to the unbuffered one. */
const UNBUFFERED = 0x10000000;
const MEMORY = memoryRanges();

/** Blocks of text output, found as a host finds them: from the block of a core to the first, from each to the next. */
export class TextBlocks {
  /** Addresses; bounded by the answers of the session. */
  readonly #known = new Set<number>();

  /** Learns from a recorded answer; gives where in it the times of blocks are. */
  ranges(request: Uint8Array, answer: Uint8Array): Range[] {
    const command = request.length < 26 ? undefined : request[10]! | (request[11]! << 8);
    if (command !== Command.READ || answer.length <= SCP_REPLY_OFFSET) return [];
    const address = systemRam(word(request, 14));
    const end = address + answer.length - SCP_REPLY_OFFSET;
    const learn = (at: number): void => {
      if (at < address || at + 4 > end) return;
      const block = word(answer, SCP_REPLY_OFFSET + at - address);
      if (block !== 0) this.#known.add(block);
    };
    if (address >= VCPU_BASE && address < VCPU_BASE + CORE_COUNT * VCPU_SIZE)
      for (let p = 0; p < CORE_COUNT; p += 1) learn(VCPU_BASE + VCPU_SIZE * p + VCPU.field("iobuf").offset);
    if (!this.#known.has(address)) return [];
    learn(address + IOBUF_BLOCK.field("next").offset);
    const from = IOBUF_BLOCK.field("time").offset;
    return [[SCP_REPLY_OFFSET + from, SCP_REPLY_OFFSET + IOBUF_BLOCK.field("length").offset]];
  }
}

/** Where the answer to a request may differ: {@link MAY_DIFFER} in bytes. */
export function mayDiffer(request: Uint8Array, answer: Uint8Array, kind: TargetKind): Range[] {
  const ranges: Range[] = [[0, 2]];
  if (answer[3]! >= 8 && answer[3]! < 16) ranges.push([3, 4]);
  if (request.length < 26 || request[4]! >>> 5 !== 0) return ranges;
  const command = request[10]! | (request[11]! << 8);
  const [arg1, arg2] = [word(request, 14), word(request, 18)];
  const at = (from: number, to: number): number => ranges.push([SCP_REPLY_OFFSET + from, SCP_REPLY_OFFSET + to]);
  switch (command) {
    case Command.VER:
      at(8, 12);
      break;
    case Command.READ:
    case Command.LINK_READ:
      if (kind === "board") for (const [from, to] of MEMORY) at(from - systemRam(arg1), to - systemRam(arg1));
      break;
    case Command.INFO:
      at(32, 36);
      break;
    case Command.IPTAG:
      if (((arg1 >>> 16) & 0xff) === 2) for (let tag = 0; tag < arg2 && tag < 16; tag += 1) tagRanges(at, tag, kind);
      break;
    case Command.SROM:
      at(0, SROM_SETTINGS - (arg2 & 0x7fff));
      break;
    case Command.BMP_INFO:
      if (arg1 !== 2) at(0, 256);
      break;
    default:
  }
  return ranges.map(([from, to]) => [Math.max(0, from), to] as const).filter(([from, to]) => to > from && from < answer.length);
}

/** IP, MAC, port, time left, in use, count of an entry; 32 bytes on a board, 24 on a BMP. */
function tagRanges(at: (from: number, to: number) => number, tag: number, kind: TargetKind): void {
  const begin = tag * (kind === "bmp" ? 24 : 32);
  at(begin, begin + 14);
  at(begin + 16, begin + 20);
}

function systemRam(address: number): number {
  return address >= 0xf5000000 && address < 0xf5008000 ? address - UNBUFFERED : address;
}

function memoryRanges(): Range[] {
  const field = (base: number, layout: typeof SV, name: string): Range => {
    const { offset, sizeBytes } = layout.field(name);
    return [base + offset, base + offset + sizeBytes];
  };
  const sv = ["clock_ms", "time_ms", "unix_time", "tp_timer", "clock_drift", "random", "boot_sig", "ip_addr"];
  const base = systemRam(SV.base!);
  const starts = Array.from({ length: CORE_COUNT }, (_, p) => field(VCPU_BASE + VCPU_SIZE * p, VCPU, "time"));
  return [...sv.map((name) => field(base, SV, name)), ...starts];
}
