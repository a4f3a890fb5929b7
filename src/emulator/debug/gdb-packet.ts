/** Packets of gdb's remote serial protocol: `$`, contents, `#`, two digits of checksum. Source: the GDB manual, appendix E. */

/** Longest packet either side may send, bytes; told to gdb as PacketSize. */
export const MAX_PACKET = 0x4000;

/** What a stream of bytes brings. */
export type GdbEvent =
  | { readonly kind: "packet"; readonly content: string }
  /** Ctrl-C. */
  | { readonly kind: "interrupt" }
  /** A packet that came damaged, or the other side asks for our last one again. */
  | { readonly kind: "damaged" | "again" }
  /** More bytes than any packet has. */
  | { readonly kind: "overlong" };

/** A packet ready to be sent. `content` holds bytes as Latin-1. */
export function encodePacket(content: string): string {
  const escaped = content.replace(/[#$}*]/g, (letter) => `}${String.fromCharCode(letter.charCodeAt(0) ^ 0x20)}`);
  return `$${escaped}#${checksum(escaped)}`;
}

/** Cuts a stream into packets; keeps no more than one packet's bytes. */
export class PacketReader {
  #pending = "";

  /** `bytes` as Latin-1. */
  feed(bytes: string): GdbEvent[] {
    const events: GdbEvent[] = [];
    this.#pending += bytes;
    while (this.#pending !== "") {
      const [first] = this.#pending;
      if (first !== "$") {
        this.#pending = this.#pending.slice(1);
        if (first === "\x03") events.push({ kind: "interrupt" });
        else if (first === "-") events.push({ kind: "again" });
        continue;
      }
      const end = this.#pending.indexOf("#");
      if (end < 0 || end + 3 > this.#pending.length) break;
      const body = this.#pending.slice(1, end);
      const sum = this.#pending.slice(end + 1, end + 3).toLowerCase();
      this.#pending = this.#pending.slice(end + 3);
      if (body.length > MAX_PACKET) events.push({ kind: "overlong" });
      else if (sum !== checksum(body)) events.push({ kind: "damaged" });
      else events.push({ kind: "packet", content: withoutEscapes(body) });
    }
    if (this.#pending.length > MAX_PACKET + 4) {
      this.#pending = "";
      events.push({ kind: "overlong" });
    }
    return events;
  }
}

export function toHex(bytes: Iterable<number>): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** `undefined` for what is not an even number of hexadecimal digits. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return Uint8Array.from({ length: text.length / 2 }, (_, index) => Number.parseInt(text.slice(2 * index, 2 * index + 2), 16));
}

function checksum(text: string): string {
  let sum = 0;
  for (let index = 0; index < text.length; index++) sum = (sum + text.charCodeAt(index)) & 0xff;
  return sum.toString(16).padStart(2, "0");
}

function withoutEscapes(body: string): string {
  return body.replace(/\}([\s\S])/g, (_, letter: string) => String.fromCharCode(letter.charCodeAt(0) ^ 0x20));
}
