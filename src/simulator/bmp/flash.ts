import { crc32 } from "node:zlib";

const PAGE = 0x1000;

/** Flash memory that is all ones until written. Takes host memory for the pages written: at most `sizeBytes`. */
export class Flash {
  readonly sizeBytes: number;
  readonly #pages = new Map<number, Uint8Array>();

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  read(address: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length).fill(0xff);
    for (let i = 0; i < length; ) {
      const offset = (address + i) % PAGE;
      const count = Math.min(length - i, PAGE - offset);
      const page = this.#pages.get(address + i - offset);
      if (page !== undefined) bytes.set(page.subarray(offset, offset + count), i);
      i += count;
    }
    return bytes;
  }

  write(address: number, bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; ) {
      const offset = (address + i) % PAGE;
      const start = address + i - offset;
      const count = Math.min(bytes.length - i, PAGE - offset);
      let page = this.#pages.get(start);
      if (page === undefined && start + PAGE <= this.sizeBytes) {
        page = new Uint8Array(PAGE).fill(0xff);
        this.#pages.set(start, page);
      }
      page?.set(bytes.subarray(i, i + count), offset);
      i += count;
    }
  }

  /** Erases the pages that begin inside [start, end). */
  erase(start: number, end: number): void {
    for (let at = start - (start % PAGE); at < end; at += PAGE) this.#pages.delete(at);
  }

  /** Ordinary CRC-32 of a range. Ranges beyond the memory end with it. */
  crc(address: number, length: number): number {
    const end = Math.min(address + length, this.sizeBytes);
    let crc = 0;
    for (let at = address; at < end; at += PAGE) crc = crc32(this.read(at, Math.min(PAGE, end - at)), crc);
    return crc;
  }
}
