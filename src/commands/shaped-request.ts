import { commandName, type ScpRequest } from "../wire/index.js";
import { type Target, targetWords } from "./target.js";

/** What all requests of one kind have in common: built once per kind, shared by its requests. */
export interface RequestShape<T> {
  readonly repeatable: boolean;
  readonly minReply: number;
  readonly maxReply: number;
  /** Unit ms, see `ScpRequest.slowMs`. */
  readonly slowMs?: number | undefined;
  readonly acceptedCodes?: readonly number[] | undefined;
  decode(datagram: Uint8Array, returnCode: number): T;
}

/** The numbers that go out. Absent ones are 0. */
export interface RequestWords {
  readonly arg1?: number;
  readonly arg2?: number;
  readonly arg3?: number;
  readonly data?: Uint8Array | undefined;
}

/** A request off the packet path: READ and WRITE have classes of their own, everything else is one of these. */
export class ShapedRequest<T> implements ScpRequest<T> {
  readonly command: number;
  readonly x: number;
  readonly y: number;
  readonly p: number;
  readonly arg1: number;
  readonly arg2: number;
  readonly arg3: number;
  readonly data: Uint8Array | undefined;
  readonly #shape: RequestShape<T>;
  readonly #words: string;

  /** `words` describes the request without command and place: `0x60240000 for app 30`. */
  constructor(shape: RequestShape<T>, command: number, target: Target, fields: RequestWords, words: string) {
    this.command = command;
    this.x = target.x;
    this.y = target.y;
    this.p = target.p ?? 0;
    this.arg1 = (fields.arg1 ?? 0) >>> 0;
    this.arg2 = (fields.arg2 ?? 0) >>> 0;
    this.arg3 = (fields.arg3 ?? 0) >>> 0;
    this.data = fields.data;
    this.#shape = shape;
    this.#words = words;
  }

  get repeatable(): boolean {
    return this.#shape.repeatable;
  }

  get minReply(): number {
    return this.#shape.minReply;
  }

  get maxReply(): number {
    return this.#shape.maxReply;
  }

  get slowMs(): number | undefined {
    return this.#shape.slowMs;
  }

  get acceptedCodes(): readonly number[] | undefined {
    return this.#shape.acceptedCodes;
  }

  decode(datagram: Uint8Array, returnCode: number): T {
    return this.#shape.decode(datagram, returnCode);
  }

  describe(): string {
    const words = this.#words === "" ? "" : ` ${this.#words}`;
    return `${commandName(this.command)}${words} on ${this.place()}`;
  }

  /** Where the request goes, in words. */
  protected place(): string {
    return targetWords(this.x, this.y, this.p);
  }
}

/** Nothing comes back but the return code, and executing it twice leaves what executing it once leaves. */
export const EMPTY_REPEATABLE: RequestShape<void> = { repeatable: true, minReply: 0, maxReply: 0, decode: () => undefined };

/** Nothing comes back but the return code, and executing it twice does something else than executing it once. */
export const EMPTY_ONCE: RequestShape<void> = { ...EMPTY_REPEATABLE, repeatable: false };

/** One word comes back. */
export function wordShape<T>(repeatable: boolean, read: (word: number) => T): RequestShape<T> {
  return { repeatable, minReply: 4, maxReply: 4, decode: (datagram) => read(replyWord(datagram, 0)) };
}

/** Little-endian word at payload offset `offset` of a reply datagram; the caller has checked the length. */
export function replyWord(datagram: Uint8Array, offset: number): number {
  return replyView(datagram).getUint32(offset, true);
}

/** View of a reply's payload. */
export function replyView(datagram: Uint8Array): DataView {
  return new DataView(datagram.buffer, datagram.byteOffset + 14, datagram.length - 14);
}

/** A copy of a reply's payload: the datagram's buffer may be far larger than its bytes. */
export function replyBytes(datagram: Uint8Array): Uint8Array {
  return new Uint8Array(datagram.subarray(14));
}
