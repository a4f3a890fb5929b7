import { type ReturnCode, SCP_REPLY_OFFSET, SCP_REQUEST_OFFSET } from "../wire/index.js";
import type { Chip } from "./chip.js";
import type { System } from "./system.js";

/** What a command answers: a code alone, a datagram made by {@link ScpCall.reply}, or nothing yet (it will call {@link ScpCall.finish}). */
export type ScpAnswer = ReturnCode | Uint8Array | undefined;

/** A command of the monitor. */
export type ScpHandler = (call: ScpCall) => ScpAnswer;

/** A request to the monitor of a chip, as the commands see it. */
export class ScpCall {
  readonly system: System;
  readonly chip: Chip;
  /** The whole datagram, pad included. */
  readonly bytes: Uint8Array;
  /** Code of a reply with data; commands that answer an error with data set it. */
  code = 0x80;
  readonly #finish: (call: ScpCall, answer: ScpAnswer, mask: boolean) => void;

  constructor(system: System, chip: Chip, bytes: Uint8Array, finish: (call: ScpCall, answer: ScpAnswer, mask: boolean) => void) {
    this.system = system;
    this.chip = chip;
    this.bytes = bytes;
    this.#finish = finish;
  }

  get command(): number {
    return this.bytes[10]! | (this.bytes[11]! << 8);
  }

  get arg1(): number {
    return word(this.bytes, 14);
  }

  get arg2(): number {
    return word(this.bytes, 18);
  }

  get arg3(): number {
    return word(this.bytes, 22);
  }

  /** Data bytes behind the arguments. */
  get data(): Uint8Array {
    return this.bytes.subarray(SCP_REQUEST_OFFSET);
  }

  /** A reply datagram with room for `length` bytes of payload at offset 14. The dispatcher fills in the header. The payload is not cleared. */
  reply(length: number): Uint8Array {
    return Buffer.allocUnsafe(SCP_REPLY_OFFSET + length);
  }

  /** A reply of words. */
  words(...values: number[]): Uint8Array {
    const reply = this.reply(4 * values.length);
    const view = new DataView(reply.buffer, reply.byteOffset, reply.length);
    for (const [i, value] of values.entries()) view.setUint32(SCP_REPLY_OFFSET + 4 * i, value >>> 0, true);
    return reply;
  }

  /** Sends the answer of a command that returned `undefined`. `mask`: as if it had answered at once, errors masked by 4.0.0. */
  finish(answer: ScpAnswer, mask: boolean): void {
    this.#finish(this, answer, mask);
  }
}

export function word(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0;
}
