import type { Clock } from "./clock.js";

/** Flags of a tag (spinnaker_tools `scamp/scamp.h`). */
export const TagFlag = { IN_USE: 0x8000, TRANSIENT: 0x4000, ARP: 0x2000, USE_SENDER: 0x0400, REVERSE: 0x0200, STRIP: 0x0100 } as const;

export const FIXED_TAGS = 8;
export const TAG_COUNT = 16;
/** Tags lent to requests until their reply leaves. */
export const TRANSIENT_TAGS = TAG_COUNT - FIXED_TAGS;
export const TAG_ENTRY_SIZE = 32;
const TICK_MS = 10;

/** One IP tag: where SDP messages that carry its number leave to, and what comes in through it. */
export interface Tag {
  flags: number;
  /** Dotted form. */
  ip: string;
  port: number;
  /** `clock.now()` at which it ends, Infinity for never. */
  until: number;
  sent: number;
  rxPort: number;
  destination: number;
  destinationPort: number;
}

/** The 16 tags of an Ethernet chip: 0-7 set by number, 8-15 lent to requests until their reply leaves. Source: spinnaker_tools `scamp/scamp-3.c`. */
export class Tags {
  readonly entries: readonly Tag[] = Array.from({ length: TAG_COUNT }, () => ({
    flags: 0,
    ip: "0.0.0.0",
    port: 0,
    until: Number.POSITIVE_INFINITY,
    sent: 0,
    rxPort: 0,
    destination: 0,
    destinationPort: 0,
  }));
  /** Code of the time after which a lent tag is taken back: 2^(code-1) ticks of 10 ms. */
  transientCode = 9;
  /** How many tags are lent at most; fewer than the firmware has is a fault. */
  transientCount = TRANSIENT_TAGS;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Lends a transient tag to a request; `undefined` when all are out. */
  lend(ip: string, port: number): number | undefined {
    for (let index = FIXED_TAGS; index < FIXED_TAGS + this.transientCount; index += 1) {
      const tag = this.entries[index]!;
      if (this.#isFree(tag)) {
        tag.flags = TagFlag.IN_USE | TagFlag.TRANSIENT;
        tag.ip = ip;
        tag.port = port;
        tag.until = this.#clock.now() + timeoutTicks(this.transientCode) * TICK_MS;
        return index;
      }
    }
    return undefined;
  }

  /** The tag, when it is in use and its time has not run out. */
  find(index: number): Tag | undefined {
    const tag = this.entries[index];
    if (tag === undefined || this.#isFree(tag)) return undefined;
    return tag;
  }

  /** First free tag of the pool, for op NEW. */
  firstFree(): number | undefined {
    for (let index = FIXED_TAGS; index < TAG_COUNT; index += 1) if (this.#isFree(this.entries[index]!)) return index;
    return undefined;
  }

  /** Gives back a lent tag when its reply has left. */
  release(index: number): void {
    const tag = this.entries[index];
    if (tag !== undefined && tag.flags & TagFlag.TRANSIENT) tag.flags = 0;
  }

  set(index: number, values: Omit<Tag, "until" | "sent">, timeoutCode: number): void {
    const ticks = timeoutTicks(timeoutCode);
    // The firmware ORs the ticks into the flags: codes from 9 on switch on other flags. Its own words: use 0.
    const until = ticks === 0 ? Number.POSITIVE_INFINITY : this.#clock.now() + ticks * TICK_MS;
    Object.assign(this.entries[index]!, values, { flags: (values.flags | TagFlag.IN_USE | ticks) & 0xffff, until, sent: 0 });
  }

  clear(index: number): void {
    this.entries[index]!.flags = 0;
  }

  /** The tag's 32 bytes as op GET shows them. */
  write(index: number, target: Uint8Array, at: number): void {
    const tag = this.entries[index]!;
    const view = new DataView(target.buffer, target.byteOffset + at, TAG_ENTRY_SIZE);
    const free = this.#isFree(tag);
    const left = Number.isFinite(tag.until) && !free ? Math.ceil((tag.until - this.#clock.now()) / TICK_MS) : 0;
    target.set(octets(tag.ip), at);
    // Hosts on the board's own network are known at once; the simulated network is one machine.
    if (!free) target.set([2, 0, ...octets(tag.ip)], at + 4);
    view.setUint16(10, tag.port, true);
    view.setUint16(12, Math.min(left, 0xffff), true);
    view.setUint16(14, free ? 0 : tag.flags, true);
    view.setUint32(16, tag.sent, true);
    view.setUint16(20, tag.rxPort, true);
    view.setUint16(22, tag.destination, true);
    view.setUint8(24, tag.destinationPort);
  }

  #isFree(tag: Tag): boolean {
    return (tag.flags & TagFlag.IN_USE) === 0 || this.#clock.now() >= tag.until;
  }
}

function timeoutTicks(code: number): number {
  return code === 0 ? 0 : 2 ** (code - 1);
}

/** The four numbers of a dotted address. */
export function octets(ip: string): number[] {
  return ip.split(".").map(Number);
}
